"""The first process of a container: run the application, or show or extract what the package holds.

Its exit status is the application's. It is Python from the start, in one process, so that a signal reaches who
must clean up. Nothing is imported before the signals are taken but the standard library's small parts.

What a platform says is understood in this order: arguments (``-i -o -m``), variables that differ from the image's
own (HOLOSCAN_*, MONAI_*, MERCURE_*), the image's own. Kaapana's variables make a loop over the items of a batch.
"""

import json
import os
import shutil
import sys
from collections.abc import Callable, Mapping, MutableMapping, Sequence
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Package", "chosen_paths", "extract", "main", "mercure_result", "run", "run_batch", "show", "without_config"]

Runner = Callable[[Sequence[str]], int]
"""(arguments) -> exit status; reads ``os.environ``."""

_SKIPPED = 126  # Kaapana's KaapanaBaseOperator takes this status for "skipped"
_NOTHING_SUITABLE = 3
_WRONG_USAGE = 2
_KAAPANA = ("WORKFLOW_DIR", "BATCH_NAME", "OPERATOR_IN_DIR", "OPERATOR_OUT_DIR")
_ALTERNATIVES = {
    "HOLOSCAN_INPUT_PATH": ("MONAI_INPUTPATH", "MERCURE_IN_DIR"),
    "HOLOSCAN_OUTPUT_PATH": ("MONAI_OUTPUTPATH", "MERCURE_OUT_DIR"),
    "HOLOSCAN_MODEL_PATH": ("MONAI_MODELPATH",),
}


@dataclass(frozen=True, slots=True)
class Package:
    """Where a package's parts are; other places only in tests.

    Parameters
    ----------
    root : what stands before every path.
    """

    root: Path = Path("/")

    @property
    def manifests(self) -> tuple[Path, ...]:
        """The two manifests."""
        folder = self.root / "etc" / "holoscan"
        return folder / "app.json", folder / "pkg.json"

    @property
    def parts(self) -> Mapping[str, tuple[Path, ...]]:
        """What ``extract`` copies, by the name of the folder that asks for it."""
        opt = self.root / "opt" / "holoscan"
        return {
            "app": (opt / "app",),
            "config": (self.root / "var" / "holoscan" / "app.yaml", *self.manifests),
            "models": (opt / "models",),
            "docs": (opt / "docs",),
        }

    @property
    def export(self) -> Path:
        """The folder that is mounted for ``extract``."""
        return self.root / "var" / "run" / "holoscan" / "export"


def show(package: Package) -> int:
    """Print the manifests, one JSON object with both."""
    both = {path.name: json.loads(path.read_text(encoding="utf-8")) for path in package.manifests}
    sys.stdout.write(json.dumps(both, indent=2) + "\n")
    return 0


def extract(package: Package) -> int:
    """Copy the parts whose folders are mounted below the export folder; all of them if none is.

    Returns
    -------
    2 if the export folder is not mounted, 7 if it cannot be written.
    """
    export = package.export
    if not export.is_dir():
        _say(f"Nothing is mounted at {export}: mount a folder there (or at {export}/app, config, models, docs).")
        return _WRONG_USAGE
    asked = [name for name in package.parts if (export / name).is_dir()]
    try:
        for name in asked or package.parts:
            _copy(package.parts[name], export / name)
    except (OSError, shutil.Error):
        _say(f"{export} cannot be written: mount a folder that the container's user may write.")
        return 7
    return 0


def _copy(sources: Sequence[Path], target: Path) -> None:
    target.mkdir(exist_ok=True)
    for source in sources:
        if source.is_dir():
            shutil.copytree(source, target, dirs_exist_ok=True, copy_function=shutil.copyfile)
        elif source.is_file():
            shutil.copyfile(source, target / source.name)


