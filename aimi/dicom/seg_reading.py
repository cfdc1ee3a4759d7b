"""Read DICOM Segmentations, our own and other writers'.

A segmentation object gives one mask per segment on one grid (:mod:`aimi.dicom.seg_grid`); masks may overlap.
BINARY, FRACTIONAL (cut at one half) and LABELMAP objects are read in every encoding that archives hold
(:mod:`aimi.dicom.seg_frames`). What has no place in a patient, such as the segmentation of a radiograph or a
slide, is refused with the reason. Segments keep their Segment Numbers; who compares objects of two writers
goes by codes and labels.

Masks are held as packed frames: a hundred organs of one CT are 0.3 GB, and 8 GB as arrays.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import highdicom as hd
import numpy as np
import numpy.typing as npt
import pydicom
from pydicom.dataset import Dataset
from pydicom.errors import InvalidDicomError
from pydicom.uid import UID, SegmentationStorage

from aimi.dicom import seg_frames, seg_grid, seg_segments
from aimi.dicom.header import Stack, Study
from aimi.dicom.seg_grid import FramePlane, Grid
from aimi.errors import GeometryError, InputError
from aimi.image import LabelMap, Note, Segment, SourceGrid

__all__ = ["SegmentMask", "SegmentationObject", "read"]

_LABELMAP_STORAGE = UID("1.2.840.10008.5.1.4.1.1.66.7")
_AGAIN = "Export it again from where it was made."
_HIGHEST_LABEL = 255
_KINDS = ("BINARY", "FRACTIONAL", "LABELMAP")
_PackedFrames = dict[int, npt.NDArray[np.uint8]]


@dataclass(frozen=True, slots=True)
class SegmentMask:
    """The voxels of one segment.

    Parameters
    ----------
    shape : of the grid, (k, j, i).
    slices : indices of the slices that hold voxels, rising.
    bits : shape (len(slices), ceil(rows * columns / 8)): these slices, packed, read-only.
    """

    segment: Segment
    shape: tuple[int, int, int]
    slices: tuple[int, ...]
    bits: npt.NDArray[np.uint8]

    def __post_init__(self) -> None:
        self.bits.flags.writeable = False

    @property
    def mask(self) -> npt.NDArray[np.bool_]:
        """The mask as a new read-only array, shape (k, j, i)."""
        mask = np.zeros(self.shape, np.bool_)
        for index, packed in zip(self.slices, self.bits, strict=True):
            mask[index] = self._unpack(packed)
        mask.flags.writeable = False
        return mask

    @property
    def voxel_count(self) -> int:
        """The number of voxels of the segment."""
        return int(np.bitwise_count(self.bits).sum())

    def paint(self, labels: npt.NDArray[np.uint8]) -> None:
        """Write the segment's number into its voxels of an array, shape (k, j, i)."""
        for index, packed in zip(self.slices, self.bits, strict=True):
            labels[index][self._unpack(packed)] = self.segment.number

    def _unpack(self, packed: npt.NDArray[np.uint8]) -> npt.NDArray[np.bool_]:
        size = self.shape[1] * self.shape[2]
        return np.unpackbits(packed, count=size).reshape(self.shape[1:]).astype(np.bool_)


@dataclass(frozen=True, slots=True)
class SegmentationObject:
    """A segmentation as read: the grid, one mask per segment, and what it was made from.

    Parameters
    ----------
    masks : in order of Segment Number; without background. A described segment without voxels has one too.
    source : the series whose slices the grid has; None where the grid is the frames' own.
    referenced_series_uid : the series that the object names as its source.
    algorithm_name : Segment Algorithm Name, those of several segments joined; empty where none is written.
    notes : what was assumed or corrected.
    overlapping : some voxel belongs to several segments.
    """

    geometry: hd.VolumeGeometry
    masks: tuple[SegmentMask, ...]
    source: SourceGrid | None
    referenced_series_uid: str | None
    algorithm_name: str
    notes: tuple[Note, ...]
    overlapping: bool

    def to_label_map(self) -> LabelMap:
        """Give the label map whose values are the Segment Numbers.

        Raises
        ------
        InputError
            Segments overlap, or a Segment Number is above 255.
        """
        highest = max((mask.segment.number for mask in self.masks), default=0)
        if self.overlapping:
            raise InputError(
                "Segments of this object overlap, and a label map gives each voxel one label.",
                "Take one mask per segment.",
            )
        if highest > _HIGHEST_LABEL:
            raise InputError(
                f"Segment Number {highest} does not fit a label map, whose labels end at {_HIGHEST_LABEL}.",
                "Take one mask per segment.",
            )
        labels = np.zeros(self.geometry.spatial_shape, np.uint8)
        for mask in self.masks:
            mask.paint(labels)
        volume = hd.Volume(
            labels, self.geometry.affine, self.geometry.coordinate_system, self.geometry.frame_of_reference_uid
        )
        return LabelMap(volume, tuple(mask.segment for mask in self.masks), self.source)


