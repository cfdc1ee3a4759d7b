"""Checksums of a stored model: what its files were when they were written.

``checksums.json`` beside the plans names every file that can change a result, with its SHA-256. Demo models have it:
anybody can change them, and a changed one must not pass for what was trained and scored.
"""

import json
from pathlib import Path

from aimi.engine.checkpoint import V2_STORED, file_sha256, read_json
from aimi.errors import ModelError

__all__ = ["require_checksums", "write_checksums"]

_FILE = "checksums.json"
_DESCRIPTIONS = ("plans.json", "dataset.json")
_REMEDY = "Get the model again from where it came from; after a training of your own, record it anew."


def write_checksums(root: Path) -> None:
    """Record what the files of a stored model are now."""
    content = {"sha256": {name: file_sha256(root / name) for name in _names(root)}}
    (root / _FILE).write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def require_checksums(root: Path) -> None:
    """Refuse a stored model whose files are not what they were.

    Raises
    ------
    ModelError
        A file is missing, altered or was not there, or the record itself is missing or damaged.
    """
    held = read_json(root / _FILE).get("sha256")
    if not isinstance(held, dict):
        raise ModelError(f"The model's {_FILE} is damaged.", _REMEDY)
    names = _names(root)
    for name in sorted({*held, *names}):
        if name not in names or held.get(name) != file_sha256(root / name):
            raise ModelError(f"The file {name} of the model is missing or altered: its SHA-256 differs.", _REMEDY)


def _names(root: Path) -> tuple[str, ...]:
    weights = sorted(path.relative_to(root).as_posix() for path in root.glob(V2_STORED.file.format(fold="*")))
    return (*_DESCRIPTIONS, *weights)
