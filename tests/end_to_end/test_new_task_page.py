"""docs/new_task.md is followed word for word: its code makes a task that runs by command and as an application."""

import re
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pydicom
import pytest
from typer.testing import CliRunner

from aimi import tasks
from aimi.interruption import Interruption
from aimi.models import catalogue
from aimi.options import RunOptions
from tests.end_to_end.roads import fixed_clock
from tests.end_to_end.threshold_task import make_models
from tests.made import Made, write_made

pytestmark = [pytest.mark.torch, pytest.mark.holoscan]

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "new_task.md").read_text()
BLOCKS = dict(re.findall(r"```python\n# (\S+)\n(.*?)```", PAGE, re.DOTALL))
SPACING = (2.5, 0.9, 0.7)


@pytest.fixture
def spleen_ct(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """Do steps 1 and 2 of the page."""
    record = dict(vars(catalogue))
    exec(BLOCKS["aimi/models/catalogue.py"], record)  # noqa: S102  (our own page)
    monkeypatch.setattr(catalogue, "SPLEEN", record["SPLEEN"], raising=False)
    return module("aimi.tasks.spleen_ct", BLOCKS["aimi/tasks/spleen_ct.py"], monkeypatch)


def module(name: str, code: str, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    made = ModuleType(name)
    exec(code, vars(made))  # noqa: S102  (our own page)
    monkeypatch.setitem(sys.modules, name, made)
    return made


@pytest.fixture
def study(tmp_path: Path) -> Path:
    """Two bright blocks; the first is the larger."""
    array = np.full((10, 16, 14), 20, np.int16)
    array[2:6, 3:9, 3:9] = 500
    array[8, 12:14, 10:12] = 500
    return write_made(tmp_path / "study", Made(array, spacing=SPACING, attributes={"BodyPartExamined": "ABDOMEN"}))


def assert_spleen(folder: Path) -> None:
    seg = pydicom.dcmread(folder / "spleen_ct.seg.dcm")
    assert seg.SegmentSequence[0].SegmentedPropertyTypeCodeSequence[0].CodeValue == "78961009"
    assert int(seg.pixel_array.sum()) == 4 * 6 * 6
    assert seg.SeriesNumber == 3008


def test_every_block_of_the_page_is_used() -> None:
    assert set(BLOCKS) == {"aimi/models/catalogue.py", "aimi/tasks/spleen_ct.py", "try.py", "apps/spleen_ct/app.py"}


def test_try_it_prints_the_title(
    spleen_ct: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    module("try_it", BLOCKS["try.py"], monkeypatch)
    assert capsys.readouterr().out == "Spleen CT\n"


def test_task_runs_by_command(spleen_ct: ModuleType, study: Path, tmp_path: Path) -> None:
    from aimi.cli.main import app

    models = make_models(tmp_path / "models", SPACING, 300.0, "Dataset900_Spleen")
    with tasks.register(spleen_ct.SPLEEN_CT):
        ended = CliRunner().invoke(
            app, ["run", "spleen_ct", str(study), "-o", str(tmp_path / "out"), "-m", str(models)]
        )
    assert ended.exit_code == 0, ended.output
    assert_spleen(tmp_path / "out")


def test_task_runs_as_an_application(
    spleen_ct: ModuleType, study: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from operators.launch import Launched

    application = module("spleen_ct_app", BLOCKS["apps/spleen_ct/app.py"], monkeypatch)
    models = make_models(tmp_path / "models", SPACING, 300.0, "Dataset900_Spleen")
    launched = Launched(
        options=RunOptions(),
        source=study,
        folder=tmp_path / "out",
        models=str(models),
        debug=True,
        clock=fixed_clock,
        interruption=Interruption(),
    )
    assert application.run(launched) == 0
    assert_spleen(tmp_path / "out")
