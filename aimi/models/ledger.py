"""What a models folder remembers: hashes that were seen first, and licences that were accepted.

No checksum of the published weights was published. What is seen first is therefore written down beside the models
(``.hashes.json``) and held from then on: models by name, downloaded archives by record and file. A model or archive
that differs later is refused. ``.licences.json`` lists the licences that were accepted, once for the folder.
"""

import contextlib
import fcntl
import json
import os
import secrets
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from aimi.errors import ModelError, OutputError

__all__ = [
    "accept_licence",
    "accepted_licences",
    "archive_sha256",
    "held_models",
    "hold_archive",
    "hold_model",
    "model_sha256",
    "require_same",
    "write_json",
]

_HASHES, _LICENCES = ".hashes.json", ".licences.json"


def model_sha256(models: Path, name: str) -> str | None:
    """Give the digest that a model had when it was seen first, or None."""
    return _text(_read(models / _HASHES, "models").get(name))


def held_models(models: Path) -> tuple[str, ...]:
    """Give the names of the models whose digest is held, in order."""
    return tuple(sorted(_read(models / _HASHES, "models")))


def hold_model(models: Path, name: str, sha256: str) -> None:
    """Write down the digest of a model; an earlier one is replaced."""
    _add(models / _HASHES, "models", name, sha256)


def require_same(models: Path, name: str, sha256: str) -> None:
    """Refuse a model whose digest is another than when it was seen first.

    Raises
    ------
    ModelError
        It differs.
    """
    held = model_sha256(models, name)
    if held not in (None, sha256):
        raise ModelError(
            f"The model {name} was altered: its SHA-256 begins with {sha256[:12]}, not with {str(held)[:12]}.",
            "Remove its folder and get it again; if you replaced it yourself, remove its entry from .hashes.json.",
        )


def archive_sha256(models: Path, key: str) -> str | None:
    """Give the digest that a record's file had when it was downloaded first, or None."""
    return _text(_read(models / _HASHES, "archives").get(key))


def hold_archive(models: Path, key: str, sha256: str) -> None:
    """Write down the digest of a record's file."""
    _add(models / _HASHES, "archives", key, sha256)


def accepted_licences(models: Path) -> frozenset[str]:
    """Give the licences that were accepted for this folder."""
    return frozenset(_read(models / _LICENCES, "accepted"))


def accept_licence(models: Path, licence: str) -> None:
    """Remember that a licence was accepted."""
    _add(models / _LICENCES, "accepted", licence, True)


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Write a file of the models folder, whole or not at all.

    Raises
    ------
    OutputError
        The folder cannot be written.
    """
    partial = path.with_name(f".{path.name.lstrip('.')}.{secrets.token_hex(4)}.partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        partial.write_text(json.dumps(content, indent=1, sort_keys=True) + "\n", encoding="utf-8")
        partial.replace(path)
    except OSError as err:
        reason = os.strerror(err.errno) if err.errno else type(err).__name__
        message = f"The models folder cannot be written ({reason})."
        raise OutputError(message, "Name another one with -m MODELS (AIMI_MODELS).") from err


def _text(value: object) -> str | None:
    return None if value is None else str(value)


def _content(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as err:
        message = f"The file {path.name} of the models folder cannot be read: what was held there is lost."
        raise ModelError(message, "Remove it to record anew what is there now.") from err
    return found if isinstance(found, dict) else {}


def _read(path: Path, part: str) -> dict[str, Any]:
    found = _content(path).get(part)
    return found if isinstance(found, dict) else {}


def _add(path: Path, part: str, name: str, value: object) -> None:
    with _alone(path.parent):
        content = _content(path)
        write_json(path, {**content, part: {**_read(path, part), name: value}})


@contextlib.contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Keep other processes from adding at the same time, where the disk knows locks."""
    with contextlib.ExitStack() as stack:
        with contextlib.suppress(OSError):
            folder.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(folder, os.O_RDONLY)
            stack.callback(os.close, descriptor)
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
