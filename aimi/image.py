"""Images and label maps: highdicom's Volume plus what it lacks.

A :class:`highdicom.Volume` is the array with geometry of the whole program: axes (k, j, i) = slices,
rows, columns; affine in mm, LPS patient coordinates, from array index to patient. :class:`Image` adds
the units, :class:`LabelMap` what each label means, :class:`SourceGrid` the DICOM plane behind each slice.
Records are immutable and their arrays read-only.
"""

from dataclasses import dataclass, replace
from itertools import permutations
from typing import Any, TypeAlias

import highdicom as hd
import numpy as np
import numpy.typing as npt

__all__ = [
    "Code",
    "FileGrid",
    "Image",
    "LabelMap",
    "Note",
    "Segment",
    "SliceSource",
    "SourceGrid",
    "Vector",
    "patient_axes",
]

Vector: TypeAlias = tuple[float, float, float]


@dataclass(frozen=True, slots=True)
class Note:
    """A correction, or a thing the reader of a result should know.

    Parameters
    ----------
    code : a short fixed name, e.g. ``split-by-instance-number``.
    sentence : one sentence in our own words; no header text.
    """

    code: str
    sentence: str


@dataclass(frozen=True, slots=True)
class SliceSource:
    """The DICOM plane that one slice comes from.

    Parameters
    ----------
    frame_number : from 1 within a multi-frame object; None for a single-frame object.
    position : Image Position (Patient), mm, LPS.
    position_text : the same three values as written in the source.
    """

    sop_class_uid: str
    sop_instance_uid: str
    frame_number: int | None
    position: Vector
    position_text: tuple[str, str, str]


@dataclass(frozen=True, slots=True)
class SourceGrid:
    """The series behind a volume, slice by slice, in the volume's slice order."""

    study_instance_uid: str
    series_instance_uid: str
    frame_of_reference_uid: str | None
    modality: str
    slices: tuple[SliceSource, ...]


@dataclass(frozen=True, slots=True)
class FileGrid:
    """The voxel order of the NIfTI or NRRD file that an image comes from.

    Parameters
    ----------
    flipped : axes of the volume (k, j, i) that run against the file's third, second and first axis.
    header : the geometry fields of the NIfTI header, as they stood; empty for NRRD.
    """

    flipped: tuple[int, ...]
    header: bytes


@dataclass(frozen=True, slots=True)
class Image:
    """An image volume.

    Parameters
    ----------
    volume : array (k, j, i), int16 or float32, read-only; slices rise along the normal.
    units : ``HU``, a PET unit as in Units (0054,1001), or ``arbitrary``.
    source : absent for NIfTI.
    file_grid : present for NIfTI and NRRD alone.
    """

    volume: hd.Volume
    units: str
    source: SourceGrid | None
    notes: tuple[Note, ...] = ()
    file_grid: FileGrid | None = None

    def __post_init__(self) -> None:
        self.volume.array.flags.writeable = False


@dataclass(frozen=True, slots=True)
class Code:
    """A coded concept (PS3.3 8.8)."""

    value: str
    scheme: str
    meaning: str


@dataclass(frozen=True, slots=True)
class Segment:
    """What one label means (PS3.3 C.8.20.2, Segment Description).

    Parameters
    ----------
    number : from 1; the value of the label map and the Segment Number.
    label, description : Segment Label and Segment Description.
    category, property_type : Segmented Property Category and Type.
    color : recommended display colour, RGB, 0 to 255.
    """

    number: int
    label: str
    description: str
    category: Code
    property_type: Code
    color: tuple[int, int, int]
    property_type_modifiers: tuple[Code, ...] = ()
    anatomic_region: Code | None = None
    anatomic_region_modifiers: tuple[Code, ...] = ()


@dataclass(frozen=True, slots=True)
class LabelMap:
    """A label volume on the grid of an image.

    Parameters
    ----------
    volume : array (k, j, i), uint8, read-only; 0 is background, n the segment with number n.
    """

    volume: hd.Volume
    segments: tuple[Segment, ...]
    source: SourceGrid | None

    def __post_init__(self) -> None:
        if self.volume.array.dtype != np.uint8:
            raise TypeError("a label map is uint8")
        self.volume.array.flags.writeable = False

    @property
    def labels(self) -> npt.NDArray[np.uint8]:
        """The array, shape (k, j, i)."""
        array: npt.NDArray[np.uint8] = self.volume.array
        return array

    def with_labels(self, labels: npt.NDArray[Any]) -> "LabelMap":
        """Give a label map of the same grid and segments with other labels, shape (k, j, i)."""
        return replace(self, volume=self.volume.with_array(labels.astype(np.uint8, copy=False)))


def patient_axes(affine: npt.NDArray[np.float64]) -> tuple[int, int, int]:
    """Give the array axes that run nearest to the patient's left-right, front-back and foot-head axes.

    Each array axis is named once: of the six ways the one with the largest sum of cosines, and of equal ones (a
    turn of exactly 45 degrees) the first in the order (0, 1, 2), (0, 2, 1), ... (2, 1, 0).

    Parameters
    ----------
    affine : shape (4, 4), from index (k, j, i) to LPS mm.
    """
    steps = np.abs(affine[:3, :3])
    cosines = np.round(steps / np.linalg.norm(steps, axis=0), 9)
    ways = list(permutations(range(3)))
    best = max(ways, key=lambda way: round(float(cosines[0, way[0]] + cosines[1, way[1]] + cosines[2, way[2]]), 6))
    return (best[0], best[1], best[2])
