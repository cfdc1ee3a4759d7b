import math
import tracemalloc
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nnunetv2.preprocessing.resampling.default_resampling import resample_data_or_seg_to_shape

from aimi.engine.export import bytes_of_whole, export_labels, pick_labels, support
from aimi.engine.plans import Architecture, Family, Plans
from aimi.engine.preprocessing import Geometry
from aimi.engine.resampling import ResamplingRule

LENGTHS = st.integers(2, 16)
SHAPES = st.tuples(LENGTHS, LENGTHS, LENGTHS)
SPACINGS = st.sampled_from([(1.0, 1.0, 1.0), (5.0, 1.0, 1.0), (1.0, 5.0, 1.0), (1.0, 1.0, 4.0)])
CELL = (1, 1, 1)


def make_plans(
    spacing: tuple[float, float, float] = (1.0, 1.0, 1.0), regions: tuple[int, ...] | None = None, order: int = 1
) -> Plans:
    architecture = Architecture(Family.PLAIN, (1, 1), (CELL, CELL), (CELL, CELL), (1, 1), (1,), True, None, False, None)
    rule = ResamplingRule(order=order)
    return Plans(2, 1, 3, regions, (0, 1, 2), CELL, spacing, (), rule, rule, (), architecture)


def make_geometry(
    shape: tuple[int, int, int], network_shape: Sequence[int], spacing: tuple[float, float, float] = (1.0, 1.0, 1.0)
) -> Geometry:
    box = (slice(0, shape[0]), slice(0, shape[1]), slice(0, shape[2]))
    return Geometry(shape, box, spacing, (network_shape[0], network_shape[1], network_shape[2]))


def make_outputs(shape: tuple[int, int, int], share: float, seed: int = 0) -> npt.NDArray[np.float32]:
    """Give outputs of three classes of which the first wins in all but a share of voxels."""
    rng = np.random.default_rng(seed)
    outputs = rng.normal(size=(3, *shape)).astype(np.float32)
    outputs[0] += 10 * (rng.random(shape) > share)
    return outputs


@settings(deadline=None, max_examples=80)
@given(SHAPES, SHAPES, SPACINGS, SPACINGS, st.sampled_from([0.0, 0.01, 0.2, 1.0]))
def test_labels_are_the_largest_of_all_outputs_resampled_whole(
    network_shape: tuple[int, int, int],
    shape: tuple[int, int, int],
    network_spacing: tuple[float, float, float],
    spacing: tuple[float, float, float],
    share: float,
) -> None:
    outputs = make_outputs(network_shape, share)
    whole = resample_data_or_seg_to_shape(
        outputs, shape, network_spacing, spacing, order=1, order_z=0, force_separate_z=None
    )
    two = np.sort(whole, axis=0)[-2:]
    ours = export_labels(outputs, make_geometry(shape, network_shape, spacing), make_plans(network_spacing))
    assert not ((ours != whole.argmax(0)) & (two[1] - two[0] > 1e-5)).any()


@settings(deadline=None, max_examples=40)
@given(SHAPES, SHAPES, st.floats(-3, 1))
def test_regions_paint_over_one_another_in_order(
    network_shape: tuple[int, int, int], shape: tuple[int, int, int], offset: float
) -> None:
    outputs = np.random.default_rng(1).normal(loc=offset, size=(3, *network_shape)).astype(np.float32)
    whole = resample_data_or_seg_to_shape(outputs, shape, CELL, CELL, order=1, force_separate_z=None)
    expected = np.zeros(shape)
    for output, label in zip(whole, (3, 1, 2), strict=True):
        expected[output > 0] = label
    ours = export_labels(outputs, make_geometry(shape, network_shape), make_plans(regions=(3, 1, 2)))
    assert not ((ours != expected) & (np.abs(whole).min(axis=0) > 1e-5)).any()


@pytest.mark.parametrize("regions", [None, (3, 1, 2)])
def test_order_three_is_resampled_whole(regions: tuple[int, ...] | None) -> None:
    outputs = np.random.default_rng(2).normal(size=(3, 5, 9, 7)).astype(np.float32)
    plans = make_plans(order=3, regions=regions)
    whole = resample_data_or_seg_to_shape(outputs, (8, 12, 9), CELL, CELL, order=3, force_separate_z=None)
    ours = export_labels(outputs, make_geometry((8, 12, 9), (5, 9, 7)), plans)
    np.testing.assert_array_equal(ours, pick_labels(whole, plans))


