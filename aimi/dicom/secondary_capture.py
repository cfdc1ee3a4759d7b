"""A picture as a DICOM Secondary Capture, for viewers that do not show segmentations.

The object is one RGB frame in a series of its own, in the study of its source. Patient and study are the source's;
nothing else of its header is copied. The picture identifies nobody (Burned In Annotation NO) and is no image to
measure in. UIDs are a function of content; times are the caller's clock's (DECISIONS 4.3).

References
----------
DICOM PS3.3 A.8.1 (Secondary Capture Image IOD), C.8.6 (its modules).
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

import highdicom as hd
import numpy as np
import numpy.typing as npt
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.errors import InvalidDicomError
from pydicom.uid import ExplicitVRLittleEndian, SecondaryCaptureImageStorage

from aimi.dicom.header import Stack
from aimi.dicom.inherited import inherit_compression, inherit_patient_and_study, is_lossy
from aimi.dicom.uids import CLOCK_KEYWORDS, PLACEHOLDER, content_digest, derive_uid
from aimi.errors import InputError
from aimi.image import Note

__all__ = ["Caption", "Captured", "encode"]

_CHANNELS = 3
_DERIVATION = "Picture of a segmentation. Research use only. Not for diagnosis."


@dataclass(frozen=True, slots=True)
class Caption:
    """What the object says of itself.

    Parameters
    ----------
    series_description : e.g. ``Liver in CT AI picture``.
    series_number : of the new series.
    software_version : of this software.
    segmentation : SOP class and instance UID of the segmentation that is shown.
    """

    series_description: str
    series_number: int
    software_version: str
    segmentation: tuple[str, str]


@dataclass(frozen=True, slots=True)
class Captured:
    """A secondary capture and what its reader should know about its making."""

    dataset: Dataset
    notes: tuple[Note, ...]


def encode(
    picture: npt.NDArray[np.uint8], stack: Stack, caption: Caption, *, clock: Callable[[], datetime]
) -> Captured:
    """Give the secondary capture of a picture of a stack.

    Parameters
    ----------
    picture : RGB, shape (rows, columns, 3).
    stack : the source; the header of one of its files is read again.
    clock : gives the times; nothing else depends on it.

    Raises
    ------
    InputError
        If the source's file can no longer be read.
    """
    header = _read_header(stack)
    dataset = hd.base.SOPClass(
        study_instance_uid=stack.header.study_instance_uid,
        series_instance_uid=PLACEHOLDER,
        series_number=caption.series_number,
        sop_instance_uid=PLACEHOLDER,
        instance_number=1,
        sop_class_uid=SecondaryCaptureImageStorage,
        modality="OT",
        manufacturer="AIMI",
        manufacturer_model_name="AIMI",
        software_versions=caption.software_version,
        series_description=caption.series_description,
        transfer_syntax_uid=ExplicitVRLittleEndian,
    )
    _set_image(dataset, caption)
    _set_pixels(dataset, picture)
    notes = (*inherit_patient_and_study(dataset, header), *inherit_compression(dataset, stack, header))
    _identify(dataset, clock())
    return Captured(dataset, notes)


def _read_header(stack: Stack) -> Dataset:
    """Read the header of the stack's first plane, or of the first that was compressed with losses."""
    plane = next((plane for plane in stack.planes if is_lossy(stack, plane)), stack.planes[0])
    instance = stack.instances[plane.instance]
    try:
        return dcmread(instance.path, stop_before_pixels=True, force=True)
    except (OSError, InvalidDicomError, EOFError) as err:
        raise InputError(
            f"Instance {instance.sop_instance_uid} could be read at first and cannot be read any more.",
            "Leave the input in place until the run has ended.",
        ) from err


def _set_image(dataset: Dataset, caption: Caption) -> None:
    segmentation = Dataset()
    segmentation.ReferencedSOPClassUID, segmentation.ReferencedSOPInstanceUID = caption.segmentation
    dataset.ConversionType = "WSD"
    dataset.Laterality = ""
    dataset.PatientOrientation = ""
    dataset.ImageType = ["DERIVED", "SECONDARY"]
    dataset.DerivationDescription = _DERIVATION
    dataset.SourceImageSequence = [segmentation]
    dataset.BurnedInAnnotation = "NO"


def _set_pixels(dataset: Dataset, picture: npt.NDArray[np.uint8]) -> None:
    rows, columns, channels = picture.shape
    if channels != _CHANNELS or picture.dtype != np.uint8:
        raise ValueError("a picture is RGB, uint8, of shape (rows, columns, 3)")
    dataset.SamplesPerPixel = channels
    dataset.PhotometricInterpretation = "RGB"
    dataset.PlanarConfiguration = 0
    dataset.Rows, dataset.Columns = rows, columns
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 8, 8, 7
    dataset.PixelRepresentation = 0
    pixels = np.ascontiguousarray(picture).tobytes()
    dataset.PixelData = pixels + b"\0" * (len(pixels) % 2)
    dataset["PixelData"].VR = "OB"


def _identify(dataset: Dataset, now: datetime) -> None:
    for keyword in CLOCK_KEYWORDS:
        if keyword in dataset:
            delattr(dataset, keyword)
    digest = content_digest(dataset)
    dataset.SOPInstanceUID = derive_uid(digest, "instance")
    dataset.SeriesInstanceUID = derive_uid(digest, "series")
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    for keyword in CLOCK_KEYWORDS:
        setattr(dataset, keyword, now.strftime("%Y%m%d" if keyword.endswith("Date") else "%H%M%S"))
