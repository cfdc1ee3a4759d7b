"""What each task makes of each real study by itself, default options: status, chosen series, notes.

One row a task, one column a study, as the data's own README has them (section 6). A cell is the exit status; with
status 0 also the chosen Series Number of each role and what the report notes of the choice.
"""

import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import pytest

from aimi import pipeline, tasks
from aimi.dicom import study
from aimi.errors import AimiError
from aimi.options import RunOptions
from tests.end_to_end import roads
from tests.end_to_end.threshold_task import make_models

RealData = Callable[[str], Path]

STUDIES = {
    "abdomen": "ct_abdomen_crlm_1004",
    "pet_ct": "petct_acrin_042",
    "prostate": "mr_prostatex/ProstateX-0000",
    "mr_abdomen": "mr_abdomen_cmb_crc",
    "chest": "ct_chest_lidc_0314",
}


@dataclass(frozen=True)
class Taken:
    """A success: the Series Number of each role, and codes of notes on the choice."""

    series: dict[str, int]
    notes: list[str] = field(default_factory=list)


REFUSED = 3
LUNGS_CUT = ["selection-unknown-whole-lungs"]
PET_CT: dict[str, Taken | int] = dict.fromkeys(STUDIES, REFUSED) | {"pet_ct": Taken({"pet": 1, "ct": 2})}

TABLE: dict[str, dict[str, Taken | int]] = {
    "lung_pet_ct": PET_CT,
    "breast": PET_CT | {"pet_ct": Taken({"pet": 1, "ct": 2}, ["selection-unknown-breast"])},
    "lung_ct": {
        "abdomen": Taken({"ct": 2}, LUNGS_CUT),
        "pet_ct": Taken({"ct": 2}, ["selection-unknown-diagnostic-CT"]),
        "prostate": REFUSED,
        "mr_abdomen": REFUSED,
        "chest": Taken({"ct": 30026}, LUNGS_CUT),
    },
    "kidney": {
        "abdomen": Taken({"ct": 2}),
        "pet_ct": REFUSED,
        "prostate": REFUSED,
        "mr_abdomen": REFUSED,
        "chest": REFUSED,
    },
    "prostate": {
        "abdomen": REFUSED,
        "pet_ct": REFUSED,
        "prostate": Taken({"mr": 4}),
        "mr_abdomen": REFUSED,
        "chest": REFUSED,
    },
    "liver_mr": dict.fromkeys(STUDIES, REFUSED),
    "liver_ct": {
        "abdomen": Taken({"ct": 2}),
        "pet_ct": Taken({"ct": 2}, ["selection-unknown-body-part"]),
        "prostate": REFUSED,
        "mr_abdomen": REFUSED,
        "chest": REFUSED,
    },
}

read = cache(study.read)


def outcome_of(task: str, source: Path, options: RunOptions | None = None) -> Taken | int:
    """Choose as a run does; give what was taken, or the exit status."""
    job = roads.make_job(tasks.get(task), Path("unused"), None, options)
    try:
        chosen = pipeline.choose(job, read(source))
    except AimiError as err:
        assert err.message and err.remedy
        return err.status
    numbers = {role: stack.header.series_number or 0 for role, stack in chosen.stacks.items()}
    return Taken(numbers, [note.code for note in job.record.notes if note.code.startswith("selection-")])


def folder_of(real_data: RealData, name: str) -> Path:
    archive, _, rest = STUDIES[name].partition("/")
    return real_data(archive) / rest


@pytest.mark.parametrize("name", STUDIES)
@pytest.mark.parametrize("task", TABLE)
def test_real_study_is_taken_or_refused_as_the_table_says(task: str, name: str, real_data: RealData) -> None:
    assert outcome_of(task, folder_of(real_data, name)) == TABLE[task][name]


def test_plain_ct_is_taken_for_the_kidneys_on_request(real_data: RealData) -> None:
    allowed = RunOptions(allow_non_contrast=True)
    assert outcome_of("kidney", folder_of(real_data, "pet_ct"), allowed) == Taken(
        {"ct": 2}, ["selection-unknown-body-part"]
    )


def test_allowing_plain_ct_is_wrong_usage_where_contrast_is_not_asked_for(real_data: RealData) -> None:
    assert outcome_of("liver_ct", folder_of(real_data, "pet_ct"), RunOptions(allow_non_contrast=True)) == 2


@pytest.fixture
def prostate(real_data: RealData, tmp_path: Path) -> Path:
    return Path(shutil.copytree(folder_of(real_data, "prostate"), tmp_path / "study"))


@pytest.fixture
def models(tmp_path: Path) -> Path:
    return make_models(tmp_path / "models", (3.0, 0.5, 0.5), 250.0, "Task788_ProstateX")


@pytest.mark.torch
def test_prostate_without_slice_10_is_refused_with_4(prostate: Path, models: Path, tmp_path: Path) -> None:
    (stack,) = next(series for series in study.read(prostate).series if series.header.series_number == 4).stacks
    stack.instances[stack.planes[9].instance].path.unlink()
    end = roads.run("command", tasks.get("prostate"), prostate, tmp_path / "out", models)
    assert (end.status, "1 slice is missing" in end.message) == (4, True)
    assert roads.segmentations(end.folder) == []


@pytest.mark.torch
def test_series_of_another_patient_beside_the_prostate_is_refused(
    prostate: Path, models: Path, real_data: RealData, tmp_path: Path
) -> None:
    shutil.copytree(real_data("mr_prostatex") / "0218_T1_vibe", prostate / "other")
    end = roads.run("command", tasks.get("prostate"), prostate, tmp_path / "out", models)
    assert (end.status, "more than one patient" in end.message) == (4, True)
    assert roads.segmentations(end.folder) == []


def test_every_task_has_its_row() -> None:
    assert set(TABLE) == set(tasks.TASKS)
