from itertools import permutations, product

import highdicom as hd
import numpy as np
import numpy.typing as npt
import pytest

from aimi.dicom.seg_lattice import Lattice, find_lattice

AFFINE = np.array([[0.0, 0.3, 0.56, -7.0], [0.0, 0.72, -0.42 * 0.8, 3.0], [2.5, 0.0, 0.1, 9.0], [0.0, 0.0, 0.0, 1.0]])
AFFINE[:3, :3] = np.linalg.qr(AFFINE[:3, :3])[0] * [2.5, 0.9, 0.7]
SHAPE = (6, 7, 8)
NUMBERS = np.arange(6 * 7 * 8).reshape(SHAPE)
WAYS = list(product(permutations(range(3)), product((1, -1), repeat=3)))


def geometry(affine: npt.NDArray[np.float64], shape: tuple[int, ...]) -> hd.VolumeGeometry:
    return hd.VolumeGeometry(affine, shape, "PATIENT")


def turn(volume: hd.Volume, order: tuple[int, ...], signs: tuple[int, ...]) -> hd.Volume:
    flips = [axis for axis in range(3) if signs[axis] < 0]
    turned = volume.permute_spatial_axes(order)
    return turned.flip_spatial(flips) if flips else turned


@pytest.mark.parametrize(("order", "signs"), WAYS)
def test_mask_of_a_turned_part_lands_on_its_voxels(order: tuple[int, ...], signs: tuple[int, ...]) -> None:
    part = hd.Volume(NUMBERS, AFFINE, "PATIENT")[1:5, 2:7, 0:6]  # type: ignore[index] # its hint names 1-tuples
    turned = turn(part, order, signs)
    lattice = find_lattice(turned.get_geometry(), geometry(AFFINE, SHAPE))
    assert lattice is not None
    placed = lattice.place(turned.array % 3 == 0)
    expected = np.zeros(SHAPE, bool)
    expected[1:5, 2:7, 0:6] = (NUMBERS % 3 == 0)[1:5, 2:7, 0:6]
    np.testing.assert_array_equal(placed, expected)


def test_the_same_grid_is_its_own_lattice() -> None:
    same = find_lattice(geometry(AFFINE, SHAPE), geometry(AFFINE, SHAPE))
    assert same == Lattice((0, 1, 2), (), (0, 0, 0), SHAPE)


@pytest.mark.parametrize("axis", range(3))
def test_grid_that_reaches_beyond_is_no_part(axis: int) -> None:
    longer = tuple(size + (axis == index) for index, size in enumerate(SHAPE))
    assert find_lattice(geometry(AFFINE, longer), geometry(AFFINE, SHAPE)) is None


@pytest.mark.parametrize("axis", range(3))
def test_grid_between_the_voxels_is_no_part(axis: int) -> None:
    moved = AFFINE.copy()
    moved[:3, 3] += 0.5 * AFFINE[:3, axis]
    assert find_lattice(geometry(moved, (2, 2, 2)), geometry(AFFINE, SHAPE)) is None


@pytest.mark.parametrize("factor", [1.02, 2.0])
def test_grid_of_another_spacing_is_no_part(factor: float) -> None:
    coarse = AFFINE @ np.diag([1, factor, 1, 1])
    assert find_lattice(geometry(coarse, (2, 4, 2)), geometry(AFFINE, SHAPE)) is None


def test_rounded_positions_do_not_matter() -> None:
    rounded = np.round(AFFINE, 5)
    rounded[:3, :3] = AFFINE[:3, :3]
    assert find_lattice(geometry(rounded, SHAPE), geometry(AFFINE, SHAPE)) is not None
