"""The series that a scan leaves in a study, by modality.

CT: a frontal and a lateral localizer, the axial volume, a coronal reformat, a page on the dose.
MR: a coronal localizer of few slices, the axial volume, a sagittal series.
PET: the volume corrected for attenuation, and the uncorrected one.
"""

from pathlib import Path

import numpy as np
from pydicom.dataset import Dataset
from pydicom.uid import CTImageStorage, MRImageStorage, PositronEmissionTomographyImageStorage
from scipy import ndimage

from aimi.samples.dicom_writing import Identity, SeriesText, Stored, series_time, write_dose_report, write_stack
from aimi.samples.scans import HALF_LIFE_S, Injection, Scan
from aimi.samples.shapes import Field, Matrix

__all__ = ["write_scan"]

_AIR = -1024
_PET_TOP = 32000  # stored value of a slice's highest activity
_DOSE_PAGE = (
    "DOSE REPORT (SYNTHETIC)",
    "",
    "Series  Type       CTDIvol (mGy)   DLP (mGy cm)",
    "1       Localizer           0.10            3.9",
    "2       Helical             9.80          264.6",
    "",
    "Phantom 32 cm                 Total DLP   268.5",
)


def write_scan(folder: Path, identity: Identity, scan: Scan, first_number: int) -> None:
    """Write the series of a scan, numbered from ``first_number`` on."""
    write = {"ct": _write_ct, "mr": _write_mr, "pet": _write_pet}[scan.role]
    write(folder, identity, scan, first_number)


def _write_pet(folder: Path, identity: Identity, scan: Scan, first_number: int) -> None:
    kind = ("ORIGINAL", "PRIMARY")
    for number, (role, description, image, correction) in enumerate(
        (
            (scan.role, scan.description, scan.image, ["ATTN"]),
            (f"{scan.role} uncorrected", "PET WB uncorrected", _attenuated(scan), []),
        )
    ):
        attributes = dict(scan.attributes) | _pet_attributes(scan, first_number + number)
        attributes["CorrectedImage"] = ["DECY", *correction, "SCAT", "DTIM", "RAN", "NORM"]
        attributes["AttenuationCorrectionMethod"] = "measured, CT" if correction else "NONE"
        attributes["BodyPartExamined"] = scan.body_part
        text = SeriesText(
            role,
            first_number + number,
            PositronEmissionTomographyImageStorage,
            "PT",
            description,
            kind,
            attributes,
        )
        write_stack(folder, identity, text, _scaled(image, scan.grid.affine))


def _scaled(activity: Field, affine: Matrix) -> Stored:
    """Store PET slices as 16 bits, each with a slope of its own."""
    slopes = np.maximum(activity.max(axis=(1, 2)), 1.0) / _PET_TOP
    slopes = np.array([float(f"{slope:.8g}") for slope in slopes])
    pixels = np.round(activity / slopes[:, None, None]).clip(0, 32767).astype(np.int16)
    by_slice = tuple(
        {"RescaleSlope": f"{slope:.8g}", "RescaleIntercept": "0", "ImageIndex": len(pixels) - index}
        for index, slope in enumerate(slopes)
    )
    return Stored(pixels, affine, 16, by_slice)


def _attenuated(scan: Scan) -> Field:
    """Weaken the uptake with the depth in the body, as a scan without correction shows it."""
    body = ndimage.binary_fill_holes(scan.image > 0.15 * float(np.median(scan.image[scan.image > 0])))
    depth = ndimage.distance_transform_edt(body, scan.grid.spacing)
    return np.asarray(scan.image * np.exp(-0.012 * depth), np.float32)


def _pet_attributes(scan: Scan, number: int) -> dict[str, object]:
    if scan.injection is None:
        raise ValueError("a PET has an injection")
    start = _series_seconds(number)
    return {
        "Units": "BQML",
        "CountsSource": "EMISSION",
        "SeriesType": ["WHOLE BODY", "IMAGE"],
        "NumberOfSlices": scan.grid.shape[0],
        "DecayCorrection": "START",
        "CollimatorType": "NONE",
        "FrameReferenceTime": "0",
        "ActualFrameDuration": "120000",
        "DecayFactor": "1",
        "PatientOrientationCodeSequence": [],
        "PatientGantryRelationshipCodeSequence": [],
        "RadiopharmaceuticalInformationSequence": [_radiopharmaceutical(scan.injection, start)],
    }


