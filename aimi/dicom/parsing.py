"""From the elements of a file to the records of :mod:`aimi.dicom.header`.

A frame of a multi-frame object is seen through one merged view: the data set's own attributes, over them
those of the shared functional groups, over them those of the frame's own groups (PS3.3 C.7.6.16). So an
image plane is parsed by the same code whether it is a file or a frame.
"""

import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, TypeAlias

from pydicom.datadict import tag_for_keyword

from aimi.dicom.elements import Elements, FileHeader
from aimi.dicom.header import Instance, PixelFormat, Plane, SeriesHeader
from aimi.dicom.values import Values
from aimi.image import Vector

__all__ = ["SPLITTING_ATTRIBUTES", "KnownHeaders", "ParsedInstance", "frame_views", "parse", "parse_series_header"]

SPLITTING_ATTRIBUTES: Final = (
    "AcquisitionNumber",
    "EchoTime",
    "EchoNumbers",
    "ImageType",
    "FrameType",
    "TemporalPositionIdentifier",
    "TemporalPositionIndex",
    "TriggerTime",
    "DiffusionBValue",
    "ContrastBolusAgentPhase",
    "AcquisitionDateTime",
    "ContentTime",
)
"""What tells stacks of a series apart, in the order of DECISIONS 1.3."""

# The same fact under the names that it has in single-frame, enhanced and converted objects.
_NAMES: Final = {
    "AcquisitionNumber": ("FrameAcquisitionNumber", "AcquisitionNumber"),
    "EchoTime": ("EffectiveEchoTime", "EchoTime"),
    "TriggerTime": ("NominalCardiacTriggerDelayTime", "TriggerTime"),
}
_CONTRAST_USAGE: Final = 0x00189341  # a functional group with one item an agent
# (group, creator, element) of a b-value in s/mm2: pydicom 3.0.2, _private_dict.py, and dcm2niix, nii_dicom.cpp.
_SIEMENS_B_VALUE: Final = (0x0019, "SIEMENS MR HEADER", 0x0C)
_GE_B_VALUE: Final = (0x0043, "GEMS_PARM_01", 0x39)
_PHILIPS_B_VALUE: Final = (0x2001, "Philips Imaging DD 001", 0x03)
_GE_OFFSET: Final = 1_000_000_000
_ECHOES: Final = {"SPIN": "SE", "GRADIENT": "GR"}
_STEADY_STATES: Final = frozenset(["FREE_PRECESSION", "TRANSVERSE", "TIME_REVERSED"])
_SPOILING: Final = frozenset(["RF", "GRADIENT", "RF_AND_GRADIENT"])
_SAMPLES_OF_422: Final = 2


KnownHeaders: TypeAlias = dict[tuple[object, ...], SeriesHeader]
"""Series headers by the raw values that they were parsed from."""

_SERIES_TAGS: Final = tuple(
    tag
    for keyword in [
        "SpecificCharacterSet",
        "Modality",
        "SOPClassUID",
        "StudyInstanceUID",
        "SeriesInstanceUID",
        "FrameOfReferenceUID",
        "SeriesNumber",
        "SeriesDescription",
        "StudyDescription",
        "ProtocolName",
        "BodyPartExamined",
        "PatientSex",
        "FrameType",
        "ImageType",
        "Manufacturer",
        "ManufacturerModelName",
        "SeriesDate",
        "SeriesTime",
        "LossyImageCompression",
        "ConvolutionKernel",
        "ContrastBolusAgent",
        "ContrastBolusAgentSequence",
        "ContrastBolusRoute",
        "ContrastBolusAdministrationRouteSequence",
        "SliceThickness",
        "KVP",
        "ScanningSequence",
        "SequenceVariant",
        "SequenceName",
        "PulseSequenceName",
        "MRAcquisitionType",
        "EchoPulseSequence",
        "EchoPlanarPulseSequence",
        "InversionRecovery",
        "SteadyStatePulseSequence",
        "Spoiling",
        "MagneticFieldStrength",
        "EffectiveEchoTime",
        "EchoTime",
        "RepetitionTime",
        "InversionTime",
        "InversionTimes",
        "FlipAngle",
        "Units",
        "CorrectedImage",
        "AttenuationCorrectionMethod",
        "SeriesType",
        "RadiopharmaceuticalInformationSequence",
    ]
    if (tag := tag_for_keyword(keyword)) is not None
)
"""Of everything that :func:`parse_series_header` reads, the time of acquisition left out."""


