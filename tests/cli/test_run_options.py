"""Options of `aimi run` and of the environment that only some tasks have."""

from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from aimi import tasks
from aimi.cli.main import app
from aimi.errors import UsageError
from aimi.options import RunOptions
from tests.end_to_end.threshold_task import PROOF, make_models
from tests.made import Made, write_made

SPACING = (2.5, 0.9, 0.7)


@pytest.fixture
def two_series(tmp_path: Path) -> Path:
    for series in (2, 3):
        array = np.random.default_rng(series).integers(0, 1000, (9, 12, 10), dtype=np.int16)
        write_made(tmp_path / "study" / str(series), Made(array, spacing=SPACING, series=series))
    return tmp_path / "study"


@pytest.mark.torch
def test_all_matching_writes_and_names_the_files_of_each_series(two_series: Path, tmp_path: Path) -> None:
    models = make_models(tmp_path / "models", SPACING, 500.0)
    with tasks.register(PROOF):
        ended = CliRunner().invoke(
            app, ["run", "proof", str(two_series), "-o", str(tmp_path / "out"), "-m", str(models), "--all-matching"]
        )
    assert ended.exit_code == 0, ended.output
    assert {path.name for path in (tmp_path / "out").glob("*.dcm")} == {"proof-1.seg.dcm", "proof-2.seg.dcm"}
    flat = "".join(ended.output.split())
    assert all(name in flat for name in ("proof-1.seg.dcm", "proof-2.report.json", "out/proof.report.json"))


@pytest.mark.parametrize("task", ["liver_ct", "prostate"])
def test_non_contrast_is_wrong_usage_where_no_contrast_is_asked_for(task: str, two_series: Path) -> None:
    ended = CliRunner().invoke(app, ["select", task, str(two_series), "--allow-non-contrast"])
    assert isinstance(ended.exception, UsageError)


def test_plain_ct_is_taken_for_the_kidneys_on_request(tmp_path: Path) -> None:
    made = Made(np.zeros((9, 12, 10), np.int16), attributes={"BodyPartExamined": "ABDOMEN"})
    source = write_made(tmp_path / "study", made)
    assert CliRunner().invoke(app, ["select", "kidney", str(source)]).exit_code == 3
    assert CliRunner().invoke(app, ["select", "kidney", str(source), "--allow-non-contrast"]).exit_code == 0


def test_applications_take_both_options_from_the_environment() -> None:
    options = RunOptions.from_environment({"AIMI_ALL_MATCHING": "1", "AIMI_ALLOW_NON_CONTRAST": "yes"})
    assert options == RunOptions(all_matching=True, allow_non_contrast=True)
