"""Values from stored values: exactness, padding, and what may not be believed."""

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aimi.dicom.header import PixelFormat
from aimi.dicom.rescale import CT_FLOOR, NotInt16Error, Rescale, make_rescale, to_float32, to_int16

KINDS = ["u1", "i1", "u2", "i2", "u4", "i4"]


def pixel_format(kind: str, padding: int | None = None, limit: int | None = None) -> PixelFormat:
    bits = 8 * int(kind[1])
    return PixelFormat(
        transfer_syntax_uid="1.2.840.10008.1.2.1",
        rows=1,
        columns=1,
        bits_allocated=bits,
        bits_stored=bits,
        pixel_representation=int(kind[0] == "i"),
        samples_per_pixel=1,
        photometric_interpretation="MONOCHROME2",
        number_of_frames=1,
        has_pixel_data=True,
        pixel_padding_value=padding,
        pixel_padding_range_limit=limit,
    )


def rescale_of(
    kind: str,
    modality: str = "MR",
    slope: float | None = 1.0,
    intercept: float | None = 0.0,
    padding: int | None = None,
    limit: int | None = None,
) -> Rescale:
    return make_rescale(pixel_format(kind, padding, limit), modality, slope=slope, intercept=intercept)


def whole(stored: npt.NDArray[Any], rescale: Rescale) -> list[int]:
    out = np.empty(stored.shape, np.int16)
    to_int16(stored.copy(), rescale, out)
    return [int(value) for value in out.ravel()]


def real(stored: npt.NDArray[Any], rescale: Rescale) -> list[float]:
    out = np.empty(stored.shape, np.float32)
    to_float32(stored, rescale, out)
    return [float(value) for value in out.ravel()]


@settings(deadline=None)
@given(kind=st.sampled_from(KINDS), intercept=st.integers(-70000, 70000), data=st.data())
def test_int16_values_are_exact_or_refused(kind: str, intercept: int, data: st.DataObject) -> None:
    limits = np.iinfo(kind)
    stored = data.draw(st.lists(st.integers(int(limits.min), int(limits.max)), min_size=1, max_size=5))
    expected = [value + intercept for value in stored]
    rescale = rescale_of(kind, intercept=float(intercept))
    if min(expected) < -32768 or max(expected) > 32767:
        with pytest.raises(NotInt16Error):
            whole(np.array([stored], kind), rescale)
    else:
        assert whole(np.array([stored], kind), rescale) == expected


@settings(deadline=None)
@given(kind=st.sampled_from(["u2", "i2"]), intercept=st.integers(-3000, 3000), data=st.data())
def test_ct_values_below_the_floor_become_the_floor_on_both_roads(
    kind: str, intercept: int, data: st.DataObject
) -> None:
    limits = np.iinfo(kind)
    stored = data.draw(st.lists(st.integers(int(limits.min), 30000 - intercept), min_size=1, max_size=5))
    expected = [max(value + intercept, CT_FLOOR) for value in stored]
    rescale = rescale_of(kind, "CT", intercept=float(intercept))
    assert whole(np.array([stored], kind), rescale) == expected
    assert real(np.array([stored], kind), rescale) == expected


@settings(deadline=None)
@given(
    kind=st.sampled_from(KINDS),
    slope=st.floats(-1e4, 1e4, allow_subnormal=False).filter(bool),
    intercept=st.floats(-1e4, 1e4),
    data=st.data(),
)
def test_float_values_are_rounded_once(kind: str, slope: float, intercept: float, data: st.DataObject) -> None:
    limits = np.iinfo(kind)
    stored = data.draw(st.lists(st.integers(int(limits.min), int(limits.max)), min_size=1, max_size=5))
    expected = [float(np.float32(value * slope + intercept)) for value in stored]
    assert real(np.array([stored], kind), rescale_of(kind, slope=slope, intercept=intercept)) == expected


@pytest.mark.parametrize(("slope", "intercept"), [(1.0001, 0.0), (2.0, 0.0), (-1.0, 0.0), (1.0, -1024.5)])
def test_values_that_are_not_whole_steps_are_never_int16(slope: float, intercept: float) -> None:
    with pytest.raises(NotInt16Error):
        whole(np.zeros((1, 1), np.int16), rescale_of("i2", slope=slope, intercept=intercept))


def test_the_ends_of_int16_fit_and_the_next_values_do_not() -> None:
    assert whole(np.array([[0, 65535]], np.uint16), rescale_of("u2", intercept=-32768.0)) == [-32768, 32767]
    for intercept in (-32769.0, -32767.0):
        with pytest.raises(NotInt16Error):
            whole(np.array([[0, 65535]], np.uint16), rescale_of("u2", intercept=intercept))


def test_absent_rescale_of_mr_changes_nothing() -> None:
    assert whole(np.array([[0, 5, 4095]], np.uint16), rescale_of("u2", slope=None, intercept=None)) == [0, 5, 4095]


