"""One image for one identity: copies of an instance count once, two contents under one UID are refused.

Two files with one SOP Instance UID are copies if they belong to one series, give their planes the same
places and scales, and hold the same pixels: the same bytes, or, where they are encoded differently, the
same values when decoded. Nothing is read of instances whose UID is unique.
"""

import hashlib
import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pydicom
from pydicom.errors import InvalidDicomError

from aimi.dicom.header import Instance
from aimi.dicom.parsing import ParsedInstance
from aimi.errors import InputError

__all__ = ["drop_copies"]


def drop_copies(parsed: Sequence[ParsedInstance]) -> tuple[list[ParsedInstance], int]:
    """Give one object of each SOP Instance UID, in order of UIDs, and the number of copies left out.

    Which copy stays does not depend on file names, but for copies that are equal in all that is used.

    Raises
    ------
    InputError
        If two files with one UID are no copies.
    """
    by_uid: dict[str, list[ParsedInstance]] = {}
    for each in parsed:
        by_uid.setdefault(each.instance.sop_instance_uid, []).append(each)
    for copies in by_uid.values():
        if len(copies) > 1 and not _are_copies(copies):
            raise InputError(
                f"{len(copies)} files have one SOP Instance UID but different pixels or positions; an identity must "
                "not stand for two images.",
                "Remove the wrong one.",
            )
    kept = [min(by_uid[uid], key=_order) for uid in sorted(by_uid)]
    return kept, len(parsed) - len(kept)


def _order(each: ParsedInstance) -> str:
    instance = each.instance
    return repr((instance.header, instance.pixels, instance.patient_id, str(instance.path)))


def _are_copies(copies: Sequence[ParsedInstance]) -> bool:
    if len({_place_of(copy) for copy in copies}) > 1:
        return False
    instances = [copy.instance for copy in copies]
    if len({instance.pixels.transfer_syntax_uid for instance in instances}) == 1:
        return len({_digest_bytes(instance) for instance in instances}) == 1
    digests = {_digest_values(instance.path) for instance in instances}
    return len(digests) == 1 and None not in digests


def _place_of(each: ParsedInstance) -> tuple[object, ...]:
    header, pixels = each.instance.header, each.instance.pixels
    planes = tuple(
        (plane.position, plane.orientation, plane.pixel_spacing, plane.rescale_slope, plane.rescale_intercept)
        for plane in each.planes
    )
    return (
        (header.study_instance_uid, header.series_instance_uid, header.frame_of_reference_uid),
        (pixels.rows, pixels.columns, pixels.number_of_frames, pixels.has_pixel_data, pixels.is_whole),
        planes,
    )


def _digest_bytes(instance: Instance) -> str:
    """Give the SHA-256 of the pixels as they are stored."""
    pixels = instance.pixels
    if pixels.pixel_offset is not None and pixels.pixel_length is not None:
        with instance.path.open("rb") as file:
            file.seek(pixels.pixel_offset)
            return hashlib.sha256(file.read(pixels.pixel_length)).hexdigest()
    if not pixels.has_pixel_data:
        return ""
    dataset = pydicom.dcmread(instance.path, force=True)
    return hashlib.sha256(dataset.get("PixelData") or b"").hexdigest()


def _digest_values(path: Path) -> str | None:
    """Give the SHA-256 of the decoded pixels; None if they cannot be decoded."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            pixels = pydicom.dcmread(path, force=True).pixel_array
    except (InvalidDicomError, AttributeError, EOFError, NotImplementedError, RuntimeError, ValueError):
        return None
    return hashlib.sha256(np.asarray(pixels, np.float64).tobytes()).hexdigest()
