"""The first process of a container: its status is the application's, its paths are the platform's."""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, MutableMapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from aimi import outputs
from aimi.map_package import places
from aimi.map_package.inside import entrypoint
from aimi.map_package.inside.entrypoint import Package
from aimi.models import store
from aimi.options import RunOptions
from aimi.run_record import RunRecord
from aimi.tasks.lung_pet_ct import LUNG_PET_CT

ROOT = Path(__file__).resolve().parents[2]
OWN = dict(places.ENVIRONMENT)
OWN_OF_DEMO = OWN | {"AIMI_MODELS": "demo", "AIMI_DEMO_MODELS": places.MODELS}


def make_package(root: Path, own: dict[str, str] = OWN) -> Package:
    """Lay out a package with small parts."""
    parts = {
        "etc/holoscan/app.json": json.dumps({"environment": own}),
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


Said = Callable[[], str]


@pytest.fixture
def says(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> Said:
    """Give what the entrypoint has said, whoever configured the log before."""
    monkeypatch.setattr(entrypoint.logger, "handlers", [caplog.handler])
    monkeypatch.setattr(entrypoint.logger, "propagate", False)
    return lambda: caplog.text


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
        ({"HOLOSCAN_INPUT_PATH": "/var/holoscan/input", "MERCURE_IN_DIR": "/data"}, "/data"),
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


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, (Path(places.MODELS), True)),
        ({"HOLOSCAN_MODEL_PATH": "/opt/holoscan/models"}, (Path(places.MODELS), True)),
        ({"HOLOSCAN_MODEL_PATH": "/mine"}, (Path("/mine"), False)),
        ({"MONAI_MODELPATH": "/mine"}, (Path("/mine"), False)),
        ({"AIMI_MODELS": "/asked", "MONAI_MODELPATH": "/mine"}, (Path("/asked"), False)),
    ],
)
def test_models_that_a_platform_names_stand_above_the_demo_models_of_the_image(
    tmp_path: Path, given: dict[str, str], expected: tuple[Path, bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIMI_DEMO_MODELS", places.MODELS)
    environ, found = OWN_OF_DEMO | given, []

    def runner(_arguments: Sequence[str]) -> int:
        found.append(store.folder_of(None, environ))
        return 0

    entrypoint.run(make_package(tmp_path, OWN_OF_DEMO), [], environ, runner)
    assert found == [expected]


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
    unfinished: list[Path] = []
    assert entrypoint.extract(package, unfinished) == 0
    assert _files(package.export) == expected
    assert not unfinished


def test_a_mounted_folder_keeps_its_rights(tmp_path: Path) -> None:
    package = make_package(tmp_path)
    (package.export / "models").mkdir(parents=True)
    (package.export / "models").chmod(0o777)
    (package.root / "opt/holoscan/models").chmod(0o755)
    assert entrypoint.extract(package, []) == 0
    assert (package.export / "models").stat().st_mode & 0o777 == 0o777


@pytest.fixture
def package_of_others() -> Iterator[Package]:
    """Give a package and a mounted folder for its models that all may write, and give up root's rights."""
    with tempfile.TemporaryDirectory() as parent:
        Path(parent).chmod(0o755)
        package = make_package(Path(parent))
        (package.export / "models").mkdir(parents=True)
        (package.export / "models").chmod(0o777)
        user = os.geteuid()
        if user == 0:
            os.seteuid(65534)
        yield package
        os.seteuid(user)


def test_extract_fills_a_folder_that_belongs_to_another_user(package_of_others: Package) -> None:
    assert entrypoint.extract(package_of_others, []) == 0
    assert _files(package_of_others.export) == {"models/M1/plans.json"}


def test_extract_into_what_is_no_folder_is_refused(tmp_path: Path, says: Said) -> None:
    package = make_package(tmp_path)
    package.export.mkdir(parents=True)
    (package.export / "app").write_text("a file")
    assert entrypoint.extract(package, []) == 7
    assert "cannot be written (File exists)" in says()


def test_extract_without_a_mount_says_what_to_mount(tmp_path: Path, says: Said) -> None:
    assert entrypoint.extract(make_package(tmp_path), []) == 2
    assert "mount a folder" in says()


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


def test_a_batch_without_items_is_skipped_and_says_so(tmp_path: Path, says: Said) -> None:
    environ = OWN | batch_of(tmp_path / "data")
    (tmp_path / "data" / "batch" / "without-input").rmdir()
    assert entrypoint.run(make_package(tmp_path), [], environ, Runner(environ)) == 126
    assert "skipped (0 items)" in says()


def test_a_batch_that_is_not_there_is_wrong_usage(tmp_path: Path, says: Said) -> None:
    environ = OWN | batch_of(tmp_path / "data", "a") | {"BATCH_NAME": "other"}
    assert entrypoint.run(make_package(tmp_path), [], environ, Runner(environ)) == 2
    assert "BATCH_NAME" in says()


def test_an_input_folder_that_no_item_of_a_batch_has_is_wrong_usage(tmp_path: Path, says: Said) -> None:
    environ = OWN | batch_of(tmp_path / "data", "a", "b") | {"OPERATOR_IN_DIR": "other"}
    assert entrypoint.run(make_package(tmp_path), [], environ, Runner(environ)) == 2
    assert "OPERATOR_IN_DIR" in says()


def test_mercure_gets_a_few_facts_and_no_uid(tmp_path: Path) -> None:
    report = {"task": "liver_ct", "status": 0, "segments": [{"label": "Liver", "volume_ml": 1.5}]}
    report |= {"selection": {"series_instance_uid": "1.2.3"}, "input": {"study_instance_uid": "1.2"}}
    (tmp_path / "liver_ct.report.json").write_text(json.dumps(report))
    environ = OWN | {"MERCURE_IN_DIR": "/in", "MERCURE_OUT_DIR": str(tmp_path)}
    assert entrypoint.run(make_package(tmp_path / "root"), [], environ, Runner(environ, 0)) == 0
    result = json.loads((tmp_path / "result.json").read_bytes())
    assert result == {"aimi": {"status": 0, "task": "liver_ct", "segments": report["segments"]}}


def result_of(folder: Path, status: int, root: Path) -> dict[str, Any]:
    """Run as mercure does, with an application that ends with a status; give what mercure reads."""
    environ = OWN | {"MERCURE_IN_DIR": "/in", "MERCURE_OUT_DIR": str(folder)}
    assert entrypoint.run(make_package(root), [], environ, Runner(environ, status)) == status
    result: dict[str, Any] = json.loads((folder / "result.json").read_bytes())["aimi"]
    return result


def test_what_mercure_keeps_are_facts_that_reports_have() -> None:
    schema = json.loads((ROOT / "docs" / "report.schema.json").read_bytes())
    assert set(entrypoint._OF_REPORT) <= set(schema["properties"])


@pytest.mark.parametrize("status", [1, 7])
def test_a_report_of_an_earlier_run_is_not_told_as_this_ones(tmp_path: Path, status: int) -> None:
    (tmp_path / "liver_ct.report.json").write_text(json.dumps({"status": 0, "segments": [{"label": "Liver"}]}))
    assert result_of(tmp_path, status, tmp_path / "root") == {"status": status}


def test_mercure_gets_each_of_several_results(tmp_path: Path) -> None:
    reports = [
        {
            "status": 0,
            "fingerprint": name * 64,
            "selection": {"chosen": {"ct": {"series_instance_uid": "1.2.3"}}},
            "segments": [{"label": "Lung", "volume_ml": volume}],
            "uptake": {"patient": {"mtv_ml": volume}},
            "positions": {"segments": {"frame_of_reference_uid": "1.2.3.4"}},
            "empty": False,
        }
        for name, volume in (("a", 1.5), ("b", 2.5))
    ]
    encoded, _ = outputs.encode_summary(
        LUNG_PET_CT, RunOptions(all_matching=True), RunRecord(), fingerprint="c" * 64, reports=reports, files={}
    )
    (tmp_path / "lung_pet_ct.report.json").write_bytes(encoded)
    for number, report in enumerate(reports, start=1):
        (tmp_path / f"lung_pet_ct-{number}.report.json").write_text(json.dumps(report))
    result = result_of(tmp_path, 0, tmp_path / "root")
    assert [one["number"] for one in result["results"]] == [1, 2]
    assert [one["segments"] for one in result["results"]] == [one["segments"] for one in reports]
    assert [one["uptake"] for one in result["results"]] == [one["uptake"] for one in reports]
    assert result["fingerprint"] == "c" * 64
    assert "1.2.3" not in json.dumps(result)


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
    command += arguments or ["-i", str(root / "input"), "-o", str(root / "output")]
    return subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True, env=_variables())


def wait_for(running: subprocess.Popen[str], words: str) -> None:
    assert running.stderr is not None
    for line in running.stderr:
        if words in line:
            return
    raise AssertionError(f"the process ended without saying {words!r}")


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
    wait_for(running, "running")
    assert running.stderr is not None
    running.send_signal(number)
    assert running.wait(timeout=3) == status
    running.stderr.close()
    assert not unfinished.exists()


SLOW_COPY = """
import pathlib, shutil, sys, time
def copy(source, target):
    pathlib.Path(target).write_text("half")
    print("copying", file=sys.stderr, flush=True)
    time.sleep(60)
shutil.copyfile = copy
"""


@pytest.mark.parametrize(("number", "status"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_ends_extract_and_no_half_file_stays(tmp_path: Path, number: signal.Signals, status: int) -> None:
    export = tmp_path / "package" / "var" / "run" / "holoscan" / "export"
    (export / "models").mkdir(parents=True)
    running = process(tmp_path, SLOW_COPY, "extract")
    wait_for(running, "copying")
    running.send_signal(number)
    assert running.wait(timeout=3) == status
    assert running.stderr is not None
    said = [json.loads(line)["message"] for line in running.stderr]
    running.stderr.close()
    assert said == [f"Interrupted by {number.name}: what was not finished is removed."]
    assert not _files(export)


def test_what_the_entrypoint_says_is_a_line_of_json(tmp_path: Path) -> None:
    running = process(tmp_path, "", "extract")
    _, log = running.communicate(timeout=60)
    assert running.returncode == 2
    (line,) = [json.loads(text) for text in log.splitlines()]
    assert (line["status"], line["level"]) == (2, "error")
    assert "mount a folder" in line["message"]


REAL = """
import sys
from pathlib import Path
from aimi.map_package.inside import entrypoint
package = entrypoint.Package(Path(sys.argv[1]))
entrypoint.Package = lambda: package
sys.exit(entrypoint.main([]))
"""


@pytest.mark.holoscan
def test_mercure_learns_why_the_application_refused(tmp_path: Path) -> None:
    package = make_package(tmp_path / "package")
    shutil.rmtree(package.root / "opt" / "holoscan" / "app")
    (package.root / "opt" / "holoscan" / "app").symlink_to(ROOT / "apps" / "liver_ct")
    source, output = tmp_path / "data", tmp_path / "out"
    source.mkdir()
    output.mkdir()
    (source / "task.json").write_text("{}")
    variables = {"MERCURE_IN_DIR": str(source), "MERCURE_OUT_DIR": str(output), "AIMI_MODELS": "demo"}
    command = [sys.executable, "-W", "ignore", "-c", REAL, str(package.root)]
    ended = subprocess.run(command, cwd=ROOT, env=_variables() | variables, capture_output=True, text=True, check=False)
    assert ended.returncode == 3, ended.stderr
    report = json.loads((output / "liver_ct.report.json").read_bytes())
    result = json.loads((output / "result.json").read_bytes())["aimi"]
    assert result["status"] == 3
    assert result["reason"] == report["reason"]
    assert result["remedy"] == report["remedy"]
