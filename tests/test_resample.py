"""Resampling is exact where it can be known: ramps stay ramps, points stay in place, labels keep their voxels."""

from typing import Any

import highdicom as hd
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from aimi.image import Image, LabelMap
from aimi.resample import AIR_HU, image_onto, is_same_grid, labels_onto

AXES = np.eye(3)
SLOPE = np.array([0.9, -0.4, 1.7])


def grid(shape: Any, spacing: Any, center: Any = (0.0, 0.0, 0.0), axes: npt.NDArray[Any] = AXES) -> hd.Volume:
    """Give a volume of zeros, float32, about a center; ``axes`` are the directions of k, j, i, as columns."""
    affine = np.eye(4)
    affine[:3, :3] = axes * np.array(spacing)
    affine[:3, 3] = np.array(center) - affine[:3, :3] @ ((np.array(shape) - 1) / 2)
    return hd.Volume(np.zeros(shape, np.float32), affine, coordinate_system="PATIENT")


def positions(volume: hd.Volume) -> npt.NDArray[np.float64]:
    index = np.moveaxis(np.indices(volume.spatial_shape), 0, -1)
    places: npt.NDArray[np.float64] = index @ volume.affine[:3, :3].T + volume.affine[:3, 3]
    return places


def ramp_on(volume: hd.Volume) -> Image:
    return Image(volume.with_array((positions(volume) @ SLOPE).astype(np.float32)), "HU", None)


def as_image(volume: hd.Volume) -> Image:
    return Image(volume, "BQML", None)


TURNED = Rotation.from_euler("xyz", [7, -12, 21], degrees=True).as_matrix()
TARGETS = {
    "shifted": grid((9, 10, 11), (3.0, 3.0, 3.0), (1.3, -0.7, 0.45)),
    "finer": grid((20, 24, 18), (0.7, 0.9, 1.1), (0.2, 0.1, -0.3)),
    "coarser": grid((5, 6, 4), (6.5, 5.3, 7.1), (0.4, 0.0, 0.0)),
    "oblique": grid((9, 9, 9), (3.3, 2.9, 3.1), (0.5, -0.5, 0.2), TURNED),
    "turned axes": grid((9, 10, 8), (2.9, 3.1, 3.3), (0.3, 0.2, 0.1), AXES[:, [2, 0, 1]] * [1, -1, 1]),
}
TINY_TURN = Rotation.from_rotvec([0, 0, 1e-6]).as_matrix()
"""Beyond what counts as parallel, 1e-4 mm over the volume."""
SOURCE = grid((20, 22, 24), (3.0, 3.0, 3.0))
"""60 x 66 x 72 mm: holds every target with room."""


@pytest.mark.parametrize("name", TARGETS)
def test_a_linear_ramp_stays_that_ramp(name: str) -> None:
    target = TARGETS[name]
    found = image_onto(ramp_on(SOURCE), as_image(target), outside=AIR_HU)
    assert found.inside.all()
    np.testing.assert_allclose(found.image.volume.array, positions(target) @ SLOPE, atol=1e-4)


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_a_ramp_stays_that_ramp_between_any_two_grids(seed: int) -> None:
    chance = np.random.default_rng(seed)
    source = grid((18, 17, 19), chance.uniform(3.0, 4.0, 3), axes=Rotation.random(rng=chance).as_matrix())
    target = grid(
        (5, 6, 7), chance.uniform(0.5, 4.0, 3), chance.uniform(-3, 3, 3), Rotation.random(rng=chance).as_matrix()
    )
    found = image_onto(ramp_on(source), as_image(target), outside=AIR_HU)
    assert found.inside.all()
    np.testing.assert_allclose(found.image.volume.array, positions(target) @ SLOPE, atol=1e-4)


@pytest.mark.parametrize("name", TARGETS)
def test_a_point_source_stays_at_its_position(name: str) -> None:
    target = TARGETS[name]
    fine = grid((60, 60, 60), (0.4, 0.4, 0.4), tuple(positions(target)[2, 3, 2] + 0.1))
    place = positions(fine)[30, 30, 30]
    blob = np.exp(-0.5 * ((positions(fine) - place) ** 2).sum(axis=-1) / np.max(target.spacing) ** 2)
    found = image_onto(Image(fine.with_array(blob.astype(np.float32)), "BQML", None), as_image(target), outside=0.0)
    peak = positions(target)[np.unravel_index(found.image.volume.array.argmax(), target.spatial_shape)]
    steps = np.linalg.inv(target.affine[:3, :3]) @ (peak - place)
    assert np.abs(steps).max() <= 0.5