# The abdomen of DATA_FACTS 2.2: -2000 stored, -3024 after rescale; the PET/CT's of 1.4: -3024 under an
# attribute that says -2000; a slice of 7.1: -32768 named, which would not fit int16 after rescale.
@pytest.mark.parametrize(
    ("stored", "intercept", "padding"),
    [(-2000, -1024, -2000), (-3024, 0, -2000), (-2000, 0, -2000), (-32768, -1024, -32768)],
)
def test_what_lies_outside_a_scanners_circle_becomes_the_lowest_value_of_ct(
    stored: int, intercept: int, padding: int
) -> None:
    plane = np.array([[stored, 40 - intercept]], np.int16)
    rescale = rescale_of("i2", "CT", intercept=float(intercept), padding=padding)
    assert whole(plane, rescale) == [CT_FLOOR, 40]
    assert real(plane, rescale) == [CT_FLOOR, 40]


def test_padding_between_the_floor_and_air_becomes_the_floor() -> None:
    rescale = rescale_of("u2", "CT", intercept=-1000.0, padding=0)
    assert whole(np.array([[0, 1, 1000]], np.uint16), rescale) == [CT_FLOOR, -999, 0]
    assert real(np.array([[0, 1, 1000]], np.uint16), rescale) == [CT_FLOOR, -999, 0]


def test_padding_written_for_the_other_sign_is_found() -> None:
    signed = rescale_of("i2", "PT", padding=63536)
    assert whole(np.array([[-2000, 7]], np.int16), signed) == [0, 7]
    lowest = rescale_of("i2", "PT", padding=32768)
    assert whole(np.array([[-32768, 7]], np.int16), lowest) == [0, 7]
    unsigned = rescale_of("u2", "PT", padding=-32768)
    assert whole(np.array([[32768, 7]], np.uint16), unsigned) == [0, 7]


@pytest.mark.parametrize(("padding", "limit"), [(-2000, -1500), (-1500, -2000)])
def test_padding_range_is_inclusive_whichever_end_comes_first(padding: int, limit: int) -> None:
    rescale = rescale_of("i2", padding=padding, limit=limit)
    plane = np.array([[-2001, -2000, -1700, -1500, -1499]], np.int16)
    assert whole(plane, rescale) == [-2001, 0, 0, 0, -1499]
    assert real(plane, rescale) == [-2001, 0, 0, 0, -1499]


def test_padding_above_the_scale_of_ct_becomes_the_floor() -> None:
    rescale = rescale_of("u2", "CT", intercept=-1024.0, padding=65535)
    assert whole(np.array([[65535, 1064]], np.uint16), rescale) == [CT_FLOOR, 40]


@pytest.mark.parametrize("padding", [0, 1000, 3071])
def test_padding_that_names_tissue_of_a_ct_is_reported_and_changes_nothing(padding: int) -> None:
    rescale = rescale_of("i2", "CT", padding=padding)
    plane = np.array([[padding, 40]], np.int16)
    whole_out, real_out = np.empty((1, 2), np.int16), np.empty((1, 2), np.float32)
    assert to_float32(plane, rescale, real_out)
    assert to_int16(plane, rescale, whole_out)
    assert whole_out.tolist() == real_out.tolist() == [[padding, 40]]


def test_unbelieved_padding_that_meets_no_pixel_is_not_reported() -> None:
    rescale = rescale_of("i2", "CT", padding=7)
    assert not to_int16(np.array([[6, 8]], np.int16), rescale, np.empty((1, 2), np.int16))
    assert not to_float32(np.array([[6, 8]], np.int16), rescale, np.empty((1, 2), np.float32))


def test_padding_of_a_rescaled_pet_is_zero_activity() -> None:
    rescale = rescale_of("i2", "PT", slope=0.25, intercept=100.0, padding=-5)
    assert real(np.array([[-5, 8]], np.int16), rescale) == [0.0, 102.0]


def test_padding_that_zero_has_no_stored_value_for_is_zero_all_the_same() -> None:
    rescale = rescale_of("u2", intercept=10.0, padding=3)
    assert whole(np.array([[3, 4]], np.uint16), rescale) == [0, 14]


def test_a_plane_far_below_the_floor_is_padding_only() -> None:
    plane = np.array([[0, 255]], np.uint8)
    rescale = rescale_of("u1", "CT", intercept=-5000.0)
    with pytest.raises(NotInt16Error):
        whole(plane, rescale)
    assert real(plane, rescale) == [CT_FLOOR, CT_FLOOR]


def test_float_pixels_are_no_int16_and_know_no_integer_padding() -> None:
    plane = np.array([[0.5, -5.0]], np.float32)
    rescale = rescale_of("i4", "PT", padding=-5)
    with pytest.raises(NotInt16Error):
        whole(plane, rescale)
    assert real(plane, rescale) == [0.5, -5.0]