def read(path: Path, *, study: Study | Stack | None = None) -> SegmentationObject:
    """Read a DICOM Segmentation.

    Parameters
    ----------
    study : where the referenced series may be found, or the stack itself. Masks then lie on its slices, if
        all frames do; without it, or if they do not, on a grid of the frames' own (with a note).

    Raises
    ------
    InputError
        The file is no segmentation, is damaged, or has no place in a patient.
    GeometryError
        Its frames lie on no regular grid.
    """
    dataset = _load(path)
    kind = _kind(dataset)
    frames = _frame_groups(dataset)
    planes = _planes(dataset, frames)
    segments, algorithm, notes = seg_segments.parse(dataset)
    grid = _place(dataset, frames, planes, study)
    if kind == "LABELMAP":
        packed = _gather_labels(dataset, grid, segments)
    else:
        packed = _gather_masks(dataset, frames, grid, segments)
    if kind == "FRACTIONAL":
        notes = (*notes, _fractional_note(dataset))
    if len(frames) < len(dataset.PerFrameFunctionalGroupsSequence):
        notes = (*notes, Note("surplus-frame-descriptions", "More frames are described than stored; those are read."))
    slices, rows, columns = grid.geometry.spatial_shape
    return SegmentationObject(
        geometry=grid.geometry,
        masks=tuple(_mask(segment, (slices, rows, columns), packed[segment.number]) for segment in segments),
        source=grid.source,
        referenced_series_uid=grid.source.series_instance_uid if grid.source else _referenced_series(dataset),
        algorithm_name=algorithm,
        notes=(*grid.notes, *notes),
        overlapping=_overlap(packed.values()),
    )


def _load(path: Path) -> Dataset:
    try:
        dataset = pydicom.dcmread(path)
    except InvalidDicomError as err:
        raise InputError("The file is not DICOM.", "Give a DICOM Segmentation.") from err
    except (EOFError, OSError) as err:
        raise InputError("The file cannot be read to its end.", _AGAIN) from err
    if dataset.get("SOPClassUID") not in {SegmentationStorage, _LABELMAP_STORAGE}:
        raise InputError(
            f"The object is no segmentation (SOP Class {dataset.get('SOPClassUID')}).",
            "Give an object of the class Segmentation or Label Map Segmentation.",
        )
    return dataset


def _kind(dataset: Dataset) -> str:
    kind = str(dataset.get("SegmentationType", ""))
    if kind not in _KINDS:
        raise InputError("The Segmentation Type is none of BINARY, FRACTIONAL and LABELMAP.", _AGAIN)
    if int(dataset.get("SamplesPerPixel", 1)) != 1:
        raise InputError("The frames are in color; a segmentation has one sample a pixel.", _AGAIN)
    return kind


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


def _planes(dataset: Dataset, frames: Iterable[Dataset]) -> list[FramePlane]:
    return [_plane(dataset, frame) for frame in frames]


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


def _place(
    dataset: Dataset, frames: Sequence[Dataset], planes: Sequence[FramePlane], study: Study | Stack | None
) -> Grid:
    matrix = (int(dataset.Rows), int(dataset.Columns))
    reason = ""
    for stack in _candidates(dataset, study):
        placed = seg_grid.source_grid(stack, planes, matrix)
        if isinstance(placed, Grid):
            return placed
        reason = reason or placed
    measures = _group(dataset, frames[0], "PixelMeasuresSequence") or Dataset()
    grid = seg_grid.frames_grid(
        planes,
        matrix,
        gap=_positive(measures, "SpacingBetweenSlices"),
        thickness=_positive(measures, "SliceThickness"),
        frame=str(dataset.get("FrameOfReferenceUID", "")),
    )
    return Grid(grid.geometry, grid.slices, None, (*grid.notes, *_source_note(study, reason)))


def _positive(measures: Dataset, keyword: str) -> float | None:
    value = measures.get(keyword)
    return float(value) if value is not None and float(value) > 0 else None


def _source_note(study: Study | Stack | None, reason: str) -> tuple[Note, ...]:
    if study is None:
        return ()
    if not reason:
        return (Note("source-not-found", "The series that the object references is not in the study."),)
    return (Note("source-grid-differs", f"The grid is the frames' own, not that of the referenced series: {reason}."),)


def _candidates(dataset: Dataset, study: Study | Stack | None) -> list[Stack]:
    """Give the stacks that may be the source: those with most referenced instances first."""
    if study is None:
        return []
    if isinstance(study, Stack):
        return [study]
    named = {str(item.SeriesInstanceUID) for item in dataset.get("ReferencedSeriesSequence") or []}
    instances = _referenced_instances(dataset)
    frame = dataset.get("FrameOfReferenceUID")
    counted = [
        (sum(stack.instances[plane.instance].sop_instance_uid in instances for plane in stack.planes), stack)
        for series in study.series
        for stack in series.stacks
        if stack.planes and stack.header.frame_of_reference_uid == frame
    ]
    counted = [(count, stack) for count, stack in counted if count or stack.header.series_instance_uid in named]
    return [stack for _, stack in sorted(counted, key=lambda pair: (-pair[0], pair[1].name))]


