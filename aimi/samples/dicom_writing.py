"""A rendered scan as a DICOM series, and the company it keeps in a study: localizer, reformat, dose report.

UIDs are made from what the sample is made from, so the same sample has the same UIDs. The patient does
not exist; dates are fixed.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.uid import UID, ExplicitVRLittleEndian, SecondaryCaptureImageStorage

from aimi.samples.shapes import Matrix

__all__ = ["Identity", "SeriesText", "Stored", "series_time", "write_dose_report", "write_stack"]

Pixels = npt.NDArray[Any]


@dataclass(frozen=True, slots=True)
class Identity:
    """What a sample's UIDs are made from, and what all of its objects say of patient and study.

    Parameters
    ----------
    key : names the sample.
    patient_weight_kg : where a PET needs it.
    """

    key: str
    patient_id: str
    study_description: str
    patient_weight_kg: float | None = None

    def uid(self, *parts: object) -> str:
        """Give the UID of a part of the sample (PS3.5 B.2: 2.25 and a 128-bit number)."""
        text = "|".join(["aimi sample", self.key, *(str(part) for part in parts)])
        return f"2.25.{int.from_bytes(hashlib.sha256(text.encode()).digest()[:16], 'big')}"


@dataclass(frozen=True, slots=True)
class SeriesText:
    """How a series is described.

    Parameters
    ----------
    role : a word that is unique in the study; UIDs are made from it.
    attributes : by DICOM keyword, set on every instance.
    """

    role: str
    number: int
    sop_class_uid: str
    modality: str
    description: str
    image_type: tuple[str, ...]
    attributes: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Stored:
    """Pixels as they are stored, with their place.

    Parameters
    ----------
    pixels : shape (k, j, i), uint16 or int16.
    affine : shape (4, 4): index (k, j, i) to patient, mm, LPS.
    bits : Bits Stored.
    by_slice : attributes of single slices, by DICOM keyword.
    """

    pixels: Pixels
    affine: Matrix
    bits: int
    by_slice: tuple[Mapping[str, object], ...] = ()


def write_stack(folder: Path, identity: Identity, text: SeriesText, stored: Stored) -> None:
    """Write one file per slice, as ``<series number>/<instance number>.dcm`` below the folder."""
    place = folder / f"{text.number:03d}"
    place.mkdir(parents=True, exist_ok=True)
    for index in range(len(stored.pixels)):
        ds = _instance(identity, text, index)
        ds.FrameOfReferenceUID = identity.uid("frame of reference")
        _set_plane(ds, stored, index)
        _set_pixels(ds, stored.pixels[index], stored.bits)
        _set_attributes(ds, text.attributes)
        if stored.by_slice:
            _set_attributes(ds, stored.by_slice[index])
        ds.save_as(place / f"{index + 1:04d}.dcm", enforce_file_format=True)


def write_dose_report(folder: Path, identity: Identity, number: int, lines: Sequence[str]) -> None:
    """Write a page of text as a secondary capture, as scanners file their dose pages."""
    from PIL import Image, ImageDraw  # noqa: PLC0415  (only samples draw text)

    page = Image.new("L", (512, 256), 0)
    ImageDraw.Draw(page).multiline_text((16, 16), "\n".join(lines), fill=230, spacing=8)
    text = SeriesText(
        "dose", number, SecondaryCaptureImageStorage, "CT", "Dose Report", ("DERIVED", "SECONDARY", "SCREEN SAVE")
    )
    ds = _instance(identity, text, 0)
    ds.ConversionType = "WSD"
    ds.BurnedInAnnotation = "NO"
    ds.PatientOrientation = ""
    ds.BodyPartExamined = "ABDOMEN"
    _set_pixels(ds, np.asarray(page, np.uint8), 8)
    place = folder / f"{number:03d}"
    place.mkdir(parents=True, exist_ok=True)
    ds.save_as(place / "0001.dcm", enforce_file_format=True)


def series_time(number: int) -> str:
    """Give the time of a series, HHMMSS."""
    return f"10{number % 60:02d}00"


def _instance(identity: Identity, text: SeriesText, index: int) -> FileDataset:
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = UID(text.sop_class_uid)
    meta.MediaStorageSOPInstanceUID = UID(identity.uid(text.role, index))
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.ImplementationClassUID = UID(identity.uid("implementation"))
    ds = FileDataset("", {}, preamble=b"\0" * 128, file_meta=meta)
    ds.SpecificCharacterSet = "ISO_IR 192"
    ds.ImageType = list(text.image_type)
    ds.SOPClassUID = meta.MediaStorageSOPClassUID
    ds.SOPInstanceUID = meta.MediaStorageSOPInstanceUID
    ds.StudyDate = ds.SeriesDate = ds.AcquisitionDate = ds.ContentDate = "20200101"
    ds.StudyTime = "100000"
    ds.SeriesTime = ds.AcquisitionTime = ds.ContentTime = series_time(text.number)
    ds.AccessionNumber = ""
    ds.Modality = text.modality
    ds.Manufacturer = "AIMI synthetic"
    ds.ManufacturerModelName = "Sample"
    ds.ReferringPhysicianName = ""
    ds.StudyDescription = identity.study_description
    ds.SeriesDescription = text.description
    ds.PatientName = "Synthetic^Sample"
    ds.PatientID = identity.patient_id
    ds.PatientBirthDate = ""
    ds.PatientSex = "O"
    if identity.patient_weight_kg is not None:
        ds.PatientWeight = f"{identity.patient_weight_kg:g}"
    ds.StudyInstanceUID = identity.uid("study")
    ds.SeriesInstanceUID = identity.uid(text.role)
    ds.StudyID = "1"
    ds.SeriesNumber = text.number
    ds.InstanceNumber = index + 1
    return ds


def _set_plane(ds: Dataset, stored: Stored, index: int) -> None:
    columns = np.linalg.norm(stored.affine[:3, :3], axis=0)
    row_way, column_way = stored.affine[:3, 2] / columns[2], stored.affine[:3, 1] / columns[1]
    position = stored.affine[:3, 3] + index * stored.affine[:3, 0]
    ds.PositionReferenceIndicator = ""
    if ds.Modality != "PT":  # PS3.3 C.8.4.6: a PET states it by codes, or not at all
        ds.PatientPosition = "HFS"
    ds.AcquisitionNumber = 1
    ds.ImagePositionPatient = [_decimal(value) for value in position]
    ds.ImageOrientationPatient = [_decimal(value) for value in (*row_way, *column_way)]
    ds.PixelSpacing = [_decimal(columns[1]), _decimal(columns[2])]
    ds.SliceThickness = _decimal(columns[0])


def _decimal(value: float) -> str:
    """Write a number in the 16 characters of a decimal string."""
    return f"{round(float(value), 10) + 0.0:.10f}"[:14].rstrip("0").rstrip(".") or "0"


def _set_pixels(ds: Dataset, pixels: Pixels, bits: int) -> None:
    ds.SamplesPerPixel = 1
    ds.PhotometricInterpretation = "MONOCHROME2"
    ds.Rows, ds.Columns = pixels.shape
    ds.BitsAllocated = pixels.dtype.itemsize * 8
    ds.BitsStored = bits
    ds.HighBit = bits - 1
    ds.PixelRepresentation = int(pixels.dtype.kind == "i")
    ds.PixelData = np.ascontiguousarray(pixels).tobytes()


def _set_attributes(ds: Dataset, attributes: Mapping[str, object]) -> None:
    for keyword, value in attributes.items():
        setattr(ds, keyword, value)
