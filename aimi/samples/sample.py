"""A sample on disk: ``study/``, a DICOM study of several series, and ``truth.seg.dcm``, what is in it.

The study holds what a scanner leaves: of a CT localizers, the volume, a coronal reformat and a page on the
dose; of an MR a localizer, the volume and a second plane (:mod:`aimi.samples.series`). The truth refers to the
volume, slice by slice, as a result of the software would.
"""

import hashlib
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import highdicom as hd

import aimi
from aimi.dicom import codes, study
from aimi.dicom.header import Stack
from aimi.dicom.segmentation import Algorithm, Description, encode, to_bytes
from aimi.errors import OutputError
from aimi.image import LabelMap
from aimi.samples.dicom_writing import Identity
from aimi.samples.drawing import Drawing, Spacing, draw
from aimi.samples.series import write_scan

__all__ = ["SamplePaths", "make_sample", "write_sample"]


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
    injection = drawing.scans[0].injection
    weight = None if injection is None else injection.weight_kg
    write_sample(drawing, paths, Identity(key, f"AIMI-SAMPLE-{seed}", drawing.title, weight))
    return paths


def write_sample(drawing: Drawing, paths: SamplePaths, identity: Identity) -> None:
    """Write a drawing as study and truth."""
    paths.study.mkdir(parents=True)
    for number, scan in enumerate(drawing.scans):
        write_scan(paths.study, identity, scan, 1 + 10 * number)
    reference = identity.uid(drawing.scans[0].role)
    found = study.read(paths.study)
    stack = next(one for series in found.series for one in series.stacks if one.header.series_instance_uid == reference)
    paths.truth.write_bytes(_truth(drawing, stack, identity))


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
