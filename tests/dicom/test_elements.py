"""The header walk against pydicom, in every encoding, on whole and on damaged files."""

import logging
import struct
import tempfile
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pydicom
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate
from pydicom.uid import (
    UID,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEGLSLossless,
)

from aimi.dicom.elements import Elements, read_header
from tests.made import Made, make_slices

STATION_NAME = 0x00081010
REFERENCED = 0x00081140
REFERENCED_UID = 0x00081155


def make_dataset() -> Dataset:
    made = Made(np.arange(20, dtype=np.int16).reshape(1, 4, 5), attributes={"StationName": "MADE"})
    return make_slices(made)[0]


def save(path: Path, ds: Dataset, syntax: str = ExplicitVRLittleEndian) -> Path:
    bare = Dataset()
    bare.update(ds)
    bare.file_meta = ds.file_meta
    bare.file_meta.TransferSyntaxUID = UID(syntax)
    bare.save_as(path, enforce_file_format=True)
    return path


def header_elements(path: Path) -> Elements:
    header = read_header(path)
    assert header is not None
    return header.elements


@pytest.fixture
def quiet_pydicom() -> Iterator[None]:
    logging.disable(logging.CRITICAL)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
    logging.disable(logging.NOTSET)


def raw_of_pydicom(path: Path) -> dict[int, bytes]:
    ds = pydicom.dcmread(path, force=True, stop_before_pixels=True)
    values = {int(tag): ds.get_item(tag).value for tag in list(ds.keys())}
    return {tag: value or b"" for tag, value in values.items() if value is None or isinstance(value, bytes)}


@pytest.mark.usefixtures("quiet_pydicom")
def test_every_element_of_every_awkward_file_is_pydicoms(real_data: Callable[[str], Path]) -> None:
    headers = {path: read_header(path) for path in sorted(real_data("awkward").rglob("*")) if path.is_file()}
    read = {path: header.elements.raw for path, header in headers.items() if header is not None}
    assert len(read) > 600
    assert [path.name for path, raw in read.items() if not raw_of_pydicom(path).items() <= raw.items()] == []


@pytest.mark.parametrize(
    "syntax", [ImplicitVRLittleEndian, ExplicitVRLittleEndian, ExplicitVRBigEndian, DeflatedExplicitVRLittleEndian]
)
def test_every_encoding_gives_the_same_text(tmp_path: Path, syntax: str) -> None:
    header = read_header(save(tmp_path / "a", make_dataset(), syntax))
    assert header is not None
    assert header.transfer_syntax_uid == syntax
    assert header.elements.raw[STATION_NAME] == b"MADE"
    assert header.is_whole


@pytest.mark.parametrize("order", ["<", ">"])
def test_numbers_are_in_the_byte_order_of_the_encoding(tmp_path: Path, order: str) -> None:
    syntax = ExplicitVRBigEndian if order == ">" else ExplicitVRLittleEndian
    elements = header_elements(save(tmp_path / "a", make_dataset(), syntax))
    assert struct.unpack(order + "H", elements.raw[0x00280010]) == (4,)
    assert elements.encoding.order == order


@pytest.mark.parametrize(("is_implicit", "is_little"), [(True, True), (False, True), (False, False)])
def test_bare_data_set_tells_its_encoding(tmp_path: Path, is_implicit: bool, is_little: bool) -> None:
    bare = Dataset()
    bare.update(make_dataset())
    bare.save_as(tmp_path / "a", implicit_vr=is_implicit, little_endian=is_little)
    header = read_header(tmp_path / "a")
    assert header is not None
    assert header.elements.raw[STATION_NAME] == b"MADE"
    assert header.elements.encoding.is_implicit == is_implicit
    assert not header.is_part10


def test_stated_encoding_gives_way_to_the_first_element(tmp_path: Path) -> None:
    content = save(tmp_path / "a", make_dataset(), ImplicitVRLittleEndian).read_bytes()
    (tmp_path / "b").write_bytes(content.replace(b"1.2.840.10008.1.2\0", b"1.2.840.10008.1.9\0"))
    assert header_elements(tmp_path / "b").raw[STATION_NAME] == b"MADE"


def test_file_meta_group_without_preamble_is_read(tmp_path: Path) -> None:
    content = save(tmp_path / "a", make_dataset()).read_bytes()
    (tmp_path / "b").write_bytes(content[132:])
    assert header_elements(tmp_path / "b") == header_elements(tmp_path / "a")


@pytest.mark.parametrize("size", [40_000, 3_000_000])
def test_header_longer_than_the_first_read_is_whole(tmp_path: Path, size: int) -> None:
    ds = make_dataset()
    ds.add_new(0x00090010, "LO", "MADE")
    ds.add_new(0x00091001, "OB", bytes(size))
    header = read_header(save(tmp_path / "a", ds))
    assert header is not None
    assert header.is_whole
    assert header.pixels is not None
    assert header.pixels.is_whole
    assert len(header.elements.raw[0x00091001]) == size


def test_plain_pixels_are_where_the_header_says(tmp_path: Path) -> None:
    path = save(tmp_path / "a", make_dataset())
    header = read_header(path)
    assert header is not None
    pixels = header.pixels
    assert pixels is not None
    assert pixels.offset is not None
    stored = np.frombuffer(path.read_bytes()[pixels.offset :], np.int16)
    assert stored.tolist() == list(range(20))
    assert pixels.length == 40


def make_nested(is_undefined: bool) -> Dataset:
    ds = make_dataset()
    inner = Dataset()
    inner.ReferencedSOPInstanceUID = "1.2.3"
    inner.is_undefined_length_sequence_item = is_undefined
    ds.ReferencedImageSequence = [inner, inner]
    ds["ReferencedImageSequence"].is_undefined_length = is_undefined
    return ds


