from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aimi.dicom import study as studies
from aimi.dicom.geometry import stack_affine
from aimi.dicom.header import Stack
from aimi.dicom.seg_grid import FramePlane, Grid, frames_grid, source_geometry, source_grid
from aimi.errors import GeometryError
from tests.made import Made, write_made

OBLIQUE = (0.9, 0.3, -0.316227766, -0.316227766, 0.948683298, 0.0)
MATRIX = (5, 6)


def normal(orientation: Sequence[float]) -> npt.NDArray[np.float64]:
    return np.cross(orientation[:3], orientation[3:])


def planes(heights: Sequence[float]) -> list[FramePlane]:
    """Give planes of an oblique stack with non-square pixels at heights along the normal."""
    made = []
    for height in heights:
        x, y, z = (float(value) for value in np.array([3.0, -2.0, 1.0]) + height * normal(OBLIQUE))
        made.append(FramePlane((x, y, z), OBLIQUE, (0.9, 0.7)))
    return made


def grid(heights: Sequence[float], gap: float | None = None, thickness: float | None = None) -> Grid:
    return frames_grid(planes(heights), MATRIX, gap=gap, thickness=thickness, frame="2.25.1")


@given(indices=st.sets(st.integers(0, 60), min_size=1), seed=st.integers(0, 99))
def test_frames_in_any_order_lie_where_they_say(indices: set[int], seed: int) -> None:
    heights = [2.5 * index for index in indices]
    np.random.default_rng(seed).shuffle(heights)
    found = grid(heights, gap=2.5)
    for height, index in zip(heights, found.slices, strict=True):
        there = found.geometry.affine @ [index, 0, 0, 1]
        np.testing.assert_allclose(there[:3], planes([height])[0].position, atol=1e-6)


@pytest.mark.parametrize(
    ("heights", "gap", "expected"),
    [
        ((0, 5, 10), None, 5.0),
        ((0, 5, 10), 2.5, 2.5),
        ((0, 5, 10), 3.0, 5.0),
        ((0, 5, 12.5), None, 2.5),
        ((0, 3, 7), None, 1.0),
        ((0, 3.27, 6.54, 9.83), 3.27, 3.276),
        ((4,), 2.0, 2.0),
        ((4,), None, 1.0),
    ],
)
def test_gap_follows_the_positions(heights: tuple[float, ...], gap: float | None, expected: float) -> None:
    assert grid(heights, gap).geometry.spacing[0] == pytest.approx(expected, abs=1e-3)


def test_single_frame_is_as_thick_as_its_slice() -> None:
    found = grid((4,), thickness=3.5)
    assert found.geometry.spacing == pytest.approx((3.5, 0.9, 0.7))
    assert [note.code for note in found.notes] == ["single-plane"]


def test_wrong_spacing_between_slices_is_noted() -> None:
    assert [note.code for note in grid((0, 5, 10), gap=3.0).notes] == ["gap-from-frames"]
    assert not grid((0, 5, 10), gap=2.5).notes


def test_slow_departure_from_the_grid_is_refused() -> None:
    with pytest.raises(GeometryError, match="departs by"):
        grid([2.5 * index + 0.002 * index**2 for index in range(30)], gap=2.5)


@pytest.fixture
def stack(tmp_path: Path) -> Stack:
    made = Made(np.zeros((10, *MATRIX), np.int16), spacing=(2.5, 0.9, 0.7), orientation=OBLIQUE, origin=(3, -2, 1))
    return studies.read(write_made(tmp_path, made)).series[0].stacks[0]


def test_frames_on_slices_of_the_source_take_its_grid(stack: Stack) -> None:
    found = source_grid(stack, planes([7.5, 0.0, 22.5]), MATRIX)
    assert found is not None
    assert found.slices == (3, 0, 9)
    np.testing.assert_array_equal(found.geometry.affine, stack_affine(stack))


@pytest.mark.parametrize("height", [1.25, -2.5, 25.0, 7.7])
def test_frame_beside_the_slices_does_not(height: float, stack: Stack) -> None:
    assert source_grid(stack, planes([0.0, height]), MATRIX) is None


def test_frames_of_another_matrix_or_spacing_do_not(stack: Stack) -> None:
    assert source_grid(stack, planes([0.0]), (6, 5)) is None
    assert source_grid(stack, [replace(planes([0.0])[0], pixel_spacing=(0.7, 0.9))], MATRIX) is None


def test_source_without_positions_or_with_a_hole_gives_no_grid(stack: Stack) -> None:
    silent = replace(stack.planes[2], position=None)
    assert source_geometry(replace(stack, planes=(*stack.planes[:2], silent, *stack.planes[3:]))) is None
    assert source_geometry(replace(stack, planes=(*stack.planes[:4], *stack.planes[5:]))) is None
