"""Read DICOM Segmentations, our own and other writers'.

A segmentation object gives one mask per segment on one grid (:mod:`aimi.dicom.seg_grid`); masks may overlap.
BINARY, FRACTIONAL (cut at one half) and LABELMAP objects are read in every encoding that archives hold
(:mod:`aimi.dicom.seg_frames`). What has no place in a patient, such as the segmentation of a radiograph or a
slide, is refused with the reason. Segments keep their Segment Numbers; who compares objects of two writers
goes by codes and labels.

Masks are held as packed frames: a hundred organs of one CT are 0.3 GB, and 8 GB as arrays.
"""

import warnings
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import highdicom as hd
import numpy as np
import numpy.typing as npt
import pydicom
from pydicom.dataset import Dataset
from pydicom.errors import InvalidDicomError

from aimi.dicom import seg_frames, seg_grid, seg_header, seg_lattice
from aimi.dicom.header import Stack, Study
from aimi.dicom.seg_grid import Grid
from aimi.dicom.seg_header import SegHeader
from aimi.dicom.slice_sources import describe_source
from aimi.errors import InputError
from aimi.image import LabelMap, Note, Segment, SourceGrid

__all__ = ["SegmentMask", "SegmentationObject", "read"]

_AGAIN = "Export it again from where it was made."
_HIGHEST_LABEL = 255
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
        return LabelMap(self.to_volume(labels), tuple(mask.segment for mask in self.masks), self.source)

    def to_volume(self, array: npt.NDArray[np.uint8]) -> hd.Volume:
        """Give an array on the grid, shape (k, j, i), with its place."""
        geometry = self.geometry
        return hd.Volume(array, geometry.affine, geometry.coordinate_system, geometry.frame_of_reference_uid)


@dataclass(frozen=True, slots=True)
class Identity:
    """Which object a segmentation is, and whether a program alone made it.

    Parameters
    ----------
    is_automatic : Segment Algorithm Type is AUTOMATIC in every segment.
    """

    sop_class_uid: str
    sop_instance_uid: str
    is_automatic: bool


def identify(path: Path) -> Identity:
    """Give the identity of a segmentation that :func:`read` reads."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        dataset = _load(path)
        types = {str(item.get("SegmentAlgorithmType", "")) for item in dataset.get("SegmentSequence", [])}
        return Identity(str(dataset.SOPClassUID), str(dataset.SOPInstanceUID), types == {"AUTOMATIC"})


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
    with warnings.catch_warnings():
        # pydicom warns of each odd value, quoting it; what matters here is judged one by one
        warnings.simplefilter("ignore")
        dataset = _load(path)
        header = seg_header.parse(dataset)
        stacks = _candidates(header, study)
        grid = _place(header, stacks)
        packed = (_gather_labels if header.kind == "LABELMAP" else _gather_masks)(dataset, header, grid)
    slices, rows, columns = grid.geometry.spatial_shape
    as_framed = SegmentationObject(
        geometry=grid.geometry,
        masks=tuple(_mask(one, (slices, rows, columns), packed[one.number]) for one in header.segments),
        source=grid.source,
        referenced_series_uid=grid.source.series_instance_uid if grid.source else next(iter(header.series), None),
        algorithm_name=header.algorithm_name,
        notes=(*grid.notes, *header.notes),
        overlapping=_overlap(packed.values()),
    )
    return as_framed if grid.source or study is None else _move_to_source(as_framed, stacks)


def _load(path: Path) -> Dataset:
    try:
        return pydicom.dcmread(path)
    except InvalidDicomError as err:
        raise InputError("The file is not DICOM.", "Give a DICOM Segmentation.") from err
    except (EOFError, OSError, zlib.error) as err:
        raise InputError("The file cannot be read to its end.", _AGAIN) from err


def _candidates(header: SegHeader, study: Study | Stack | None) -> list[Stack]:
    """Give the stacks that may be the source: those with most planes that the object names first."""
    if study is None:
        return []
    stacks = [study] if isinstance(study, Stack) else [stack for series in study.series for stack in series.stacks]
    stacks = [stack for stack in stacks if stack.planes and _may_share_frame_of_reference(stack, header)]
    if isinstance(study, Stack):
        return stacks
    counted = [(_count_referenced(stack, header), stack) for stack in stacks]
    counted = [
        (count, stack) for count, stack in counted if any(count) or stack.header.series_instance_uid in header.series
    ]
    return [stack for _, stack in sorted(counted, key=lambda pair: (-pair[0][0], -pair[0][1], pair[1].name))]


def _may_share_frame_of_reference(stack: Stack, header: SegHeader) -> bool:
    """Tell whether positions can be compared: the Frames of Reference are one, or one side is silent."""
    uids = {stack.header.frame_of_reference_uid, header.frame_of_reference_uid}
    return len(uids - {None}) <= 1


def _count_referenced(stack: Stack, header: SegHeader) -> tuple[int, int]:
    """Give how many of the stack's planes are named as sources of frames, and how many by their instance alone."""
    planes = [(stack.instances[plane.instance].sop_instance_uid, plane.frame_number) for plane in stack.planes]
    by_frame = sum(not header.source_frames.isdisjoint({plane, (plane[0], None)}) for plane in planes)
    return by_frame, sum(instance in header.instances for instance, _ in planes)


