"""The first process of a container: its status is the application's, its paths are the platform's."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import MutableMapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from aimi.map_package import places
from aimi.map_package.inside import entrypoint
from aimi.map_package.inside.entrypoint import Package

ROOT = Path(__file__).resolve().parents[2]
OWN = dict(places.ENVIRONMENT)


def make_package(root: Path) -> Package:
    """Lay out a package with small parts."""
    parts = {
        "etc/holoscan/app.json": json.dumps({"environment": OWN}),
        "etc/holoscan/pkg.json": "{}",
        "opt/holoscan/app/__main__.py": "app",
        "opt/holoscan/models/M1/plans.json": "plans",
        "opt/holoscan/docs/LICENSE": "licence",
        "var/holoscan/app.yaml": "application: {}",
    }
    for name, text in parts.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return Package(root)


class Runner:
    """Stands for the application: writes what it was told and ends with the statuses given, in order."""

    def __init__(self, environ: MutableMapping[str, str], *statuses: int) -> None:
        self.environ = environ
        self.statuses = list(statuses)
        self.runs: list[tuple[str, str]] = []

    def __call__(self, arguments: Sequence[str]) -> int:
        self.runs.append((self.environ["HOLOSCAN_INPUT_PATH"], self.environ["HOLOSCAN_OUTPUT_PATH"]))
        return self.statuses.pop(0)


@pytest.mark.parametrize("status", [0, 1, 3, 4, 7, 143])
def test_the_status_is_the_applications(tmp_path: Path, status: int) -> None:
    environ = dict(OWN)
    assert entrypoint.run(make_package(tmp_path), [], environ, Runner(environ, status)) == status


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, "/var/holoscan/input/"),
        ({"MONAI_INPUTPATH": "/var/monai/input/"}, "/var/monai/input/"),
        ({"MERCURE_IN_DIR": "/tmp/data"}, "/tmp/data"),  # noqa: S108
        ({"HOLOSCAN_INPUT_PATH": "/mine", "MONAI_INPUTPATH": "/var/monai/input/"}, "/mine"),
        ({"HOLOSCAN_INPUT_PATH": "", "MONAI_INPUTPATH": "/var/monai/input/"}, "/var/monai/input/"),
    ],
)
def test_what_a_platform_sets_stands_above_what_the_image_has(given: dict[str, str], expected: str) -> None:
    assert entrypoint.chosen_paths(OWN | given, OWN)["HOLOSCAN_INPUT_PATH"] == expected


def test_the_models_of_monai_variables_are_taken() -> None:
    chosen = entrypoint.chosen_paths(OWN | {"MONAI_MODELPATH": "/m", "MONAI_OUTPUTPATH": "/o"}, OWN)
    assert chosen == {
        "HOLOSCAN_INPUT_PATH": OWN["HOLOSCAN_INPUT_PATH"],
        "HOLOSCAN_MODEL_PATH": "/m",
        "HOLOSCAN_OUTPUT_PATH": "/o",
    }


@pytest.mark.parametrize("more", [["--config", "/var/holoscan/app.yaml"], ["--config=/x"], ["--config"]])
def test_the_option_that_monai_deploy_run_appends_is_left_out(more: list[str]) -> None:
    assert entrypoint.without_config(["-i", "in", *more]) == ["-i", "in"]


def test_show_prints_both_manifests(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert entrypoint.show(make_package(tmp_path)) == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown == {"app.json": {"environment": OWN}, "pkg.json": {}}


def _files(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


EVERYTHING = {
    *("app/__main__.py", "config/app.yaml", "config/app.json", "config/pkg.json"),
    *("models/M1/plans.json", "docs/LICENSE"),
}


@pytest.mark.parametrize(
    ("mounted", "expected"),
    [((), EVERYTHING), (("models",), {"models/M1/plans.json"}), (("app", "docs"), {"app/__main__.py", "docs/LICENSE"})],
)
def test_extract_copies_what_is_mounted_or_everything(
    tmp_path: Path, mounted: tuple[str, ...], expected: set[str]
) -> None:
    package = make_package(tmp_path)
    package.export.mkdir(parents=True)
    for name in mounted:
        (package.export / name).mkdir()
    assert entrypoint.extract(package) == 0
    assert _files(package.export) == expected


def test_extract_without_a_mount_says_what_to_mount(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert entrypoint.extract(make_package(tmp_path)) == 2
    assert "mount a folder" in capsys.readouterr().err


def batch_of(root: Path, *items: str) -> dict[str, str]:
    for item in items:
        (root / "batch" / item / "in").mkdir(parents=True)
    (root / "batch" / "without-input").mkdir(parents=True)
    return {"WORKFLOW_DIR": str(root), "BATCH_NAME": "batch", "OPERATOR_IN_DIR": "in", "OPERATOR_OUT_DIR": "out"}


@pytest.mark.parametrize(
    ("statuses", "expected"),
    [((0, 0), 0), ((0, 3), 0), ((3, 3), 126), ((0, 4), 4), ((5, 0), 5), ((3, 1), 1)],
)
def test_a_batch_of_kaapana_is_one_run_for_each_item(tmp_path: Path, statuses: tuple[int, int], expected: int) -> None:
    environ = OWN | batch_of(tmp_path / "data", "a", "b")
    runner = Runner(environ, *statuses)
    assert entrypoint.run(make_package(tmp_path), [], environ, runner) == expected
    batch = tmp_path / "data" / "batch"
    assert runner.runs == [(str(batch / one / "in"), str(batch / one / "out")) for one in ("a", "b")]


def test_a_batch_without_items_is_skipped(tmp_path: Path) -> None:
    environ = OWN | batch_of(tmp_path / "data")
    assert entrypoint.run(make_package(tmp_path), [], environ, Runner(environ)) == 126


def test_mercure_gets_a_few_facts_and_no_uid(tmp_path: Path) -> None:
    report = {"task": "liver_ct", "status": 0, "segments": [{"label": "Liver", "volume_ml": 1.5}]}
    report |= {"selection": {"series_instance_uid": "1.2.3"}, "input": {"study_instance_uid": "1.2"}}
    (tmp_path / "liver_ct.report.json").write_text(json.dumps(report))
    environ = OWN | {"MERCURE_IN_DIR": "/in", "MERCURE_OUT_DIR": str(tmp_path)}
    assert entrypoint.run(make_package(tmp_path / "root"), [], environ, Runner(environ, 0)) == 0
    result = json.loads((tmp_path / "result.json").read_bytes())
    assert result == {"aimi": {"status": 0, "task": "liver_ct", "segments": report["segments"]}}


def test_mercure_learns_of_a_refusal(tmp_path: Path) -> None:
    (tmp_path / "liver_ct.report.json").write_text(json.dumps({"status": 3, "message": "Nothing suits."}))
    environ = OWN | {"MERCURE_IN_DIR": "/in", "MERCURE_OUT_DIR": str(tmp_path)}
    assert entrypoint.run(make_package(tmp_path / "root"), [], environ, Runner(environ, 3)) == 3
    assert json.loads((tmp_path / "result.json").read_bytes())["aimi"]["message"] == "Nothing suits."


PROGRAM = """
import sys, types
from pathlib import Path
from aimi.map_package.inside import entrypoint
class Package(entrypoint.Package):
    pass
