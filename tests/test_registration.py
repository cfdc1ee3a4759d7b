"""A translation between PET and CT is found, the same each time, and moves an image by just that."""

from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from aimi.errors import InputError
from aimi.image import Image
from aimi.registration import Registration, _shares, doubts, move, register
from tests.test_resample import grid, positions

CT_GRID = grid((40, 60, 60), (4.0, 4.0, 4.0))
PET_GRID = grid((32, 40, 40), (5.0, 6.0, 6.0), (3.0, -2.0, 1.0))


def body(places: npt.NDArray[np.float64], inside: tuple[float, float, float]) -> npt.NDArray[np.float32]:
    """Give a body with lungs and a liver: values outside, in soft tissue, lungs and liver come from ``inside``."""
    soft, lung, liver = inside
    values = np.where((places / [90, 60, 70]) ** 2 @ [1, 1, 1] < 1, soft, 0.0)
    for side in (-40, 40):
        values[((places - [side, 0, 20]) / [28, 35, 40]) ** 2 @ [1, 1, 1] < 1] = lung
    values[((places - [-30, 5, -40]) / [35, 30, 18]) ** 2 @ [1, 1, 1] < 1] = liver
    return values.astype(np.float32)


def pair(shift: tuple[float, float, float]) -> tuple[Image, Image]:
    """Give a PET, and a CT of the same body that lies elsewhere."""
    pet = Image(PET_GRID.with_array(body(positions(PET_GRID), (2000, 700, 5000))), "BQML", None)
    ct = body(positions(CT_GRID) - shift, (1040, 200, 1060)) - 1000
    return pet, Image(CT_GRID.with_array(ct), "HU", None)


@pytest.mark.parametrize("shift", [(0.0, 0.0, 0.0), (12.0, -9.0, 0.0), (-7.0, 6.0, 18.0)])
def test_the_translation_is_found_within_half_a_voxel_of_the_ct(shift: tuple[float, float, float]) -> None:
    found = register(*pair(shift))
    np.testing.assert_allclose(found.translation, -np.array(shift), atol=2.0)


def test_mutual_information_rises_where_the_ct_lay_elsewhere() -> None:
    found = register(*pair((12.0, -9.0, 4.0)))
    assert (found.start, found.stop) == ((0.0, 0.0, 0.0), "converged")
    assert found.metric < 1.5 * found.metric_at_start < 0
    assert doubts(found) == ()


def test_images_that_fit_already_stay_within_half_a_voxel_and_the_reader_is_told_that_nothing_was_gained() -> None:
    found = register(*pair((0.0, 0.0, 0.0)))
    assert found.metric <= found.metric_at_start
    assert [note.code for note in doubts(found)] == ["registration-without-gain"]


FOUND = Registration((30.0, -40.0, 0.0), (0.0, 0.0, 0.0), -0.4, -0.6, 20, "converged")


@pytest.mark.parametrize(
    ("values", "codes"),
    [
        ({}, []),
        ({"metric": -0.421}, []),
        ({"metric": -0.419}, ["registration-without-gain"]),
        ({"metric": -0.4, "stop": "start"}, ["registration-without-gain"]),
        ({"metric_at_start": -0.001, "metric": -0.049}, ["registration-poor"]),
        ({"metric_at_start": -0.001, "metric": -0.051}, []),
        ({"translation": (60.0, -80.0, 0.0)}, []),  # 100 mm
        ({"translation": (60.0, -80.0, 5.0)}, ["registration-far"]),
        ({"translation": (0.0, 0.0, -300.0), "metric": -0.4}, ["registration-without-gain", "registration-far"]),
    ],
)
def test_a_registration_is_doubted_without_gain_and_from_afar(values: dict[str, Any], codes: list[str]) -> None:
    assert [note.code for note in doubts(replace(FOUND, **values))] == codes


def test_of_small_images_every_voxel_of_a_level_is_compared() -> None:
    assert _shares((168, 168, 264)) == [0.1, 0.1, 0.1]
    assert _shares((24, 24, 20)) == [1.0, 1.0, 5000 / 11520]  # 180, 1440 and 11520 voxels


def test_the_same_images_give_the_same_translation() -> None:
    images = pair((12.0, -9.0, 4.0))
    assert register(*images) == register(*images)


def test_moving_adds_the_translation_to_every_position() -> None:
    image = Image(CT_GRID, "HU", None)
    np.testing.assert_allclose(
        positions(move(image, (1.0, 2.0, 3.0)).volume), positions(CT_GRID) + np.array([1.0, 2.0, 3.0]), atol=1e-9
    )


def test_images_without_anything_to_compare_are_refused() -> None:
    pet, _ = pair((0.0, 0.0, 0.0))
    empty = Image(CT_GRID.with_array(np.zeros(CT_GRID.spatial_shape, np.float32)), "HU", None)
    with pytest.raises(InputError, match="could not be registered"):
        register(pet, empty)
