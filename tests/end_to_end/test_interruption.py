"""Killing a run at any moment leaves no .dcm; SIGTERM and SIGINT end it at once with their status."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from tests.end_to_end import roads
from tests.end_to_end.threshold_task import make_models
from tests.made import Made, write_made

pytestmark = [pytest.mark.torch, pytest.mark.holoscan, pytest.mark.slow]

ROOT = Path(__file__).resolve().parents[2]
LONGEST_END_S = 3.0


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A case that takes long enough to be killed in each stage."""
    folder = tmp_path_factory.mktemp("case")
    array = np.random.default_rng(0).integers(0, 1000, (60, 256, 256), dtype=np.int16)
    study = write_made(folder / "study", Made(array, spacing=(2.5, 0.9, 0.7)))
    return study, make_models(folder / "models", (2.5, 0.9, 0.7), 500.0)


def start(road: str, case: tuple[Path, Path], out: Path) -> subprocess.Popen[bytes]:
    study, models = (str(path) for path in case)
    paths = ["run", "proof", study, "-o", str(out), "-m", models]
    if road == "application":
        paths = ["-i", study, "-o", str(out), "-m", models]
    command = [sys.executable, "-m", "tests.end_to_end.proof_process", road, *paths]
    return subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL)


def wait_for(process: subprocess.Popen[bytes], words: str) -> None:
    """Read the log until a stage is done."""
    assert process.stderr is not None
    for line in process.stderr:
        if words in line.decode():
            return
    pytest.fail(f"the run ended before {words!r}")


def end(process: subprocess.Popen[bytes]) -> float:
    started = time.monotonic()
    process.wait(timeout=60)
    assert process.stderr is not None
    process.stderr.close()
    return time.monotonic() - started


STAGES = ["read done", "select done", "load done", "load models done"]


@pytest.mark.parametrize("road", roads.ROADS)
@pytest.mark.parametrize("stage", STAGES)
def test_sigterm_ends_the_run_with_143_and_nothing_left(
    stage: str, road: str, case: tuple[Path, Path], tmp_path: Path
) -> None:
    process = start(road, case, tmp_path / "out")
    wait_for(process, stage)
    process.send_signal(signal.SIGTERM)
    assert end(process) < LONGEST_END_S
    assert process.returncode == 128 + signal.SIGTERM
    assert list((tmp_path / "out").iterdir()) == []


def test_sigint_ends_the_run_with_130(case: tuple[Path, Path], tmp_path: Path) -> None:
    process = start("command", case, tmp_path / "out")
    wait_for(process, "read done")
    process.send_signal(signal.SIGINT)
    assert end(process) < LONGEST_END_S
    assert process.returncode == 128 + signal.SIGINT
    assert list((tmp_path / "out").iterdir()) == []


@pytest.mark.parametrize("road", roads.ROADS)
@pytest.mark.parametrize("stage", STAGES)
def test_sigkill_leaves_no_dcm(stage: str, road: str, case: tuple[Path, Path], tmp_path: Path) -> None:
    process = start(road, case, tmp_path / "out")
    wait_for(process, stage)
    process.kill()
    end(process)
    assert process.returncode == -signal.SIGKILL
    assert roads.segmentations(tmp_path / "out") == []


def test_sigkill_while_files_are_written_leaves_all_or_nothing(case: tuple[Path, Path], tmp_path: Path) -> None:
    """Kill as soon as the first hidden file appears: no .dcm, or the whole result."""
    process = start("command", case, tmp_path / "out")
    out = tmp_path / "out"
    while process.poll() is None and not (out.is_dir() and any(out.iterdir())):
        time.sleep(0.001)
    process.kill()
    end(process)
    present = {path.name for path in roads.segmentations(out)}
    assert present == set() or (out / "proof.report.json").is_file()
