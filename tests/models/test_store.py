"""Models at hand: verified against what was recorded, each failure with its sentence."""

import shutil
from pathlib import Path

import pytest

from aimi.errors import ModelError, UsageError
from aimi.models import ledger, store
from aimi.models.catalogue import DEMO_LIVER_MR, TASK773_LIVER, TASK777_NODULES
from aimi.models.importing import import_model
from tests.models.zips import make_model

pytestmark = pytest.mark.torch  # the models are written by it

SPECS = (TASK773_LIVER, TASK777_NODULES)


@pytest.fixture
def models(tmp_path: Path) -> Path:
    import_model(make_model(tmp_path / "m"), tmp_path / "models", name=TASK773_LIVER.name)
    return tmp_path / "models"


def flip_last_byte(path: Path) -> None:
    content = path.read_bytes()
    path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))


def test_an_imported_model_is_sound_and_held(models: Path) -> None:
    (row,) = store.verify(SPECS, models)
    assert (row.name, row.sound, row.held, row.reason) == (TASK773_LIVER.name, True, True, "")


@pytest.mark.parametrize("name", ["fold_0.safetensors", "model.json"])
def test_altered_bytes_of_an_imported_model_are_found(models: Path, name: str) -> None:
    path = models / TASK773_LIVER.name / name
    if name == "model.json":
        path.write_text(path.read_text() + "\n")
    else:
        flip_last_byte(path)
    (row,) = store.verify(SPECS, models)
    assert not row.sound
    assert "altered" in row.reason


def test_a_model_that_was_copied_in_is_held_from_its_first_verification(tmp_path: Path, models: Path) -> None:
    copied = models / TASK777_NODULES.name
    shutil.copytree(make_model(tmp_path / "n"), copied)
    assert "Seen first" in store.verify(SPECS, models)[1].reason
    assert store.verify(SPECS, models)[1].held
    plans = next(copied.rglob("plans.json"))
    plans.write_text(plans.read_text() + "\n")
    assert "was altered" in store.verify(SPECS, models)[1].reason


def test_nothing_is_recorded_where_that_was_not_asked_for(tmp_path: Path) -> None:
    make_model(tmp_path / "models" / TASK773_LIVER.name)
    (row,) = store.verify(SPECS, tmp_path / "models", record=False)
    assert (row.sound, row.held) == (True, False)
    assert ledger.held_models(tmp_path / "models") == ()


def test_a_model_that_the_catalogue_does_not_know_is_verified_too(tmp_path: Path, models: Path) -> None:
    import_model(make_model(tmp_path / "n"), models, name="mine")
    flip_last_byte(models / "mine" / "fold_0.safetensors")
    assert [(row.name, row.sound) for row in store.verify(SPECS, models)] == [
        (TASK773_LIVER.name, True),
        ("mine", False),
    ]


def test_a_damaged_record_of_hashes_is_told(models: Path) -> None:
    (models / ".hashes.json").write_text("{")
    with pytest.raises(ModelError, match=r"\.hashes\.json"):
        store.verify(SPECS, models)


@pytest.mark.parametrize("folder", [None, Path("nowhere")])
def test_no_model_at_hand_is_told(folder: Path | None) -> None:
    with pytest.raises(ModelError, match="No model is at hand"):
        store.verify(SPECS, folder)


def test_a_missing_demo_model_is_not_blamed_on_the_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIMI_DEMO_MODELS", str(tmp_path))
    with pytest.raises(ModelError, match="holds none of this name"):
        store.find(DEMO_LIVER_MR, tmp_path)
    monkeypatch.setenv("AIMI_DEMO_MODELS", str(tmp_path / "nowhere"))
    with pytest.raises(ModelError, match="AIMI_DEMO_MODELS"):
        store.find(DEMO_LIVER_MR, None)


def test_models_are_brought_into_the_folder_that_a_run_would_look_into(tmp_path: Path) -> None:
    home = {"HOME": str(tmp_path), "XDG_DATA_HOME": str(tmp_path / "data")}
    assert store.writable_folder(None, home) == tmp_path / "data" / "aimi" / "models"
    assert store.writable_folder(None, {**home, "AIMI_MODELS": str(tmp_path / "m")}) == tmp_path / "m"
    assert store.writable_folder("other", home) == Path("other")
    assert store.default_folder(home) is None
    (tmp_path / "data" / "aimi" / "models").mkdir(parents=True)
    assert store.default_folder(home) == tmp_path / "data" / "aimi" / "models"


def test_the_folder_of_the_demo_models_takes_no_others(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="takes no others"):
        store.writable_folder("demo", {"HOME": str(tmp_path)})