@dataclass(frozen=True, slots=True)
class ParsedInstance:
    """An instance with its planes; :attr:`Plane.instance` is 0 until the series is put together."""

    instance: Instance
    planes: tuple[Plane, ...]


def parse(path: Path, header: FileHeader, known: KnownHeaders | None = None) -> ParsedInstance:
    """Give the records of a file that has a SOP Instance UID.

    Parameters
    ----------
    known : headers of series that were parsed before; the file's is added.
    """
    values = Values(header.elements)
    views = list(frame_views(values))
    first = views[0] if views else values
    frames = max(1, values.integer("NumberOfFrames") or 1)
    instance = Instance(
        path=path,
        sop_class_uid=values.uid("SOPClassUID"),
        sop_instance_uid=values.uid("SOPInstanceUID"),
        patient_id=values.text("PatientID") or None,
        issuer_of_patient_id=values.text("IssuerOfPatientID"),
        patient_birth_date=values.text("PatientBirthDate"),
        header=parse_series_header(first) if known is None else _known_header(first, known),
        pixels=_parse_pixels(values, header, max(frames, len(views))),
    )
    return ParsedInstance(instance, tuple(_parse_planes(values, views, frames)))


def _parse_planes(values: Values, views: Sequence[Values], frames: int) -> list[Plane]:
    """Give the planes; one without position stands for all frames that no functional group describes."""
    if frames == 1 and not views:
        return [_parse_plane(values, None)]
    planes = [_parse_plane(view, number) for number, view in enumerate(views, start=1)]
    if len(views) < frames:
        planes.append(_without_geometry(_parse_plane(values, len(views) + 1)))
    return planes


def frame_views(values: Values) -> Iterable[Values]:
    """Give the merged view of each frame; none for an object without functional groups."""
    frames = values.items("PerFrameFunctionalGroupsSequence")
    if not frames:
        return
    base = dict(values.raw)
    for shared in values.items("SharedFunctionalGroupsSequence")[:1]:
        _merge(base, shared)
    for frame in frames:
        merged = dict(base)
        _merge(merged, frame)
        yield Values(Elements(merged, values.elements.encoding))


def _merge(target: dict[int, bytes], groups: Values) -> None:
    """Put the attributes of every functional group's first item into ``target``.

    A vendor's private group gives private attributes alone: Philips keeps a whole second header in one, whose
    Image Position (Patient) is off by half a pixel. The use of contrast stays whole: it has an item for each agent.
    """
    if _CONTRAST_USAGE in groups.raw:
        target[_CONTRAST_USAGE] = groups.raw[_CONTRAST_USAGE]
    for tag in groups.raw:
        for item in groups.elements.items(tag)[:1]:
            target.update({inner: raw for inner, raw in item.raw.items() if _is_private(inner) or not _is_private(tag)})


def _is_private(tag: int) -> bool:
    return bool(tag >> 16 & 1)


def _without_geometry(plane: Plane) -> Plane:
    """Give a plane that stands for frames of which no position is known."""
    return Plane(
        instance=plane.instance,
        frame_number=plane.frame_number,
        position=None,
        position_text=None,
        orientation=None,
        pixel_spacing=plane.pixel_spacing,
        rescale_slope=plane.rescale_slope,
        rescale_intercept=plane.rescale_intercept,
        instance_number=plane.instance_number,
        split=plane.split,
    )


