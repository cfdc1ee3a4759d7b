"""Where a run leaves its result: all or nothing, the ``.dcm`` last.

Some platforms send every ``.dcm`` that they find and ignore the exit status: a reader of the folder sees a
whole result or none. Files are written under a hidden name beside their place that no ``*.dcm`` takes,
flushed, then renamed. A finished result of the same task from other models, options or input is not
touched unless the user says so; the very same result is not made twice.
"""

import contextlib
import hashlib
import json
import logging
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from aimi.errors import AlreadyDoneError, OutputError, ResourceError

__all__ = ["OutputPlace", "sha256_of"]

logger = logging.getLogger(__name__)

_PARTIAL = ".partial"


def sha256_of(content: bytes) -> str:
    """Give the SHA-256 of bytes, in hexadecimal."""
    return hashlib.sha256(content).hexdigest()


@dataclass(slots=True)
class OutputPlace:
    """An output folder and the part of it that one task uses.

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
        finished = self._finished_report()
        if finished is not None and finished.get("fingerprint") == fingerprint and self._is_whole(finished):
            raise AlreadyDoneError("Already done: the output folder holds this result.")
        if self.overwrite:
            return
        if finished is not None:
            raise OutputError(
                f"The output folder holds a finished {self.stem} result of {self._difference(finished, fingerprint)}.",
                "Name another folder, or give --overwrite (AIMI_OVERWRITE=1) to replace it.",
            )
        if any(self.folder.glob(f"{self.stem}.*dcm")):
            raise OutputError(
                f"The output folder holds a {self.stem} segmentation without its report.",
                "Name another folder, or give --overwrite (AIMI_OVERWRITE=1) to replace it.",
            )

    def holds_result(self) -> bool:
        """Tell whether a finished result of this task is here."""
        return self._finished_report() is not None or any(self.folder.glob(f"{self.stem}.*dcm"))

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
            staged = [(self._stage(name, files[name]), self.folder / f"{self.stem}.{name}") for name in ordered]
            for partial, final in staged:
                partial.replace(final)
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
        partial = self.folder / f".{self.stem}.{name}.{os.getpid()}{_PARTIAL}"
        self._partials.append(partial)
        return partial

    def _flush_folder(self) -> None:
        descriptor = os.open(self.folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def _finished_report(self) -> dict[str, object] | None:
        try:
            report = json.loads(self.report_path.read_bytes())
        except (OSError, ValueError):
            return None
        return report if isinstance(report, dict) and report.get("status") == 0 else None

    def _is_whole(self, report: Mapping[str, object]) -> bool:
        files = report.get("files")
        if not isinstance(files, dict) or not files:
            return False
        return all(self._matches(name, str(digest)) for name, digest in files.items())

    def _matches(self, name: str, digest: str) -> bool:
        path = self.folder / f"{self.stem}.{name}"
        return path.is_file() and sha256_of(path.read_bytes()) == digest

    def _difference(self, report: Mapping[str, object], fingerprint: str) -> str:
        if report.get("fingerprint") == fingerprint:
            return "this run that is no longer whole"
        return "other models, options, input or software"


def _refusal(err: OSError) -> OutputError | ResourceError:
    reason = os.strerror(err.errno) if err.errno else "unknown error"
    if err.errno in _FULL:
        return ResourceError(f"The disk of the output folder is full ({reason}).", "Free space and run again.")
    return OutputError(f"The output folder cannot be written ({reason}).", "Name a folder that can be written.")


_FULL = {28, 122}  # ENOSPC, EDQUOT
