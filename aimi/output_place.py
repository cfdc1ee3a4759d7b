"""Where a run leaves its result: all or nothing, the ``.dcm`` last.

Some platforms send every ``.dcm`` that they find and ignore the exit status: a reader of the folder sees a
whole result or none. Files are written under a hidden name beside their place that no ``*.dcm`` takes,
flushed, then renamed. A finished result of the same task from other models, options or input is not
touched unless the user says so; the very same result is not made twice.
"""

import contextlib
import errno
import hashlib
import json
import logging
import os
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from aimi.errors import AlreadyDoneError, OutputError, ResourceError

__all__ = ["OutputPlace", "PartPlace", "Place", "sha256_of"]

logger = logging.getLogger(__name__)

_PARTIAL = ".partial"


def sha256_of(content: bytes) -> str:
    """Give the SHA-256 of bytes, in hexadecimal."""
    return hashlib.sha256(content).hexdigest()


class Place(Protocol):
    """Where a result goes."""

    def prepare(self) -> None:
        """Find out whether it can be written."""

    def require_free(self, fingerprint: str) -> None:
        """Refuse to replace a finished result."""

    def holds_result(self) -> bool:
        """Tell whether a finished result is here."""

    def write(self, files: Mapping[str, bytes]) -> None:
        """Take the files of the result, by the last part of their names."""

    def discard(self) -> None:
        """Remove what was not finished."""


