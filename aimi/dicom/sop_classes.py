"""The SOP classes of volumes: which objects are CT, MR or PET images (PS3.4 B.5)."""

from collections.abc import Mapping
from types import MappingProxyType

__all__ = ["IMAGE_STORAGE", "image_modality", "sop_class_family"]

IMAGE_STORAGE: Mapping[str, str] = MappingProxyType(
    {
        "1.2.840.10008.5.1.4.1.1.2": "CT",
        "1.2.840.10008.5.1.4.1.1.2.1": "CT",
        "1.2.840.10008.5.1.4.1.1.2.2": "CT",
        "1.2.840.10008.5.1.4.1.1.4": "MR",
        "1.2.840.10008.5.1.4.1.1.4.1": "MR",
        "1.2.840.10008.5.1.4.1.1.4.4": "MR",
        "1.2.840.10008.5.1.4.1.1.128": "PT",
        "1.2.840.10008.5.1.4.1.1.130": "PT",
        "1.2.840.10008.5.1.4.1.1.128.1": "PT",
    }
)
"""SOP classes of volumes, single-frame, enhanced and legacy converted, and their modality."""


def sop_class_family(sop_class_uid: str) -> str:
    """Give ``CT``, ``MR`` or ``PT`` for the single-frame, enhanced and converted images; else the UID itself."""
    return IMAGE_STORAGE.get(sop_class_uid, sop_class_uid)


def image_modality(sop_class_uid: str, modality: str) -> str:
    """Give ``CT``, ``MR`` or ``PT`` for an image of a volume, else an empty string.

    The SOP class decides. An object without one is what its Modality says: it is no less an image, and must not
    pass for another kind of object, which would be left out in silence.
    """
    if not sop_class_uid:
        return modality if modality in IMAGE_STORAGE.values() else ""
    return IMAGE_STORAGE.get(sop_class_uid, "")
