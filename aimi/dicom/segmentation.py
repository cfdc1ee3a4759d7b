"""A label map as a DICOM Segmentation.

:func:`encode` writes BINARY (or, on request, LABELMAP) with highdicom. highdicom sees the plain array, slice by
slice in the order of the source stack, beside one plane of header each, never a volume: so a frame takes its
position from its source and nothing is resampled or rounded. What highdicom leaves out or formats anew is
written here: positions, orientation and spacing as the source's own strings; references to instances and, for
multi-frame sources, to frames; patient and study as they stand in the source; modifiers of codes.

Invariants
* A frame's Image Position (Patient) is its source plane's, character by character.
* Frames without a voxel of their segment are left out; every segment is described. If the whole label map is
  empty, one all-zero frame a segment lies on the middle slice of the source.
* UIDs are a function of content (:mod:`aimi.dicom.uids`); times are the caller's clock's.
* No free text of the source's series or images is copied, only the patient's and the study's attributes.

References
----------
DICOM PS3.3 A.51, C.8.20 (Segmentation), C.7.6.16 (functional groups); highdicom 0.28.2, ``seg/sop.py``.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from io import BytesIO

import highdicom as hd
import numpy as np
import numpy.typing as npt
from pydicom import dcmread, dcmwrite
from pydicom.dataset import Dataset
from pydicom.errors import InvalidDicomError
from pydicom.multival import MultiValue
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian
from pydicom.valuerep import format_number_as_ds

from aimi.dicom.codes import ARTIFICIAL_INTELLIGENCE, PROCESSING_EQUIPMENT
from aimi.dicom.header import Plane, Stack
from aimi.dicom.inherited import inherit_compression, inherit_frame_of_reference, inherit_patient_and_study, is_lossy
from aimi.dicom.uids import PLACEHOLDER, identify
from aimi.errors import InputError
from aimi.image import Code, LabelMap, Note, Segment

__all__ = ["Algorithm", "Description", "Encoded", "SegmentationType", "encode", "to_bytes"]

CONTENT_CREATOR = "AIMI^AI"
RESEARCH_USE = "Research use only. Not for diagnosis."
SOFTWARE = "AIMI"
DS_LENGTH = 16
LO_LENGTH = 64


class SegmentationType(StrEnum):
    """Segmentation Type (0062,0001) as we write it."""

    BINARY = "BINARY"
    LABELMAP = "LABELMAP"


@dataclass(frozen=True, slots=True)
class Algorithm:
    """What made the segments (Segmentation Algorithm Identification).

    Parameters
    ----------
    name : Segment Algorithm Name, e.g. ``BAMF-Liver-CT``.
    weights_sha256 : of the weights, in hexadecimal; written among the parameters.
    parameters : device, precision, rule set and whatever else can change a voxel.
    """

    name: str
    version: str
    weights_sha256: str
    parameters: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Description:
    """What a segmentation says of itself.

    Parameters
    ----------
    body_part : Body Part Examined, e.g. ``LIVER``; empty for none.
    content_label : at most 16 capitals, digits, blanks and underscores.
    licence_note : of weights that are not free, in at most 26 characters; follows the research-use sentence.
    """

    series_number: int
    series_description: str
    body_part: str
    algorithm: Algorithm
    content_label: str
    software_version: str
    licence_note: str = ""

    @property
    def content_description(self) -> str:
        """The research-use sentence and the licence note."""
        return f"{RESEARCH_USE} {self.licence_note}".strip()

    def __post_init__(self) -> None:
        if len(self.content_description) > LO_LENGTH:
            raise ValueError(f"the licence note makes Content Description longer than {LO_LENGTH} characters")


@dataclass(frozen=True, slots=True)
class Encoded:
    """A segmentation object and what its reader should know about its making."""

    dataset: Dataset
    notes: tuple[Note, ...]


def encode(
    labels: LabelMap,
    stack: Stack,
    description: Description,
    *,
    further_sources: Sequence[Stack] = (),
    segmentation_type: SegmentationType = SegmentationType.BINARY,
    clock: Callable[[], datetime],
) -> Encoded:
    """Give the DICOM Segmentation of a label map that lies on the planes of a stack.

    Parameters
    ----------
    labels : slice k lies on ``stack.planes[k]``, rows and columns as stored.
    stack : the source; the header of one of its files is read again.
    further_sources : stacks of the same study that took part without giving the grid (PET/CT: the CT).
    clock : gives Content, Series and Instance Creation Date and Time; nothing else depends on it.

    Raises
    ------
    InputError : if the source's file can no longer be read.
    ValueError : if label map and stack do not belong together, or a stack is of another study.
    """
    _check(labels, stack, further_sources)
    header = _read_header(stack)
    occupied = np.flatnonzero(labels.labels.any(axis=(1, 2)))
    planes = occupied if len(occupied) else np.array([len(stack.planes) // 2])
    dataset = _write_frames(labels, stack, planes, description, segmentation_type, is_empty=not len(occupied))
    notes = [
        *_place_frames(dataset, stack, header),
        *inherit_frame_of_reference(dataset, stack, header),
        *inherit_patient_and_study(dataset, header),
        *inherit_compression(dataset, stack, header),
    ]
    _set_references(dataset, (stack, *further_sources))
    _set_series(dataset, description)
    identify(dataset, clock())
    return Encoded(dataset, tuple(notes))


def to_bytes(dataset: Dataset) -> bytes:
    """Give the data set as a file of PS3.10, Explicit VR Little Endian; equal data sets give equal bytes."""
    encoded = BytesIO()
    dcmwrite(encoded, dataset, enforce_file_format=True)
    return encoded.getvalue()


def _check(labels: LabelMap, stack: Stack, further_sources: Sequence[Stack]) -> None:
    pixels = stack.instances[stack.planes[0].instance].pixels
    expected = (len(stack.planes), pixels.rows, pixels.columns)
    if labels.labels.shape != expected:
        raise ValueError(f"a label map of shape {labels.labels.shape} does not fit a stack of shape {expected}")
    if any(plane.position_text is None or plane.orientation is None for plane in stack.planes):
        raise ValueError("the stack has no geometry")
    if labels.source is not None:
        named = [(one.sop_instance_uid, one.frame_number) for one in labels.source.slices]
        if named != [(stack.instances[one.instance].sop_instance_uid, one.frame_number) for one in stack.planes]:
            raise ValueError("the label map's source is another stack")
    if any(other.header.study_instance_uid != stack.header.study_instance_uid for other in further_sources):
        raise ValueError("a further source is of another study")


def _read_header(stack: Stack) -> Dataset:
    """Read the header of the stack's first plane, or of the first that was compressed with losses."""
    plane = next((plane for plane in stack.planes if is_lossy(stack, plane)), stack.planes[0])
    try:
        return dcmread(stack.instances[plane.instance].path, stop_before_pixels=True, force=True)
    except (OSError, InvalidDicomError, EOFError) as err:
        uid = stack.instances[plane.instance].sop_instance_uid
        raise InputError(
            f"Instance {uid} could be read at first and cannot be read any more.",
            "Leave the input in place until the run has ended.",
        ) from err