def _radiopharmaceutical(injection: Injection, start: float) -> Dataset:
    item = Dataset()
    item.Radiopharmaceutical = "FDG"
    item.RadiopharmaceuticalStartTime = _clock_text(start - injection.uptake_s)
    item.RadiopharmaceuticalStartDateTime = "20200101" + _clock_text(start - injection.uptake_s)
    item.RadionuclideTotalDose = f"{injection.dose_bq:.0f}"
    item.RadionuclideHalfLife = f"{HALF_LIFE_S:g}"
    item.RadionuclidePositronFraction = "0.97"
    item.RadionuclideCodeSequence = [_code("77004003", "^18^Fluorine")]
    item.RadiopharmaceuticalCodeSequence = [_code("35321007", "Fluorodeoxyglucose F^18^")]
    return item


def _code(value: str, meaning: str) -> Dataset:
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, "SCT", meaning
    return item


def _clock_text(seconds: float) -> str:
    return f"{int(seconds // 3600):02d}{int(seconds % 3600 // 60):02d}{int(seconds % 60):02d}"


def _series_seconds(number: int) -> float:
    """Give the time of a series as the writer sets it, seconds since midnight."""
    text = series_time(number)
    return 3600.0 * int(text[:2]) + 60.0 * int(text[2:4]) + int(text[4:])


def _write_mr(folder: Path, identity: Identity, scan: Scan, first_number: int) -> None:
    kind = ("ORIGINAL", "PRIMARY", "OTHER")
    attributes = dict(scan.attributes) | {"BodyPartExamined": scan.body_part}
    coronal = _coronal(scan, 30.0)
    sagittal = _sagittal(scan, 6.0)
    for number, (role, description, stored) in enumerate(
        (
            (f"{scan.role} localizer", "Localizer", coronal),
            (scan.role, scan.description, Stored(scan.image.astype(np.uint16), scan.grid.affine, 12)),
            (f"{scan.role} sagittal", scan.description.replace("axial", "sagittal"), sagittal),
        )
    ):
        text = SeriesText(role, first_number + number, MRImageStorage, "MR", description, kind, attributes)
        write_stack(folder, identity, text, stored)


def _write_ct(folder: Path, identity: Identity, scan: Scan, first_number: int) -> None:
    attributes = _ct_attributes(scan) | {"RescaleType": "HU"} | dict(scan.attributes)
    _write_localizers(folder, identity, scan, first_number)
    write_stack(
        folder,
        identity,
        _ct_series(scan.role, first_number + 1, scan.description, ("ORIGINAL", "PRIMARY", "AXIAL"), attributes),
        _stored(scan.image, scan.grid.affine),
    )
    kind = ("DERIVED", "SECONDARY", "REFORMATTED")
    coronal = _ct_series(f"{scan.role} coronal", first_number + 2, "Coronal reformat", kind, attributes)
    image = _coronal(scan, 8.0)
    write_stack(folder, identity, coronal, _stored(image.pixels, image.affine))
    write_dose_report(folder, identity, 90, _DOSE_PAGE)


def _write_localizers(folder: Path, identity: Identity, scan: Scan, first_number: int) -> None:
    kind = ("ORIGINAL", "PRIMARY", "LOCALIZER")
    attributes = _ct_attributes(scan)
    for frontal, name, number in ((True, "frontal", first_number), (False, "lateral", first_number + 3)):
        series = _ct_series(f"{scan.role} {name}", number, f"Localizer {name}", kind, attributes)
        write_stack(folder, identity, series, _localizer(scan, frontal=frontal))


def _ct_series(
    role: str, number: int, description: str, image_type: tuple[str, ...], attributes: dict[str, object]
) -> SeriesText:
    return SeriesText(role, number, CTImageStorage, "CT", description, image_type, attributes)


def _ct_attributes(scan: Scan) -> dict[str, object]:
    return {
        "KVP": "120",
        "RescaleIntercept": str(_AIR),
        "RescaleSlope": "1",
        "BodyPartExamined": scan.body_part,
        "WindowCenter": "40",
        "WindowWidth": "400",
    }


