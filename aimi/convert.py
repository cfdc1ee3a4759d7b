"""A segmentation of any writer as NIfTI or NRRD: one label map, or one file per segment where they overlap.

Files appear whole or not at all: all are written under hidden names beside their places, flushed, then
renamed. A file that is already there with other content is not touched. File names say what a segment is by
its code, never by its label, which is free text of a header (DECISIONS 4.5).
"""

import errno
import logging
import os
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np

from aimi import nifti
from aimi.dicom import seg_reading
from aimi.dicom import study as studies
from aimi.dicom.header import Stack, Study
from aimi.dicom.seg_reading import SegmentationObject, SegmentMask
from aimi.errors import OutputError, ResourceError, UsageError
from aimi.image import LabelMap, Segment

__all__ = ["convert"]

logger = logging.getLogger(__name__)

_HIGHEST_LABEL = 255
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})


def convert(segmentation: Path, out: Path, *, study: Path | Study | Stack | None = None) -> tuple[Path, ...]:
    """Write a DICOM Segmentation as NIfTI or NRRD and give the files.

    Parameters
    ----------
    out : ends in .nii.gz, .nii or .nrrd. Segments that overlap, or whose numbers exceed 255, go into
        ``<out>-<number>-<what it is>.<suffix>``, one each.
    study : where the referenced series may be; voxels then lie on its slices, else on a grid of the frames.

    Raises
    ------
    UsageError
        The segmentation does not exist, or ``out`` names no format that is written.
    InputError
        The segmentation cannot be read or placed in space.
    OutputError, ResourceError
        A file with other content is in the place, or it cannot be written, or the disk is full.
    """
    suffix = nifti.suffix_of(out)
    if not segmentation.is_file():
        raise UsageError("The segmentation does not exist.", "Name a DICOM Segmentation file.")
    known = studies.read(study) if isinstance(study, Path) else study
    read = seg_reading.read(segmentation, study=known)
    for note in read.notes:
        logger.warning("%s", note.sentence)
    files = {out.with_name(name): content for name, content in _encode(read, out.name, suffix).items()}
    _write(files)
    return tuple(files)


def _encode(read: SegmentationObject, name: str, suffix: str) -> Mapping[str, bytes]:
    highest = max((mask.segment.number for mask in read.masks), default=0)
    if not read.overlapping and highest <= _HIGHEST_LABEL:
        return {name: nifti.encode_labels(read.to_label_map(), suffix=suffix)}
    stem, ending = name[: -len(suffix)], name[-len(suffix) :]
    return {
        f"{stem}-{_describe(mask.segment)}{ending}": nifti.encode_labels(_alone(read, mask), suffix=suffix)
        for mask in read.masks
    }


def _alone(read: SegmentationObject, mask: SegmentMask) -> LabelMap:
    """Give one segment as a label map of 0 and 1."""
    volume = read.to_volume(mask.mask.astype(np.uint8))
    return LabelMap(volume, (replace(mask.segment, number=1),), read.source)


def _describe(segment: Segment) -> str:
    plain = unicodedata.normalize("NFKD", segment.property_type.meaning).encode("ascii", "ignore").decode()
    words = re.findall(r"[a-z0-9]+", plain.lower())
    return "-".join([str(segment.number), *words])


def _write(files: Mapping[Path, bytes]) -> None:
    """Write files, all or none."""
    staged: list[tuple[Path, Path]] = []
    try:
        for path, content in files.items():
            if path.exists() and not (path.is_file() and path.read_bytes() == content):
                raise OutputError(
                    "The place of the output is taken by another file.", "Remove it, or name another output."
                )
            path.parent.mkdir(parents=True, exist_ok=True)
            partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
            staged.append((partial, path))
            _flush(partial, content)
        for partial, path in staged:
            partial.replace(path)
    except OSError as err:
        raise _refusal(err) from err
    finally:
        for partial, _ in staged:
            partial.unlink(missing_ok=True)


def _flush(partial: Path, content: bytes) -> None:
    with partial.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _refusal(err: OSError) -> OutputError | ResourceError:
    if err.errno in _FULL:
        return ResourceError("The disk is full.", "Free space, or name an output on another disk.")
    return OutputError(f"The output cannot be written ({type(err).__name__}).", "Name a folder that can be written.")