def _place(header: SegHeader, stacks: Sequence[Stack]) -> Grid:
    for stack in stacks:
        placed = seg_grid.source_grid(stack, header.planes, header.matrix)
        if placed is not None:
            return placed
    return seg_grid.frames_grid(
        header.planes,
        header.matrix,
        gap=header.gap,
        thickness=header.thickness,
        frame=header.frame_of_reference_uid,
    )


def _gather_masks(dataset: Dataset, header: SegHeader, grid: Grid) -> Mapping[int, _PackedFrames]:
    """Give each segment's packed slices of a BINARY or FRACTIONAL object."""
    packed: dict[int, _PackedFrames] = {segment.number: {} for segment in header.segments}
    places = list(zip(header.numbers, grid.slices, strict=True))
    if len(set(places)) < len(places):
        raise InputError("Several frames of one segment lie at one position.", _AGAIN)
    stored = seg_frames.iterate(dataset, len(places))
    for (number, index), values in zip(places, stored, strict=True):
        inside = values >= header.threshold
        if inside.any():
            packed[number][index] = np.packbits(inside)
    return packed


def _gather_labels(dataset: Dataset, header: SegHeader, grid: Grid) -> Mapping[int, _PackedFrames]:
    """Give each segment's packed slices of a LABELMAP object."""
    packed: dict[int, _PackedFrames] = {segment.number: {} for segment in header.segments}
    if len(set(grid.slices)) < len(grid.slices):
        raise InputError("Several frames lie at one position.", _AGAIN)
    stored = seg_frames.iterate(dataset, len(grid.slices))
    for index, values in zip(grid.slices, stored, strict=True):
        for number in {int(value) for value in np.unique(values)} - header.background:
            if number not in packed:
                raise InputError(f"The label {number} occurs in the frames and is not described.", _AGAIN)
            packed[number][index] = np.packbits(values == number)
    return packed


def _move_to_source(read_object: SegmentationObject, stacks: Sequence[Stack]) -> SegmentationObject:
    """Give the object on the grid of the first stack whose voxels its own are, else as it is, with a note."""
    for stack in stacks:
        geometry = seg_grid.source_geometry(stack)
        lattice = None if geometry is None else seg_lattice.find_lattice(read_object.geometry, geometry)
        if geometry is not None and lattice is not None:
            source = describe_source(stack)
            return replace(
                read_object,
                geometry=geometry,
                masks=tuple(_pack(mask.segment, lattice.place(mask.mask)) for mask in read_object.masks),
                source=source,
                referenced_series_uid=source.series_instance_uid,
            )
    note = Note("source-not-found", "The series that the object references is not in the study.")
    if stacks:
        note = Note(
            "source-grid-differs",
            "The grid is the frames' own: they do not lie on the voxels of the referenced series, or that is no "
            "regular grid.",
        )
    return replace(read_object, notes=(*read_object.notes, note))


def _mask(segment: Segment, shape: tuple[int, int, int], frames: _PackedFrames) -> SegmentMask:
    slices = tuple(sorted(frames))
    width = -(-shape[1] * shape[2] // 8)
    bits = np.stack([frames[index] for index in slices]) if slices else np.zeros((0, width), np.uint8)
    return SegmentMask(segment, shape, slices, bits)


def _pack(segment: Segment, mask: npt.NDArray[np.bool_]) -> SegmentMask:
    slices, rows, columns = mask.shape
    frames = {int(index): np.packbits(mask[index]) for index in np.flatnonzero(mask.any(axis=(1, 2)))}
    return _mask(segment, (slices, rows, columns), frames)


def _overlap(segments: Iterable[_PackedFrames]) -> bool:
    claimed: _PackedFrames = {}
    for frames in segments:
        for index, bits in frames.items():
            if index in claimed and np.any(claimed[index] & bits):
                return True
            claimed[index] = claimed[index] | bits if index in claimed else bits
    return False
