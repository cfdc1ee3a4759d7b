"""Identity as a function of content.

A result written twice is one object, not two: an archive that receives a retried job sees the same SOP
Instance UID and keeps one copy. So UIDs are not drawn by chance. :func:`identify` takes a data set that is
complete but for its identity, hashes its encoding (SHA-256 of Explicit VR Little Endian, every element that is
neither a UID of ours nor a time of the clock), and derives each UID from the hash and from the role that the
UID plays. Whatever changes a voxel or a recorded attribute changes every UID.

A derived UID is ``2.25.`` and 128 bits as a decimal number (PS3.5 B.2), at most 44 characters.
"""

import hashlib
from collections.abc import Iterator
from datetime import datetime

from pydicom.dataset import Dataset
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_dataset

__all__ = ["CLOCK_KEYWORDS", "PLACEHOLDER", "content_digest", "derive_uid", "identify"]

PLACEHOLDER = "2.25.0"
"""What stands for a UID that is still to be derived."""

CLOCK_KEYWORDS = (
    "InstanceCreationDate",
    "InstanceCreationTime",
    "SeriesDate",
    "SeriesTime",
    "ContentDate",
    "ContentTime",
)
"""Attributes that tell when an object was written."""


def derive_uid(digest: bytes, role: str) -> str:
    """Give the UID that an object of this content has in a role, e.g. ``series``.

    Examples
    --------
    >>> derive_uid(b"content", "series") == derive_uid(b"content", "series")
    True
    >>> derive_uid(b"content", "series") == derive_uid(b"content", "instance")
    False
    """
    bits = hashlib.sha256(digest + b"\0" + role.encode()).digest()[:16]
    return f"2.25.{int.from_bytes(bits, 'big')}"


def content_digest(dataset: Dataset) -> bytes:
    """Give the SHA-256 of a data set's encoding, without its file meta information."""
    encoded = DicomBytesIO()
    encoded.is_little_endian = True
    encoded.is_implicit_VR = False
    write_dataset(encoded, dataset)
    return hashlib.sha256(encoded.getvalue()).digest()


def _generated(dataset: Dataset) -> Iterator[tuple[Dataset, str, str]]:
    """Give (data set, keyword, role) of each UID of a segmentation that its writer makes."""
    yield dataset, "SOPInstanceUID", "instance"
    yield dataset, "SeriesInstanceUID", "series"
    for item in [*dataset.DimensionOrganizationSequence, *dataset.DimensionIndexSequence]:
        yield item, "DimensionOrganizationUID", "dimension organization"
    for segment in dataset.SegmentSequence:
        if "TrackingUID" in segment:
            yield segment, "TrackingUID", f"tracking {segment.SegmentNumber}"


def identify(dataset: Dataset, now: datetime) -> bytes:
    """Set the UIDs and times of a segmentation in place, and give the digest of its content.

    UIDs and times that it has already are replaced and do not count. The data set's file meta information
    gets the SOP Instance UID too.
    """
    for item, keyword, _ in _generated(dataset):
        setattr(item, keyword, PLACEHOLDER)
    for keyword in CLOCK_KEYWORDS:
        if keyword in dataset:
            delattr(dataset, keyword)
    digest = content_digest(dataset)
    for item, keyword, role in _generated(dataset):
        setattr(item, keyword, derive_uid(digest, role))
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    for keyword in CLOCK_KEYWORDS:
        setattr(dataset, keyword, now.strftime("%Y%m%d" if keyword.endswith("Date") else "%H%M%S"))
    return digest