def _write_frames(
    labels: LabelMap,
    stack: Stack,
    planes: npt.NDArray[np.intp],
    description: Description,
    segmentation_type: SegmentationType,
    *,
    is_empty: bool,
) -> Dataset:
    """Let highdicom write the frames on some planes; source number n stands for plane n."""
    return hd.seg.Segmentation(
        source_images=[_stand_in(stack, int(index)) for index in planes],
        pixel_array=labels.labels[planes],
        segmentation_type=segmentation_type.value,
        segment_descriptions=[_describe(segment, description.algorithm) for segment in labels.segments],
        series_instance_uid=PLACEHOLDER,
        series_number=description.series_number,
        sop_instance_uid=PLACEHOLDER,
        instance_number=1,
        manufacturer=SOFTWARE,
        manufacturer_model_name=SOFTWARE,
        software_versions=description.software_version,
        device_serial_number=description.software_version,
        content_description=description.content_description,
        content_creator_name=CONTENT_CREATOR,
        content_label=description.content_label,
        series_description=description.series_description,
        transfer_syntax_uid=ExplicitVRLittleEndian,
        omit_empty_frames=not is_empty,
    )


def _stand_in(stack: Stack, index: int) -> Dataset:
    """Give the least header by which highdicom places a plane; its SOP Instance UID is the plane's index."""
    plane = stack.planes[index]
    instance = stack.instances[plane.instance]
    ds = Dataset()
    ds.SOPClassUID = CTImageStorage
    ds.SOPInstanceUID = f"{PLACEHOLDER}.{index}"
    ds.StudyInstanceUID = stack.header.study_instance_uid
    ds.SeriesInstanceUID = stack.header.series_instance_uid
    ds.FrameOfReferenceUID = PLACEHOLDER
    ds.Modality = stack.header.modality
    for keyword in ("PatientID", "PatientName", "PatientBirthDate", "PatientSex", "ReferringPhysicianName"):
        setattr(ds, keyword, "")
    for keyword in ("AccessionNumber", "StudyID", "StudyDate", "StudyTime"):
        setattr(ds, keyword, "")
    ds.Rows, ds.Columns = instance.pixels.rows, instance.pixels.columns
    first = stack.planes[0]
    ds.ImagePositionPatient = [format_number_as_ds(value) for value in plane.position or ()]
    ds.ImageOrientationPatient = [format_number_as_ds(value) for value in first.orientation or ()]
    ds.PixelSpacing = [format_number_as_ds(value) for value in first.pixel_spacing or ()]
    ds.SliceThickness = 1
    return ds