@dataclass(slots=True)
class OutputPlace:
    """An output folder and the part of it that one task uses.

    A file is named by its last part: ``seg.dcm`` becomes ``liver_ct.seg.dcm``. Where a run has several results,
    ``-2.seg.dcm`` becomes ``liver_ct-2.seg.dcm``, and ``report.json`` tells of all of them.

    Parameters
    ----------
    folder : made when it does not exist.
    stem : the first part of every file's name, the task's.
    overwrite : replace a finished result of another run.
    """

    folder: Path
    stem: str
    overwrite: bool = False
    _partials: list[Path] = field(default_factory=list)

    @property
    def report_path(self) -> Path:
        """The report's place."""
        return self.folder / f"{self.stem}.report.json"

    def prepare(self) -> None:
        """Make the folder and find out whether it can be written.

        Raises
        ------
        OutputError
            The folder cannot be made or written.
        """
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            probe = self._partial("probe")
            probe.write_bytes(b"")
            probe.unlink()
        except OSError as err:
            raise _refusal(err) from err
        self._partials.clear()

    def require_free(self, fingerprint: str) -> None:
        """Refuse to replace a finished result.

        Raises
        ------
        AlreadyDoneError
            The folder holds this very result, whole.
        OutputError
            The folder holds a result of other models, options or input.
        """
        finished = self.finished_report()
        if finished is not None and finished.get("fingerprint") == fingerprint and self.is_whole(finished):
            raise AlreadyDoneError("Already done: the output folder holds this result.")
        if self.overwrite:
            return
        if finished is not None:
            raise OutputError(
                f"The output folder holds a finished {self.stem} result of {self._difference(finished, fingerprint)}.",
                "Name another folder, or give --overwrite (AIMI_OVERWRITE=1) to replace it.",
            )
        if self._objects():
            raise OutputError(
                f"The output folder holds a {self.stem} segmentation without its report.",
                "Name another folder, or give --overwrite (AIMI_OVERWRITE=1) to replace it.",
            )

    def holds_result(self) -> bool:
        """Tell whether a finished result of this task is here."""
        return self.finished_report() is not None or bool(self._objects())

    def write(self, files: Mapping[str, bytes]) -> None:
        """Write files, by the last part of their names (``seg.dcm``), all or none; every ``.dcm`` goes last.

        Raises
        ------
        ResourceError
            The disk is full.
        OutputError
            The folder cannot be written.
        """
        ordered = sorted(files, key=lambda name: (name.endswith(".dcm"), name))
        try:
            staged = [(self._stage(name, files[name]), self._path(name)) for name in ordered]
            self._require_files([final for _, final in staged])
            old = self.finished_report()
            for partial, final in staged:
                partial.replace(final)
            self._remove_others(old, files)
            self._remove_leftovers()
            self._flush_folder()
        except OSError as err:
            self.discard()
            raise _refusal(err) from err
        self._partials.clear()

    def discard(self) -> None:
        """Remove what was not finished."""
        for partial in self._partials:
            with contextlib.suppress(OSError):
                partial.unlink(missing_ok=True)

    def _stage(self, name: str, content: bytes) -> Path:
        partial = self._partial(name)
        with partial.open("wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        return partial

    def _partial(self, name: str) -> Path:
        partial = self.folder / f".{self.stem}.{name}.{secrets.token_hex(4)}{_PARTIAL}"
        self._partials.append(partial)
        return partial

    def _require_files(self, finals: Sequence[Path]) -> None:
        """Find a folder in the place of a file before anything is renamed: half a result would stay."""
        for final in finals:
            if final.is_dir():
                raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))

    def _remove_leftovers(self) -> None:
        """Remove what runs that were killed have left."""
        for partial in self.folder.glob(f".{self.stem}.*{_PARTIAL}"):
            partial.unlink(missing_ok=True)

    def _flush_folder(self) -> None:
        descriptor = os.open(self.folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def _path(self, name: str) -> Path:
        return self.folder / (f"{self.stem}{name}" if name.startswith("-") else f"{self.stem}.{name}")

    def _objects(self) -> list[Path]:
        return [*self.folder.glob(f"{self.stem}.*dcm"), *self.folder.glob(f"{self.stem}-[0-9]*dcm")]

    def _remove_others(self, old: Mapping[str, object] | None, files: Mapping[str, bytes]) -> None:
        """Remove what an earlier result had and the new one has not."""
        listed = old.get("files") if old is not None else None
        for name in listed if isinstance(listed, dict) else ():
            if name not in files:
                self._path(name).unlink(missing_ok=True)

    def finished_report(self) -> dict[str, object] | None:
        """Give the report of the finished result that is here, or None."""
        try:
            report = json.loads(self.report_path.read_bytes())
        except (OSError, ValueError):
            return None
        return report if isinstance(report, dict) and report.get("status") == 0 else None

    def is_whole(self, report: Mapping[str, object]) -> bool:
        """Tell whether every file that a report lists is here unchanged."""
        files = report.get("files")
        if not isinstance(files, dict) or not files:
            return False
        return all(self._matches(name, str(digest)) for name, digest in files.items())

    def _matches(self, name: str, digest: str) -> bool:
        path = self._path(name)
        return path.is_file() and sha256_of(path.read_bytes()) == digest

    def _difference(self, report: Mapping[str, object], fingerprint: str) -> str:
        if report.get("fingerprint") == fingerprint:
            return "this run that is no longer whole"
        return "other models, options, input or software"


@dataclass(slots=True)
class PartPlace:
    """Where one of several results waits until all are there and are written together.

    Parameters
    ----------
    whole : the place of all.
    number : of this one, from 1.
    files : what it was given.
    fingerprint : of this one.
    """

    whole: OutputPlace
    number: int
    files: dict[str, bytes] = field(default_factory=dict)
    fingerprint: str = ""

    def prepare(self) -> None:
        """Find out whether the folder can be written."""
        self.whole.prepare()

    def require_free(self, fingerprint: str) -> None:
        """Refuse to replace a finished result.

        Raises
        ------
        AlreadyDoneError
            The folder holds this very result under this number.
        OutputError
            The folder holds a result of other models, options or input.
        """
        self.fingerprint = fingerprint
        if self.whole.overwrite:
            return
        finished = self.whole.finished_report()
        results = finished.get("results") if finished is not None else None
        recorded = results[self.number - 1 : self.number] if isinstance(results, list) else []
        if finished and recorded and recorded[0]["fingerprint"] == fingerprint and self.whole.is_whole(finished):
            raise AlreadyDoneError("Already done: the output folder holds this result.")
        self.whole.require_free(fingerprint)

    def holds_result(self) -> bool:
        """Tell whether a finished result is here."""
        return self.whole.holds_result()

    def write(self, files: Mapping[str, bytes]) -> None:
        """Keep the files, under their names among the several results."""
        self.files = {f"-{self.number}.{name}": content for name, content in files.items()}

    def discard(self) -> None:
        """Forget the files."""
        self.files = {}


def _refusal(err: OSError) -> OutputError | ResourceError:
    reason = os.strerror(err.errno) if err.errno else "unknown error"
    if err.errno in _FULL:
        return ResourceError(f"The disk of the output folder is full ({reason}).", "Free space and run again.")
    return OutputError(f"The output folder cannot be written ({reason}).", "Name a folder that can be written.")


_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
