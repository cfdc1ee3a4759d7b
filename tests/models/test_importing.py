"""Models that are brought in: whole or not at all, under the catalogue's name, without running anything."""

import json
import os
import pickle
from pathlib import Path

import pytest
import torch
from safetensors import SafetensorError

from aimi.engine import checkpoint
from aimi.engine.folder import open_folder
from aimi.errors import AimiError, ModelError, OutputError, ResourceError, UsageError
from aimi.models import ledger, store
from aimi.models.catalogue import TASK773_LIVER, TASK775_LUNGS, TASK779_KIDNEYS
from aimi.models.fetching import Shop, fetch
from aimi.models.importing import discard_unfinished, import_model
from tests.engine import stock_v1
from tests.models.archive_server import Shelf, serve
from tests.models.zips import make_model, zip_folder

THREE = (200.0, 300.0)


class _Caller:
    def __reduce__(self) -> tuple[object, ...]:
        return (print, ("run",))


@pytest.fixture
def models(tmp_path: Path) -> Path:
    return tmp_path / "models"


def names_in(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()} - {".hashes.json", ".licences.json"}


def test_a_folder_is_imported_under_the_name_that_was_given(tmp_path: Path, models: Path) -> None:
    done = import_model(make_model(tmp_path / "m", folds=2), models, name="mine", licence="MIT", origin="doi:10.1/x")
    content = json.loads((models / "mine" / "model.json").read_text())
    assert (content["licence"], content["source"], set(content["sha256"])) == (
        ("MIT", "doi:10.1/x", {"fold_0.safetensors", "fold_1.safetensors"})
    )
    assert open_folder(models / "mine").sha256 == done.folder.sha256 == ledger.model_sha256(models, "mine")
    assert names_in(models) == {"mine"}


def test_a_published_archive_gets_the_catalogues_name_though_its_folder_has_another(
    tmp_path: Path, models: Path
) -> None:
    below = "nnUNet/3d_fullres/Task779_Kidney_other/nnUNetTrainerV2__nnUNetPlansv2.1/"
    archive = zip_folder(make_model(tmp_path / "m", further=THREE), tmp_path / TASK779_KIDNEYS.file, below)
    assert import_model(archive, models).name == TASK779_KIDNEYS.name
    assert store.find(TASK779_KIDNEYS, models).folder.path == models / TASK779_KIDNEYS.name


def test_a_v1_archive_of_the_published_layout_is_imported(tmp_path: Path, models: Path) -> None:
    root = stock_v1.make_model(tmp_path / "m", stock_v1.CaseV1(stages=2))
    (root / "fold_0" / "model_best.model").write_bytes(b"not taken")
    below = "3d_fullres/Task822_Liver_AMD/nnUNetTrainerV2__nnUNetPlansv2.1/"
    done = import_model(zip_folder(root, tmp_path / "any.zip", below), models, name="mine")
    assert (done.folder.version, done.folder.dataset, done.folder.folds) == (1, "Task822_Liver_AMD", (0,))


@pytest.mark.parametrize("below", ["", "nnUNetTrainerV2__nnUNetPlansv2.1/"])
def test_a_v1_archive_without_its_tasks_folder_is_named_by_its_file(tmp_path: Path, models: Path, below: str) -> None:
    root = stock_v1.make_model(tmp_path / "m", stock_v1.CaseV1(stages=2))
    done = import_model(zip_folder(root, tmp_path / "Task901_Mine.zip", below), models)
    assert (done.name, done.folder.dataset) == ("Task901_Mine", "Task901_Mine")