WIDE_APART = {None: CELL, 0: (5.0, 1.0, 1.0), 2: (1.0, 1.0, 5.0)}


@pytest.mark.parametrize("regions", [None, (3, 1, 2)])
@pytest.mark.parametrize("order_z", [0, 1])
@pytest.mark.parametrize("separate", WIDE_APART)
def test_memory_of_whole_outputs_is_what_is_measured(
    regions: tuple[int, ...] | None, order_z: int, separate: int | None
) -> None:
    spacing, shape = WIDE_APART[separate], (60, 80, 80)
    plans = replace(make_plans(spacing, regions), result_rule=ResamplingRule(order=3, order_z=order_z))
    geometry = make_geometry(shape, (40, 64, 64), spacing)
    outputs = make_outputs((40, 64, 64), 0.2)
    export_labels(outputs, geometry, plans)  # matrices are kept
    tracemalloc.start()
    export_labels(outputs, geometry, plans)
    peak = tracemalloc.get_traced_memory()[1] - math.prod(shape)  # the labels
    tracemalloc.stop()
    assert bytes_of_whole(geometry, plans) == pytest.approx(peak, rel=0.01)


def test_linear_export_takes_nothing_worth_counting_beside() -> None:
    assert bytes_of_whole(make_geometry((60, 80, 80), (40, 64, 64)), make_plans()) == 0
    assert bytes_of_whole(make_geometry((60, 80, 80), (60, 80, 80)), make_plans(order=3)) == 0


def test_finding_of_one_network_plane_spreads_to_both_sides() -> None:
    outputs = np.zeros((3, 3, 4, 4), np.float32)
    outputs[0] = 1
    outputs[1, 1, 2, 2] = 9
    whole = resample_data_or_seg_to_shape(outputs, (12, 4, 4), CELL, CELL, order=1, force_separate_z=None)
    labels = export_labels(outputs, make_geometry((12, 4, 4), (3, 4, 4)), make_plans())
    np.testing.assert_array_equal(labels, whole.argmax(axis=0))
    assert len(np.flatnonzero(labels[:, 2, 2])) > 4


def test_equal_outputs_are_the_first_label() -> None:
    outputs = np.ones((3, 2, 2, 2), np.float32)
    assert not pick_labels(outputs, make_plans()).any()


def test_cropped_border_is_background() -> None:
    outputs = np.zeros((3, 4, 4, 4), np.float32)
    outputs[2] = 1
    box = (slice(1, 5), slice(0, 4), slice(2, 6))
    labels = export_labels(outputs, Geometry((6, 6, 6), box, (1, 1, 1), (4, 4, 4)), make_plans())
    assert labels[box].all()
    assert (labels == 2).sum() == 64


def test_labels_come_back_in_the_axes_of_the_image() -> None:
    outputs = make_outputs((3, 4, 5), 1.0)
    plans = replace(make_plans(), transpose=(2, 0, 1))
    labels = export_labels(outputs, make_geometry((3, 4, 5), (3, 4, 5)), plans)
    np.testing.assert_array_equal(labels.transpose(2, 0, 1), outputs.argmax(0))


@pytest.mark.parametrize("order_z", [0, 1, 3])
@settings(deadline=None, max_examples=50)
@given(SHAPES, SHAPES, SPACINGS, st.integers(0, 99))
def test_labels_of_a_region_depend_on_its_support_only(
    order_z: int,
    network_shape: tuple[int, int, int],
    shape: tuple[int, int, int],
    spacing: tuple[float, float, float],
    seed: int,
) -> None:
    outputs, rng = make_outputs(network_shape, 0.5), np.random.default_rng(seed)
    region = rng.random(shape) < 0.02
    plans = replace(make_plans(spacing), result_rule=ResamplingRule(order=1, order_z=order_z))
    geometry = make_geometry(shape, network_shape)
    changed = np.where(support(region, geometry, plans), outputs, rng.normal(size=outputs.shape)).astype(np.float32)
    before, after = (export_labels(values, geometry, plans) for values in (outputs, changed))
    np.testing.assert_array_equal(after[region], before[region])
