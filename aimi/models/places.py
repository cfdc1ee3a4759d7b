"""Where models and unfinished downloads of a user lie when no folder was named.

References
----------
XDG Base Directory Specification 0.8; Apple, File System Programming Guide.
"""

import os
import platform
from collections.abc import Mapping
from pathlib import Path

__all__ = ["cache", "user_models"]

_APPLE = "Darwin"


def user_models(environ: Mapping[str, str], system: str | None = None) -> Path:
    """Give the user's models folder; it need not be there."""
    if (system or platform.system()) == _APPLE:
        return _home(environ) / "Library" / "Application Support" / "aimi" / "models"
    return Path(environ.get("XDG_DATA_HOME") or _home(environ) / ".local" / "share") / "aimi" / "models"


def cache(environ: Mapping[str, str], system: str | None = None) -> Path:
    """Give the folder of unfinished downloads: AIMI_CACHE, or the user's cache."""
    if environ.get("AIMI_CACHE"):
        return Path(environ["AIMI_CACHE"])
    if (system or platform.system()) == _APPLE:
        return _home(environ) / "Library" / "Caches" / "aimi"
    return Path(environ.get("XDG_CACHE_HOME") or _home(environ) / ".cache") / "aimi"


def _home(environ: Mapping[str, str]) -> Path:
    # os.path gives "~" where Path raises: a user without a home
    return Path(environ.get("HOME") or os.path.expanduser("~"))  # noqa: PTH111
