"""Labels of an image that come from its surroundings: the checkout, the licences of what is in it, its date.

References
----------
https://github.com/opencontainers/image-spec/blob/main/annotations.md, Pre-Defined Annotation Keys.
"""

import shutil
import subprocess
import tomllib
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

__all__ = ["of_checkout", "of_date", "of_licences"]

_PREFIX = "org.opencontainers.image"
_STAGED = ("aimi", "apps", "operators", "pyproject.toml", "requirements.lock")
_UNKNOWN = "LicenseRef-not-known"


def of_checkout(root: Path) -> dict[str, str]:
    """Give the authors, and the revision where the checkout is one of git in which nothing staged was changed."""
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    found = {f"{_PREFIX}.authors": ", ".join(one["name"] for one in project["authors"])}
    revision = _git(root, "rev-parse", "HEAD")
    is_clean = _git(root, "status", "--porcelain", "--", *_STAGED) == ""
    return found | ({f"{_PREFIX}.revision": revision} if revision and is_clean else {})


def of_licences(weights: Iterable[str | None]) -> dict[str, str]:
    """Give the licences of the software and of the weights as an SPDX expression; None is one that is not known.

    The licences of the packages are in the bill of materials.
    """
    parts = dict.fromkeys(("Apache-2.0", *(one or _UNKNOWN for one in weights)))
    return {f"{_PREFIX}.licenses": " AND ".join(parts)}


def of_date(epoch: int | None) -> dict[str, str]:
    """Give the date, where one was named: an image without one is the same each time."""
    if epoch is None:
        return {}
    return {f"{_PREFIX}.created": datetime.fromtimestamp(epoch, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")}


def _git(root: Path, *arguments: str) -> str | None:
    program = shutil.which("git")
    if program is None:
        return None
    command = [program, "-C", str(root), *arguments]
    ended = subprocess.run(command, check=False, capture_output=True, text=True)  # noqa: S603 (found above)
    return ended.stdout.strip() if ended.returncode == 0 else None
