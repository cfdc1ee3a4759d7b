"""Demo models are what was trained and scored, or they are refused."""

import json
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from aimi.cli.main import app
from aimi.engine.checksums import write_checksums
from aimi.engine.folder import open_folder
from aimi.errors import ModelError

DEMO = Path(__file__).resolve().parents[2] / "demo_models"
NAMES = sorted(path.name for path in DEMO.glob("DEMO-*"))


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    return Path(shutil.copytree(DEMO / "DEMO-liver-ct", tmp_path / "DEMO-liver-ct"))


@pytest.mark.parametrize("name", NAMES)
def test_every_demo_model_is_what_its_checksums_say(name: str) -> None:
    held = json.loads((DEMO / name / "checksums.json").read_text())["sha256"]
    found = open_folder(DEMO / name)
    weights = [f"fold_{fold}/weights.safetensors" for fold in found.folds]
    assert list(held) == ["plans.json", "dataset.json", *weights]


@pytest.mark.parametrize("name", ["plans.json", "dataset.json", "fold_3/weights.safetensors"])
def test_one_byte_is_noticed_in_every_file(copy: Path, name: str) -> None:
    content = (copy / name).read_bytes()
    is_weights = name.endswith(".safetensors")
    (copy / name).write_bytes(content[:-1] + bytes([content[-1] ^ 1]) if is_weights else content + b" ")
    with pytest.raises(ModelError, match=rf"The file {name} of the model is missing or altered: its SHA-256 differs\."):
        open_folder(copy)


def test_a_fold_that_is_gone_or_was_not_there_is_noticed(copy: Path) -> None:
    (copy / "fold_4").rename(copy / "fold_5")
    with pytest.raises(ModelError, match="fold_4/weights"):
        open_folder(copy)
    shutil.copytree(copy / "fold_5", copy / "fold_4")
    with pytest.raises(ModelError, match="fold_5/weights"):
        open_folder(copy)


@pytest.mark.parametrize(("content", "said"), [(None, "lacks"), ("{", "damaged"), ("{}", "damaged")])
def test_a_record_that_is_missing_or_damaged_is_told(copy: Path, content: str | None, said: str) -> None:
    (copy / "checksums.json").unlink()
    if content is not None:
        (copy / "checksums.json").write_text(content)
    with pytest.raises(ModelError, match=f"{said}.*checksums|checksums.*{said}"):
        open_folder(copy)


def test_what_was_recorded_anew_is_taken(copy: Path) -> None:
    (copy / "dataset.json").write_text((copy / "dataset.json").read_text() + " ")
    write_checksums(copy)
    assert open_folder(copy).folds == (0, 1, 2, 3, 4)


def test_the_command_ends_with_6_for_an_altered_demo_model(copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    weights = copy / "fold_0" / "weights.safetensors"
    weights.write_bytes(weights.read_bytes() + b" ")
    monkeypatch.setenv("AIMI_DEMO_MODELS", str(copy.parent))
    ended = CliRunner().invoke(app, ["models", "verify", "-m", "demo"], env={"COLUMNS": "300"})
    assert ended.exit_code == 6
    assert "fold_0/weights.safetensors of the model is missing or altered" in ended.output


@pytest.mark.torch
def test_training_records_what_it_stores(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    from demo_models import train
    from demo_models.specs import SPECS

    spec = SPECS["liver_ct"]
    monkeypatch.setattr(train, "ROOT", tmp_path)
    trained = train.results_folder("liver_ct", spec, tmp_path)
    (trained / "fold_0").mkdir(parents=True)
    torch.save({"network_weights": {"weight": torch.ones(2)}}, trained / "fold_0" / "checkpoint_final.pth")
    for name in ("plans.json", "dataset.json"):
        (trained / name).write_text("{}")
    train.store("liver_ct", spec, tmp_path, [0])
    held = json.loads((tmp_path / "demo_models" / spec.name / "checksums.json").read_text())["sha256"]
    assert list(held) == ["plans.json", "dataset.json", "fold_0/weights.safetensors"]
