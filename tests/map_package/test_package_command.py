"""Requests for an image and how they are refused, and the container step of CI."""

import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from aimi.errors import ModelError, OutputError, UsageError
from aimi.map_package import building
from aimi.map_package.building import Request, lay_out, package_task
from aimi.map_package.docker import BuildError
from aimi.map_package.flavours import Flavour
from aimi.models.catalogue import TASK762_PET_CT, TOTALSEGMENTATOR_3MM, TOTALSEGMENTATOR_PARTS
from aimi.tasks import TASKS
from tests.engine.threshold_model import make_threshold_model
from tests.map_package.kit import APPLICATIONS, ROOT, make_models, make_wheel, make_wheels

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


@pytest.mark.torch
@pytest.mark.slow
@pytest.mark.parametrize("task", APPLICATIONS)
def test_every_model_of_a_task_is_in_its_context_once(tmp_path: Path, task: str) -> None:
    lay_out(request_for(task, "demo"), tmp_path / "context")
    expected = list(dict.fromkeys(spec.name for spec in TASKS[task].demo_models))
    manifest = json.loads((tmp_path / "context" / "etc" / "holoscan" / "pkg.json").read_bytes())
    assert manifest["models"] == [{"name": name, "path": f"{name}/"} for name in expected]
    assert sorted(path.parent.name for path in tmp_path.rglob("plans.json")) == sorted(expected)
    listed = json.loads((tmp_path / "context" / "docs" / "models.json").read_bytes())
    assert [one["name"] for one in listed] == expected


@pytest.mark.torch
@pytest.mark.parametrize("is_there", [True, False])
def test_the_faster_region_model_goes_in_where_it_is_at_hand(tmp_path: Path, is_there: bool) -> None:
    organs = TOTALSEGMENTATOR_PARTS[291]
    fast = (TOTALSEGMENTATOR_3MM,) if is_there else ()
    for spec in (organs, TASK762_PET_CT, *fast):
        further = tuple(float(value) for value in range(101, 100 + len(spec.labels)))
        channels = len(spec.channels)
        make_threshold_model(tmp_path / "m" / spec.name, (3.0, 3.0, 3.0), 100.0, channels=channels, further=further)
    assert set(TASKS["lung_pet_ct"].models) == {organs, TASK762_PET_CT}
    lay_out(request_for("lung_pet_ct", str(tmp_path / "m")), tmp_path / "context")
    names = {path.name for path in (tmp_path / "context" / "models").iterdir()}
    assert names == {spec.name for spec in (organs, TASK762_PET_CT, *fast)}


def test_a_refused_context_leaves_no_folder(tmp_path: Path) -> None:
    with pytest.raises(ModelError):
        lay_out(request_for("liver_ct", str(tmp_path)), tmp_path / "context")
    assert not (tmp_path / "context").exists()


def test_a_context_that_failed_half_way_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr(shutil, "copyfile", full)
    with pytest.raises(OSError, match="No space"):
        lay_out(request_for("liver_ct"), tmp_path / "context")
    assert not list(tmp_path.iterdir())


def test_a_folder_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="Not a directory"):
        lay_out(request_for("liver_ct"), tmp_path / "file" / "context")


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


def test_a_date_that_is_no_number_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "yesterday")
    with pytest.raises(UsageError, match="SOURCE_DATE_EPOCH"):
        lay_out(request_for("liver_ct"), tmp_path / "context")


def test_without_the_packager_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.startswith("holoscan_cli")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "holoscan_cli", None)
    with pytest.raises(UsageError, match=r"aimi\[map\]"):
        lay_out(request_for("liver_ct"), tmp_path / "context")


def test_wheels_are_looked_at_before_the_engine_is_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wheels = make_wheels(tmp_path / "wheels")
    (wheels / "openvino-2026.4.1-py3-none-any.whl").unlink()
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UsageError, match="lacks openvino"):
        package_task(replace(request_for("liver_ct"), wheels=wheels), "a:1")


ENGINE = """#!/bin/sh
echo "$*" >> "$CALLS"
case "$*" in
info|"run "*"import sys") : ;;
"image inspect base:1") echo '[{"Id": "sha256:11", "Size": 7}]' ;;
*) exit 1 ;;
esac
"""


@pytest.mark.parametrize("has_pip", [True, False])
def test_a_base_without_pip_does_where_pip_is_among_the_wheels(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, has_pip: bool
) -> None:
    (tmp_path / "docker").write_text(ENGINE)
    (tmp_path / "docker").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setenv("CALLS", str(tmp_path / "calls"))
    monkeypatch.setattr(building, "checkout", lambda: copy_of_checkout(tmp_path))
    wheels = make_wheels(tmp_path / "wheels")
    if has_pip:
        make_wheel(wheels, "pip", "26.0")
    with pytest.raises(BuildError if has_pip else UsageError, match="not built" if has_pip else "has no pip"):
        package_task(replace(request_for("liver_ct"), wheels=wheels), "a:1")
    assert ("\nbuild " in (tmp_path / "calls").read_text()) is has_pip


def copy_of_checkout(folder: Path) -> Path:
    """Give the checkout with a build folder of its own."""
    place = folder / "checkout"
    place.mkdir()
    for name in ("aimi", "apps", "operators", "requirements.lock", "pyproject.toml", "LICENSE"):
        (place / name).symlink_to(ROOT / name)
    return place


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
