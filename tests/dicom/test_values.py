"""Typed values of raw elements: text, numbers and times as headers really write them."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.datadict import tag_for_keyword

from aimi.dicom.elements import Elements, Encoding
from aimi.dicom.values import Values

LITTLE = Encoding(is_implicit=False, order="<")
BIG = Encoding(is_implicit=False, order=">")


def make(encoding: Encoding = LITTLE, **raw: bytes) -> Values:
    tags = {tag_for_keyword(keyword): value for keyword, value in raw.items()}
    return Values(Elements({tag: value for tag, value in tags.items() if tag is not None}, encoding))


@pytest.mark.parametrize(
    ("character_set", "value", "text"),
    [
        (b"", b"plain ", "plain"),
        (b"ISO_IR 100", b"Sch\xe4del", "Schädel"),
        (b"ISO_IR 192", "Schädel".encode(), "Schädel"),
        (b"GB18030", "增强".encode("gb18030"), "增强"),
        (b"\\ISO 2022 IR 87", b"\x1b$B\x46\x2c\x1b(B", "頭"),
        (b"MADE UP", b"Sch\xe4del", "Schädel"),
        (b"ISO_IR 192", b"Sch\xe4del", "Schädel"),
    ],
)
def test_text_is_read_in_its_character_set(character_set: bytes, value: bytes, text: str) -> None:
    values = make(SpecificCharacterSet=character_set, SeriesDescription=value)
    assert values.text("SeriesDescription") == text


@pytest.mark.parametrize(
    ("written", "uid"),
    [
        (b"1.2.840.10008.1.2\0", "1.2.840.10008.1.2"),
        (b"1.02.3 ", "1.02.3"),
        (b"1.2\\1.3", ""),
        (b"1.2.DOE", ""),
        (b"1..2", ""),
        (b"1.2.", ""),
        (b"1" * 64, "1" * 64),
        (b"1" * 65, ""),
        ("1.2\u0663".encode(), ""),
    ],
)
def test_uid_is_one_uid_or_nothing(written: bytes, uid: str) -> None:
    assert make(SOPClassUID=written).uid("SOPClassUID") == uid


def test_components_are_stripped_one_by_one() -> None:
    assert make(ImageType=b"ORIGINAL \\PRIMARY\\\\M ").texts("ImageType") == ("ORIGINAL", "PRIMARY", "", "M")


def test_silent_header_gives_nothing() -> None:
    values = make(SeriesDescription=b"")
    assert (values.text("SeriesDescription"), values.texts("ImageType"), values.number("KVP")) == ("", (), None)
    assert (values.integer("Rows"), values.seconds("SeriesTime"), values.items("ReferencedImageSequence")) == (
        None,
        None,
        [],
    )


@pytest.mark.parametrize(
    ("written", "numbers"),
    [
        (b"0.5\\-1.25e-3 ", (0.5, -0.00125)),
        (b" 2 \\ 3\0", (2.0, 3.0)),
        (b"2,5\\3", ()),
        (b"1\\", ()),
        (b"nan\\1", ()),
        (b"inf", ()),
        (b"1A", ()),
    ],
)
def test_decimal_strings_are_all_numbers_or_none(written: bytes, numbers: tuple[float, ...]) -> None:
    assert make(PixelSpacing=written).numbers("PixelSpacing") == numbers


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_binary_numbers_are_read_in_both_byte_orders(number: float) -> None:
    little = make(DiffusionBValue=struct.pack("<d", number))
    big = make(BIG, DiffusionBValue=struct.pack(">d", number))
    assert little.number("DiffusionBValue") == big.number("DiffusionBValue") == number


def test_binary_number_that_is_cut_or_infinite_is_none() -> None:
    assert make(DiffusionBValue=b"\0\0\0").number("DiffusionBValue") is None
    assert make(DiffusionBValue=struct.pack("<d", float("inf"))).number("DiffusionBValue") is None


@pytest.mark.parametrize(("written", "number"), [(b"12 ", 12), (b"12.0", 12), (b"12.5", None), (b"1A", None)])
def test_integers_are_whole(written: bytes, number: int | None) -> None:
    assert make(InstanceNumber=written).integer("InstanceNumber") == number


@pytest.mark.parametrize(("is_signed", "value"), [(True, -2000), (False, 63536)])
def test_padding_value_has_the_sign_of_the_pixels(is_signed: bool, value: int) -> None:
    values = make(PixelPaddingValue=struct.pack("<h", -2000))
    assert values.pixel_value("PixelPaddingValue", is_signed=is_signed) == value
    big = make(BIG, PixelPaddingValue=struct.pack(">h", -2000))
    assert big.pixel_value("PixelPaddingValue", is_signed=is_signed) == value


@pytest.mark.parametrize(
    ("written", "seconds"),
    [
        (b"095947", 35987.0),
        (b"095947.25 ", 35987.25),
        (b"0959", 35940.0),
        (b"09", 32400.0),
        (b"09:59:47", 35987.0),
        (b"noon", None),
        (b"", None),
    ],
)
def test_times_are_seconds_since_midnight(written: bytes, seconds: float | None) -> None:
    assert make(SeriesTime=written).seconds("SeriesTime") == seconds


def test_private_element_is_found_in_the_block_of_its_creator() -> None:
    raw = {0x00190010: b"OTHER ", 0x00190011: b"MADE HEADER ", 0x0019100C: b"1", 0x0019110C: b"2"}
    values = Values(Elements(raw, LITTLE))
    assert values.private(0x0019, "MADE HEADER", 0x0C) == b"2"
    assert values.private(0x0019, "ABSENT", 0x0C) is None


def test_unknown_keyword_is_a_programming_mistake() -> None:
    with pytest.raises(KeyError):
        make().text("NoSuchKeyword")
