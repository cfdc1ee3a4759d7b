"""Bringing a model into a models folder, in the imported format.

The folder or zip is read under a hidden name beside its place; the last step is one rename, so that a reader of the
models folder sees a whole model or none. Nothing that a file of the model names is run.
"""

import contextlib
import errno
import os
import secrets
import shutil
from dataclasses import dataclass, replace
from pathlib import Path

from safetensors import SafetensorError

from aimi.engine.folder import ModelFolder, import_folder, open_folder
from aimi.errors import OutputError, ResourceError, UsageError
from aimi.models import archive, ledger, store
from aimi.models.catalogue import CATALOGUE, ModelSpec

__all__ = ["Imported", "discard_unfinished", "import_model", "refusal", "require_place"]

_PARTIAL = ".partial"
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})


@dataclass(frozen=True, slots=True)
class Imported:
    """A model that was brought in.

    Parameters
    ----------
    name : of its sub-folder.
    is_listed : the catalogue knows it, and the weights are of the generation that it lists.
    """

    name: str
    folder: ModelFolder
    is_listed: bool


def import_model(
    source: Path, models: Path, *, name: str | None = None, licence: str = "", origin: str = ""
) -> Imported:
    """Write the model of a folder or zip into a models folder.

    Parameters
    ----------
    name : of its sub-folder; None takes the catalogue's name for the file or for the data set that it was trained on,
        else the data set's.
    licence, origin : of a model that the catalogue does not know.

    Raises
    ------
    UsageError
        There is no such file or folder, or the name is none.
    ModelError
        It holds no model, a damaged or dangerous one, or that of another task.
    OutputError
        The name is taken, or the folder cannot be written.
    ResourceError
        The disk is full.
    """
    if not source.exists():
        raise UsageError("There is no such folder or archive.", "Name a model's folder or zip.")
    if name is not None:
        _require_free(models, name)
    place = _hidden(models)
    try:
        place.mkdir(parents=True)
        return _import(source, models, place, name, (licence, origin))
    except OSError as err:
        raise refusal(err) from err
    except SafetensorError as err:
        # it holds the system's error as text: the disk is full, as a rule
        raise ResourceError("The weights cannot be written.", "Free space on the disk and try again.") from err
    finally:
        shutil.rmtree(place, ignore_errors=True)


def require_place(models: Path, name: str) -> None:
    """Refuse, before a model is downloaded, a place where it could not be imported.

    Raises
    ------
    OutputError
        The name is taken, or the folder cannot be written.
    ResourceError
        The disk is full.
    """
    _require_free(models, name)
    place = _hidden(models)
    try:
        # tried, not asked for: permissions are not all that can be in the way
        place.mkdir(parents=True)
        place.rmdir()
    except OSError as err:
        raise refusal(err) from err


def discard_unfinished(models: Path) -> None:
    """Remove what this process has not finished, when it is told to end."""
    for place in models.glob(f"{_unfinished()}*{_PARTIAL}"):
        gone = place.with_name(f"{place.name}.gone")
        with contextlib.suppress(OSError):
            # first out of the way, whole: the work still goes on and would fill it again
            place.rename(gone)
        shutil.rmtree(gone, ignore_errors=True)


def _unfinished() -> str:
    return f".import.{os.getpid()}."


def _hidden(models: Path) -> Path:
    return models / f"{_unfinished()}{secrets.token_hex(4)}{_PARTIAL}"


def _import(source: Path, models: Path, place: Path, name: str | None, terms: tuple[str, str]) -> Imported:
    found = open_folder(source if source.is_dir() else _unpacked(source, place))
    name = name or _name_of(source, found)
    _require_free(models, name)
    spec = CATALOGUE.get(name)
    is_listed = spec is not None and spec.generation == found.version
    if spec is not None:
        store.require_fit(spec, found)
    licence, origin = (spec.licence, _origin(spec)) if spec is not None and is_listed else terms
    written = import_folder(found, place / "model", licence=licence or "not known", source=origin)
    ledger.hold_model(models, name, written.sha256)
    (place / "model").rename(models / name)
    return Imported(name, replace(written, path=models / name), is_listed)


def _unpacked(source: Path, place: Path) -> Path:
    # the name of the folder above its own is all that tells a v1 model's data set: without one it is the archive's
    target = place / source.stem / source.stem
    target.mkdir(parents=True)
    archive.unpack(source, target)
    return target


def _name_of(source: Path, found: ModelFolder) -> str:
    """Give the catalogue's name: an archive's name, its folder's and the model's may all differ."""
    by_file = next((spec.name for spec in CATALOGUE.values() if spec.file and spec.file == source.name), None)
    return by_file or found.dataset


def _origin(spec: ModelSpec) -> str:
    return f"doi:{spec.doi}" if spec.doi else spec.address


def _require_free(models: Path, name: str) -> None:
    if not name or name.startswith(".") or Path(name).name != name or "\\" in name:
        raise UsageError("The name of the model is not that of a folder.", "Give another one with --name.")
    if os.path.lexists(models / name):
        raise OutputError(
            f"The models folder holds {name} already.", "Remove it first, or give another name with --name."
        )


def refusal(err: OSError) -> OutputError | ResourceError:
    """Give the outcome of a folder of models that cannot be read or written."""
    reason = os.strerror(err.errno) if err.errno else type(err).__name__
    if err.errno in _FULL:
        return ResourceError(f"The disk is full ({reason}).", "Free space and try again.")
    return OutputError(f"A file of the model cannot be read or written ({reason}).", "Name another models folder.")
