"""The stock packager takes each application folder: driven to its call of docker, its build context is looked at."""

import json
import os
import subprocess
import sys
import sysconfig
from collections import Counter
from importlib import metadata
from pathlib import Path

import pytest
import yaml

import aimi
from aimi.map_package import staging
from aimi.map_package.flavours import pins
from aimi.tasks import TASKS
from tests.map_package.kit import APPLICATIONS, ROOT

pytestmark = [pytest.mark.holoscan, pytest.mark.slow]

# Answers what the packager asks and copies the context away; the last argument of a build is its context.
DOCKER = """#!/bin/sh
case "$*" in
"buildx ls"*) echo '{"Name":"holoscan_app_builder","Driver":"docker-container","Nodes":[]}' ;;
"buildx inspect"*) printf 'Name: holoscan_app_builder\\nDriver: docker-container\\nNodes:\\n' ;;
*"buildx build"*) for last; do :; done; cp -R "$last" "$KEPT" ;;
"image inspect"*) echo '[{"Id":"sha256:00","RepoTags":[]}]' ;;
esac
"""
# The form of releases/4.2.0/artifacts.json in nvidia-holoscan/holoscan-cli; its images are not asked for here.
SOURCE = {
    "4.2.0": {
        "holoscan": {
            "debian-version": "4.2.0.1-1",
            "wheel-version": "4.2.0",
            "base-images": {"dgpu": "base:1"},
            "build-images": {"dgpu": {"x64-workstation": "build:1"}, "igpu": {}, "cpu": {"x64-workstation": "build:1"}},
        },
        "health-probes": {"linux/amd64": "https://example.invalid/probe"},
    }
}


