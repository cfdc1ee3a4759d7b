"""Requests for an image and how they are refused, and the container step of CI."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from aimi.errors import ModelError, UsageError
from aimi.map_package.building import Request, lay_out, package_task
from aimi.map_package.flavours import Flavour
from tests.map_package.kit import ROOT, make_models

pytestmark = pytest.mark.holoscan


@pytest.mark.torch
def test_a_context_is_laid_out_without_an_engine(tmp_path: Path) -> None:
    models = make_models(tmp_path / "models")
    where = str(tmp_path / "context")
    command = [sys.executable, "-m", "aimi", "package", "liver_ct", "-t", "a:1", "-m", "demo", "--base-image", "base:1"]
    environ = {**os.environ, "AIMI_DEMO_MODELS": str(models), "PATH": "/nowhere"}
    ended = subprocess.run(
        [*command, "--context", where], cwd=ROOT, env=environ, capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, ended.stderr
    assert "FROM base:1 AS build" in (tmp_path / "context" / "Dockerfile").read_text()
    assert (tmp_path / "context" / "models" / "DEMO-liver-ct" / "plans.json").is_file()


def request_for(task: str, models: str | None = None) -> Request:
    return Request(task=task, models=models, flavour=Flavour.OPENVINO, base="base:1")


def test_a_refused_context_leaves_no_folder(tmp_path: Path) -> None:
    with pytest.raises(ModelError):
        lay_out(request_for("liver_ct", str(tmp_path)), tmp_path / "context")
    assert not (tmp_path / "context").exists()


def test_an_unknown_task_is_refused_and_those_there_are_are_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="liver_ct"):
        lay_out(request_for("nothing"), tmp_path / "context")


def test_a_model_that_is_missing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="Task773_Liver"):
        lay_out(request_for("liver_ct", str(tmp_path)), tmp_path / "context")


def test_a_folder_that_is_there_is_not_written_to(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="there already"):
        lay_out(request_for("liver_ct"), tmp_path)
    assert not list(tmp_path.iterdir())


def test_without_an_engine_nothing_is_built(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UsageError, match="no docker command"):
        package_task(request_for("liver_ct"), "a:1")


def container_step(folder: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run CI's step where neither the engine's command nor its daemon works."""
    for name in ("docker", "dockerd"):
        (folder / name).write_text("#!/bin/sh\nexit 1\n")
        (folder / name).chmod(0o755)
    environ = {**os.environ, "PATH": f"{folder}:{os.environ['PATH']}", **variables}
    environ |= {"AIMI_CONTAINER_FOLDER": str(folder / "work")}
    environ.pop("DOCKER_HOST", None)
    step = ROOT / "tools" / "ci_container.sh"
    return subprocess.run(["bash", str(step)], env=environ, capture_output=True, text=True, check=False)


def test_the_container_step_fails_where_no_engine_can_be_started(tmp_path: Path) -> None:
    ended = container_step(tmp_path)
    assert ended.returncode == 1
    assert "AIMI_NO_CONTAINER=1" in ended.stderr
    assert not list((tmp_path / "work").iterdir())


def test_the_container_step_is_left_out_only_when_told_and_says_so(tmp_path: Path) -> None:
    ended = container_step(tmp_path, AIMI_NO_CONTAINER="1")
    assert ended.returncode == 0
    assert "no image was built" in ended.stdout