def _referenced_instances(dataset: Dataset) -> frozenset[str]:
    items = [
        *(item for series in dataset.get("ReferencedSeriesSequence") or [] for item in _instances_of(series)),
        *(dataset.get("SourceImageSequence") or []),
    ]
    return frozenset(str(item.ReferencedSOPInstanceUID) for item in items)


def _instances_of(series: Dataset) -> Sequence[Dataset]:
    items: Sequence[Dataset] = series.get("ReferencedInstanceSequence") or []
    return items


def _referenced_series(dataset: Dataset) -> str | None:
    items = dataset.get("ReferencedSeriesSequence") or []
    return str(items[0].SeriesInstanceUID) if items else None


def _gather_masks(
    dataset: Dataset, frames: Sequence[Dataset], grid: Grid, segments: Sequence[Segment]
) -> Mapping[int, _PackedFrames]:
    """Give each segment's packed slices of a BINARY or FRACTIONAL object."""
    packed: dict[int, _PackedFrames] = {segment.number: {} for segment in segments}
    seen: set[tuple[int, int]] = set()
    threshold = _threshold(dataset)
    stored = seg_frames.iterate(dataset, len(frames))
    for frame, index, values in zip(frames, grid.slices, stored, strict=True):
        number = _segment_number(dataset, frame, segments)
        if (number, index) in seen:
            raise InputError(f"Several frames of segment {number} lie at one position.", _AGAIN)
        seen.add((number, index))
        inside = values >= threshold
        if inside.any():
            packed[number][index] = np.packbits(inside)
    return packed


def _threshold(dataset: Dataset) -> float:
    """Give the stored value from which on a pixel belongs to its segment."""
    if dataset.SegmentationType == "BINARY":
        return 1
    maximum = int(dataset.get("MaximumFractionalValue") or 0)
    if maximum < 1:
        raise InputError("The object is FRACTIONAL and does not say which value means one.", _AGAIN)
    return maximum / 2


def _segment_number(dataset: Dataset, frame: Dataset, segments: Sequence[Segment]) -> int:
    group = _group(dataset, frame, "SegmentIdentificationSequence")
    written = None if group is None else group.get("ReferencedSegmentNumber")
    known = {segment.number for segment in segments}
    if written is None and len(known) == 1:
        return next(iter(known))
    if written is None:
        raise InputError(f"A frame does not say which of {len(known)} segments it belongs to.", _AGAIN)
    if int(written) not in known:
        raise InputError(f"A frame belongs to segment {int(written)}, which is not described.", _AGAIN)
    return int(written)


def _gather_labels(dataset: Dataset, grid: Grid, segments: Sequence[Segment]) -> Mapping[int, _PackedFrames]:
    """Give each segment's packed slices of a LABELMAP object."""
    packed: dict[int, _PackedFrames] = {segment.number: {} for segment in segments}
    background = {0, *seg_segments.background_numbers(dataset)}
    if dataset.get("PixelPaddingValue") is not None:
        background.add(int(dataset.PixelPaddingValue))
    if len(set(grid.slices)) < len(grid.slices):
        raise InputError("Several frames lie at one position.", _AGAIN)
    stored = seg_frames.iterate(dataset, len(grid.slices))
    for index, values in zip(grid.slices, stored, strict=True):
        for number in {int(value) for value in np.unique(values)} - background:
            if number not in packed:
                raise InputError(f"The label {number} occurs in the frames and is not described.", _AGAIN)
            packed[number][index] = np.packbits(values == number)
    return packed


def _fractional_note(dataset: Dataset) -> Note:
    what = "occupancy" if dataset.get("SegmentationFractionalType") == "OCCUPANCY" else "probability"
    return Note("fractional-threshold", f"The segmentation is fractional ({what}); voxels of 0.5 and more are taken.")


def _mask(segment: Segment, shape: tuple[int, int, int], frames: _PackedFrames) -> SegmentMask:
    slices = tuple(sorted(frames))
    width = -(-shape[1] * shape[2] // 8)
    bits = np.stack([frames[index] for index in slices]) if slices else np.zeros((0, width), np.uint8)
    return SegmentMask(segment, shape, slices, bits)


def _overlap(segments: Iterable[_PackedFrames]) -> bool:
    claimed: _PackedFrames = {}
    for frames in segments:
        for index, bits in frames.items():
            if index in claimed and np.any(claimed[index] & bits):
                return True
            claimed[index] = claimed[index] | bits if index in claimed else bits
    return False
