"""What a segmentation object says of itself, parsed once: everything but its pixels.

Functional groups are looked up for each frame first and in the shared groups second (PS3.3 C.7.6.16). What
cannot be placed in a patient is refused here.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from pydicom.dataset import Dataset
from pydicom.multival import MultiValue
from pydicom.uid import UID, SegmentationStorage

from aimi.dicom import seg_segments
from aimi.dicom.seg_grid import FramePlane
from aimi.errors import GeometryError, InputError
from aimi.image import Note, Segment

__all__ = ["SegHeader", "parse"]

_AGAIN = "Export it again from where it was made."
_LABELMAP_STORAGE = UID("1.2.840.10008.5.1.4.1.1.66.7")
_KINDS = ("BINARY", "FRACTIONAL", "LABELMAP")


@dataclass(frozen=True, slots=True)
class SegHeader:
    """The header of a segmentation object.

    Parameters
    ----------
    kind : BINARY, FRACTIONAL or LABELMAP.
    matrix : (rows, columns).
    planes : of each frame that is stored.
    numbers : the segment of each frame; empty for LABELMAP.
    threshold : stored value from which on a pixel belongs to its segment; unused for LABELMAP.
    background : values of a LABELMAP that mean no segment.
    segments : in order of their numbers, without background.
    algorithm_name : Segment Algorithm Name, those of several segments joined.
    gap, thickness : Spacing Between Slices and Slice Thickness, mm.
    series : Series Instance UIDs that the object references, in its order.
    instances : SOP Instance UIDs that it references as a whole.
    source_frames : (SOP Instance UID, frame number) that its frames name as their sources; a frame number is
        None where the source has one frame, or all are meant.
    """

    kind: str
    matrix: tuple[int, int]
    planes: tuple[FramePlane, ...]
    numbers: tuple[int, ...]
    threshold: float
    background: frozenset[int]
    segments: tuple[Segment, ...]
    algorithm_name: str
    gap: float | None
    thickness: float | None
    frame_of_reference_uid: str | None
    series: tuple[str, ...]
    instances: frozenset[str]
    source_frames: frozenset[tuple[str, int | None]]
    notes: tuple[Note, ...]


def parse(dataset: Dataset) -> SegHeader:
    """Parse the header of a segmentation object.

    Raises
    ------
    InputError
        The object is no segmentation, has no place in a patient, or its header is incomplete.
    """
    if dataset.get("SOPClassUID") not in {SegmentationStorage, _LABELMAP_STORAGE}:
        raise InputError(
            f"The object is no segmentation (SOP Class {UID(dataset.get('SOPClassUID') or 'absent').name}).",
            "Give an object of the class Segmentation or Label Map Segmentation.",
        )
    try:
        return _parse(dataset)
    except (AttributeError, IndexError, TypeError, ValueError) as err:
        # pydicom tells of absent elements and of values that break their own representation in these ways
        raise InputError(
            "The header of the segmentation is incomplete, or a value in it is malformed.", _AGAIN
        ) from err


def _parse(dataset: Dataset) -> SegHeader:
    kind = str(dataset.get("SegmentationType", ""))
    if kind not in _KINDS:
        raise InputError("The Segmentation Type is none of BINARY, FRACTIONAL and LABELMAP.", _AGAIN)
    if int(dataset.get("SamplesPerPixel", 1)) != 1:
        raise InputError("The frames are in color; a segmentation has one sample a pixel.", _AGAIN)
    frames = _frame_groups(dataset)
    planes = tuple(_plane(dataset, frame) for frame in frames)
    segments, algorithm, notes = seg_segments.parse(dataset)
    known = frozenset(segment.number for segment in segments)
    if len(frames) < len(dataset.PerFrameFunctionalGroupsSequence):
        notes = (*notes, Note("surplus-frame-descriptions", "More frames are described than stored; those are read."))
    measures = _group(dataset, frames[0], "PixelMeasuresSequence") or Dataset()
    referenced = dataset.get("ReferencedSeriesSequence") or []
    frame_of_reference = dataset.get("FrameOfReferenceUID")
    return SegHeader(
        kind=kind,
        matrix=(int(dataset.Rows), int(dataset.Columns)),
        planes=planes,
        numbers=() if kind == "LABELMAP" else tuple(_segment_number(dataset, frame, known) for frame in frames),
        threshold=_threshold(dataset, kind),
        background=_background(dataset),
        segments=segments,
        algorithm_name=algorithm,
        gap=_positive(measures, "SpacingBetweenSlices"),
        thickness=_positive(measures, "SliceThickness"),
        frame_of_reference_uid=str(frame_of_reference) if frame_of_reference else None,
        series=tuple(str(item.SeriesInstanceUID) for item in referenced),
        instances=_referenced_instances(dataset),
        source_frames=frozenset(source for frame in frames for source in _sources_of(dataset, frame)),
        notes=(*notes, _fractional_note(dataset)) if kind == "FRACTIONAL" else notes,
    )


def _frame_groups(dataset: Dataset) -> Sequence[Dataset]:
    count = int(dataset.get("NumberOfFrames") or 1)
    described: Sequence[Dataset] = dataset.get("PerFrameFunctionalGroupsSequence") or []
    if len(described) < count:
        raise InputError(f"The object has {count} frames and describes {len(described)} of them.", _AGAIN)
    return described[:count]


def _group(dataset: Dataset, frame: Dataset, keyword: str) -> Dataset | None:
    """Give the functional group of a frame, its own or the shared one."""
    shared = dataset.get("SharedFunctionalGroupsSequence") or [Dataset()]
    items = frame.get(keyword) or shared[0].get(keyword)
    return items[0] if items else None


def _plane(dataset: Dataset, frame: Dataset) -> FramePlane:
    if _group(dataset, frame, "PlanePositionSlideSequence") is not None:
        raise InputError(
            "The segmentation lies on a microscope slide, whose coordinates are those of the slide and no patient's.",
            "Use a tool for slide microscopy.",
        )
    position = _group(dataset, frame, "PlanePositionSequence")
    orientation = _group(dataset, frame, "PlaneOrientationSequence")
    measures = _group(dataset, frame, "PixelMeasuresSequence")
    if position is None or orientation is None or measures is None or not measures.get("PixelSpacing"):
        raise InputError(
            "The frames have no position, orientation or pixel spacing in a patient, as on a radiograph: "
            "they cannot be placed in space.",
            "Give the segmentation of a CT, MR or PET series.",
        )
    where = [float(value) for value in position.get("ImagePositionPatient") or ()]
    cosines = [float(value) for value in orientation.get("ImageOrientationPatient") or ()]
    spacing = [float(value) for value in measures.PixelSpacing]
    numbers = [*where, *cosines, *spacing]
    if (len(where), len(cosines), len(spacing)) != (3, 6, 2) or not np.isfinite(numbers).all() or min(spacing) <= 0:
        raise GeometryError("The position, orientation or pixel spacing of a frame is incomplete.", _AGAIN)
    x, y, z = where
    rx, ry, rz, cx, cy, cz = cosines
    return FramePlane((x, y, z), (rx, ry, rz, cx, cy, cz), (spacing[0], spacing[1]))


def _positive(measures: Dataset, keyword: str) -> float | None:
    value = measures.get(keyword)
    return float(value) if value is not None and float(value) > 0 else None


def _threshold(dataset: Dataset, kind: str) -> float:
    if kind != "FRACTIONAL":
        return 1
    maximum = int(dataset.get("MaximumFractionalValue") or 0)
    if maximum < 1:
        raise InputError("The object is FRACTIONAL and does not say which value means one.", _AGAIN)
    return maximum / 2


def _background(dataset: Dataset) -> frozenset[int]:
    padding = dataset.get("PixelPaddingValue")
    of_padding = frozenset() if padding is None else frozenset({int(padding)})
    return frozenset({0}) | of_padding | seg_segments.background_numbers(dataset)


def _segment_number(dataset: Dataset, frame: Dataset, known: frozenset[int]) -> int:
    group = _group(dataset, frame, "SegmentIdentificationSequence")
    written = None if group is None else group.get("ReferencedSegmentNumber")
    if written is None and len(known) == 1:
        return next(iter(known))
    if written is None:
        raise InputError(f"A frame does not say which of {len(known)} segments it belongs to.", _AGAIN)
    if int(written) not in known:
        raise InputError(f"A frame belongs to segment {int(written)}, which is not described.", _AGAIN)
    return int(written)


def _referenced_instances(dataset: Dataset) -> frozenset[str]:
    items = [
        *(item for series in dataset.get("ReferencedSeriesSequence") or [] for item in _instances_of(series)),
        *(dataset.get("SourceImageSequence") or []),
    ]
    return frozenset(str(item.ReferencedSOPInstanceUID) for item in items)


def _instances_of(series: Dataset) -> Sequence[Dataset]:
    items: Sequence[Dataset] = series.get("ReferencedInstanceSequence") or []
    return items


def _sources_of(dataset: Dataset, frame: Dataset) -> list[tuple[str, int | None]]:
    derivation = _group(dataset, frame, "DerivationImageSequence") or Dataset()
    return [
        (str(item.ReferencedSOPInstanceUID), number)
        for item in derivation.get("SourceImageSequence") or []
        for number in _frame_numbers(item)
    ]


def _frame_numbers(item: Dataset) -> list[int | None]:
    written = item.get("ReferencedFrameNumber")
    if written is None:
        return [None]
    return [int(number) for number in (written if isinstance(written, MultiValue) else [written])]


def _fractional_note(dataset: Dataset) -> Note:
    what = "occupancy" if dataset.get("SegmentationFractionalType") == "OCCUPANCY" else "probability"
    return Note("fractional-threshold", f"The segmentation is fractional ({what}); voxels of 0.5 and more are taken.")