def _concept(code: Code) -> hd.sr.CodedConcept:
    return hd.sr.CodedConcept(code.value, code.scheme, code.meaning)


def _describe(segment: Segment, algorithm: Algorithm) -> hd.seg.SegmentDescription:
    parameters = {"weights_sha256": algorithm.weights_sha256, **algorithm.parameters}
    identification = hd.AlgorithmIdentificationSequence(
        name=algorithm.name,
        family=_concept(ARTIFICIAL_INTELLIGENCE),
        version=algorithm.version,
        parameters={name: parameters[name] for name in sorted(parameters)},
    )
    described = hd.seg.SegmentDescription(
        segment_number=segment.number,
        segment_label=segment.label,
        segmented_property_category=_concept(segment.category),
        segmented_property_type=_concept(segment.property_type),
        algorithm_type=hd.seg.SegmentAlgorithmTypeValues.AUTOMATIC,
        algorithm_identification=identification,
        tracking_uid=PLACEHOLDER,
        tracking_id=f"{algorithm.name} {segment.number} {segment.label}",
        anatomic_regions=None if segment.anatomic_region is None else [_concept(segment.anatomic_region)],
        display_color=hd.color.CIELabColor.from_rgb(*segment.color),
    )
    described.SegmentDescription = segment.description
    if segment.property_type_modifiers:
        kind = described.SegmentedPropertyTypeCodeSequence[0]
        kind.SegmentedPropertyTypeModifierCodeSequence = [_concept(one) for one in segment.property_type_modifiers]
    if segment.anatomic_region is not None and segment.anatomic_region_modifiers:
        region = described.AnatomicRegionSequence[0]
        region.AnatomicRegionModifierSequence = [_concept(one) for one in segment.anatomic_region_modifiers]
    return described


def _place_frames(dataset: Dataset, stack: Stack, header: Dataset) -> Iterator[Note]:
    """Write positions, orientation and spacing as the source does, and the source of each frame."""
    has_rounded = False
    frames = dataset.PerFrameFunctionalGroupsSequence
    sources = [frame.DerivationImageSequence[0].SourceImageSequence[0] for frame in frames]
    # Read all before writing any: highdicom shares one item among the frames of a plane.
    indices = [int(source.ReferencedSOPInstanceUID.rpartition(".")[2]) for source in sources]
    for frame, source, index in zip(frames, sources, indices, strict=True):
        plane = stack.planes[index]
        _refer(source, stack, plane)
        if plane.frame_number is not None:
            source.ReferencedFrameNumber = plane.frame_number
        texts = [_decimal(text) for text in plane.position_text or ()]
        has_rounded |= texts != list(plane.position_text or ())
        frame.PlanePositionSequence[0].ImagePositionPatient = texts
    _set_measures(dataset, stack, header)
    if has_rounded:
        yield Note(
            "position-rounded",
            f"Positions that the source writes in more than {DS_LENGTH} characters were rounded to that length.",
        )


