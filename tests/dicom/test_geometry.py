"""Positions, regularity and affines of planes, from made planes in every direction."""

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import permutations, product
from pathlib import Path

import highdicom as hd
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from aimi.dicom import study
from aimi.dicom.geometry import axes_of, count_continuing, find_geometry_defects, gap_of, mean_axes, stack_affine
from aimi.dicom.header import Defect, Plane, Stack
from aimi.errors import GeometryError
from tests.made import AXIAL, Made, write_made

REGULAR = [3.0 * index for index in range(12)]
SPACING = (0.9, 0.7)
HANDED = [
    tuple(sign * np.eye(3)[axis] for sign, axis in zip(signs, order, strict=True))
    for order in permutations(range(3), 2)
    for signs in product((1, -1), repeat=2)
]


def make_planes(offsets: Sequence[float], orientation: Sequence[float] = AXIAL, shift: float = 0.0) -> list[Plane]:
    """Make planes at offsets along the normal, each moved along its rows by ``shift`` mm per mm of offset."""
    row, column = np.asarray(orientation[:3]), np.asarray(orientation[3:])
    normal = np.cross(row, column)
    positions = [np.array([-20.0, -30.0, 5.0]) + offset * (normal + shift * row) for offset in offsets]
    return [
        Plane(
            instance=index,
            frame_number=None,
            position=(float(position[0]), float(position[1]), float(position[2])),
            position_text=None,
            orientation=tuple(orientation),  # type: ignore[arg-type]  # six numbers
            pixel_spacing=SPACING,
            rescale_slope=1.0,
            rescale_intercept=0.0,
            instance_number=index + 1,
            split={},
        )
        for index, position in enumerate(positions)
    ]


def codes(planes: list[Plane], spacing: tuple[float, float] = SPACING) -> list[str]:
    return [defect.code for defect in find_defects(planes, spacing)]


def find_defects(planes: list[Plane], spacing: tuple[float, float] = SPACING) -> list[Defect]:
    axes = mean_axes(planes)
    gap = 3.0
    return find_geometry_defects(planes, axes, (gap, *spacing))


def read_stack(folder: Path) -> Stack:
    return study.read(folder).series[0].stacks[0]


def random_orientation(seed: int) -> list[float]:
    matrix = Rotation.random(rng=np.random.default_rng(seed)).as_matrix()
    return [float(value) for value in np.concatenate([matrix[:, 0], matrix[:, 1]])]


def test_regular_stack_has_no_defect() -> None:
    assert codes(make_planes(REGULAR)) == []


@pytest.mark.parametrize(
    ("removed", "sentence"),
    [([5], "1 slice is missing between position 17.00 and 23.00 mm"), ([5, 6], "2 slices are missing")],
)
def test_missing_slices_are_counted_and_placed(removed: list[int], sentence: str) -> None:
    planes = make_planes([offset for index, offset in enumerate(REGULAR) if index not in removed])
    (defect,) = find_defects(planes)
    assert defect.code == "missing-slices"
    assert sentence in defect.sentence
    assert "3.00 mm apart" in defect.sentence


@pytest.mark.parametrize(
    ("step", "expected"), [(1.49, ["irregular-spacing"]), (1.51, ["missing-slices", "irregular-spacing"])]
)
def test_step_of_more_than_one_and_a_half_gaps_is_a_hole(step: float, expected: list[str]) -> None:
    offsets = [*REGULAR[:6], *(offset + (step - 1) * 3 for offset in REGULAR[6:])]
    assert codes(make_planes(offsets)) == expected


def displaced(distance: float) -> list[float]:
    return [offset + distance * (index == 5) for index, offset in enumerate(REGULAR)]


@pytest.mark.parametrize(("distance", "expected"), [(0.15, []), (0.18, ["irregular-spacing"])])
def test_slice_may_be_five_percent_of_the_gap_off_the_grid(distance: float, expected: list[str]) -> None:
    assert codes(make_planes(displaced(distance))) == expected


def test_irregular_spacing_names_its_steps() -> None:
    (defect,) = find_defects(make_planes(displaced(0.5)))
    assert "smallest step is 2.50 mm" in defect.sentence
    assert "largest 3.50 mm" in defect.sentence
    assert "0.15 mm is allowed" in defect.sentence


@pytest.mark.parametrize(("distance", "expected"), [(0.03, []), (0.04, ["irregular-spacing"])])
def test_thin_slices_may_be_three_hundredths_of_a_millimetre_off(distance: float, expected: list[str]) -> None:
    offsets = [0.1 * index + distance * (index == 20) for index in range(41)]
    planes = make_planes(offsets)
    assert [each.code for each in find_geometry_defects(planes, mean_axes(planes), (0.1, 0.7, 0.7))] == expected


