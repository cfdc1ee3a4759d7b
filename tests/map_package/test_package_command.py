"""`aimi package` and `aimi sbom`, and the container step of CI, as a user calls them."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.map_package.kit import ROOT, make_models

pytestmark = pytest.mark.holoscan


def call(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "aimi", *arguments]
    environ = {**os.environ, **variables}
    return subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, text=True, check=False)


@pytest.mark.torch
def test_a_context_is_laid_out_without_an_engine(tmp_path: Path) -> None:
    models = make_models(tmp_path / "models")
    where = str(tmp_path / "context")
    ended = call(
        *("package", "liver_ct", "-t", "a:1", "-m", "demo", "--base-image", "base:1", "--context", where),
        AIMI_DEMO_MODELS=str(models),
        PATH="/nowhere",
    )
    assert ended.returncode == 0, ended.stderr
    assert "FROM base:1 AS build" in (tmp_path / "context" / "Dockerfile").read_text()
    assert (tmp_path / "context" / "models" / "DEMO-liver-ct" / "plans.json").is_file()


def test_an_unknown_task_ends_with_2_and_names_those_there_are(tmp_path: Path) -> None:
    ended = call("package", "nothing", "-t", "a:1", "--context", str(tmp_path / "context"))
    assert ended.returncode == 2
    assert "liver_ct" in ended.stderr


def test_a_model_that_is_missing_ends_with_6(tmp_path: Path) -> None:
    ended = call("package", "liver_ct", "-t", "a:1", "-m", str(tmp_path), "--context", str(tmp_path / "context"))
    assert ended.returncode == 6


def test_without_an_engine_a_build_ends_with_2(tmp_path: Path) -> None:
    ended = call("package", "liver_ct", "-t", "a:1", PATH=str(tmp_path))
    assert ended.returncode == 2
    assert "no docker command" in ended.stderr


def test_the_bill_of_an_image_is_written(tmp_path: Path) -> None:
    ended = call("sbom", "-o", str(tmp_path / "bill.json"), "--task", "liver_ct")
    assert ended.returncode == 0, ended.stderr
    names = {one["name"] for one in json.loads((tmp_path / "bill.json").read_bytes())["components"]}
    assert "openvino" in names
    assert "torch" not in names


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
