"""Nothing of a patient leaves a run but in DICOM objects: not in logs, errors, reports, pictures' names or texts.

Words are planted in every free-text attribute; what the process wrote to its file descriptors (Holoscan's
own log included) and every other file is searched for them.
"""

import subprocess
import sys
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path

import numpy as np
import pytest
from pydicom.dataset import Dataset
from pydicom.uid import UID

from tests.end_to_end import roads
from tests.end_to_end.threshold_task import make_models
from tests.made import Made, make_slices, write_series

pytestmark = [pytest.mark.torch, pytest.mark.holoscan]

ROOT = Path(__file__).resolve().parents[2]
PLANTED = "Zaphodbeeble"
BIRTH_DATE = "19470713"


def plant(ds: Dataset) -> None:
    ds.PatientName = f"{PLANTED}^Name"
    ds.PatientID = f"{PLANTED}-ID"
    ds.PatientBirthDate = BIRTH_DATE
    ds.AccessionNumber = f"{PLANTED}Acc"[:16]
    for keyword in ("StudyDescription", "SeriesDescription", "ProtocolName", "InstitutionName", "PatientComments",
                    "ImageComments", "ReferringPhysicianName", "OperatorsName", "StationName", "ContrastBolusAgent",
                    "BodyPartExamined"):  # fmt: skip
        setattr(ds, keyword, PLANTED[:12].upper() if keyword == "BodyPartExamined" else PLANTED)
    ds.ImageType = ["ORIGINAL", "PRIMARY", PLANTED.upper()]


def whole(slices: list[Dataset]) -> list[Dataset]:
    return slices


def with_gap(slices: list[Dataset]) -> list[Dataset]:
    return slices[:5] + slices[6:]


def two_patients(slices: list[Dataset]) -> list[Dataset]:
    slices[0].PatientID = f"{PLANTED}-2"
    return slices


def without_rescale(slices: list[Dataset]) -> list[Dataset]:
    for ds in slices:
        del ds.RescaleSlope
    return slices


def two_volumes(slices: list[Dataset]) -> list[Dataset]:
    """Give the series a second volume, which only planted words of Image Type and of the contrast phase tell apart."""
    twins = [deepcopy(ds) for ds in slices]
    for number, ds in enumerate(twins, start=101):
        ds.SOPInstanceUID = ds.file_meta.MediaStorageSOPInstanceUID = UID(f"{ds.SeriesInstanceUID}.{number}")
        ds.ImageType = ["ORIGINAL", "PRIMARY", PLANTED.upper(), "TWIN"]
        ds.ContrastBolusAgentPhase = PLANTED.upper()
    return [*slices, *twins]


@pytest.mark.parametrize("road", roads.ROADS)
@pytest.mark.parametrize(
    ("change", "status"),
    [(whole, 0), (two_volumes, 0), (with_gap, 4), (two_patients, 4), (without_rescale, 4)],
    ids=lambda one: getattr(one, "__name__", None),
)
def test_planted_words_appear_nowhere_but_in_the_segmentation(
    change: Callable[[list[Dataset]], list[Dataset]], status: int, road: str, tmp_path: Path
) -> None:
    slices = make_slices(Made(np.random.default_rng(1).integers(0, 900, (20, 32, 24), dtype=np.int16)))
    for ds in slices:
        plant(ds)
    study = write_series(tmp_path / PLANTED, change(slices))
    models = make_models(tmp_path / "models", (2.5, 0.9, 0.7), 500.0)
    ended = _run(road, study, models, tmp_path / "out")
    assert ended.returncode == status, ended.stderr
    written = [path for path in (tmp_path / "out").iterdir() if path.suffix != ".dcm"]
    assert {path.suffix for path in written} >= {".json"}
    for content in (ended.stdout, ended.stderr, *(path.read_bytes() for path in written)):
        assert PLANTED.lower().encode() not in content.lower()
        assert BIRTH_DATE.encode() not in content


def _run(road: str, study: Path, models: Path, out: Path) -> subprocess.CompletedProcess[bytes]:
    paths = ["--debug", "run", "proof", str(study), "-o", str(out), "-m", str(models), "--json"]
    if road == "application":
        paths = ["-i", str(study), "-o", str(out), "-m", str(models), "-l", "DEBUG"]
    command = [sys.executable, "-m", "tests.end_to_end.proof_process", road, *paths]
    return subprocess.run(command, cwd=ROOT, capture_output=True, check=False, timeout=120)


@pytest.mark.parametrize("options", [[], ["--json"]])
def test_planted_words_appear_in_no_list_of_series(options: list[str], tmp_path: Path) -> None:
    slices = make_slices(Made(np.zeros((9, 4, 4), np.int16)))
    for ds in slices:
        plant(ds)
    study = write_series(tmp_path / PLANTED, two_volumes(slices))
    command = [sys.executable, "-m", "tests.end_to_end.proof_process", "command", "select", "proof", str(study)]
    ended = subprocess.run([*command, *options], cwd=ROOT, capture_output=True, check=False, timeout=120)
    assert ended.returncode == 0, ended.stderr
    assert b"[ImageType=1]" in ended.stdout
    assert PLANTED.lower().encode() not in (ended.stdout + ended.stderr).lower()


def test_the_planted_words_would_be_found(tmp_path: Path) -> None:
    ds = make_slices(Made(np.zeros((1, 4, 4), np.int16)))[0]
    plant(ds)
    write_series(tmp_path, [ds])
    assert PLANTED.encode() in (tmp_path / "0000.dcm").read_bytes()
