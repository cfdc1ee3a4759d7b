"""A sample on disk: ``study/``, a DICOM study of several series, and ``truth.seg.dcm``, what is in it.

The study holds what a scanner leaves: a localizer, the volume, a coronal reformat, a page on the dose. The
truth refers to the volume, slice by slice, as a result of the software would.
"""

import hashlib
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import highdicom as hd
import numpy as np
from pydicom.uid import CTImageStorage

import aimi
from aimi.dicom import codes, study
from aimi.dicom.header import Stack
from aimi.dicom.segmentation import Algorithm, Description, encode, to_bytes
from aimi.errors import OutputError
from aimi.image import LabelMap
from aimi.samples.dicom_writing import Identity, SeriesText, Stored, write_dose_report, write_stack
from aimi.samples.drawing import Drawing, Scan, Spacing, draw
from aimi.samples.shapes import Field, Matrix
from aimi.samples.values import Phase

__all__ = ["SamplePaths", "make_sample", "write_sample"]

_AIR = -1024


@dataclass(frozen=True, slots=True)
class SamplePaths:
    """Where a sample lies."""

    study: Path
    truth: Path


def make_sample(
    task: str, folder: Path, *, seed: int = 0, oblique: bool = False, spacing: Spacing | None = None
) -> SamplePaths:
    """Write the sample of a task.

    Parameters
    ----------
    folder : created if absent; must not hold a sample yet.
    seed : equal arguments give equal files.
    oblique : turn the slices against the patient's axes by 10 to 22 degrees.
    spacing : distances between slices, rows and columns in mm; None takes the sample's own.

    Raises
    ------
    UsageError : if there is no sample for the task, or the spacing is out of range.
    OutputError : if the folder holds a sample already.
    """
    paths = SamplePaths(folder / "study", folder / "truth.seg.dcm")
    if paths.study.exists() or paths.truth.exists():
        raise OutputError("The folder holds a sample already.", "Name an empty folder.")
    drawing = draw(task, seed=seed, oblique=oblique, spacing=spacing)
    key = f"{task}|{seed}|{oblique}|{spacing}"
    write_sample(drawing, paths, Identity(key, f"AIMI-SAMPLE-{seed}", "Synthetic abdomen"))
    return paths


def write_sample(drawing: Drawing, paths: SamplePaths, identity: Identity) -> None:
    """Write a drawing as study and truth."""
    paths.study.mkdir(parents=True)
    for number, scan in enumerate(drawing.scans):
        _write_ct(paths.study, identity, scan, first_number=1 + 10 * number)
    write_dose_report(paths.study, identity, 90, _DOSE_PAGE)
    reference = identity.uid(drawing.scans[0].role)
    found = study.read(paths.study)
    stack = next(one for series in found.series for one in series.stacks if one.header.series_instance_uid == reference)
    paths.truth.write_bytes(_truth(drawing, stack, identity))


_DOSE_PAGE = (
    "DOSE REPORT (SYNTHETIC)",
    "",
    "Series  Type       CTDIvol (mGy)   DLP (mGy cm)",
    "1       Localizer           0.10            3.9",
    "2       Helical             9.80          264.6",
    "",
    "Phantom 32 cm                 Total DLP   268.5",
)


def _write_ct(folder: Path, identity: Identity, scan: Scan, first_number: int) -> None:
    attributes = _ct_attributes(scan.phase)
    axial = SeriesText(
        scan.role,
        first_number + 1,
        CTImageStorage,
        "CT",
        scan.description,
        ("ORIGINAL", "PRIMARY", "AXIAL"),
        attributes | {"ConvolutionKernel": "STANDARD"},
    )
    write_stack(folder, identity, axial, _stored(scan.image, scan.grid.affine))
    for index, name in enumerate(("frontal", "lateral")):
        localizer = SeriesText(
            f"{scan.role} localizer {name}",
            first_number if index == 0 else first_number + 3,
            CTImageStorage,
            "CT",
            f"Localizer {name}",
            ("ORIGINAL", "PRIMARY", "LOCALIZER"),
            _ct_attributes(None),
        )
        write_stack(folder, identity, localizer, _localizer(scan, frontal=index == 0))
    coronal = SeriesText(
        f"{scan.role} coronal",
        first_number + 2,
        CTImageStorage,
        "CT",
        "Coronal reformat",
        ("DERIVED", "SECONDARY", "REFORMATTED"),
        attributes | {"ConvolutionKernel": "STANDARD"},
    )
    write_stack(folder, identity, coronal, _coronal(scan))


def _ct_attributes(phase: Phase | None) -> dict[str, object]:
    attributes: dict[str, object] = {
        "KVP": "120",
        "RescaleIntercept": str(_AIR),
        "RescaleSlope": "1",
        "BodyPartExamined": "ABDOMEN",
        "WindowCenter": "40",
        "WindowWidth": "400",
    }
    if phase is not None:
        attributes["RescaleType"] = "HU"
    if phase not in (None, Phase.NATIVE):
        attributes |= {"ContrastBolusAgent": "IOHEXOL", "ContrastBolusRoute": "IV"}
    return attributes


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


def _coronal(scan: Scan) -> Stored:
    """Average rows to coronal slices 8 mm thick, with square pixels."""
    slices, rows, _ = scan.grid.spacing
    count = max(1, round(8 / rows))
    number = scan.grid.shape[1] // count
    thick = scan.image[:, : number * count].reshape(scan.grid.shape[0], number, count, -1).mean(axis=2)
    step = scan.grid.spacing[2] / slices
    heights = np.arange(scan.grid.shape[0] - 1, -1e-6, -step)
    low = np.clip(heights.astype(int), 0, max(scan.grid.shape[0] - 2, 0))
    share = (heights - low).astype(np.float32)[:, None, None]
    image = (1 - share) * thick[low] + share * thick[low + 1]
    columns = scan.grid.affine[:3, :3]
    affine = np.eye(4)
    # slices run to the back, rows down, columns to the left
    affine[:3, 0], affine[:3, 1], affine[:3, 2] = columns[:, 1] * count, -columns[:, 0] * step, columns[:, 2]
    affine[:3, 3] = scan.grid.affine[:3, 3] + columns[:, 1] * (count - 1) / 2 + columns[:, 0] * heights[0]
    return _stored(image.transpose(1, 0, 2), affine)


def _truth(drawing: Drawing, stack: Stack, identity: Identity) -> bytes:
    """Encode the labels of a drawing as a segmentation of the stack that it was written as."""
    segments = codes.segments(drawing.task)
    volume = hd.Volume(
        drawing.labels.copy(),
        drawing.scans[0].grid.affine,
        coordinate_system="PATIENT",
        frame_of_reference_uid=stack.header.frame_of_reference_uid,
    )
    algorithm = Algorithm(
        name="AIMI-SYNTHETIC-TRUTH",
        version=aimi.__version__,
        weights_sha256=hashlib.sha256(identity.key.encode()).hexdigest(),
        parameters={},
    )
    description = Description(
        series_number=3100,
        series_description="Synthetic truth",
        body_part=str(stack.header.body_part_examined),
        algorithm=algorithm,
        content_label="TRUTH",
        software_version=aimi.__version__,
    )
    labels = LabelMap(volume, segments, None)
    return to_bytes(encode(labels, stack, description, clock=_clock).dataset)


def _clock() -> datetime:
    return datetime(2020, 1, 1, 12)
