"""The trial of bf16 against f32: on the series that a run would take, on both precisions, kept beside the weights.

Where this chip does not compute in bf16, OpenVINO runs f32 when it is asked for bf16: then the whole road is shown, and
what bf16 changes is made by other weights.
"""

import json
import sys
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner, Result

from aimi import bf16_trial
from aimi.cli.main import app, main
from aimi.engine.backends import openvino_backend
from aimi.engine.folder import import_folder, open_folder
from aimi.errors import AimiError, UsageError
from aimi.interruption import Interruption
from aimi.job import Job
from aimi.model_runs import LoadedModel, load_with
from aimi.models import acceptance
from aimi.models.catalogue import TASK762_PET_CT, TASK773_LIVER
from aimi.models.store import FoundModel
from tests.end_to_end.pet_ct import LUNG_PROOF
from tests.engine.threshold_model import make_threshold_model
from tests.made import Made, write_made
from tests.made_pet_ct import CT_SPACING, PET_SPACING, write_pet_ct

pytestmark = pytest.mark.torch  # the models are written by it


def aimi(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments], env={"COLUMNS": "200"})


def status(result: Result) -> int:
    return result.exception.status if isinstance(result.exception, AimiError) else result.exit_code


@pytest.fixture
def study(tmp_path: Path) -> Path:
    array = np.random.default_rng(3).integers(-200, 300, (10, 20, 20), dtype=np.int16)
    return write_made(tmp_path / "study", Made(array, attributes={"BodyPartExamined": "ABDOMEN"}))


@pytest.fixture
def models(tmp_path: Path) -> Path:
    make_threshold_model(tmp_path / "models" / "Task773_Liver", (2.5, 0.9, 0.7), 100.0)
    return tmp_path / "models"