@pytest.fixture(scope="module", params=APPLICATIONS)
def context(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    """Run `monai-deploy package apps/<task> ...` and give the context that it made."""
    task = request.param
    place = tmp_path_factory.mktemp(task)
    (place / "docker").write_text(DOCKER)
    (place / "docker").chmod(0o755)
    (place / "artifacts.json").write_text(json.dumps(SOURCE))
    staging.stage(ROOT, [ROOT / "apps" / name for name in APPLICATIONS], place / "lib")
    for spec in TASKS[task].models:
        (place / "models" / spec.name).mkdir(parents=True)
        (place / "models" / spec.name / "plans.json").write_text("{}")
    program = Path(sysconfig.get_path("scripts")) / "monai-deploy"
    command = [str(program), "package", f"apps/{task}", "-c", f"apps/{task}/app.yaml", "-t", f"aimi-{task}:1"]
    command += ["--platform", "x86_64", "-m", str(place / "models"), "--add", str(place / "lib")]
    command += ["--source", str(place / "artifacts.json")]
    variables = {"PATH": f"{place}:{os.environ['PATH']}", "HOME": str(place), "KEPT": str(place / "kept")}
    ended = subprocess.run(
        command, cwd=ROOT, env={**os.environ, **variables}, capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "Succeeded" in ended.stdout
    return task, place / "kept"


def test_the_context_holds_the_application_and_both_manifests(context: tuple[str, Path]) -> None:
    task, folder = context
    names = {path.name for path in folder.iterdir()}
    assert {"Dockerfile", "app", "app.config", "lib", "map", "models", "pip", "tools"} <= names
    assert (folder / "app" / "__main__.py").is_file()
    app = json.loads((folder / "map" / "app.json").read_bytes())
    pkg = json.loads((folder / "map" / "pkg.json").read_bytes())
    assert app["input"]["formats"] == ["file"] == app["output"]["formats"]
    assert app["version"] == pkg["version"] == aimi.__version__
    written = yaml.safe_load((ROOT / "apps" / task / "app.yaml").read_text())
    assert pkg["resources"] == written["resources"]
    assert set(pkg["resources"]) == {"cpu", "gpu", "memory", "gpuMemory", "sharedMemory"}
    assert set(pkg["models"]) == {spec.name for spec in TASKS[task].models}


def test_the_dockerfile_puts_each_part_of_the_context_where_the_manifests_say(context: tuple[str, Path]) -> None:
    _, folder = context
    lines = [line.strip() for line in (folder / "Dockerfile").read_text().splitlines()]
    app = json.loads((folder / "map" / "app.json").read_bytes())
    pkg = json.loads((folder / "map" / "pkg.json").read_bytes())
    copied = dict(line.split()[1:] for line in lines if line.startswith("COPY "))
    assert all((folder / source).exists() for source in copied)
    assert copied["./app"] == pkg["applicationRoot"] == json.loads(app["command"])[1]
    assert copied["./models"] == pkg["modelRoot"]
    assert copied["./map/app.json"] == app["environment"]["HOLOSCAN_APP_MANIFEST_PATH"]
    assert copied["./map/pkg.json"] == app["environment"]["HOLOSCAN_PKG_MANIFEST_PATH"]
    paths = [line for line in lines if line.startswith("ENV PYTHONPATH=")]
    assert [line.rpartition(":")[2] for line in paths] == [copied["./lib"]]
    assert f'ENTRYPOINT ["{copied["./tools"]}"]' in lines


def test_the_dockerfile_begins_with_the_base_and_is_labelled_with_title_and_version(context: tuple[str, Path]) -> None:
    task, folder = context
    lines = [line.strip() for line in (folder / "Dockerfile").read_text().splitlines()]
    written = yaml.safe_load((ROOT / "apps" / task / "app.yaml").read_text())
    assert next(line for line in lines if line.startswith("FROM")) == "FROM base:1 AS base"
    assert f'LABEL org.opencontainers.image.title="{written["application"]["title"]}"' in lines
    assert f'LABEL org.opencontainers.image.version="{aimi.__version__}"' in lines


def test_every_model_is_there_once(context: tuple[str, Path]) -> None:
    task, folder = context
    counted = Counter(path.parent.name for path in folder.rglob("plans.json"))
    assert counted == {spec.name: 1 for spec in TASKS[task].models}


def test_every_requirement_is_a_line_and_as_in_the_lock(context: tuple[str, Path]) -> None:
    _, folder = context
    wanted = pins((folder / "pip" / "requirements.txt").read_text())
    locked = pins((ROOT / "requirements.lock").read_text())
    assert wanted
    assert wanted == {name: locked[name] for name in wanted}


def test_no_staged_module_shadows_one_of_python_or_of_a_dependency(context: tuple[str, Path]) -> None:
    _, folder = context
    staged = [path.relative_to(folder / "lib").with_suffix("") for path in (folder / "lib").rglob("*.py")]
    names = {part for path in staged for part in path.parts} - {"aimi", "operators", "__init__"}
    assert names
    assert not names & set(sys.stdlib_module_names)
    wanted = pins((folder / "pip" / "requirements.txt").read_text())
    provided = metadata.packages_distributions()
    dependencies = {top for top, made in provided.items() if any(one.lower() in wanted for one in made)}
    assert not names & dependencies


def test_the_staged_library_holds_no_command(context: tuple[str, Path]) -> None:
    _, folder = context
    assert (folder / "lib" / "aimi" / "pipeline.py").is_file()
    assert not (folder / "lib" / "aimi" / "cli").exists()
    assert not (folder / "lib" / "aimi" / "samples").exists()


def test_every_application_is_imported_from_the_staged_library_alone(tmp_path: Path) -> None:
    staging.stage(ROOT, [ROOT / "apps" / name for name in APPLICATIONS], tmp_path / "lib")
    program = f"""
import importlib.util, sys
sys.path.insert(0, {str(tmp_path / "lib")!r})
for task in {APPLICATIONS!r}:
    spec = importlib.util.spec_from_file_location(task, f"apps/{{task}}/app.py")
    spec.loader.exec_module(importlib.util.module_from_spec(spec))
import aimi
assert aimi.__file__.startswith({str(tmp_path)!r}), aimi.__file__
"""
    command = [sys.executable, "-I", "-W", "ignore", "-c", program]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
