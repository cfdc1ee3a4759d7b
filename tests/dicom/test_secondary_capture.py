"""The picture as a DICOM object: valid, of its patient and study, the same whenever it is made."""

import subprocess
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from pydicom import dcmread

from aimi.dicom.secondary_capture import Caption, Captured, encode
from aimi.dicom.segmentation import to_bytes
from aimi.errors import InputError
from tests.dicom.stacks import read_stack
from tests.made import Made, write_made

MORNING = datetime(2026, 1, 2, 3, 4, 5)
EVENING = datetime(2026, 1, 3, 20, 0, 0)
SEGMENTATION = ("1.2.840.10008.5.1.4.1.1.66.4", "2.25.123")
CAPTION = Caption("Liver in CT AI picture", 3107, "0.1.0", SEGMENTATION)
MADE = Made(np.zeros((8, 6, 7), np.int16))


def make_picture(rows: int = 31, columns: int = 25) -> npt.NDArray[np.uint8]:
    return np.random.default_rng(5).integers(0, 256, (rows, columns, 3)).astype(np.uint8)


def capture(folder: Path, picture: npt.NDArray[np.uint8], now: datetime = MORNING) -> Captured:
    return encode(picture, read_stack(folder), CAPTION, clock=lambda: now)


def errors_of(path: Path) -> list[str]:
    found = subprocess.run(["dciodvfy", "-new", str(path)], capture_output=True, text=True, check=False)
    return [line for line in found.stderr.splitlines() if line.startswith("Error")]


def test_the_pixels_are_the_pictures(tmp_path: Path) -> None:
    picture = make_picture()
    (tmp_path / "picture.dcm").write_bytes(to_bytes(capture(write_made(tmp_path / "ct", MADE), picture).dataset))
    dataset = dcmread(tmp_path / "picture.dcm")
    assert np.array_equal(dataset.pixel_array, picture)
    assert dataset.BurnedInAnnotation == "NO"
    assert dataset.SourceImageSequence[0].ReferencedSOPInstanceUID == "2.25.123"


def test_it_belongs_to_the_patient_and_study_of_its_source_in_a_series_of_its_own(tmp_path: Path) -> None:
    folder = write_made(tmp_path, MADE)
    stack = read_stack(folder)
    dataset = capture(folder, make_picture()).dataset
    assert dataset.StudyInstanceUID == stack.header.study_instance_uid
    assert dataset.PatientID == stack.instances[0].patient_id
    assert dataset.SeriesInstanceUID != stack.header.series_instance_uid
    assert dataset.SeriesNumber == 3107


def test_the_same_picture_is_the_same_object_at_any_time_and_another_is_another(tmp_path: Path) -> None:
    folder = write_made(tmp_path, MADE)
    first = capture(folder, make_picture()).dataset
    later = capture(folder, make_picture(), EVENING).dataset
    other = capture(folder, 255 - make_picture()).dataset
    assert first.SOPInstanceUID == later.SOPInstanceUID
    assert first.SeriesInstanceUID == later.SeriesInstanceUID
    assert later.ContentTime == "200000"
    assert len({first.SOPInstanceUID, other.SOPInstanceUID, first.SeriesInstanceUID, other.SeriesInstanceUID}) == 4


@pytest.mark.parametrize(
    ("name", "series"),
    [
        ("ct_abdomen_crlm_1004", "DICOM"),
        ("mr_prostatex", "ProstateX-0000/4.000000-t2tsetra-00702"),
        ("awkward", "enhanced/made_legacy_enhanced_pet"),
    ],
)
def test_dciodvfy_finds_no_error_in_a_picture_of_real_data(
    real_data: Callable[[str], Path], tmp_path: Path, name: str, series: str
) -> None:
    captured = capture(real_data(name) / series, make_picture())
    path = tmp_path / "picture.dcm"
    path.write_bytes(to_bytes(captured.dataset))
    assert errors_of(path) == []


def test_a_source_that_has_gone_is_an_error_of_the_input(tmp_path: Path) -> None:
    stack = read_stack(write_made(tmp_path, MADE))
    for instance in stack.instances:
        instance.path.unlink()
    with pytest.raises(InputError, match="cannot be read any more"):
        encode(make_picture(), stack, CAPTION, clock=lambda: MORNING)


def test_grey_pictures_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="RGB"):
        capture(write_made(tmp_path, MADE), np.zeros((4, 4, 1), np.uint8))