@pytest.mark.parametrize(("degrees", "expected"), [(0.45, []), (0.55, ["gantry-tilt"]), (-15.0, ["gantry-tilt"])])
def test_shear_of_more_than_half_a_degree_is_a_tilt(degrees: float, expected: list[str]) -> None:
    planes = make_planes(REGULAR, shift=math.tan(math.radians(degrees)))
    assert codes(planes, (9.0, 7.0)) == expected


def test_tilt_is_given_in_degrees() -> None:
    (defect,) = find_defects(make_planes(REGULAR, shift=math.tan(math.radians(12.0))))
    assert "gantry tilt of 12.0 degrees" in defect.sentence


@pytest.mark.parametrize(("drift", "expected"), [(0.34, []), (0.36, ["in-plane-drift"])])
def test_slices_may_drift_by_half_a_pixel(drift: float, expected: list[str]) -> None:
    planes = make_planes([10.0 * index for index in range(12)], shift=drift / 110.0)
    assert [each.code for each in find_geometry_defects(planes, mean_axes(planes), (10.0, *SPACING))] == expected


@pytest.mark.parametrize(("count", "expected"), [(7, ["too-few-slices"]), (8, [])])
def test_eight_slices_are_enough(count: int, expected: list[str]) -> None:
    assert codes(make_planes(REGULAR[:count])) == expected


@pytest.mark.parametrize(
    "change", [(1.002, 0, 0, 0, 1, 0), (1, 0.002, 0, 0, 1, 0), (0, 0, 0, 0, 0, 0), (1, 0, 0, 1, 0, 0)]
)
def test_orientation_must_be_orthonormal(change: tuple[float, ...]) -> None:
    planes = [replace(plane, orientation=change) for plane in make_planes(REGULAR)]  # type: ignore[arg-type]  # six
    assert "orientation-not-orthonormal" in codes(planes)


@pytest.mark.parametrize("spacing", [(0.0, 1.0), (1.0, -0.5)])
def test_pixel_spacing_must_be_positive(spacing: tuple[float, float]) -> None:
    planes = [replace(plane, pixel_spacing=spacing) for plane in make_planes(REGULAR)]
    assert "bad-spacing" in codes(planes, spacing)


def test_two_images_at_one_position_are_counted() -> None:
    (defect,) = find_defects(make_planes([*REGULAR[:6], *REGULAR[5:]]))
    assert defect.code == "repeated-positions"
    assert "of its 13 images 1 repeat" in defect.sentence


def test_images_of_one_position_only_are_no_volume() -> None:
    planes = make_planes([0.0] * 9)
    defects = find_geometry_defects(planes, mean_axes(planes), None)
    assert [defect.code for defect in defects] == ["repeated-positions"]


def test_gap_is_the_median_and_not_the_mean() -> None:
    assert gap_of(np.array([0, 3.27, 6.54, 9.83, 13.10])) == pytest.approx(3.27, abs=1e-9)


def test_orientation_without_a_plane_has_no_axes() -> None:
    assert axes_of((1, 0, 0, -1, 0, 0)) is None


@given(st.integers(0, 10_000))
def test_axes_are_orthonormal_and_right_handed(seed: int) -> None:
    axes = axes_of(random_orientation(seed))
    assert axes is not None
    frame = np.stack([axes.row, axes.column, axes.normal])
    np.testing.assert_allclose(frame @ frame.T, np.eye(3), atol=1e-12)
    assert np.linalg.det(frame) == pytest.approx(1)


def write_oriented(folder: Path, orientation: Sequence[float]) -> Path:
    array = np.zeros((9, 4, 5), np.int16)
    return write_made(folder, Made(array, spacing=(2.5, 0.9, 0.7), orientation=orientation))


def assert_affine_is_dicoms(stack: Stack) -> None:
    """Compare with the standard's own formula: P = S + x * D_column * i + y * D_row * j, slice by slice."""
    affine = stack_affine(stack)
    for k, plane in enumerate(stack.planes):
        assert plane.orientation is not None
        assert plane.position is not None
        row, column = np.array(plane.orientation[:3]), np.array(plane.orientation[3:])
        expected = np.array(plane.position) + row * 0.7 * 4 + column * 0.9 * 3
        np.testing.assert_allclose((affine @ [k, 3, 4, 1])[:3], expected, atol=2e-5)


