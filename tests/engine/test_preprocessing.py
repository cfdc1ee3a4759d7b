"""What the equivalence tests do not reach: empty, damaged and coloured images."""

import itertools
import math
import tracemalloc
from dataclasses import replace

import numpy as np
import pytest

from aimi.engine import preprocessing
from aimi.engine.plans import Normalization, Plans, Scheme
from aimi.engine.preprocessing import bytes_of_preparing, preprocess, uncropped
from aimi.errors import InputError
from tests.engine.test_export import make_plans

ONE = (1.0, 1.0, 1.0)


def make(scheme: Scheme, *, version: int = 2, inside_mask: bool = False) -> Plans:
    entry = Normalization(scheme, inside_mask, mean=1.0, deviation=2.0, lower=-10.0, upper=10.0)
    return replace(make_plans(), version=version, normalizations=(entry,))


@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize("scheme", [Scheme.ZSCORE, Scheme.CT, Scheme.NONE, Scheme.TO_01])
@pytest.mark.parametrize("inside_mask", [True, False])
def test_empty_image_is_kept_whole_and_finite(version: int, scheme: Scheme, inside_mask: bool) -> None:
    plans = make(scheme, version=version, inside_mask=inside_mask)
    seen = preprocess(np.zeros((1, 4, 5, 6), np.float32), ONE, plans)
    assert seen.array.shape == (1, 4, 5, 6)
    assert np.isfinite(seen.array).all()


def test_border_of_zeros_is_cropped() -> None:
    array = np.zeros((1, 9, 9, 9), np.float32)
    array[0, 2:5, 3:4, 1:9] = 7
    seen = preprocess(array, ONE, make(Scheme.NONE))
    assert seen.geometry.box == (slice(2, 5), slice(3, 4), slice(1, 9))
    assert (seen.array == 7).all()


def test_missing_values_are_zero_in_v1() -> None:
    array = np.ones((1, 3, 3, 3), np.float32)
    array[0, 1, 1, 1] = np.nan
    assert preprocess(array, ONE, make(Scheme.NONE, version=1)).array[0, 1, 1, 1] == 0


def test_colour_is_divided_by_255_and_anything_else_refused() -> None:
    array = np.full((1, 3, 3, 3), 51, np.float32)
    np.testing.assert_allclose(preprocess(array.copy(), ONE, make(Scheme.RGB_TO_01)).array, 0.2, rtol=1e-6)
    with pytest.raises(InputError, match="0 to 255"):
        preprocess(array * 6, ONE, make(Scheme.RGB_TO_01))


def test_own_statistics_without_a_voxel_in_range_are_refused() -> None:
    with pytest.raises(InputError, match="No voxel lies between -10 and 10"):
        preprocess(np.full((1, 3, 3, 3), 99, np.float32), ONE, make(Scheme.CT_OWN, version=1))


@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize("transpose", [(0, 1, 2), (2, 0, 1)])
def test_image_of_which_no_voxel_of_the_training_is_left_is_refused(
    version: int, transpose: tuple[int, int, int]
) -> None:
    spacing = {(0, 1, 2): (5.0, 1.0, 1.0), (2, 0, 1): (1.0, 5.0, 1.0)}[transpose]  # z of the image: 5 mm
    plans = replace(make(Scheme.NONE, version=version), spacing=spacing, transpose=transpose)
    thin = np.ones((1, 2, 6, 7), np.float32)
    with pytest.raises(InputError, match=r"is 2 mm thin along one axis, not more than half of the 5 mm of a voxel"):
        preprocess(thin, ONE, plans)
    with pytest.raises(InputError, match="is 2 mm thin"):
        uncropped((2, 6, 7), ONE, plans)
    assert preprocess(np.ones((1, 3, 6, 7), np.float32), ONE, plans).geometry.network_shape.count(1) == 1


def test_what_is_not_zero_may_be_too_thin_where_the_image_is_not() -> None:
    array = np.zeros((1, 20, 6, 7), np.float32)
    array[0, 4:6] = 1
    plans = replace(make(Scheme.NONE), spacing=(5.0, 1.0, 1.0))
    assert uncropped((20, 6, 7), ONE, plans).network_shape == (4, 6, 7)
    with pytest.raises(InputError, match="or what is not zero of it, is 2 mm thin"):
        preprocess(array, ONE, plans)


@pytest.mark.parametrize("spacing", [(4.0, 4.0, 4.0), ONE, (0.8, 0.8, 0.8), (5.0, 1.0, 1.0)])
@pytest.mark.parametrize(
    ("version", "scheme", "inside_mask"),
    [
        *itertools.product((1, 2), (Scheme.ZSCORE, Scheme.CT), (True, False)),
        (1, Scheme.CT_OWN, False),
    ],
)
def test_memory_of_preprocessing_is_what_is_measured(
    spacing: tuple[float, float, float], version: int, scheme: Scheme, inside_mask: bool
) -> None:
    plans = replace(make(scheme, version=version, inside_mask=inside_mask), spacing=spacing)
    array = np.random.default_rng(0).normal(size=(1, 40, 96, 96)).astype(np.float32)
    preprocess(array.copy(), ONE, plans)  # matrices are kept
    tracemalloc.start()
    result = preprocess(array, ONE, plans).array.size * 4
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    geometry = uncropped((40, 96, 96), ONE, plans)
    assert result == 4 * math.prod(geometry.network_shape)
    assert bytes_of_preparing(geometry, plans) + result == pytest.approx(peak, rel=0.05)


@pytest.mark.parametrize("count", [1, 2, 9, 1000, 123_457])
def test_mean_and_deviation_are_those_of_numpy_to_the_last_bit(count: int) -> None:
    values = np.random.default_rng(count).normal(300, 700, count).astype(np.float32)
    expected = values.mean(), values.std()
    assert preprocessing._mean_and_deviation(values) == expected


@pytest.mark.parametrize("version", [1, 2])
def test_values_inside_the_mask_are_normalised_with_the_very_numbers_of_nnunet(version: int) -> None:
    array = np.random.default_rng(3).normal(300, 700, (1, 12, 30, 31)).astype(np.float32)
    array[0, :4, :9, :9] = 0  # open to the border: outside the mask, not cropped
    mask = array[0] != 0
    inside = array[0][mask]
    small = max(inside.std(), 1e-8) if version == 2 else inside.std() + 1e-8
    expected = np.zeros_like(array[0])
    expected[mask] = (inside - inside.mean()) / small
    seen = preprocess(array, ONE, make(Scheme.ZSCORE, version=version, inside_mask=True)).array
    np.testing.assert_array_equal(seen[0], expected)
