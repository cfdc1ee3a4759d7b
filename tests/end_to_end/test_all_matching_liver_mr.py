"""``--all-matching`` where one series holds several volumes: one result for each T1-weighted stack of a liver MR."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydicom.dataset import Dataset
from pydicom.uid import UID

from aimi import tasks
from aimi.options import RunOptions
from tests.end_to_end import roads
from tests.end_to_end.proof import Planes, assert_marks, read_planes
from tests.end_to_end.threshold_task import make_models
from tests.made import UID_ROOT, Made, make_slices, write_series

pytestmark = [pytest.mark.torch, pytest.mark.holoscan]

SPACING = (4.0, 1.5, 1.5)
SHAPE = (10, 24, 20)
ABOVE = 500.0


@dataclass(frozen=True)
class Volume:
    """One volume of a series: its number tells where its liver lies."""

    number: int
    series: int
    attributes: dict[str, Any] = field(default_factory=dict)

    @property
    def root(self) -> str:
        return f"{UID_ROOT}.1.{self.series}.{self.number}"


T1 = {"ScanningSequence": "GR", "EchoTime": "1.4", "RepetitionTime": "4", "FlipAngle": "12"}
DUAL_ECHO = T1 | {"RepetitionTime": "150", "FlipAngle": "70"}


def phase(number: int, time: str) -> Volume:
    return Volume(number, 3, T1 | {"TemporalPositionIdentifier": number, "AcquisitionTime": time})


VOLUMES = (
    phase(1, "120100"),
    phase(2, "120130"),
    phase(3, "120200"),
    Volume(4, 2, DUAL_ECHO | {"EchoTime": "4.6", "ImageType": ["ORIGINAL", "PRIMARY", "M", "IP"]}),
    Volume(5, 2, DUAL_ECHO | {"EchoTime": "2.3", "ImageType": ["ORIGINAL", "PRIMARY", "M", "OP"]}),
    Volume(6, 5, T1 | {"SeriesDescription": "dyn_SUB"}),
    Volume(7, 6, {"SeriesDescription": "T2"}),
)
TAKEN = (3, 2, 1, 4, 5)
"""Dynamic phases, the last first, then in phase, then opposed phase; no subtraction and no T2."""


def slices_of(volume: Volume) -> list[Dataset]:
    array = np.full(SHAPE, 100, np.int16)
    array[2:8, 2 * volume.number : 2 * volume.number + 8, 3:15] = 800
    attributes = {"BodyPartExamined": "LIVER", "ImageType": ["ORIGINAL", "PRIMARY", "M"], **volume.attributes}
    slices = make_slices(Made(array, spacing=SPACING, modality="MR", series=volume.series, attributes=attributes))
    for number, ds in enumerate(slices):
        ds.SOPInstanceUID = ds.file_meta.MediaStorageSOPInstanceUID = UID(f"{volume.root}.{number}")
    return slices


@pytest.fixture
def study(tmp_path: Path) -> Path:
    """Slices of all volumes in one folder, place by place."""
    by_place = zip(*map(slices_of, VOLUMES), strict=True)
    return write_series(tmp_path / "study", [ds for place in by_place for ds in place])


def planes_of(study: Path, number: int) -> Planes:
    (root,) = (volume.root for volume in VOLUMES if volume.number == number)
    return {key: plane for key, plane in read_planes(study.iterdir()).items() if key[0].startswith(f"{root}.")}


@pytest.mark.parametrize("road", roads.ROADS)
def test_each_stack_of_a_split_series_has_its_own_result(road: str, study: Path, tmp_path: Path) -> None:
    models = make_models(tmp_path / "models", SPACING, ABOVE, "Task822_Liver_AMD")
    options = RunOptions(all_matching=True)
    end = roads.run(road, tasks.get("liver_mr"), study, tmp_path / "out", models, options)
    assert (end.status, end.message) == (0, "")
    names = [f"liver_mr-{place}.seg.dcm" for place in range(1, len(TAKEN) + 1)]
    assert [path.name for path in roads.segmentations(end.folder)] == names
    for name, number in zip(names, TAKEN, strict=True):
        marked = assert_marks(end.folder / name, planes_of(study, number), lambda pixels: pixels > ABOVE)
        assert marked == 6 * 8 * 12


def test_the_reports_name_the_stack_of_each_result(study: Path, tmp_path: Path) -> None:
    models = make_models(tmp_path / "models", SPACING, ABOVE, "Task822_Liver_AMD")
    options = RunOptions(all_matching=True)
    end = roads.run("command", tasks.get("liver_mr"), study, tmp_path / "out", models, options)
    own = [json.loads((end.folder / f"liver_mr-{place}.report.json").read_bytes()) for place in range(1, 6)]
    chosen = [report["selection"]["chosen"]["mr"] for report in own]
    assert [(one["series_number"], *one["split"].items()) for one in chosen] == [
        (3, ("TemporalPositionIdentifier", "3")),
        (3, ("TemporalPositionIdentifier", "2")),
        (3, ("TemporalPositionIdentifier", "1")),
        (2, ("EchoTime", "4.6")),
        (2, ("EchoTime", "2.3")),
    ]
