from typing import Literal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from aimi.engine.isotropic import is_at, labels_back, region_to, resample_to, shape_at

LENGTHS = st.integers(2, 20)
SHAPES = st.tuples(LENGTHS, LENGTHS, LENGTHS)


@settings(deadline=None)
@given(SHAPES, SHAPES)
def test_image_is_resampled_as_scipy_zooms_it(shape: tuple[int, int, int], target: tuple[int, int, int]) -> None:
    array = np.random.default_rng(0).integers(-1000, 1000, shape).astype(np.float32)
    theirs = ndimage.zoom(array.astype(np.float64), np.divide(target, shape), order=3, mode="nearest")
    whole = np.abs(theirs - np.round(theirs)) < 1e-9  # rounding decides which side of it scipy falls on
    expected = np.where(whole, np.round(theirs), np.trunc(theirs))
    np.testing.assert_array_equal(resample_to(array, target, 3), expected)


@settings(deadline=None)
@given(SHAPES, SHAPES)
def test_order_1_is_that_of_scipy_in_each_bit(shape: tuple[int, int, int], target: tuple[int, int, int]) -> None:
    array = np.random.default_rng(0).integers(-1000, 1000, shape).astype(np.float32)
    theirs = ndimage.zoom(array.T.astype(np.float64), np.divide(target, shape)[::-1], order=1, mode="nearest").T
    np.testing.assert_array_equal(resample_to(array, target, 1), np.trunc(theirs))


@pytest.mark.parametrize("order", [1, 3])
def test_fractions_are_cut_where_the_shape_stays(order: Literal[1, 3]) -> None:
    array = np.random.default_rng(0).normal(scale=300, size=(7, 9, 8)).astype(np.float32)
    theirs = ndimage.zoom(array.astype(np.float64), (1.0, 1.0, 1.0), order=order, mode="nearest").astype(np.int32)
    np.testing.assert_array_equal(resample_to(array, (7, 9, 8), order), theirs)


def test_an_image_is_at_a_spacing_in_single_precision_alone() -> None:
    assert is_at((1.5, 1.5 + 1e-9, 1.5), 1.5)
    assert not is_at((1.5, 1.5 + 1e-6, 1.5), 1.5)


def test_a_flat_image_stays_flat() -> None:
    array = np.full((9, 11, 13), -1000.0, np.float32)
    assert np.unique(resample_to(array, (7, 17, 10), 3)).tolist() == [-1000.0]


@settings(deadline=None)
@given(SHAPES, SHAPES)
def test_labels_go_back_as_scipy_zooms_them(shape: tuple[int, int, int], target: tuple[int, int, int]) -> None:
    labels = np.random.default_rng(0).integers(0, 5, shape).astype(np.uint8)
    theirs = ndimage.zoom(labels, np.divide(target, shape), order=0, mode="nearest")
    np.testing.assert_array_equal(labels_back(labels, target), theirs)


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


def test_a_half_is_rounded_as_the_spacing_in_single_precision_has_it() -> None:
    # 45 x 0.65 / 1.5 is 19.5, which would be rounded to 20; 15 x 0.85 / 1.5 is 8.5, which would be rounded to 8
    assert float(np.float32(0.65)) < 0.65 and float(np.float32(0.85)) > 0.85
    assert shape_at((45, 15, 15), (0.65, 0.85, 0.75), 1.5) == (19, 9, 8)