@pytest.mark.parametrize("row", range(len(HANDED)))
def test_affine_is_right_in_all_axis_orders(tmp_path: Path, row: int) -> None:
    stack = read_stack(write_oriented(tmp_path / "a", np.concatenate(HANDED[row]).tolist()))
    assert_affine_is_dicoms(stack)
    assert stack.defects == ()
    assert stack.spacing == pytest.approx((2.5, 0.9, 0.7))


@pytest.mark.parametrize("seed", range(8))
def test_affine_is_right_for_obliques(tmp_path: Path, seed: int) -> None:
    stack = read_stack(write_oriented(tmp_path / "a", random_orientation(seed)))
    assert_affine_is_dicoms(stack)
    assert stack.defects == ()


@pytest.mark.parametrize("seed", range(3))
def test_highdicom_takes_the_affine(tmp_path: Path, seed: int) -> None:
    stack = read_stack(write_oriented(tmp_path / "a", random_orientation(seed)))
    volume = hd.Volume(np.zeros((9, 4, 5), np.int16), stack_affine(stack), coordinate_system="PATIENT")
    assert volume.spacing == pytest.approx((2.5, 0.9, 0.7))


def test_pet_positions_are_kept_within_two_hundredths(real_data: Callable[[str], Path]) -> None:
    pet = next(each for each in study.read(real_data("petct_acrin_042")).series if each.header.modality == "PT")
    (stack,) = pet.stacks
    affine = stack_affine(stack)
    found = affine[:3, 3] + np.outer(np.arange(135), affine[:3, 0])
    given_positions = np.array([plane.position for plane in stack.planes])
    # Two steps are 0.02 mm longer than the median: 0.04 mm in all, about half of it to each side.
    assert np.abs(found - given_positions).max() < 0.021
    assert stack.defects == ()


def test_non_square_pixels_are_down_and_across(real_data: Callable[[str], Path]) -> None:
    stack = read_stack(real_data("awkward") / "made" / "non_square_pixels")
    affine = stack_affine(stack)
    assert stack.planes[0].orientation is not None
    np.testing.assert_allclose(affine[:3, 2], 3 * np.array(stack.planes[0].orientation[:3]), atol=1e-4)
    np.testing.assert_allclose(affine[:3, 1], 2 * np.array(stack.planes[0].orientation[3:]), atol=1e-4)


def test_stack_of_one_slice_has_no_affine(tmp_path: Path) -> None:
    stack = read_stack(write_made(tmp_path / "a", Made(np.zeros((1, 4, 5), np.int16))))
    with pytest.raises(GeometryError, match="no slice positions"):
        stack_affine(stack)


def read_regular(folder: Path) -> Stack:
    """Give a stack of the planes that :func:`make_planes` makes."""
    stack = read_stack(write_made(folder / "a", Made(np.zeros((12, 4, 5), np.int16), spacing=(3.0, *SPACING))))
    return replace(stack, planes=tuple(make_planes(REGULAR)), spacing=(3.0, *SPACING))


@pytest.mark.parametrize(("offset", "count"), [(-3.0, 1), (36.0, 1), (-2.0, 0), (39.0, 0), (15.0, 0)])
def test_plane_continues_a_stack_where_its_next_slice_would_be(tmp_path: Path, offset: float, count: int) -> None:
    longer = read_regular(tmp_path)
    assert count_continuing(longer, make_planes([offset])) == count


@pytest.mark.parametrize(
    ("shift", "count"), [((2.0, 0.0), 1), ((3.4, 0.0), 1), ((3.6, 0.0), 0), ((0.0, 3.5), 1), ((0.0, -3.7), 0)]
)
def test_plane_continues_a_stack_if_their_fields_of_view_overlap(
    tmp_path: Path, shift: tuple[float, float], count: int
) -> None:
    longer = read_regular(tmp_path)
    (next_plane,) = make_planes([36.0])
    assert next_plane.position is not None
    x, y, z = next_plane.position
    assert count_continuing(longer, [replace(next_plane, position=(x + shift[0], y + shift[1], z))]) == count


def test_localizer_whose_center_passes_the_next_position_does_not_continue_the_stack(tmp_path: Path) -> None:
    longer = read_regular(tmp_path)
    (next_plane,) = make_planes([36.0])
    assert next_plane.position is not None
    x, y, z = next_plane.position
    coronal = (1.0, 0.0, 0.0, 0.0, 0.0, -1.0)
    assert count_continuing(longer, [replace(next_plane, orientation=coronal)]) == 1
    assert count_continuing(longer, [replace(next_plane, orientation=coronal, position=(x, y, z + 1.35))]) == 0