def _parse_plane(view: Values, frame_number: int | None) -> Plane:
    position = view.numbers("ImagePositionPatient")
    orientation = view.numbers("ImageOrientationPatient")
    spacing = view.numbers("PixelSpacing")
    texts = view.texts("ImagePositionPatient")
    return Plane(
        instance=0,
        frame_number=frame_number,
        position=_vector(position),
        position_text=(texts[0], texts[1], texts[2]) if _vector(position) else None,
        orientation=_orientation(orientation),
        pixel_spacing=(spacing[0], spacing[1]) if len(spacing) == 2 else None,  # noqa: PLR2004
        rescale_slope=view.number("RescaleSlope"),
        rescale_intercept=view.number("RescaleIntercept"),
        instance_number=view.integer("InstanceNumber"),
        split=_parse_split(view),
    )


def _vector(numbers: tuple[float, ...]) -> Vector | None:
    if len(numbers) != 3:  # noqa: PLR2004  (x, y, z)
        return None
    return numbers[0], numbers[1], numbers[2]


def _orientation(numbers: tuple[float, ...]) -> tuple[float, float, float, float, float, float] | None:
    if len(numbers) != 6:  # noqa: PLR2004  (two direction vectors)
        return None
    return numbers[0], numbers[1], numbers[2], numbers[3], numbers[4], numbers[5]


def _parse_split(view: Values) -> dict[str, str]:
    """Give the splitting attributes that the plane has."""
    found = {
        "ImageType": "\\".join(view.texts("ImageType")[2:4]),
        "FrameType": "\\".join(view.texts("FrameType")),
        "ContrastBolusAgentPhase": _contrast_phase(view),
        "AcquisitionDateTime": _acquisition_moment(view),
        "ContentTime": view.text("ContentTime"),
        "DiffusionBValue": _b_value(view),
    }
    for keyword in SPLITTING_ATTRIBUTES:
        if keyword not in found:
            found[keyword] = _first_number(view, _NAMES.get(keyword, (keyword,)))
    return {keyword: found[keyword] for keyword in SPLITTING_ATTRIBUTES if found[keyword]}


def _first_number(view: Values, keywords: tuple[str, ...]) -> str:
    """Give the first of the attributes as canonical text, so that ``2.0`` and ``2`` are one value."""
    for keyword in keywords:
        if view.raw_of(keyword):
            number = view.number(keyword)
            return view.text(keyword) if number is None else f"{number:.10g}"
    return ""


def _acquisition_moment(view: Values) -> str:
    moment = view.text("FrameAcquisitionDateTime")
    if moment:
        return moment
    time = view.text("AcquisitionTime")
    return view.text("AcquisitionDate") + time if time else view.text("AcquisitionDateTime")


def _contrast_phase(view: Values) -> str:
    """Give the phases of all agents of an enhanced object's frame, else the one of a single frame."""
    phases = [item.text("ContrastBolusAgentPhase") for item in view.items("ContrastBolusUsageSequence")]
    return "\\".join(filter(None, phases)) or view.text("ContrastBolusAgentPhase")


def _b_value(view: Values) -> str:
    """Give the b-value in s/mm2: the standard attribute, else the vendors' private ones."""
    number = view.number("DiffusionBValue")
    if number is None and view.text("Modality") == "MR":
        number = _private_b_value(view)
    return "" if number is None else f"{number:.10g}"


def _private_b_value(view: Values) -> float | None:
    philips = view.private(*_PHILIPS_B_VALUE)
    if philips is not None and len(philips) == 4:  # noqa: PLR2004  (FL)
        return float(struct.unpack(view.elements.encoding.order + "f", philips)[0])
    for place in (_SIEMENS_B_VALUE, _GE_B_VALUE):
        text = (view.private(*place) or b"").split(b"\\")[0].strip(b" \0")
        if text.isdigit():
            return float(int(text) % _GE_OFFSET)
    return None


