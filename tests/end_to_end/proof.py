"""The proof: a segmentation's frames against the source's pixels, read with pydicom alone."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pydicom
from pydicom.dataset import Dataset
from pydicom.misc import is_dicom


@dataclass(frozen=True)
class SourcePlane:
    """One plane of the source: rescaled pixels and the position as written."""

    pixels: npt.NDArray[np.float64]
    position: tuple[str, ...]


Planes = dict[tuple[str, int], SourcePlane]
"""(SOP Instance UID, frame number; 1 for single-frame objects) -> plane."""


def read_planes(files: Iterable[Path], series_uid: str | None = None) -> Planes:
    """Read every image plane of a series by pydicom's own decoder."""
    planes: Planes = {}
    for path in files:
        if not path.is_file() or not is_dicom(path):
            continue
        ds = pydicom.dcmread(path)
        if "PixelData" in ds and (series_uid is None or ds.SeriesInstanceUID == series_uid):
            planes |= _planes_of(ds)
    return planes


def _planes_of(ds: Dataset) -> Planes:
    pixels = ds.pixel_array.astype(np.float64)
    if "PerFrameFunctionalGroupsSequence" not in ds:
        slope, intercept = float(ds.get("RescaleSlope", 1)), float(ds.get("RescaleIntercept", 0))
        position = original_texts(ds.ImagePositionPatient)
        return {(ds.SOPInstanceUID, 1): SourcePlane(pixels * slope + intercept, position)}
    return {
        (ds.SOPInstanceUID, number): SourcePlane(*_frame(ds, number, pixels[number - 1]))
        for number in range(1, int(ds.NumberOfFrames) + 1)
    }


def _frame(ds: Dataset, number: int, pixels: npt.NDArray[np.float64]) -> tuple[Any, tuple[str, ...]]:
    groups = ds.PerFrameFunctionalGroupsSequence[number - 1]
    shared = ds.get("SharedFunctionalGroupsSequence")
    transformation = groups.get("PixelValueTransformationSequence") or (
        shared[0].get("PixelValueTransformationSequence") if shared else None
    )
    slope, intercept = 1.0, 0.0
    if transformation:
        slope, intercept = float(transformation[0].RescaleSlope), float(transformation[0].RescaleIntercept)
    position = original_texts(groups.PlanePositionSequence[0].ImagePositionPatient)
    return pixels * slope + intercept, position


def original_texts(values: Any) -> tuple[str, ...]:
    """Give decimal strings as they stand in the file."""
    return tuple(getattr(value, "original_string", None) or str(value) for value in values)


def assert_marks(seg_path: Path, planes: Planes, expected: Callable[[npt.NDArray[np.float64]], Any]) -> int:
    """Hold every frame against its source plane; planes without a frame must be empty. Give the marked voxels."""
    seg = pydicom.dcmread(seg_path)
    frames = np.atleast_3d(seg.pixel_array) if int(seg.NumberOfFrames) > 1 else seg.pixel_array[np.newaxis]
    seen: dict[tuple[str, int], npt.NDArray[Any]] = {}
    for frame, groups in zip(frames, seg.PerFrameFunctionalGroupsSequence, strict=True):
        reference = groups.DerivationImageSequence[0].SourceImageSequence[0]
        key = (reference.ReferencedSOPInstanceUID, int(reference.get("ReferencedFrameNumber", 1)))
        position = original_texts(groups.PlanePositionSequence[0].ImagePositionPatient)
        assert position == planes[key].position
        assert key not in seen
        seen[key] = frame
    for key, plane in planes.items():
        marked = seen.get(key, np.zeros(plane.pixels.shape, np.uint8))
        np.testing.assert_array_equal(marked.astype(bool), expected(plane.pixels))
    return int(sum(frame.sum() for frame in seen.values()))
