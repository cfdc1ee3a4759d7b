"""Measures against formulas and naive references."""

from itertools import combinations, permutations

import highdicom as hd
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage
from scipy.spatial.transform import Rotation

from aimi import regions
from aimi.image import Code, LabelMap, Segment, patient_axes
from aimi.measure import FINDING_LIMIT, Finding, findings, left_out, measure

TISSUE = Code("85756007", "SCT", "Tissue")
AXIAL = np.array([[0.0, 0.0, 1.0], [0.0, 1.0, 0.0], [1.0, 0.0, 0.0]])


def make_labels(
    array: npt.NDArray[np.generic],
    spacing: tuple[float, float, float] = (1.0, 1.0, 1.0),
    direction: npt.NDArray[np.float64] = AXIAL,
    origin: tuple[float, float, float] = (0.0, 0.0, 0.0),
) -> LabelMap:
    """Give a label map whose array axes run along the columns of ``direction``."""
    affine = np.eye(4)
    affine[:3, :3] = direction * spacing
    affine[:3, 3] = origin
    segments = tuple(
        Segment(n, f"Segment {n}", "", TISSUE, TISSUE, (255, 0, 0)) for n in range(1, max(int(array.max()), 1) + 1)
    )
    volume = hd.Volume(array.astype(np.uint8), affine, coordinate_system="PATIENT")
    return LabelMap(volume, segments, source=None)


def make_ball(labels: LabelMap, center: npt.NDArray[np.float64], radius: float) -> LabelMap:
    """Give the label map with a ball of label 1 at a patient position."""
    indices = np.indices(labels.labels.shape).reshape(3, -1)
    affine = labels.volume.affine
    points = affine[:3, :3] @ indices + affine[:3, 3:]
    inside = np.linalg.norm(points - center[:, None], axis=0) <= radius
    return labels.with_labels(inside.reshape(labels.labels.shape).astype(np.uint8))


def only_finding(labels: LabelMap) -> Finding:
    (segment,) = measure(labels)
    (finding,) = segment.findings
    return finding


@pytest.mark.parametrize("seed", range(6))
def test_a_sphere_in_anisotropic_oblique_voxels_has_the_volume_of_the_formula(seed: int) -> None:
    turn = Rotation.random(rng=np.random.default_rng(seed)).as_matrix()
    empty = make_labels(np.zeros((40, 70, 60)), (2.5, 1.1, 1.4), turn, (12.0, -40.0, 7.0))
    center = empty.volume.affine[:3] @ [19.3, 35.2, 30.7, 1.0]
    finding = only_finding(make_ball(empty, center, 30.0))
    assert finding.volume_ml == pytest.approx(4 / 3 * np.pi * 27.0, rel=0.02)
    assert finding.equivalent_diameter_mm == pytest.approx(60.0, rel=0.01)
    assert finding.diameter_mm == pytest.approx(60.0, abs=2.5)
    assert finding.spread.centroid == pytest.approx(tuple(center), abs=0.1)
    assert not finding.spread.truncated


def test_a_box_is_measured_by_its_sides() -> None:
    array = np.zeros((9, 20, 20))
    array[2:5, 4:10, 3:12] = 1
    labels = make_labels(array, (5.0, 0.8, 0.5), origin=(100.0, -50.0, 20.0))
    (segment,) = measure(labels)
    assert segment.voxels == 162
    assert segment.volume_ml == pytest.approx(0.324)
    assert segment.spread is not None
    assert segment.spread.extent_mm == pytest.approx((15.0, 4.8, 4.5))
    assert (segment.spread.first_slice, segment.spread.last_slice) == (2, 4)
    assert segment.spread.centroid == pytest.approx((103.5, -44.8, 35.0))


def test_the_axial_diameter_of_a_row_is_its_length() -> None:
    array = np.zeros((5, 20, 20))
    array[2, 3, 4:14] = 1
    finding = only_finding(make_labels(array, (5.0, 0.7, 0.7)))
    assert finding.axial_diameter_mm == pytest.approx(7.0)
    assert finding.diameter_mm == pytest.approx(7.0)


def test_the_axial_diameter_ignores_the_slices_above_and_the_other_one_does_not() -> None:
    array = np.zeros((8, 9, 9))
    array[1:7, 4, 4] = 1
    finding = only_finding(make_labels(array, (3.0, 0.6, 0.6)))
    assert finding.axial_diameter_mm == pytest.approx(0.6)
    assert finding.diameter_mm == pytest.approx(18.0)


def test_a_sagittal_volume_is_measured_in_the_axial_plane() -> None:
    sagittal = np.array([[1.0, 0.0, 0.0], [0.0, 0.0, 1.0], [0.0, -1.0, 0.0]])  # slices L, rows down, columns back
    array = np.zeros((6, 30, 30))
    array[2:4, 5:25, 10:14] = 1  # 20 rows high
    finding = only_finding(make_labels(array, (4.0, 1.0, 1.0), sagittal))
    distance = np.hypot(4.0, 3.0)
    assert finding.axial_diameter_mm == pytest.approx(distance + np.hypot(4.0 * 4.0, 3.0 * 1.0) / distance)