def _parse_pixels(values: Values, header: FileHeader, frames: int) -> PixelFormat:
    pixels = header.pixels
    rows, columns = values.integer("Rows") or 0, values.integer("Columns") or 0
    samples = values.integer("SamplesPerPixel") or 1
    photometric = values.text("PhotometricInterpretation")
    # PS3.3 C.7.6.3.1.2: two pixels share their chrominance, so that each takes two samples.
    stored_samples = _SAMPLES_OF_422 if photometric == "YBR_FULL_422" else samples
    bits = values.integer("BitsAllocated") or 0
    is_signed = values.integer("PixelRepresentation") == 1
    expected = (rows * columns * stored_samples * bits * frames + 7) // 8
    is_whole = pixels is not None and pixels.is_whole
    if pixels is not None and pixels.length is not None:
        is_whole = pixels.length >= expected
    elif pixels is not None:
        is_whole = is_whole and pixels.fragments >= frames
    return PixelFormat(
        transfer_syntax_uid=header.transfer_syntax_uid,
        rows=rows,
        columns=columns,
        bits_allocated=bits,
        bits_stored=values.integer("BitsStored") or bits,
        pixel_representation=int(is_signed),
        samples_per_pixel=samples,
        photometric_interpretation=photometric,
        number_of_frames=frames,
        has_pixel_data=pixels is not None,
        pixel_padding_value=values.pixel_value("PixelPaddingValue", is_signed=is_signed),
        pixel_padding_range_limit=values.pixel_value("PixelPaddingRangeLimit", is_signed=is_signed),
        pixel_offset=None if pixels is None else pixels.offset,
        pixel_length=None if pixels is None else pixels.length,
        high_bit=values.integer("HighBit"),
        is_whole=is_whole,
        is_float=pixels is not None and pixels.tag != 0x7FE00010,  # noqa: PLR2004  (Pixel Data)
    )


def _known_header(view: Values, known: KnownHeaders) -> SeriesHeader:
    """Give the series header, parsed only where another slice has not said the same already.

    Slices of a series repeat all of it but for the time of acquisition: measured on 300 slices, this takes a third
    of the time of parsing them.
    """
    key = (view.elements.encoding, *map(view.raw.get, _SERIES_TAGS))
    header = known.get(key)
    if header is None:
        header = known[key] = parse_series_header(view)
    date, time = _acquisition_date(view), _acquisition_seconds(view)
    if (date, time) == (header.acquisition_date, header.acquisition_time):
        return header
    return replace(header, acquisition_date=date, acquisition_time=time)


