"""Copies of an instance and conflicts of identity."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydicom.dataset import Dataset
from pydicom.uid import UID, DeflatedExplicitVRLittleEndian, ImplicitVRLittleEndian, JPEGLSLossless, RLELossless

from aimi.dicom.elements import read_header
from aimi.dicom.identity import drop_copies
from aimi.dicom.parsing import ParsedInstance, parse
from aimi.errors import InputError
from tests.made import Made, make_slices

RAMP = np.arange(20, dtype=np.int16).reshape(1, 4, 5)


def make(added: int = 0, **attributes: Any) -> Dataset:
    return make_slices(Made(RAMP + np.int16(added), attributes=attributes))[0]


def save(path: Path, ds: Dataset, syntax: str = ImplicitVRLittleEndian) -> ParsedInstance:
    if syntax in {RLELossless, JPEGLSLossless}:
        ds.compress(syntax, generate_instance_uid=False)
    ds.file_meta.TransferSyntaxUID = UID(syntax)
    ds.save_as(path, enforce_file_format=True)
    header = read_header(path)
    assert header is not None
    return parse(path, header)


@pytest.mark.parametrize(
    "syntax", [ImplicitVRLittleEndian, DeflatedExplicitVRLittleEndian, RLELossless, JPEGLSLossless]
)
def test_copy_in_any_encoding_counts_once(tmp_path: Path, syntax: str) -> None:
    first, second = save(tmp_path / "a", make()), save(tmp_path / "b", make(), syntax)
    kept, copies = drop_copies([first, second])
    assert (len(kept), copies) == (1, 1)
    assert [kept[0].instance.sop_instance_uid] == [first.instance.sop_instance_uid]


@pytest.mark.parametrize("syntax", [DeflatedExplicitVRLittleEndian, RLELossless])
def test_two_copies_in_one_compressed_encoding_count_once(tmp_path: Path, syntax: str) -> None:
    copies = [save(tmp_path / name, make(StationName=name), syntax) for name in ("a", "b")]
    assert drop_copies(copies)[1] == 1


@pytest.mark.parametrize("syntax", [ImplicitVRLittleEndian, DeflatedExplicitVRLittleEndian, RLELossless])
def test_other_pixels_under_one_uid_are_refused(tmp_path: Path, syntax: str) -> None:
    parsed = [save(tmp_path / "a", make()), save(tmp_path / "b", make(1), syntax)]
    with pytest.raises(InputError, match="2 files have one SOP Instance UID") as caught:
        drop_copies(parsed)
    assert caught.value.status == 4


@pytest.mark.parametrize(
    "attributes",
    [
        {"ImagePositionPatient": [0, 0, 0]},
        {"RescaleSlope": "2"},
        {"SeriesInstanceUID": "2.25.8"},
        {"PixelSpacing": [1, 1]},
        {"FrameOfReferenceUID": "2.25.9"},
    ],
)
def test_same_pixels_in_another_place_are_refused(tmp_path: Path, attributes: dict[str, Any]) -> None:
    parsed = [save(tmp_path / "a", make()), save(tmp_path / "b", make(**attributes))]
    with pytest.raises(InputError, match="different pixels or positions"):
        drop_copies(parsed)


def test_copies_without_pixels_count_once(tmp_path: Path) -> None:
    reports = [make(), make()]
    for report in reports:
        del report.PixelData
    assert drop_copies([save(tmp_path / str(index), report) for index, report in enumerate(reports)])[1] == 1


def spoil(parsed: ParsedInstance) -> ParsedInstance:
    """Overwrite the first bytes of the last fragment."""
    content = parsed.instance.path.read_bytes()
    fragment = content.rindex(b"\xfe\xff\x00\xe0") + 8
    parsed.instance.path.write_bytes(content[:fragment] + bytes([99] * 20) + content[fragment + 20 :])
    return parsed


def test_undecodable_copy_in_another_encoding_is_refused(tmp_path: Path) -> None:
    first, second = save(tmp_path / "a", make()), spoil(save(tmp_path / "b", make(), RLELossless))
    with pytest.raises(InputError):
        drop_copies([first, second])


def test_two_undecodable_encodings_are_no_copies(tmp_path: Path) -> None:
    parsed = [spoil(save(tmp_path / syntax, make(), syntax)) for syntax in (RLELossless, JPEGLSLossless)]
    with pytest.raises(InputError):
        drop_copies(parsed)


def test_which_copy_stays_does_not_depend_on_names(tmp_path: Path) -> None:
    kept = []
    for names in (("a", "b"), ("b", "a")):
        folder = tmp_path / names[0]
        folder.mkdir()
        pair = [save(folder / name, make(SeriesDescription=text)) for name, text in zip(names, "xy", strict=True)]
        kept.append(drop_copies(pair)[0][0].instance.header.series_description)
    assert kept == ["x", "x"]
