"""The same input gives the same object; the order of files changes nothing; a finished result is not touched."""

import random
import shutil
from pathlib import Path

import numpy as np
import pytest

from aimi.options import RunOptions
from tests.end_to_end import roads
from tests.end_to_end.threshold_task import PROOF, make_models
from tests.made import Made, write_made

pytestmark = [pytest.mark.torch, pytest.mark.holoscan]

SPACING = (2.5, 0.9, 0.7)


@pytest.fixture
def study(tmp_path: Path) -> Path:
    array = np.random.default_rng(2).integers(0, 1000, (12, 20, 18), dtype=np.int16)
    return write_made(tmp_path / "study", Made(array, spacing=SPACING))


@pytest.fixture
def models(tmp_path: Path) -> Path:
    return make_models(tmp_path / "models", SPACING, 500.0)


def seg_of(end: roads.End) -> bytes:
    assert (end.status, end.message) == (0, "")
    return (end.folder / "proof.seg.dcm").read_bytes()


def test_both_roads_and_two_runs_give_the_same_bytes(study: Path, models: Path, tmp_path: Path) -> None:
    names = ["command", "application", "command", "application"]
    ends = [roads.run(road, PROOF, study, tmp_path / f"out{n}", models) for n, road in enumerate(names)]
    assert len({seg_of(end) for end in ends}) == 1
    assert len({(end.folder / "proof.preview.png").read_bytes() for end in ends}) == 1


@pytest.mark.parametrize("seed", range(5))
def test_permuting_renaming_and_nesting_files_changes_nothing(
    seed: int, study: Path, models: Path, tmp_path: Path
) -> None:
    chance = random.Random(seed)  # noqa: S311
    files = sorted(study.iterdir())
    chance.shuffle(files)
    for number, path in enumerate(files):
        target = tmp_path / "other" / str(chance.randrange(3)) / str(chance.randrange(2)) / f"{number}{chance.random()}"
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, target)
    first = roads.run("command", PROOF, study, tmp_path / "out1", models)
    second = roads.run("command", PROOF, tmp_path / "other", tmp_path / "out2", models)
    assert seg_of(first) == seg_of(second)


@pytest.mark.parametrize("road", roads.ROADS)
def test_a_repeated_run_answers_already_done(road: str, study: Path, models: Path, tmp_path: Path) -> None:
    first = roads.run("command", PROOF, study, tmp_path / "out", models)
    before = {path: path.stat().st_mtime_ns for path in first.folder.iterdir()}
    again = roads.run(road, PROOF, study, tmp_path / "out", models)
    assert again.status == 0
    assert "Already done" in again.message
    assert {path: path.stat().st_mtime_ns for path in first.folder.iterdir()} == before


@pytest.mark.parametrize("road", roads.ROADS)
def test_a_run_with_another_model_is_refused_and_changes_nothing(
    road: str, study: Path, models: Path, tmp_path: Path
) -> None:
    first = roads.run("command", PROOF, study, tmp_path / "out", models)
    before = {path: path.read_bytes() for path in first.folder.iterdir()}
    other = make_models(tmp_path / "other", SPACING, 400.0)
    again = roads.run(road, PROOF, study, tmp_path / "out", other)
    assert again.status == 7
    assert {path: path.read_bytes() for path in first.folder.iterdir()} == before


def test_overwrite_replaces_it(study: Path, models: Path, tmp_path: Path) -> None:
    first = seg_of(roads.run("command", PROOF, study, tmp_path / "out", models))
    other = make_models(tmp_path / "other", SPACING, 400.0)
    end = roads.run("command", PROOF, study, tmp_path / "out", other, RunOptions(overwrite=True))
    assert seg_of(end) != first


def test_another_models_object_has_other_uids(study: Path, models: Path, tmp_path: Path) -> None:
    """A model with the same voxels but other weights is another result."""
    import pydicom

    other = make_models(tmp_path / "other", SPACING, 500.0 + 1e-4)
    ends = [roads.run("command", PROOF, study, tmp_path / f"out{n}", one) for n, one in enumerate((models, other))]
    objects = [pydicom.dcmread(end.folder / "proof.seg.dcm") for end in ends]
    assert objects[0].PixelData == objects[1].PixelData
    assert objects[0].SOPInstanceUID != objects[1].SOPInstanceUID
    assert objects[0].SeriesInstanceUID != objects[1].SeriesInstanceUID


def test_a_refusal_does_not_touch_a_finished_result(study: Path, models: Path, tmp_path: Path) -> None:
    first = roads.run("command", PROOF, study, tmp_path / "out", models)
    before = {path: path.read_bytes() for path in first.folder.iterdir()}
    (study / "0005.dcm").unlink()
    assert roads.run("command", PROOF, study, tmp_path / "out", models).status == 4
    assert {path: path.read_bytes() for path in first.folder.iterdir()} == before