@given(seed=st.integers(0, 2**32), shape=st.tuples(*[st.integers(1, 6)] * 3), density=st.sampled_from([0.3, 0.6, 0.9]))
@settings(deadline=None, max_examples=60)
def test_diameters_equal_the_naive_search_over_all_pairs(
    seed: int, shape: tuple[int, int, int], density: float
) -> None:
    mask = np.random.default_rng(seed).random(shape) < density
    spacing = (2.5, 0.7, 0.7)
    labels = make_labels(mask, spacing)
    for component in regions.components(mask, spacing):
        (finding,) = findings(labels, [component])
        points = np.argwhere(regions.paint([component], shape))
        pairs = list(combinations(points, 2))
        in_plane = [np.linalg.norm((p - q) * spacing) for p, q in pairs if p[0] == q[0]]
        assert finding.axial_diameter_mm == pytest.approx(max(in_plane, default=0.0) + 0.7)
        distances = [float(np.linalg.norm((p - q) * spacing)) for p, q in pairs]
        steps = [float(np.linalg.norm((p - q) * np.square(spacing))) for p, q in pairs]
        far = max(distances, default=0.0)
        longest = [step / far for step, d in zip(steps, distances, strict=True) if d > far - 1e-9]
        assert finding.diameter_mm == pytest.approx(far + max(longest, default=2.5))


def test_diameters_of_a_large_ragged_finding_equal_the_search_over_its_surface() -> None:
    noise = ndimage.gaussian_filter(np.random.default_rng(3).random((24, 90, 80)), 3)
    mask = regions.keep_largest(noise > np.quantile(noise, 0.7))
    labels = make_labels(mask, (2.0, 0.9, 0.9))
    surface = np.argwhere(mask & ~ndimage.binary_erosion(mask)) * (2.0, 0.9, 0.9)
    exact = max(float(np.linalg.norm(surface - point, axis=1).max()) for point in surface)
    assert exact + 0.9 <= only_finding(labels).diameter_mm <= exact + 2.0


def test_a_flat_oblique_finding_has_a_diameter() -> None:
    array = np.zeros((40, 40, 40))
    k, i = np.indices((40, 40))
    array[k, k, i] = 1
    finding = only_finding(make_labels(array))
    assert finding.diameter_mm == pytest.approx(39 * np.sqrt(3) + 1.0)
    assert finding.axial_diameter_mm == pytest.approx(40.0)


def test_segments_count_their_findings_and_take_the_largest_diameter_of_any() -> None:
    array = np.zeros((4, 20, 20))
    array[1, 2, 2:5] = array[1, 10, 2:12] = array[3, 0, 0] = 1
    array[2, 15, 15] = 3
    first, second, third = measure(make_labels(array))
    assert (first.components, first.voxels) == (3, 14)
    assert first.axial_diameter_mm == pytest.approx(10.0)
    assert [finding.voxels for finding in first.findings] == [10, 3, 1]
    assert (second.components, second.voxels, second.spread, second.findings) == (0, 0, None, ())
    assert third.diameter_mm == pytest.approx(1.0)


def test_the_centroid_of_a_segment_is_the_mean_of_all_its_voxels() -> None:
    array = np.zeros((1, 10, 12))
    array[0, 2, 2:5] = array[0, 8, 9] = 1
    (segment,) = measure(make_labels(array))
    assert segment.spread is not None
    assert segment.spread.centroid == pytest.approx((4.5, 3.5, 0.0))


def test_findings_beyond_the_limit_count_in_the_sums_and_in_the_largest_diameter() -> None:
    array = np.zeros((1, 30, 30))
    array[0, 0:4, 0:4] = 1  # 16 voxels, 4.2 mm and one
    array[0, 10, 0:15] = 1  # 15 voxels, 15 mm
    (segment,) = measure(make_labels(array), finding_limit=1)
    assert len(segment.findings) == 1
    assert (segment.components, segment.voxels) == (2, 31)
    assert segment.axial_diameter_mm == pytest.approx(15.0)
    assert segment.diameter_mm == pytest.approx(15.0)


def specks(count: int) -> npt.NDArray[np.uint8]:
    """Give so many voxels of which no two are neighbours, each in a row of its own."""
    array = np.zeros((1, 2 * count, 3), np.uint8)
    array[0, ::2, 1] = 1
    return array


def test_as_many_findings_as_the_limit_are_all_told() -> None:
    measures = measure(make_labels(specks(FINDING_LIMIT)))
    assert len(measures[0].findings) == FINDING_LIMIT
    assert left_out(measures) == ()


def test_one_finding_more_than_the_limit_is_left_out_and_noted() -> None:
    measures = measure(make_labels(specks(FINDING_LIMIT + 1)))
    (note,) = left_out(measures)
    assert note.code == "findings-left-out"
    assert "1001 findings; the 1000 largest" in note.sentence and "the other 1 count" in note.sentence


@pytest.mark.parametrize("voxel", [(0, 5, 5), (4, 5, 5), (2, 0, 5), (2, 9, 5), (2, 5, 0), (2, 5, 9), (1, 1, 1)])
def test_a_finding_at_any_border_is_truncated(voxel: tuple[int, int, int]) -> None:
    array = np.zeros((5, 10, 10))
    array[voxel] = 1
    (segment,) = measure(make_labels(array))
    assert segment.spread is not None
    assert segment.spread.truncated == segment.findings[0].spread.truncated == (voxel != (1, 1, 1))


@pytest.mark.parametrize("order", list(permutations(range(3))))
@pytest.mark.parametrize("seed", range(5))
def test_patient_axes_are_found_for_any_axis_order_and_a_turn_of_less_than_35_degrees(
    order: tuple[int, int, int], seed: int
) -> None:
    rng = np.random.default_rng(seed)
    signs = rng.choice([-1.0, 1.0], 3)
    axis = rng.normal(size=3)
    turn = Rotation.from_rotvec(np.radians(35) * axis / np.linalg.norm(axis)).as_matrix()
    affine = np.eye(4)
    affine[:3, :3] = (turn @ (np.eye(3) * signs))[:, order] * (3.0, 0.5, 0.7)
    assert [order[axis] for axis in patient_axes(affine)] == [0, 1, 2]