def chosen_paths(environ: Mapping[str, str], own: Mapping[str, str]) -> dict[str, str]:
    """Give the paths of a run: a variable that a platform set stands above one that the image has.

    Parameters
    ----------
    own : the image's variables, as in its manifest.
    """
    chosen = {}
    for name, alternatives in _ALTERNATIVES.items():
        value = environ.get(name, "")
        others = [environ[other] for other in alternatives if environ.get(other)]
        if others and value in ("", own.get(name)):
            value = others[0]
        if value:
            chosen[name] = value
    return chosen


def without_config(arguments: Sequence[str]) -> list[str]:
    """Leave out ``--config FILE``, which ``monai-deploy run`` appends for every Holoscan application."""
    kept: list[str] = []
    waiting = iter(arguments)
    for argument in waiting:
        if argument == "--config":
            next(waiting, None)
        elif not argument.startswith("--config="):
            kept.append(argument)
    return kept


def run(package: Package, arguments: Sequence[str], environ: MutableMapping[str, str], runner: Runner) -> int:
    """Run the application as the platform wants it; give the exit status."""
    manifest = json.loads(package.manifests[0].read_text(encoding="utf-8"))
    arguments = without_config(arguments)
    environ.update(chosen_paths(environ, manifest["environment"]))
    if all(environ.get(name) for name in _KAAPANA) and not arguments:
        return run_batch(environ, runner)
    status = runner(arguments)
    if environ.get("MERCURE_OUT_DIR"):
        _write_result(Path(environ["MERCURE_OUT_DIR"]), status)
    return status


def run_batch(environ: MutableMapping[str, str], runner: Runner) -> int:
    """Run once for each item of Kaapana's batch.

    Returns
    -------
    0 when an item was annotated and none failed, 126 (skipped) when no item had anything to annotate, otherwise the
    status of the first failure.
    """
    batch = Path(environ["WORKFLOW_DIR"]) / environ["BATCH_NAME"]
    statuses = []
    for item in sorted(batch.iterdir()) if batch.is_dir() else ():
        source = item / environ["OPERATOR_IN_DIR"]
        if source.is_dir():
            environ["HOLOSCAN_INPUT_PATH"] = str(source)
            environ["HOLOSCAN_OUTPUT_PATH"] = str(item / environ["OPERATOR_OUT_DIR"])
            statuses.append(runner(()))
    failures = [status for status in statuses if status not in (0, _NOTHING_SUITABLE)]
    if failures:
        return failures[0]
    return 0 if 0 in statuses else _SKIPPED


def mercure_result(folder: Path, status: int) -> dict[str, object]:
    """Give what mercure keeps of a run: a few facts of the report, nothing of the patient."""
    report: dict[str, object] = {}
    for path in sorted(folder.glob("*.report.json")):
        report = json.loads(path.read_text(encoding="utf-8"))
    kept = ("task", "software", "segments", "groups", "empty", "message", "fingerprint")
    return {"aimi": {"status": status, **{key: report[key] for key in kept if key in report}}}


def _write_result(folder: Path, status: int) -> None:
    partial = folder / ".result.json.partial"
    try:
        partial.write_text(json.dumps(mercure_result(folder, status), indent=2), encoding="utf-8")
        partial.replace(folder / "result.json")
    except (OSError, ValueError):
        _say("result.json could not be written.")


def _say(sentence: str) -> None:
    sys.stderr.write(f"aimi: {sentence}\n")


def main(arguments: Sequence[str]) -> int:
    """Do what the container was started for; give the exit status."""
    package = Package()
    if list(arguments) == ["show"]:
        return show(package)
    if list(arguments) == ["extract"]:
        return extract(package)
    opt = package.root / "opt" / "holoscan"
    sys.dont_write_bytecode = True
    sys.path[:0] = [str(opt / "app"), str(opt / "lib"), str(opt / "packages")]

    from aimi.interruption import Interruption  # noqa: PLC0415 (only now on the path)
    from operators.launch import launch  # noqa: PLC0415 (only now on the path)

    interruption = Interruption()
    interruption.watch()
    return run(package, arguments, os.environ, lambda given: launch("app:run", given, interruption=interruption))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