def _set_measures(dataset: Dataset, stack: Stack, header: Dataset) -> None:
    """Write orientation, pixel spacing and thickness as the source does, and the gap between slices."""
    plane = next(one for one in stack.planes if stack.instances[one.instance].sop_instance_uid == header.SOPInstanceUID)
    shared = dataset.SharedFunctionalGroupsSequence[0]
    orientation = _geometry(header, plane, "PlaneOrientationSequence", "ImageOrientationPatient")
    shared.PlaneOrientationSequence[0].ImageOrientationPatient = orientation
    measures = shared.PixelMeasuresSequence[0]
    measures.PixelSpacing = _geometry(header, plane, "PixelMeasuresSequence", "PixelSpacing")
    thickness = _geometry(header, plane, "PixelMeasuresSequence", "SliceThickness")
    gap = format_number_as_ds(_mean_gap(stack))
    # Slice Thickness is required (PS3.3 C.7.6.16.2.1, type 1C); a silent source says no more than the gap.
    measures.SliceThickness = thickness[0] if thickness else gap
    measures.SpacingBetweenSlices = gap


def _mean_gap(stack: Stack) -> float:
    """Give the mean distance between neighbouring planes, mm.

    Readers lay a regular grid of Spacing Between Slices from the first frame on. The mean keeps its last plane
    where it is; the median (a bed change of PET, DECISIONS 1.4) would let the error grow to several times the
    irregularity.
    """
    if stack.spacing is None or stack.normal is None:
        raise ValueError("the stack has no spacing")
    if len(stack.planes) == 1:
        return stack.spacing[0]
    first, last = (np.array(stack.planes[index].position) for index in (0, -1))
    return float((last - first) @ np.array(stack.normal)) / (len(stack.planes) - 1)


def _decimal(text: str) -> str:
    """Give a decimal string that PS3.5 allows: as it is, or rounded if it is too long."""
    return text if len(text) <= DS_LENGTH else str(format_number_as_ds(float(text)))


def _geometry(header: Dataset, plane: Plane, macro: str, keyword: str) -> list[str]:
    """Give the decimal strings of an attribute of a plane's geometry as written; none where it is silent."""
    groups = [header]
    if plane.frame_number is not None:
        frames = header.get("PerFrameFunctionalGroupsSequence") or []
        shared = header.get("SharedFunctionalGroupsSequence") or []
        found = [*frames[plane.frame_number - 1 : plane.frame_number], *shared[:1]]
        groups = [*(item for group in found for item in group.get(macro) or []), header]
    values = (group.get(keyword) for group in groups)
    value = next((value for value in values if value not in (None, "")), None)
    if value is None:
        return []
    return [_decimal(str(one)) for one in (value if isinstance(value, MultiValue) else [value])]


def _refer(item: Dataset, stack: Stack, plane: Plane) -> Dataset:
    instance = stack.instances[plane.instance]
    item.ReferencedSOPClassUID = instance.sop_class_uid
    item.ReferencedSOPInstanceUID = instance.sop_instance_uid
    return item


def _set_references(dataset: Dataset, stacks: Sequence[Stack]) -> None:
    """Name every instance that took part, once, by series (PS3.3 C.7.6.16.2.1, C.12.2)."""
    images: list[Dataset] = []
    by_series: dict[str, list[Dataset]] = {}
    for stack in stacks:
        for plane in {stack.instances[plane.instance].sop_instance_uid: plane for plane in stack.planes}.values():
            images.append(_refer(Dataset(), stack, plane))
            by_series.setdefault(stack.header.series_instance_uid, []).append(_refer(Dataset(), stack, plane))
            _name_frames(images[-1], stack, plane)
    dataset.SourceImageSequence = images
    dataset.ReferencedSeriesSequence = [_refer_series(uid, items) for uid, items in by_series.items()]


def _name_frames(item: Dataset, stack: Stack, plane: Plane) -> None:
    """Name the frames of a multi-frame object that belong to the stack, unless all do."""
    frames = sorted(one.frame_number for one in stack.planes if one.instance == plane.instance and one.frame_number)
    if frames and len(frames) != stack.instances[plane.instance].pixels.number_of_frames:
        item.ReferencedFrameNumber = frames


def _refer_series(series_instance_uid: str, instances: list[Dataset]) -> Dataset:
    item = Dataset()
    item.ReferencedInstanceSequence = instances
    item.SeriesInstanceUID = series_instance_uid
    return item


def _set_series(dataset: Dataset, description: Description) -> None:
    """Describe the series and the software."""
    if description.body_part:
        dataset.BodyPartExamined = description.body_part
    dataset.ContributingEquipmentSequence = [
        hd.ContributingEquipment(
            manufacturer=SOFTWARE,
            purpose_of_reference=_concept(PROCESSING_EQUIPMENT),
            manufacturer_model_name=SOFTWARE,
            software_versions=description.software_version,
            contribution_description="Automatic segmentation",
        )
    ]