@pytest.fixture
def with_bf16(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(openvino_backend, "has_bf16", lambda: True)


def _other_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let bf16 differ from f32: another threshold."""
    folder = open_folder(make_threshold_model(tmp_path / "other", (2.5, 0.9, 0.7), 110.0))

    def load(job: Job, found: FoundModel, precision: str) -> LoadedModel:
        return load_with(job, FoundModel(found.spec, folder) if precision == "bf16" else found, precision)

    monkeypatch.setattr(bf16_trial, "load_with", load)


def test_a_chip_without_bf16_says_so_before_anything_is_run(
    study: Path, models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(openvino_backend, "has_bf16", lambda: False)
    ended = aimi("models", "accept", "Task773_Liver", study, "-m", models)
    assert status(ended) == 2
    assert "does not compute in bf16" in str(ended.exception)
    assert not list(models.rglob("bf16.json"))


@pytest.mark.usefixtures("with_bf16")
def test_a_model_whose_labels_stay_is_accepted_and_a_run_says_that_it_uses_bf16(
    study: Path, models: Path, tmp_path: Path
) -> None:
    ended = aimi("models", "accept", "Task773_Liver", study, study, "-m", models)
    assert (ended.exit_code, "Accepted: runs on a CPU" in ended.output) == (0, True)
    (label,) = json.loads(next(models.rglob("bf16.json")).read_text())["labels"]
    assert (label["cases"], label["least_dice"] >= 0.999) == (2, True)
    run = aimi("run", "liver_ct", study, "-o", tmp_path / "out", "-m", models, "--device", "cpu", "--json")
    assert json.loads(run.stdout)["models"][0]["precision"] == "bf16"


@pytest.mark.usefixtures("with_bf16")
def test_a_model_whose_labels_change_is_not_accepted_and_runs_stay_with_f32(
    study: Path, models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _other_weights(tmp_path, monkeypatch)
    ended = aimi("models", "accept", "Task773_Liver", study, "-m", models, "--json")
    told = json.loads(ended.stdout)
    assert (ended.exit_code, told["accepted"]) == (0, False)
    assert 0.9 < told["labels"][0]["least_dice"] < 0.999
    run = aimi(
        "run",
        "liver_ct",
        study,
        "-o",
        tmp_path / "out",
        "-m",
        models,
        "--device",
        "cpu",
        "--precision",
        "bf16",
        "--json",
    )
    report = json.loads(run.stdout)
    assert report["models"][0]["precision"] == "f32"
    assert "did not agree well enough" in " ".join(note["sentence"] for note in report["notes"])


@pytest.mark.usefixtures("with_bf16")
def test_a_label_that_no_case_shows_is_named(models: Path, tmp_path: Path) -> None:
    empty = Made(np.full((10, 20, 20), -500, np.int16), attributes={"BodyPartExamined": "ABDOMEN"})
    ended = aimi("models", "accept", "Task773_Liver", write_made(tmp_path / "empty", empty), "-m", models)
    assert "Not accepted: no case shows liver" in ended.output


@pytest.mark.usefixtures("with_bf16")
@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["Task773_Liver", "nowhere"], 2),
        (["Task773_Liver"], 2),
        (["NoModel", "STUDY"], 2),
        (["Task773_Liver", "STUDY", "--task", "kidney"], 2),
        (["Task788_ProstateX", "STUDY"], 6),
        (["Task773_Liver", "EMPTY"], 3),
        (["Task773_Liver", "STUDY", "--max-memory", "much"], 2),
        (["Task773_Liver", "STUDY", "--max-memory", "1M"], 5),
    ],
)
def test_wrong_turns_end_with_their_status_and_record_nothing(
    study: Path, models: Path, tmp_path: Path, arguments: list[str], expected: int
) -> None:
    (tmp_path / "empty").mkdir()
    places = {"STUDY": str(study), "EMPTY": str(tmp_path / "empty")}
    ended = aimi("models", "accept", *(places.get(word, word) for word in arguments), "-m", models)
    assert status(ended) == expected
    assert not list(models.rglob("bf16.json"))


@pytest.mark.usefixtures("with_bf16")
def test_a_trial_without_enough_memory_ends_with_5_and_records_nothing(
    study: Path, models: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def short(*_: object, **__: object) -> None:
        raise MemoryError

    monkeypatch.setattr(np, "bincount", short)
    monkeypatch.setattr(sys, "argv", ["aimi", "models", "accept", "Task773_Liver", str(study), "-m", str(models)])
    with pytest.raises(SystemExit) as ended:
        main(Interruption())
    assert (ended.value.code, list(models.rglob("bf16.json"))) == (5, [])
    assert "There is not enough memory for this command." in capsys.readouterr().err


def test_the_first_task_that_runs_a_model_lends_its_rules() -> None:
    assert bf16_trial.task_of(TASK773_LIVER.name).name == "liver_ct"
    assert bf16_trial.task_of(TASK762_PET_CT.name).name == "lung_pet_ct"
    assert bf16_trial.task_of(TASK762_PET_CT.name, "breast").name == "breast"
    with pytest.raises(UsageError, match="These do: lung_pet_ct, breast"):
        bf16_trial.task_of(TASK762_PET_CT.name, "kidney")


def test_a_model_of_two_roles_is_tried_on_the_grid_of_its_task(models: Path, tmp_path: Path) -> None:
    study, folder = write_pet_ct(tmp_path / "pair"), open_folder(models / "Task773_Liver")
    region, tumors = LUNG_PROOF.demo_models[0], LUNG_PROOF.demo_models[-1]
    job = bf16_trial.job_of(LUNG_PROOF, models, lambda: datetime.now(UTC))
    for spec, spacings in ((region, {CT_SPACING, PET_SPACING}), (tumors, {PET_SPACING})):
        images = bf16_trial._images(job, FoundModel(spec, folder), study)
        found = {tuple(round(value, 4) for value in image.volume.spacing) for image in images.values()}
        assert found == spacings


@pytest.mark.slow
@pytest.mark.usefixtures("with_bf16")
def test_the_demo_model_is_tried_on_a_sample(tmp_path: Path) -> None:
    root = Path(__file__).resolve().parents[1]
    demo = open_folder(root / "demo_models" / "DEMO-liver-ct")
    import_folder(demo, tmp_path / "models" / "DEMO-liver-ct", folds=(0,))
    assert aimi("sample", "liver_ct", tmp_path / "sample", "--spacing", "8", "3", "3").exit_code == 0
    ended = aimi(
        "models", "accept", "DEMO-liver-ct", tmp_path / "sample" / "study", "-m", tmp_path / "models", "--json"
    )
    assert json.loads(ended.stdout)["labels"][0]["cases"] == 1
    assert acceptance.read(open_folder(tmp_path / "models" / "DEMO-liver-ct")) is not None