entrypoint.Package = lambda: entrypoint_package(Path(sys.argv[1]))
entrypoint_package = Package
app = types.ModuleType("app")
exec(sys.argv[2], app.__dict__)
sys.modules["app"] = app
sys.exit(entrypoint.main(sys.argv[3:]))
"""


def process(root: Path, code: str, *arguments: str) -> subprocess.Popen[str]:
    make_package(root / "package")
    (root / "input").mkdir()
    command = [sys.executable, "-c", PROGRAM, str(root / "package"), code]
    command += ["-i", str(root / "input"), "-o", str(root / "output"), *arguments]
    return subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True, env=_variables())


def _variables() -> dict[str, str]:
    kept = {
        name: value for name, value in os.environ.items() if not name.startswith(("AIMI_", "HOLOSCAN_", "MERCURE_"))
    }
    return kept | {"AIMI_LOG_JSON": "1"}


def test_a_process_ends_with_the_applications_status(tmp_path: Path) -> None:
    running = process(tmp_path, "def run(launched): return 5")
    _, log = running.communicate(timeout=60)
    assert running.returncode == 5, log


def test_the_first_line_comes_before_anything_heavy(tmp_path: Path) -> None:
    heavy = "('numpy', 'scipy', 'highdicom', 'pydicom', 'openvino', 'torch', 'holoscan')"
    code = f"import sys\ndef run(launched): return 9 if [name for name in {heavy} if name in sys.modules] else 0"
    running = process(tmp_path, code)
    _, log = running.communicate(timeout=60)
    assert running.returncode == 0, log
    first: dict[str, Any] = json.loads(log.splitlines()[0])
    assert first["message"] == "Starting"


@pytest.mark.parametrize(("number", "status"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_ends_it_and_what_was_unfinished_goes(tmp_path: Path, number: signal.Signals, status: int) -> None:
    unfinished = tmp_path / "unfinished"
    unfinished.write_text("half")
    code = (
        "import sys, time, pathlib\n"
        "def run(launched):\n"
        f"    launched.interruption.add(pathlib.Path({str(unfinished)!r}).unlink)\n"
        "    print('running', file=sys.stderr, flush=True)\n"
        "    time.sleep(60)\n"
    )
    running = process(tmp_path, code)
    assert running.stderr is not None
    while "running" not in running.stderr.readline():
        pass
    running.send_signal(number)
    assert running.wait(timeout=3) == status
    running.stderr.close()
    assert not unfinished.exists()
