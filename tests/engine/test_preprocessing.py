"""What the equivalence tests do not reach: empty, damaged and coloured images."""

from dataclasses import replace

import numpy as np
import pytest

from aimi.engine.plans import Normalization, Plans, Scheme
from aimi.engine.preprocessing import preprocess
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
