"""The first process of a container: run the application, or show or extract what the package holds.

Its exit status is the application's. It is Python from the start, in one process, so that a signal reaches who
must clean up: as a container's first process it would otherwise not even end. Nothing is imported before the signals
are taken but small parts of the standard library.

What a platform says is understood in this order: arguments (``-i -o -m``), variables that differ from the image's
own (HOLOSCAN_*, MONAI_*, MERCURE_*), the image's own. Kaapana's variables make a loop over the items of a batch.
"""

import json
import logging
import os
import re
import shutil
import sys
from collections.abc import Callable, Mapping, MutableMapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from aimi.interruption import Interruption

__all__ = ["Package", "chosen_paths", "extract", "main", "mercure_result", "run", "run_batch", "show", "without_config"]

logger = logging.getLogger("aimi.entrypoint")  # below what aimi.log_format writes out

Runner = Callable[[Sequence[str]], int]
"""(arguments) -> exit status; reads ``os.environ``."""

_SKIPPED = 126  # Kaapana's KaapanaBaseOperator takes this status for "skipped"
_NOT_WRITABLE = 7
_NOTHING_SUITABLE = 3
_WRONG_USAGE = 2
_KAAPANA = ("WORKFLOW_DIR", "BATCH_NAME", "OPERATOR_IN_DIR", "OPERATOR_OUT_DIR")
_ALTERNATIVES = {
    "HOLOSCAN_INPUT_PATH": ("MONAI_INPUTPATH", "MERCURE_IN_DIR"),
    "HOLOSCAN_OUTPUT_PATH": ("MONAI_OUTPUTPATH", "MERCURE_OUT_DIR"),
    "HOLOSCAN_MODEL_PATH": ("MONAI_MODELPATH",),
}
_OF_RESULT = ("segments", "groups", "uptake", "empty", "fingerprint")
_OF_REPORT = ("task", "software", "reason", "remedy", *_OF_RESULT)
_ONE_OF_SEVERAL = re.compile(r"-[0-9]+\.report\.json$")


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


def extract(package: Package, unfinished: list[Path]) -> int:
    """Copy the parts whose folders are mounted below the export folder; all of them if none is.

    Parameters
    ----------
    unfinished : takes the name under which a file is written before it is whole.

    Returns
    -------
    2 if the export folder is not mounted, 7 if it cannot be written.
    """
    export = package.export
    if not export.is_dir():
        _say(
            f"Nothing is mounted at {export}: mount a folder there (or at {export}/app, config, models, docs).",
            _WRONG_USAGE,
        )
        return _WRONG_USAGE
    asked = [name for name in package.parts if (export / name).is_dir()]
    try:
        for name in asked or package.parts:
            _copy(package.parts[name], export / name, unfinished)
    except OSError as err:
        _say(
            f"{export} cannot be written ({err.strerror}): mount a folder that the container's user may write.",
            _NOT_WRITABLE,
        )
        return _NOT_WRITABLE
    return 0


def _copy(sources: Sequence[Path], target: Path, unfinished: list[Path]) -> None:
    """Copy contents alone: a folder that is mounted may belong to another user, who alone may set its dates."""
    target.mkdir(exist_ok=True)
    for source in sources:
        if source.is_file():
            _copy_file(source, target / source.name, unfinished)
        for path in sorted(source.rglob("*")):
            copy = target / path.relative_to(source)
            if path.is_dir():
                copy.mkdir(exist_ok=True)
            else:
                _copy_file(path, copy, unfinished)


def _copy_file(source: Path, target: Path, unfinished: list[Path]) -> None:
    partial = target.with_name(f".{target.name}.partial")
    unfinished.append(partial)
    shutil.copyfile(source, partial)
    partial.replace(target)
    unfinished.remove(partial)


def _discard(unfinished: Sequence[Path]) -> None:
    for partial in tuple(unfinished):
        partial.unlink(missing_ok=True)


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
        if others and (not value or _is_own(name, value, own)):
            value = others[0]
        if value:
            chosen[name] = value
    return chosen


def _is_own(name: str, value: str, own: Mapping[str, str]) -> bool:
    return value.rstrip("/") == own.get(name, "").rstrip("/")


