"""The page on models: its commands run as they stand there, and its facts are the catalogue's."""

import re
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from aimi.cli.main import app
from aimi.engine.backends import openvino_backend
from aimi.models.catalogue import CATALOGUE, TASK773_LIVER
from tests.made import Made, write_made
from tests.models.archive_server import Shelf, serve
from tests.models.zips import make_model, zip_folder

ROOT = Path(__file__).resolve().parents[1]
PAGE = (ROOT / "docs" / "models.md").read_text()
COMMANDS = [line.split("#")[0].split()[1:] for line in PAGE.splitlines() if line.startswith("aimi ")]


@pytest.mark.torch
def test_the_commands_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(openvino_backend, "has_bf16", lambda: True)
    values = np.random.default_rng(3).integers(-200, 400, (10, 20, 20), dtype=np.int16)
    marks = {"BodyPartExamined": "ABDOMEN", "ContrastBolusAgent": "yes"}
    write_made(tmp_path / "CASE", Made(values, attributes=marks))
    zip_folder(make_model(tmp_path / "liver"), tmp_path / TASK773_LIVER.file)
    kidneys = zip_folder(make_model(tmp_path / "kidneys", further=(200.0, 300.0)), tmp_path / "kidneys.zip")
    with serve(Shelf(kidneys.read_bytes())) as base:
        places = {"AIMI_MODELS": "models", "AIMI_CACHE": "cache", "AIMI_MODELS_SOURCE": base}
        ended = [CliRunner().invoke(app, words, env=places) for words in COMMANDS]
    assert [(one.exit_code, one.exception) for one in ended] == [(0, None)] * 5


def test_every_published_model_is_in_the_table() -> None:
    published = [spec for spec in CATALOGUE.values() if spec.address]
    named = set(re.findall(r"`((?:Task|Dataset)\d+)", PAGE)) | {f"Dataset{number}" for number in range(291, 296)}
    assert {spec.name.split("_")[0] for spec in published} <= named
