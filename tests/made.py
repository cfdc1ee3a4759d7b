"""Made DICOM series: small, valid, with known voxels and known positions."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.uid import (
    UID,
    CTImageStorage,
    ExplicitVRLittleEndian,
    MRImageStorage,
    PositronEmissionTomographyImageStorage,
)

SOP_CLASSES = {"CT": CTImageStorage, "MR": MRImageStorage, "PT": PositronEmissionTomographyImageStorage}
UID_ROOT = "2.25.1000"
AXIAL = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)


@dataclass(frozen=True)
class Made:
    """Describe a made series: one slice per first index of the array, rising along the normal.

    ``spacing`` is (slices, rows, columns) in mm; ``origin`` is the position of the first slice.
    ``attributes`` are set on every slice last, so that they win.
    """

    array: npt.NDArray[Any]
    spacing: tuple[float, float, float] = (2.5, 0.9, 0.7)
    orientation: Sequence[float] = AXIAL
    origin: tuple[float, float, float] = (-20.0, -30.0, -100.0)
    modality: str = "CT"
    series: int = 2
    study: int = 1
    patient: str = "MADE-1"
    slope: float = 1.0
    intercept: float = 0.0
    attributes: Mapping[str, Any] = field(default_factory=dict)


def text_position(position: npt.NDArray[np.float64]) -> list[str]:
    """Write a position as decimal strings of at most 16 characters."""
    return [f"{value:.8g}" for value in position]


def make_slices(made: Made) -> list[Dataset]:
    """Give the series' data sets, in the order of the array."""
    rows = np.asarray(made.orientation[:3], float)
    normal = np.cross(rows, np.asarray(made.orientation[3:], float))
    origin = np.asarray(made.origin, float)
    return [
        _make_slice(made, index, text_position(origin + index * made.spacing[0] * normal))
        for index in range(len(made.array))
    ]


def _make_slice(made: Made, index: int, position: list[str]) -> Dataset:
    pixels = np.ascontiguousarray(made.array[index])
    instance_uid = f"{UID_ROOT}.{made.study}.{made.series}.{index + 1}"
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = SOP_CLASSES[made.modality]
    meta.MediaStorageSOPInstanceUID = UID(instance_uid)
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.ImplementationClassUID = UID(f"{UID_ROOT}.0")
    ds = FileDataset("", {}, preamble=b"\0" * 128, file_meta=meta)
    ds.SOPClassUID = SOP_CLASSES[made.modality]
    ds.SOPInstanceUID = instance_uid
    _set_patient_and_study(ds, made)
    ds.SeriesInstanceUID = f"{UID_ROOT}.{made.study}.{made.series}"
    ds.SeriesNumber = made.series
    ds.Modality = made.modality
    ds.Manufacturer = "Made"
    ds.Laterality = ""
    ds.FrameOfReferenceUID = f"{UID_ROOT}.{made.study}.99"
    ds.PositionReferenceIndicator = ""
    ds.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
    ds.InstanceNumber = index + 1
    ds.AcquisitionNumber = 1
    ds.PatientPosition = "HFS"
    ds.ImagePositionPatient = position
    ds.ImageOrientationPatient = [f"{value:.10g}"[:16] for value in made.orientation]
    ds.PixelSpacing = [made.spacing[1], made.spacing[2]]
    ds.SliceThickness = made.spacing[0]
    _set_modality(ds, made)
    _set_pixels(ds, pixels)
    for keyword, value in made.attributes.items():
        setattr(ds, keyword, value)
    return ds


def _set_patient_and_study(ds: Dataset, made: Made) -> None:
    ds.PatientName = "Made^Patient"
    ds.PatientID = made.patient
    ds.PatientBirthDate = ""
    ds.PatientSex = "O"
    ds.StudyInstanceUID = f"{UID_ROOT}.{made.study}"
    ds.StudyDate = "20200101"
    ds.StudyTime = "120000"
    ds.ReferringPhysicianName = ""
    ds.StudyID = ""
    ds.AccessionNumber = ""


def _set_modality(ds: Dataset, made: Made) -> None:
    ds.AcquisitionDate = "20200101"
    ds.AcquisitionTime = "120100"
    if made.modality == "CT":
        ds.KVP = "120"
        ds.RescaleType = "HU"
    if made.modality in {"CT", "PT"}:
        ds.RescaleSlope = str(made.slope)
        ds.RescaleIntercept = str(made.intercept)
    if made.modality == "MR":
        ds.ScanningSequence = "SE"
        ds.SequenceVariant = "NONE"
        ds.ScanOptions = ""
        ds.MRAcquisitionType = "2D"
        ds.EchoTime = "100"
        ds.RepetitionTime = "4000"
        ds.EchoTrainLength = 1
    if made.modality == "PT":
        ds.Units = "BQML"
        ds.CorrectedImage = ["DECY", "ATTN"]
        ds.SeriesType = ["STATIC", "IMAGE"]
        ds.DecayCorrection = "START"


def _set_pixels(ds: Dataset, pixels: npt.NDArray[Any]) -> None:
    ds.SamplesPerPixel = 1
    ds.PhotometricInterpretation = "MONOCHROME2"
    ds.Rows, ds.Columns = pixels.shape
    ds.BitsAllocated = pixels.dtype.itemsize * 8
    ds.BitsStored = ds.BitsAllocated
    ds.HighBit = ds.BitsStored - 1
    ds.PixelRepresentation = int(pixels.dtype.kind == "i")
    ds.PixelData = pixels.tobytes()


def write_series(folder: Path, slices: Sequence[Dataset]) -> Path:
    """Write data sets as numbered files and give the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, ds in enumerate(slices):
        ds.save_as(folder / f"{number:04d}.dcm", enforce_file_format=True)
    return folder


def write_made(folder: Path, made: Made) -> Path:
    """Write a made series into a folder and give the folder."""
    return write_series(folder, make_slices(made))
