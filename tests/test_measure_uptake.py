"""Uptake of lesions against formulas and a naive reference."""

import highdicom as hd
import numpy as np
import numpy.typing as npt
import pytest

from aimi import regions
from aimi.image import Image
from aimi.measure import PEAK_RADIUS_MM, Uptake, measure_uptake, sphere_fractions

SPACING = (3.27, 4.0, 2.5)


def uptake_of(values: npt.NDArray[np.float64], mask: npt.NDArray[np.bool_], factor: float = 1.0) -> Uptake:
    affine = np.diag([*SPACING, 1.0])[[2, 1, 0, 3]]
    image = Image(hd.Volume(values.astype(np.float32), affine, coordinate_system="PATIENT"), "BQML", None)
    (lesion,) = regions.components(mask, SPACING)
    return measure_uptake(image, lesion, factor)


def one_voxel(place: tuple[int, int, int] = (10, 10, 10)) -> npt.NDArray[np.bool_]:
    mask = np.zeros((21, 21, 21), dtype=bool)
    mask[place] = True
    return mask


@pytest.mark.parametrize("spacing", [SPACING, (1.0, 1.0, 1.0), (5.0, 2.0, 2.0), (8.0, 8.0, 8.0), (0.6, 0.6, 5.0)])
def test_the_fractions_of_the_peak_sphere_sum_to_one_millilitre(spacing: tuple[float, float, float]) -> None:
    assert pytest.approx(6.204, abs=5e-4) == PEAK_RADIUS_MM
    assert sphere_fractions(spacing).sum() * np.prod(spacing) == pytest.approx(1000.0, rel=5e-3)


def test_uniform_uptake_is_the_same_in_every_measure() -> None:
    mask = np.zeros((21, 21, 21), dtype=bool)
    mask[8:12, 8:12, 8:12] = True
    uptake = uptake_of(np.full(mask.shape, 5000.0), mask, 4e-4)
    assert uptake.suv_max == pytest.approx(2.0)
    assert uptake.suv_mean == pytest.approx(2.0)
    assert uptake.suv_peak == pytest.approx(2.0)
    assert uptake.mtv_ml == pytest.approx(64 * 32.7 / 1000)
    assert uptake.tlg == pytest.approx(2 * 64 * 32.7 / 1000)
    assert uptake.centroid == pytest.approx((9.5 * 2.5, 9.5 * 4.0, 9.5 * 3.27))


def test_the_peak_of_a_single_hot_voxel_is_its_share_of_the_sphere() -> None:
    mask = one_voxel()
    uptake = uptake_of(np.where(mask, 1000.0, 0.0), mask)
    assert uptake.suv_max == 1000.0
    assert uptake.suv_peak == pytest.approx(1000.0 * 32.7 / 1000.0, rel=5e-3)


def test_the_peak_counts_uptake_around_the_lesion_and_the_best_center() -> None:
    rng = np.random.default_rng(7)
    values = rng.random((21, 21, 21)) * 100
    mask = np.zeros(values.shape, dtype=bool)
    mask[8:12, 7:13, 9:12] = True
    fine = np.stack(np.meshgrid(*[np.linspace(-7, 7, 57)] * 3, indexing="ij"), axis=-1).reshape(-1, 3)
    ball = fine[np.linalg.norm(fine, axis=1) <= PEAK_RADIUS_MM]
    means = []
    for center in np.argwhere(mask):
        places = np.rint(center + ball / SPACING).astype(int)
        means.append(values[tuple(places.T)].mean())
    assert uptake_of(values, mask).suv_peak == pytest.approx(max(means), rel=0.01)


@pytest.mark.parametrize("place", [(0, 10, 10), (20, 10, 10), (10, 1, 10), (10, 10, 19)])
def test_there_is_no_peak_where_its_sphere_leaves_the_volume(place: tuple[int, int, int]) -> None:
    uptake = uptake_of(np.ones((21, 21, 21)), one_voxel(place))
    assert uptake.suv_peak is None
    assert uptake.suv_mean == pytest.approx(1.0)


def test_a_lesion_at_the_border_has_a_peak_if_its_hottest_sphere_lies_inside() -> None:
    mask = np.zeros((21, 21, 21), dtype=bool)
    mask[10, 10, 0:11] = True
    values = np.ones(mask.shape)
    values[8:13, 8:13, 6:15] = 9.0
    assert uptake_of(values, mask).suv_peak == pytest.approx(9.0, rel=0.01)
    values[8:13, 8:13, 0:3] = 99.0
    assert uptake_of(values, mask).suv_peak is None
