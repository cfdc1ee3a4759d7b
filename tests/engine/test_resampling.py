import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nnunetv2.preprocessing.resampling.default_resampling import (
    compute_new_shape,
    determine_do_sep_z_and_axis,
    resample_data_or_seg_to_shape,
)

from aimi.engine.isotropic import bytes_of_resample_to, resample_to
from aimi.engine.resampling import (
    ResamplingRule,
    axis_matrix,
    linear_axis,
    new_shape,
    resample,
    separate_axis,
)

SIZES = st.integers(2, 20)
SHAPES = st.tuples(SIZES, SIZES, SIZES)
SPACINGS = st.sampled_from([(1.0, 1.0, 1.0), (5.0, 0.7, 0.8), (0.7, 5.0, 0.8), (0.9, 0.8, 4.0), (1.0, 4.0, 4.0)])
FLOAT32_ROUNDING = 2.0**-22  # half a unit each for their result and ours, of values up to 4


@settings(deadline=None, max_examples=60)
@given(SHAPES, SHAPES, SPACINGS, SPACINGS, st.sampled_from([0, 1, 3]))
def test_resampling_gives_the_numbers_of_nnunet(
    shape: tuple[int, int, int],
    target: tuple[int, int, int],
    spacing: tuple[float, float, float],
    target_spacing: tuple[float, float, float],
    order: int,
) -> None:
    array = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    theirs = resample_data_or_seg_to_shape(
        array[None], target, spacing, target_spacing, order=order, order_z=0, force_separate_z=None
    )[0]
    rule = ResamplingRule(order=order)
    ours = resample(array, target, rule, separate_axis(spacing, target_spacing, rule))
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=FLOAT32_ROUNDING)


def test_long_axes_are_resampled_with_the_same_numbers() -> None:
    array = np.random.default_rng(0).normal(size=(3, 150, 200)).astype(np.float32)
    theirs = resample_data_or_seg_to_shape(array[None], (5, 90, 260), (1, 1, 1), (1, 1, 1), order=3)[0]
    ours = resample(array, (5, 90, 260), ResamplingRule(order=3), None)
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=FLOAT32_ROUNDING)


@pytest.mark.parametrize("force", [None, True, False])
@given(SPACINGS, SPACINGS)
def test_separate_axis_is_that_of_nnunet(
    force: bool | None, spacing: tuple[float, float, float], target: tuple[float, float, float]
) -> None:
    do_separate, axis = determine_do_sep_z_and_axis(force, spacing, target)
    expected = axis if do_separate else None
    assert separate_axis(spacing, target, ResamplingRule(order=3, separate_z=force)) == expected


@given(SHAPES, SPACINGS, SPACINGS)
def test_new_shape_is_that_of_nnunet(
    shape: tuple[int, int, int], spacing: tuple[float, float, float], target: tuple[float, float, float]
) -> None:
    assert new_shape(shape, spacing, target) == tuple(compute_new_shape(shape, spacing, target))


@given(st.integers(2, 40), st.integers(1, 60))
def test_linear_axis_is_the_matrix_of_order_one(count_in: int, count_out: int) -> None:
    axis = linear_axis(count_in, count_out)
    values = np.random.default_rng(0).normal(size=count_in)
    interpolated = values[axis.lower] * (1 - axis.weight) + values[axis.upper] * axis.weight
    np.testing.assert_allclose(interpolated, axis_matrix(count_in, count_out, 1) @ values, atol=1e-6)


def test_constant_stays_constant() -> None:
    array = np.full((5, 9, 7), 3.25, np.float32)
    np.testing.assert_array_equal(resample(array, (8, 5, 11), ResamplingRule(order=3), None), np.float32(3.25))


def test_same_shape_is_left_alone() -> None:
    array = np.ones((3, 4, 5), np.float32)
    assert resample(array, (3, 4, 5), ResamplingRule(order=3), None) is array


def test_second_order_along_a_separate_axis_is_that_of_nnunet() -> None:
    array = np.random.default_rng(0).normal(size=(9, 12, 14)).astype(np.float32)
    arguments = {"order": 3, "order_z": 1, "force_separate_z": None}
    theirs = resample_data_or_seg_to_shape(array[None], (13, 7, 16), (5, 1, 1), (4, 1, 1), **arguments)[0]
    ours = resample(array, (13, 7, 16), ResamplingRule(order=3, order_z=1), 0)
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=FLOAT32_ROUNDING)


@pytest.mark.parametrize("order", [1, 3])
@pytest.mark.parametrize("shape", [(60, 40, 40), (30, 120, 110), (20, 64, 64)])
def test_memory_of_resampling_to_one_spacing_is_what_is_measured(shape: tuple[int, int, int], order: int) -> None:
    array = np.random.default_rng(0).normal(scale=500, size=(40, 64, 64)).astype(np.float32)
    resample_to(array, shape, order)  # matrices are kept
    tracemalloc.start()
    resample_to(array, shape, order)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert bytes_of_resample_to(array.shape, shape, order) == pytest.approx(peak, rel=0.02)