def test_parallel_and_oblique_roads_give_the_same_values() -> None:
    values = np.random.default_rng(1).normal(0, 300, SOURCE.spatial_shape).astype(np.float32)
    image = Image(SOURCE.with_array(values), "HU", None)
    target = grid((30, 31, 32), (2.5, 2.7, 2.9), (4.0, -3.0, 2.0))
    parallel = image_onto(image, as_image(target), outside=AIR_HU)
    turned = grid((30, 31, 32), (2.5, 2.7, 2.9), (4.0, -3.0, 2.0), TINY_TURN)
    oblique = image_onto(image, as_image(turned), outside=AIR_HU)
    np.testing.assert_allclose(parallel.image.volume.array, oblique.image.volume.array, atol=0.02)
    np.testing.assert_array_equal(parallel.inside, oblique.inside)


def test_outside_is_air_and_known_as_outside() -> None:
    target = grid((20, 22, 48), (3.0, 3.0, 3.0))
    image = Image(SOURCE.with_array(np.full(SOURCE.spatial_shape, 40.0, np.float32)), "HU", None)
    found = image_onto(image, as_image(target), outside=AIR_HU)
    expected = np.zeros(target.spatial_shape, bool)
    expected[:, :, 12:36] = True
    np.testing.assert_array_equal(found.inside, expected)
    np.testing.assert_array_equal(found.image.volume.array, np.where(expected, 40.0, AIR_HU))


@pytest.mark.parametrize(("shift", "covered"), [(1.4, True), (1.6, False)])
def test_half_a_voxel_beyond_the_outer_centers_is_inside(shift: float, covered: bool) -> None:
    target = grid(SOURCE.spatial_shape, (3.0, 3.0, 3.0), (shift, 0.0, 0.0))
    found = image_onto(ramp_on(SOURCE), as_image(target), outside=AIR_HU)
    assert found.inside[-1].all() == covered


def test_labels_on_a_finer_grid_fill_their_voxels() -> None:
    labels = np.random.default_rng(2).integers(0, 5, (4, 5, 6), dtype=np.uint8)
    coarse = grid((4, 5, 6), (3.0, 3.0, 3.0)).with_array(labels)
    found = labels_onto(LabelMap(coarse, (), None), as_image(grid((12, 15, 18), (1.0, 1.0, 1.0))))
    np.testing.assert_array_equal(found.labels.labels, labels.repeat(3, 0).repeat(3, 1).repeat(3, 2))


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_every_voxel_gets_the_label_of_the_voxel_it_lies_in(seed: int) -> None:
    chance = np.random.default_rng(seed)
    source = grid((6, 7, 5), chance.uniform(2, 4, 3), axes=Rotation.random(rng=chance).as_matrix())
    labels = chance.integers(1, 9, source.spatial_shape, dtype=np.uint8)
    target = grid((7, 6, 8), chance.uniform(2, 4, 3), axes=Rotation.random(rng=chance).as_matrix())
    found = labels_onto(LabelMap(source.with_array(labels), (), None), as_image(target))
    index = (positions(target) - source.affine[:3, 3]) @ np.linalg.inv(source.affine[:3, :3]).T
    padded = np.pad(labels, 20)
    expected = padded[tuple(np.moveaxis(np.rint(index).astype(int) + 20, -1, 0))]
    np.testing.assert_array_equal(found.labels.labels, expected)


def test_the_same_grid_gives_the_same_values() -> None:
    values = np.random.default_rng(3).integers(-1000, 1000, SOURCE.spatial_shape).astype(np.int16)
    found = image_onto(Image(SOURCE.with_array(values), "HU", None), as_image(SOURCE), outside=AIR_HU)
    np.testing.assert_array_equal(found.image.volume.array, values)


def test_a_grid_turned_about_its_center_is_another_grid() -> None:
    assert is_same_grid(SOURCE, grid(SOURCE.spatial_shape, (3.0, 3.0, 3.0), (5e-4, 0.0, 0.0)))
    assert not is_same_grid(SOURCE, grid(SOURCE.spatial_shape, (3.0, 3.0, 3.0), axes=np.diag([-1.0, -1.0, 1.0])))
