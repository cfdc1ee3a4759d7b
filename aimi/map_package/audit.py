"""Known vulnerabilities of the pinned packages, asked of pip-audit; what could not be asked is said, not passed.

pip-audit ends with 0 and "no known vulnerabilities" for packages that it could not look up: only its report per
package tells them apart, so that is read.
"""

import json
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aimi import tasks
from aimi.errors import OutputError
from aimi.map_package import sbom
from aimi.map_package.builder import checkout
from aimi.map_package.flavours import Flavour, pins, requirements_of

__all__ = ["Audit", "Outcome", "ask", "read_report", "write_sbom"]

_VULNERABLE = 1


@dataclass(frozen=True, slots=True)
class Audit:
    """What is known against a set of packages.

    Parameters
    ----------
    vulnerable : advisories by ``name version``.
    unchecked : packages that could not be looked up, with the reason.
    checked : the number of packages that were.
    """

    vulnerable: Mapping[str, tuple[str, ...]]
    unchecked: Mapping[str, str]
    checked: int

    @property
    def sentence(self) -> str:
        """The audit in words."""
        parts = [f"{self.checked} packages checked, {len(self.vulnerable)} with known vulnerabilities"]
        parts += [f"{name}: {', '.join(advisories)}" for name, advisories in self.vulnerable.items()]
        if self.unchecked:
            parts.append(f"not checked: {len(self.unchecked)} ({next(iter(self.unchecked.values()))})")
        return "; ".join(parts) + "."


@dataclass(frozen=True, slots=True)
class Outcome:
    """What ``aimi sbom`` did.

    Parameters
    ----------
    audit : a sentence; None where none was asked for.
    status : 1 where a vulnerability is known.
    """

    components: int
    audit: str | None
    status: int


def write_sbom(output: Path, *, task: str | None, audit: bool) -> Outcome:
    """Write the bill of the lock, or of a task's image, and the audit beside it (``.audit.json``).

    Raises
    ------
    UsageError
        There is no such task.
    OutputError
        The file cannot be written.
    """
    root = checkout()
    lock = root / "requirements.lock"
    if task is None:
        requirements = pins(lock.read_text(encoding="utf-8"))
    else:
        requirements = requirements_of(root / "apps" / tasks.get(task).name, lock, Flavour.OPENVINO)
    found = ask(requirements) if audit else None
    try:
        output.write_text(json.dumps(sbom.bill(requirements), indent=2) + "\n", encoding="utf-8")
        if found is not None:
            facts = {"vulnerable": found.vulnerable, "unchecked": found.unchecked, "checked": found.checked}
            output.with_suffix(".audit.json").write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")
    except OSError as err:
        raise OutputError("The bill cannot be written.", "Name a file in a folder that can be written.") from err
    status = _VULNERABLE if found is not None and found.vulnerable else 0
    return Outcome(len(requirements), None if found is None else found.sentence, status)


def ask(requirements: Mapping[str, str]) -> Audit:
    """Ask pip-audit about exact versions; everything is unchecked where it is not installed or reaches no service."""
    if shutil.which("pip-audit") is None:
        return _nothing(requirements, "pip-audit is not installed")
    with tempfile.TemporaryDirectory() as folder:
        listed = Path(folder) / "requirements.txt"
        listed.write_text("".join(f"{name}=={version}\n" for name, version in requirements.items()), encoding="utf-8")
        command = [
            "pip-audit",
            "--no-deps",
            "--disable-pip",
            "--progress-spinner",
            "off",
            "-f",
            "json",
            "-r",
            str(listed),
        ]
        ended = subprocess.run(command, check=False, capture_output=True, text=True)  # noqa: S603 (found above)
    try:
        report = json.loads(ended.stdout)
    except ValueError:
        return _nothing(requirements, "pip-audit gave no report: its service was not reached")
    return read_report(report, requirements)


def read_report(report: Mapping[str, Any], requirements: Mapping[str, str]) -> Audit:
    """Read pip-audit's JSON; a package that it skipped or left out is unchecked."""
    entries = {str(one["name"]).lower(): one for one in report["dependencies"]}
    vulnerable: dict[str, tuple[str, ...]] = {}
    unchecked: dict[str, str] = {}
    for name, version in requirements.items():
        entry = entries.get(name)
        if entry is None or "skip_reason" in entry:
            unchecked[f"{name} {version}"] = "left out" if entry is None else str(entry["skip_reason"])
        elif entry["vulns"]:
            vulnerable[f"{name} {version}"] = tuple(str(one["id"]) for one in entry["vulns"])
    return Audit(vulnerable, unchecked, len(requirements) - len(unchecked))


def _nothing(requirements: Mapping[str, str], reason: str) -> Audit:
    return Audit({}, {f"{name} {version}": reason for name, version in requirements.items()}, 0)
