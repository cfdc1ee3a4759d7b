"""Taking a model's files out of a zip that nobody vouches for.

Every entry is judged before anything is written: where it would lie, what it is, how large it says it is. Then only
the files that inference reads are taken; training logs, optimizers' snapshots and validation cases stay where they are.
An entry that does not hold what it declares is found while it is copied, and never writes more than it declared.

References
----------
PKWARE APPNOTE 4.4.4 (encryption), 4.4.5 (compression), 4.4.15 (external attributes).
"""

import errno
import re
import shutil
import stat
import struct
import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from aimi.errors import ModelError, ResourceError

__all__ = ["Limits", "unpack"]

_REMEDY = "Do not use this archive; get the model from its publisher (`aimi models fetch`)."
_CHUNK = 1 << 20
_MIB = 1 << 20
_MAX_NAME = 255  # bytes that disks take for one name
_COMPRESSIONS = frozenset({zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED})
_DAMAGED = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, ValueError, LookupError, struct.error)
# an entry that would begin before the file does; a path that is too long; names that are one on this disk alone
_DAMAGED_NUMBERS = (errno.EINVAL, errno.ENAMETOOLONG, errno.EEXIST, errno.ENOTDIR, errno.EISDIR)
_WANTED = re.compile(
    r"plans\.(pkl|json)|dataset\.json|postprocessing\.json|model\.json|model_final_checkpoint\.model(\.pkl)?"
    r"|checkpoint_final\.pth|weights\.safetensors|fold_\d+\.safetensors"
)


@dataclass(frozen=True, slots=True)
class Limits:
    """What an archive of a model may be.

    Parameters
    ----------
    entries : files and folders; published models have below a hundred, with validation cases some thousands.
    size : bytes of all entries; a published model has 1.3e9.
    ratio : of all bytes to compressed ones, where there are more than ``ratio_from`` bytes; weights hardly shrink.
    """

    entries: int = 20_000
    size: int = 1 << 34
    ratio: float = 50.0
    ratio_from: int = 64 * _MIB


def unpack(archive: Path, target: Path, limits: Limits | None = None) -> None:
    """Write the files of a model that an archive holds below an existing folder.

    Raises
    ------
    ModelError
        It is no zip, damaged, or holds what no model needs: entries that would lie elsewhere, links, too much.
    ResourceError
        The disk has not enough room.
    """
    try:
        with zipfile.ZipFile(archive) as opened:
            entries = [entry for entry in opened.infolist() if not entry.is_dir()]
            _require_sound(opened.infolist(), archive.stat().st_size, limits or Limits())
            wanted = [entry for entry in entries if _WANTED.fullmatch(PurePosixPath(entry.filename).name)]
            _require_room(sum(entry.file_size for entry in wanted), target)
            for entry in wanted:
                _copy(opened, entry, target / entry.filename)
    except OSError as err:
        if err.errno not in _DAMAGED_NUMBERS:
            raise
        raise _damaged() from err
    except _DAMAGED as err:
        raise _damaged() from err


def _damaged() -> ModelError:
    return ModelError("The archive of the model is damaged, or no zip.", "Get it again.")


def _require_sound(entries: Sequence[zipfile.ZipInfo], archive_size: int, limits: Limits) -> None:
    if len(entries) > limits.entries:
        raise ModelError(f"The archive has {len(entries)} entries, more than {limits.entries}.", _REMEDY)
    for entry in entries:
        _require_plain(entry)
    _require_distinct(entries)
    size = sum(entry.file_size for entry in entries)
    packed = sum(entry.compress_size for entry in entries)
    if size > limits.size:
        message = f"The archive would unpack to {size // _MIB} MiB, more than {limits.size // _MIB} MiB."
        raise ModelError(message, _REMEDY)
    if packed > archive_size:
        raise ModelError("Entries of the archive overlap: it would unpack to more than it holds.", _REMEDY)
    if size > limits.ratio_from and size > limits.ratio * packed:
        message = f"The archive would grow {size / max(packed, 1):.0f}-fold when unpacked, more than {limits.ratio:g}."
        raise ModelError(message, _REMEDY)


def _require_plain(entry: zipfile.ZipInfo) -> None:
    parts = entry.filename.replace("\\", "/").split("/")
    if ".." in parts or parts[0] == "" or ":" in parts[0]:
        raise ModelError("An entry of the archive would lie outside its folder.", _REMEDY)
    if any(len(part.encode("utf-8", "surrogatepass")) > _MAX_NAME for part in parts):
        raise ModelError(f"The archive is damaged: it has a name of more than {_MAX_NAME} bytes.", _REMEDY)
    kind = stat.S_IFMT(entry.external_attr >> 16)
    if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        raise ModelError("The archive holds a link or a device; only files are taken.", _REMEDY)
    if entry.flag_bits & 1:
        raise ModelError("The archive is encrypted.", "Decrypt it and import the folder.")
    if entry.compress_type not in _COMPRESSIONS:
        raise ModelError("The archive is compressed in an unusual way.", "Unpack it and import the folder.")


def _require_distinct(entries: Sequence[zipfile.ZipInfo]) -> None:
    """Refuse names that are one file on some disks, and files that are folders, too."""
    # as a path: `./a` and `.//a` are written to the place of `a`
    names = [str(PurePosixPath(entry.filename)).casefold() for entry in entries]
    files = {name for name, entry in zip(names, entries, strict=True) if not entry.is_dir()}
    parents = {str(parent) for name in names for parent in PurePosixPath(name).parents}
    if len(set(names)) < len(names) or files & parents:
        raise ModelError("The archive is damaged: two entries have one name.", _REMEDY)


def _require_room(size: int, target: Path) -> None:
    free = shutil.disk_usage(target).free
    if size > free:
        message = f"Unpacking the model needs {size // _MIB} MiB on disk; {free // _MIB} MiB are free."
        raise ResourceError(message, "Free space, or name another models folder.")


def _copy(opened: zipfile.ZipFile, entry: zipfile.ZipInfo, place: Path) -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    written = 0
    with opened.open(entry) as source, place.open("xb") as stream:
        while chunk := source.read(_CHUNK):
            written += stream.write(chunk)
    if written != entry.file_size:
        raise zipfile.BadZipFile("an entry is not as long as it declares")