def test_a_v1_folder_that_is_named_from_within_has_its_name(
    tmp_path: Path, models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = stock_v1.make_model(tmp_path / "Task901_Mine" / "nnUNetTrainerV2__nnUNetPlansv2.1", stock_v1.CaseV1())
    monkeypatch.chdir(root)
    assert import_model(Path(), models).name == "Task901_Mine"


def test_a_published_v1_archive_is_fetched_and_known_as_such(tmp_path: Path, models: Path) -> None:
    root = stock_v1.make_model(tmp_path / "v1", stock_v1.CaseV1(stages=2, folds=2))
    below = "3d_fullres/Task775_CT_NSCLC_RG/nnUNetTrainerV2__nnUNetPlansv2.1/"
    ledger.accept_licence(models, TASK775_LUNGS.licence)
    with serve(Shelf(zip_folder(root, tmp_path / "v1.zip", below).read_bytes())) as base:
        done = fetch(TASK775_LUNGS, models, Shop(tmp_path / "cache", base))
    content = json.loads((models / done.name / "model.json").read_text())
    assert (done.is_listed, done.folder.folds) == (True, (0, 1))
    assert (content["licence"], content["source"]) == ("CC-BY-NC-4.0", "doi:10.5281/zenodo.8290169")


def test_a_model_that_nobody_knows_is_named_by_its_data_set(tmp_path: Path, models: Path) -> None:
    done = import_model(make_model(tmp_path / "m"), models)
    assert (done.name, done.is_listed) == ("Dataset999_Threshold", False)
    assert json.loads((models / done.name / "model.json").read_text())["licence"] == "not known"


@pytest.mark.parametrize("name", ["mine", None])
def test_a_taken_name_is_refused_and_left_alone(tmp_path: Path, models: Path, name: str | None) -> None:
    source = make_model(tmp_path / "m")
    taken = models / (name or "Dataset999_Threshold")
    taken.mkdir(parents=True)
    with pytest.raises(OutputError, match="holds"):
        import_model(source, models, name=name)
    assert names_in(models) == {taken.name}
    assert not list(taken.iterdir())


@pytest.mark.parametrize("name", ["", ".hidden", "a/b", "..", "a\\b", "/abs"])
def test_a_name_that_is_no_folders_is_wrong_usage(tmp_path: Path, models: Path, name: str) -> None:
    with pytest.raises(UsageError, match="name"):
        import_model(make_model(tmp_path / "m"), models, name=name)


def test_a_model_of_another_task_is_refused(tmp_path: Path, models: Path) -> None:
    with pytest.raises(ModelError, match="has 1 labels, not 3"):
        import_model(make_model(tmp_path / "m"), models, name=TASK779_KIDNEYS.name)
    assert names_in(models) == set()


def test_a_model_of_another_task_with_as_many_labels_is_known_by_its_data_set(tmp_path: Path, models: Path) -> None:
    below = tmp_path / "3d_fullres" / TASK779_KIDNEYS.name / "nnUNetTrainerV2__nnUNetPlansv2.1"
    stock_v1.make_model(below, stock_v1.CaseV1())
    with pytest.raises(ModelError, match=r"of model Task775_CT_NSCLC_RG holds Task779_Kidneys_KIRC\. .*another task"):
        import_model(tmp_path / "3d_fullres", models, name=TASK775_LUNGS.name)
    assert names_in(models) == set()


@pytest.mark.parametrize("what", ["no model", "damaged", "malicious weights", "malicious plans", "no zip"])
def test_nothing_is_left_of_what_is_refused(
    tmp_path: Path, models: Path, what: str, capsys: pytest.CaptureFixture[str]
) -> None:
    source = make_model(tmp_path / "m")
    if what == "no model":
        (source / "plans.json").unlink()
    elif what == "damaged":
        (source / "plans.json").write_text("{")
    elif what == "malicious weights":
        torch.save({"network_weights": {}, "x": _Caller()}, source / "fold_0" / "checkpoint_final.pth")
    elif what == "malicious plans":
        (source / "plans.json").unlink()
        (source / "plans.pkl").write_bytes(pickle.dumps({"plans": _Caller()}))
        (source / "fold_0" / "model_final_checkpoint.model").write_bytes(b"")
    else:
        source = source / "dataset.json"
    with pytest.raises(ModelError):
        import_model(source, models)
    assert (names_in(models), capsys.readouterr().out) == (set(), "")


def test_a_source_that_is_not_there_is_wrong_usage(tmp_path: Path, models: Path) -> None:
    with pytest.raises(UsageError, match="no such"):
        import_model(tmp_path / "none.zip", models)


def test_a_models_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(AimiError) as caught:
        import_model(make_model(tmp_path / "m"), tmp_path / "file" / "models")
    assert caught.value.status == 7


def test_what_was_not_finished_is_removed_when_the_process_ends(models: Path, tmp_path: Path) -> None:
    own, others = models / f".import.{os.getpid()}.ab.partial", models / ".import.0.ab.partial"
    own.mkdir(parents=True)
    others.mkdir()
    discard_unfinished(models)
    assert names_in(models) == {others.name}


def test_a_run_refuses_a_model_that_differs_from_what_was_imported(tmp_path: Path, models: Path) -> None:
    import_model(make_model(tmp_path / "m"), models, name=TASK773_LIVER.name)
    path = models / TASK773_LIVER.name / "model.json"
    path.write_text(path.read_text().replace('"not known"', '"known"'))
    with pytest.raises(ModelError, match="was altered"):
        store.find(TASK773_LIVER, models)


def test_weights_that_the_disk_does_not_take_leave_nothing(
    tmp_path: Path, models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise SafetensorError("I/O error: No space left on device (os error 28)")

    monkeypatch.setattr(checkpoint, "save_file", full)
    with pytest.raises(ResourceError, match="cannot be written"):
        import_model(make_model(tmp_path / "m"), models)
    assert names_in(models) == set()


def test_what_cannot_be_recorded_is_not_imported(tmp_path: Path, models: Path) -> None:
    (models / ".hashes.json").mkdir(parents=True)
    with pytest.raises(ModelError, match="cannot be read"):
        import_model(make_model(tmp_path / "m"), models)
    assert names_in(models) == set()