def _take_paths(environ: MutableMapping[str, str], own: Mapping[str, str]) -> None:
    """Set the paths of a run; another models folder than the image's stands above the image's demo models."""
    environ.update(chosen_paths(environ, own))
    models = environ.get("HOLOSCAN_MODEL_PATH", "")
    is_other = bool(models) and not _is_own("HOLOSCAN_MODEL_PATH", models, own)
    if is_other and environ.get("AIMI_MODELS") == own.get("AIMI_MODELS"):
        environ.pop("AIMI_MODELS", None)


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
    _take_paths(environ, manifest["environment"])
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
    0 when an item was annotated and none failed, 126 (skipped) when no item had anything to annotate, 2 when there is
    no batch or none of its items has the input folder, otherwise the status of the first failure.
    """
    batch = Path(environ["WORKFLOW_DIR"]) / environ["BATCH_NAME"]
    try:
        items = sorted(item for item in batch.iterdir() if item.is_dir())
        ready = [item for item in items if (item / environ["OPERATOR_IN_DIR"]).is_dir()]
    except OSError as err:
        _say(f"The batch (WORKFLOW_DIR, BATCH_NAME) is no folder that can be read ({err.strerror}).", _WRONG_USAGE)
        return _WRONG_USAGE
    if items and not ready:
        _say("No item of the batch has a folder of the name OPERATOR_IN_DIR: name the operator before.", _WRONG_USAGE)
        return _WRONG_USAGE
    statuses = []
    for item in ready:
        environ["HOLOSCAN_INPUT_PATH"] = str(item / environ["OPERATOR_IN_DIR"])
        environ["HOLOSCAN_OUTPUT_PATH"] = str(item / environ["OPERATOR_OUT_DIR"])
        statuses.append(runner(()))
    failures = [status for status in statuses if status not in (0, _NOTHING_SUITABLE)]
    if failures:
        return failures[0]
    if 0 in statuses:
        return 0
    message = "No item of the batch had anything to annotate: skipped (%d items)."
    logger.warning(message, len(items), extra={"status": _SKIPPED})
    return _SKIPPED


def mercure_result(folder: Path, status: int) -> dict[str, object]:
    """Give what mercure keeps of a run: a few facts of the report, nothing of the patient.

    A report of another status is an earlier run's, and left alone.
    """
    facts: dict[str, object] = {"status": status}
    for path in sorted(folder.glob("*.report.json")):
        report = json.loads(path.read_text(encoding="utf-8"))
        if report["status"] == status and not _ONE_OF_SEVERAL.search(path.name):
            facts |= {key: report[key] for key in _OF_REPORT if key in report}
            facts |= {"results": [_one_result(path, one) for one in report["results"]]} if "results" in report else {}
    return {"aimi": facts}


def _one_result(summary: Path, listed: Mapping[str, object]) -> dict[str, object]:
    """Give the facts of one of several results, from its own report beside the account of all."""
    number = listed["number"]
    path = summary.with_name(summary.name.replace(".report.json", f"-{number}.report.json"))
    report = json.loads(path.read_text(encoding="utf-8"))
    return {"number": number, **{key: report[key] for key in _OF_RESULT if key in report}}


def _write_result(folder: Path, status: int) -> None:
    partial = folder / ".result.json.partial"
    try:
        partial.write_text(json.dumps(mercure_result(folder, status), indent=2), encoding="utf-8")
        partial.replace(folder / "result.json")
    except (OSError, ValueError, KeyError):
        _say("result.json could not be written.", status)


def _say(sentence: str, status: int) -> None:
    logger.error("%s", sentence, extra={"status": status})


def main(arguments: Sequence[str]) -> int:
    """Do what the container was started for; give the exit status."""
    package = Package()
    opt = package.root / "opt" / "holoscan"
    sys.dont_write_bytecode = True
    sys.path[:0] = [str(opt / "app"), str(opt / "lib"), str(opt / "packages")]

    from aimi import log_format  # noqa: PLC0415 (only now on the path)
    from aimi.interruption import Interruption  # noqa: PLC0415 (only now on the path)

    log_format.configure(as_json=bool(os.environ.get("AIMI_LOG_JSON")), level=logging.INFO)
    interruption = Interruption()
    interruption.watch()
    status = _outcome(package, arguments, interruption)
    interruption.yield_to_end()
    return status


def _outcome(package: Package, arguments: Sequence[str], interruption: "Interruption") -> int:
    if list(arguments) == ["show"]:
        return show(package)
    if list(arguments) == ["extract"]:
        unfinished: list[Path] = []
        interruption.add(lambda: _discard(unfinished))
        return extract(package, unfinished)

    from operators.launch import launch  # noqa: PLC0415 (only now on the path)

    return run(package, arguments, os.environ, lambda given: launch("app:run", given, interruption=interruption))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