def parse_series_header(view: Values) -> SeriesHeader:
    """Give what a series says of itself, from the view of one of its planes."""
    tracer = view.items("RadiopharmaceuticalInformationSequence")
    return SeriesHeader(
        modality=view.text("Modality"),
        sop_class_uid=view.uid("SOPClassUID"),
        study_instance_uid=view.uid("StudyInstanceUID"),
        series_instance_uid=view.uid("SeriesInstanceUID"),
        frame_of_reference_uid=view.uid("FrameOfReferenceUID") or None,
        series_number=view.integer("SeriesNumber"),
        series_description=view.text("SeriesDescription"),
        study_description=view.text("StudyDescription"),
        protocol_name=view.text("ProtocolName"),
        body_part_examined=view.text("BodyPartExamined"),
        patient_sex=view.text("PatientSex"),
        image_type=view.texts("FrameType") or view.texts("ImageType"),
        manufacturer=view.text("Manufacturer"),
        manufacturer_model_name=view.text("ManufacturerModelName"),
        series_date=view.text("SeriesDate"),
        series_time=view.seconds("SeriesTime"),
        acquisition_date=_acquisition_date(view),
        acquisition_time=_acquisition_seconds(view),
        lossy_image_compression=view.text("LossyImageCompression"),
        convolution_kernel=view.texts("ConvolutionKernel"),
        contrast_bolus_agent=view.text("ContrastBolusAgent") or _contrast_agents(view),
        contrast_bolus_route=view.text("ContrastBolusRoute") or _contrast_routes(view),
        slice_thickness=view.number("SliceThickness"),
        kvp=view.number("KVP"),
        scanning_sequence=view.texts("ScanningSequence") or _enhanced_sequence(view),
        sequence_variant=view.texts("SequenceVariant") or _enhanced_variant(view),
        sequence_name=view.text("SequenceName") or view.text("PulseSequenceName"),
        mr_acquisition_type=view.text("MRAcquisitionType"),
        magnetic_field_strength=view.number("MagneticFieldStrength"),
        echo_time=_first_of(view.number("EffectiveEchoTime"), view.number("EchoTime")),
        repetition_time=view.number("RepetitionTime"),
        inversion_time=_first_of(view.number("InversionTime"), view.number("InversionTimes")),
        flip_angle=view.number("FlipAngle"),
        units=view.text("Units"),
        corrected_image=view.texts("CorrectedImage"),
        attenuation_correction_method=view.text("AttenuationCorrectionMethod"),
        series_type=view.texts("SeriesType"),
        radiopharmaceutical=next(filter(None, (item.text("Radiopharmaceutical") for item in tracer)), ""),
        radiopharmaceutical_codes=_codes(tracer, "RadiopharmaceuticalCodeSequence"),
        radionuclide_codes=_codes(tracer, "RadionuclideCodeSequence"),
    )


def _enhanced_sequence(view: Values) -> tuple[str, ...]:
    """Give the terms of Scanning Sequence for the attributes of an enhanced MR object (PS3.3 C.8.13.4, C.8.13.5.5).

    An object with both kinds of echo gives neither: its contrast may be that of either.
    """
    terms = (
        _ECHOES.get(view.text("EchoPulseSequence").upper()),
        "EP" if view.text("EchoPlanarPulseSequence").upper() == "YES" else None,
        "IR" if view.text("InversionRecovery").upper() == "YES" else None,
    )
    return tuple(term for term in terms if term is not None)


def _enhanced_variant(view: Values) -> tuple[str, ...]:
    """Give the terms of Sequence Variant: a steady state of transverse magnetization, and spoiling."""
    is_steady = view.text("SteadyStatePulseSequence").upper() in _STEADY_STATES
    is_spoiled = view.text("Spoiling").upper() in _SPOILING
    return (*(("SS",) if is_steady else ()), *(("SP",) if is_spoiled else ()))


def _first_of(*numbers: float | None) -> float | None:
    return next((number for number in numbers if number is not None), None)


def _acquisition_date(view: Values) -> str:
    return view.text("AcquisitionDate") or view.text("AcquisitionDateTime")[:8]


def _acquisition_seconds(view: Values) -> float | None:
    if view.raw_of("AcquisitionTime"):
        return view.seconds("AcquisitionTime")
    moment = view.text("FrameAcquisitionDateTime") or view.text("AcquisitionDateTime")
    return Values.seconds_of(moment[8:])


def _contrast_agents(view: Values) -> str:
    return _meanings(view.items("ContrastBolusAgentSequence"))


def _contrast_routes(view: Values) -> str:
    """Give the coded routes: those of the series, or of each agent in an enhanced object (PS3.3 C.7.6.4b)."""
    holders = (view, *view.items("ContrastBolusAgentSequence"))
    return _meanings([item for one in holders for item in one.items("ContrastBolusAdministrationRouteSequence")])


def _meanings(codes: list[Values]) -> str:
    return " & ".join(filter(None, (code.text("CodeMeaning") for code in codes)))


def _codes(items: list[Values], keyword: str) -> tuple[str, ...]:
    return tuple(code.text("CodeValue") for item in items for code in item.items(keyword))