def _stored(image: Field, affine: Matrix) -> Stored:
    """Store CT numbers as scanners do: 12 bits, air at 0."""
    pixels = np.clip(np.round(image) - _AIR, 0, 4095).astype(np.uint16)
    return Stored(pixels, affine, 12)


def _localizer(scan: Scan, *, frontal: bool) -> Stored:
    """Project the attenuation along rows or columns onto one plane: rows run down the patient."""
    axis = 1 if frontal else 2
    other = 2 if frontal else 1
    thickness = scan.grid.shape[axis] * scan.grid.spacing[axis] / 10
    attenuation = (scan.image + 1000).clip(0).mean(axis=axis) * thickness / 20 - 200
    columns = scan.grid.affine[:3, :3]
    middle = scan.grid.affine @ np.array(_center(scan, axis))
    affine = np.eye(4)
    affine[:3, 0], affine[:3, 1], affine[:3, 2] = columns[:, axis], -columns[:, 0], columns[:, other]
    affine[:3, 3] = middle[:3] + columns[:, 0] * (scan.grid.shape[0] - 1)
    return _stored(attenuation[None, ::-1].astype(np.float32), affine)


def _center(scan: Scan, axis: int) -> tuple[float, float, float, float]:
    index = [0.0, 0.0, 0.0, 1.0]
    index[axis] = (scan.grid.shape[axis] - 1) / 2
    return index[0], index[1], index[2], index[3]


def _coronal(scan: Scan, thickness: float) -> Stored:
    """Average rows to coronal slices, with square pixels; slices run to the back, rows down, columns to the left."""
    count, image = _thick(scan, 1, thickness)
    heights, image = _square(scan, image)
    columns = scan.grid.affine[:3, :3]
    affine = np.eye(4)
    affine[:3, 0], affine[:3, 1], affine[:3, 2] = columns[:, 1] * count, columns[:, 0] * _step(heights), columns[:, 2]
    affine[:3, 3] = scan.grid.affine[:3, 3] + columns[:, 1] * (count - 1) / 2 + columns[:, 0] * heights[0]
    return Stored(image.transpose(1, 0, 2).astype(np.int16), affine, 16)


def _sagittal(scan: Scan, thickness: float) -> Stored:
    """Average columns to sagittal slices, pixels square; slices run to the left, rows down, columns to the back."""
    count, image = _thick(scan, 2, thickness)
    heights, image = _square(scan, image)
    columns = scan.grid.affine[:3, :3]
    affine = np.eye(4)
    affine[:3, 0], affine[:3, 1], affine[:3, 2] = columns[:, 2] * count, columns[:, 0] * _step(heights), columns[:, 1]
    affine[:3, 3] = scan.grid.affine[:3, 3] + columns[:, 2] * (count - 1) / 2 + columns[:, 0] * heights[0]
    return Stored(image.transpose(2, 0, 1).astype(np.int16), affine, 16)


def _thick(scan: Scan, axis: int, thickness: float) -> tuple[int, Field]:
    """Average neighbours along an axis; give how many go into one, too."""
    count = max(1, round(thickness / scan.grid.spacing[axis]))
    number = scan.grid.shape[axis] // count
    image = scan.image.take(range(number * count), axis)
    shape = [*image.shape[:axis], number, count, *image.shape[axis + 1 :]]
    averaged: Field = image.reshape(shape).mean(axis=axis + 1, dtype=np.float32)
    return count, averaged


def _square(scan: Scan, image: Field) -> tuple[Matrix, Field]:
    """Interpolate slices, from the top down, to the distance of the columns; give where they lie, in slices."""
    step = scan.grid.spacing[2] / scan.grid.spacing[0]
    heights = np.arange(scan.grid.shape[0] - 1, -1e-6, -step)
    low = np.clip(heights.astype(int), 0, scan.grid.shape[0] - 2)
    share = (heights - low).astype(np.float32)[:, None, None]
    return heights, np.asarray((1 - share) * image[low] + share * image[low + 1], np.float32)


def _step(heights: Matrix) -> float:
    return float(heights[1] - heights[0])