@pytest.mark.parametrize("is_undefined", [True, False])
@pytest.mark.parametrize("syntax", [ImplicitVRLittleEndian, ExplicitVRLittleEndian, ExplicitVRBigEndian])
def test_items_of_a_sequence_are_read(tmp_path: Path, syntax: str, is_undefined: bool) -> None:
    elements = header_elements(save(tmp_path / "a", make_nested(is_undefined), syntax))
    items = elements.items(REFERENCED)
    assert [item.raw[REFERENCED_UID] for item in items] == [b"1.2.3\0", b"1.2.3\0"]
    assert elements.raw[0x00280010]


def test_sequence_written_as_unknown_is_implicit_inside(tmp_path: Path) -> None:
    # The length 0x4242 reads as the letters BB: taken for a representation, the item would not end.
    value = b"1.2.3" + bytes(0x4242 - 5)
    item = struct.pack("<HHL", 0xFFFE, 0xE000, 0xFFFFFFFF) + struct.pack("<HHL", 0x0008, 0x1155, len(value)) + value
    end = struct.pack("<HHLHHL", 0xFFFE, 0xE00D, 0, 0xFFFE, 0xE0DD, 0)
    unknown = struct.pack("<HH2sHL", 0x0008, 0x1140, b"UN", 0, 0xFFFFFFFF) + item + end
    path = save(tmp_path / "a", make_dataset())
    content = path.read_bytes()
    place = content.index(b"\x10\x00\x10\x00PN")
    path.write_bytes(content[:place] + unknown + content[place:])
    header = read_header(path)
    assert header is not None
    assert header.is_whole
    assert header.elements.raw[0x00280010] == b"\4\0"


def test_first_read_that_ends_between_two_elements_is_not_the_end(tmp_path: Path) -> None:
    ds = make_dataset()
    del ds.PixelData
    ds.add_new(0x00090010, "LO", "MADE")
    ds.add_new(0x00091001, "OB", b"")
    path = save(tmp_path / "a", ds)
    filled = (1 << 15) - path.read_bytes().index(b"\x09\x00\x01\x10") - 12
    ds[0x00091001].value = bytes(filled)
    header = read_header(save(path, ds))
    assert header is not None
    assert header.elements.raw[0x00280010] == b"\4\0"


def test_bottomless_nesting_is_damage_and_no_crash(tmp_path: Path) -> None:
    path = save(tmp_path / "a", make_dataset())
    content = path.read_bytes()
    level = struct.pack("<HH2sHL", 0x0008, 0x1140, b"SQ", 0, 0xFFFFFFFF) + struct.pack(
        "<HHL", 0xFFFE, 0xE000, 0xFFFFFFFF
    )
    path.write_bytes(content[: content.index(b"\x10\x00\x10\x00PN")] + level * 5000)
    header = read_header(path)
    assert header is not None
    assert not header.is_whole


def save_encapsulated(path: Path, frames: int, cut: int = 0) -> Path:
    ds = make_dataset()
    ds.NumberOfFrames = frames
    ds.PixelData = encapsulate([b"\1" * 100] * frames)
    ds["PixelData"].is_undefined_length = True
    save(path, ds, JPEGLSLossless)
    path.write_bytes(path.read_bytes()[: -cut or None])
    return path


@pytest.mark.parametrize("frames", [1, 7])
def test_fragments_are_counted_without_the_offset_table(tmp_path: Path, frames: int) -> None:
    header = read_header(save_encapsulated(tmp_path / "a", frames))
    assert header is not None
    assert header.pixels is not None
    assert (header.pixels.fragments, header.pixels.is_whole, header.pixels.length) == (frames, True, None)


@pytest.mark.parametrize("cut", [1, 8, 9, 107, 108, 109])
def test_cut_fragments_are_not_whole(tmp_path: Path, cut: int) -> None:
    header = read_header(save_encapsulated(tmp_path / "a", 3, cut))
    assert header is not None
    assert header.pixels is not None
    assert not header.pixels.is_whole


def test_garbage_in_place_of_the_delimiter_is_not_whole(tmp_path: Path) -> None:
    path = save_encapsulated(tmp_path / "a", 3, cut=8)
    path.write_bytes(path.read_bytes() + bytes([7] * 8))
    header = read_header(path)
    assert header is not None
    assert header.pixels is not None
    assert not header.pixels.is_whole


@given(cut=st.integers(1, 1500))
@settings(deadline=None, max_examples=150)
def test_cut_file_is_never_whole(cut: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = save(Path(folder, "a"), make_nested(True))
        content = path.read_bytes()
        path.write_bytes(content[: max(0, len(content) - cut)])
        header = read_header(path)
    assert header is None or not header.is_whole or header.pixels is None or not header.pixels.is_whole


@given(damage=st.lists(st.tuples(st.integers(0, 1300), st.integers(0, 255)), min_size=1, max_size=30))
@settings(deadline=None, max_examples=150)
def test_damaged_bytes_never_crash(damage: list[tuple[int, int]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = save(Path(folder, "a"), make_nested(True))
        content = bytearray(path.read_bytes())
        for place, value in damage:
            content[place % len(content)] = value
        path.write_bytes(content)
        header = read_header(path)
    assert header is None or isinstance(header.elements.items(REFERENCED), list)


@given(content=st.binary(max_size=400))
@settings(deadline=None, max_examples=100)
def test_other_bytes_are_no_dicom(content: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "a")
        path.write_bytes(b"#" + content)
        assert read_header(path) is None
