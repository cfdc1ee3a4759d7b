import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from aimi.engine.isotropic import labels_back, region_to, resample_to, shape_at

LENGTHS = st.integers(2, 20)
SHAPES = st.tuples(LENGTHS, LENGTHS, LENGTHS)


@settings(deadline=None)
@given(SHAPES, SHAPES)
def test_image_is_resampled_as_scipy_zooms_it(shape: tuple[int, int, int], target: tuple[int, int, int]) -> None:
    array = np.random.default_rng(0).integers(-1000, 1000, shape).astype(np.float32)
    theirs = ndimage.zoom(array.astype(np.float64), np.divide(target, shape), order=3)
    ours = resample_to(array, target)
    near_whole = np.abs(theirs - np.round(theirs)) < 1e-3
    np.testing.assert_array_equal(ours[~near_whole], np.trunc(theirs)[~near_whole])
    assert np.abs(ours - theirs).max() < 1.001


@settings(deadline=None)
@given(SHAPES, SHAPES)
def test_labels_go_back_as_scipy_zooms_them(shape: tuple[int, int, int], target: tuple[int, int, int]) -> None:
    labels = np.random.default_rng(0).integers(0, 5, shape).astype(np.uint8)
    np.testing.assert_array_equal(labels_back(labels, target), ndimage.zoom(labels, np.divide(target, shape), order=0))


@settings(deadline=None)
@given(SHAPES, SHAPES, st.integers(0, 99))
def test_labels_of_a_region_come_from_where_it_goes(
    shape: tuple[int, int, int], small: tuple[int, int, int], seed: int
) -> None:
    rng = np.random.default_rng(seed)
    region = rng.random(shape) < 0.05
    labels = rng.integers(0, 5, small).astype(np.uint8)
    changed = np.where(region_to(region, small), labels, 7).astype(np.uint8)
    np.testing.assert_array_equal(labels_back(changed, shape)[region], labels_back(labels, shape)[region])


def test_shape_follows_the_spacing() -> None:
    assert shape_at((41, 512, 512), (5.0, 0.8, 0.8), 1.5) == (137, 273, 273)
