"""What the headers of a PET say of its calibration, re-read from the files of a stack.

Selection needs a few of these attributes, calibration all of them: they are parsed here, once, when a PET was
chosen (:mod:`aimi.dicom.suv` computes with them). Moments are local times of the scanner without a time zone; an
offset that a date-time carries is brought to that of the data set, where both are written, and left out where the
data set has none.

References
----------
DICOM PS3.3 C.8.9.1 (PET Series), C.8.9.2 (PET Isotope), C.8.9.4 (PET Image), C.7.2.2 (Patient Study). Private
elements: GE (0009,xx0D) and Philips (7053,xx00), (7053,xx09), as the vendors' conformance statements name them.
"""

import re
from dataclasses import dataclass, fields
from datetime import datetime, timedelta

from aimi.dicom.elements import read_header
from aimi.dicom.header import Stack
from aimi.dicom.parsing import frame_views
from aimi.dicom.pet_criteria import fdg
from aimi.dicom.selection import Outcome
from aimi.dicom.values import Values
from aimi.errors import InputError

__all__ = ["PetFrame", "PetHeader", "PetSeries", "read_pet_headers"]

_GE_SCAN_MOMENT = (0x0009, "GEMS_PETD_01", 0x0D)
_PHILIPS_SUV = (0x7053, "Philips PET Private Group", 0x00)
_PHILIPS_ACTIVITY = (0x7053, "Philips PET Private Group", 0x09)
_MOMENT = re.compile(r"(\d{8})(\d{2,6}(?:\.\d{1,6})?)([+-]\d{4})?$")
_ZONE = re.compile(r"([+-])(\d{2})(\d{2})$")
_LONGEST_SCAN = timedelta(hours=3)
_MS_PER_S = 1000.0


@dataclass(frozen=True, slots=True)
class PetHeader:
    """What is the same for all slices of a PET; None or empty: the header is silent.

    Parameters
    ----------
    corrected_image : defined terms of Corrected Image (0028,0051), upper case.
    size_m : Patient's Size.
    dose_bq : Radionuclide Total Dose.
    injection : Radiopharmaceutical Start DateTime.
    injection_time_s : Radiopharmaceutical Start Time, seconds since midnight.
    series : Series Date and Time.
    ge_scan : GE's own scan date and time.
    injections : items of Radiopharmaceutical Information Sequence; dose, half-life and injection are the first's.
    is_injection_zone_unknown : `injection` had an offset from UTC, which was left out for want of the data set's.
    """

    units: str
    suv_type: str
    corrected_image: frozenset[str]
    decay_correction: str
    weight_kg: float | None
    size_m: float | None
    sex: str
    dose_bq: float | None
    half_life_s: float | None
    injection: datetime | None
    injection_time_s: float | None
    series: datetime | None
    ge_scan: datetime | None
    injections: int = 1
    is_injection_zone_unknown: bool = False


@dataclass(frozen=True, slots=True)
class PetFrame:
    """What differs by slice.

    Parameters
    ----------
    acquisition : Acquisition Date and Time; where the date is empty, on the day that brings it to the series.
    reference_time_s, duration_s : Frame Reference Time and Actual Frame Duration.
    philips_suv, philips_activity : Philips' factors from rescaled values to SUV, and to Bq/ml.
    """

    acquisition: datetime | None
    reference_time_s: float | None
    duration_s: float | None
    philips_suv: float | None
    philips_activity: float | None


@dataclass(frozen=True, slots=True)
class PetSeries:
    """The calibration of a stack.

    Parameters
    ----------
    header : of the first slice.
    disagreements : names of the fields in which other slices differ from it.
    frames : in the order of the stack's planes.
    is_other_tracer : the header says that the tracer is another than FDG.
    """

    header: PetHeader
    disagreements: tuple[str, ...]
    frames: tuple[PetFrame, ...]
    is_other_tracer: bool = False


def read_pet_headers(stack: Stack) -> PetSeries:
    """Read the calibration of a PET from its files.

    Raises
    ------
    InputError
        A file can no longer be read.
    """
    views: dict[int, tuple[Values, ...]] = {
        index: _views_of(stack, index) for index in sorted({plane.instance for plane in stack.planes})
    }
    slices = [views[plane.instance][(plane.frame_number or 1) - 1] for plane in stack.planes]
    headers = [_parse_header(view) for view in slices]
    first = headers[0]
    differing = tuple(
        field.name
        for field in fields(PetHeader)
        if any(getattr(other, field.name) != getattr(first, field.name) for other in headers[1:])
    )
    is_other_tracer = fdg().judge(stack)[0] is Outcome.FAIL
    return PetSeries(first, differing, tuple(_parse_frame(view) for view in slices), is_other_tracer)


def _views_of(stack: Stack, index: int) -> tuple[Values, ...]:
    instance = stack.instances[index]
    try:
        header = read_header(instance.path)
    except OSError as err:
        raise InputError(f"Instance {instance.sop_instance_uid} can no longer be read.", "Keep the input.") from err
    if header is None:
        raise InputError(f"Instance {instance.sop_instance_uid} is no longer DICOM.", "Keep the input unchanged.")
    values = Values(header.elements)
    return tuple(frame_views(values)) or (values,)


def _parse_header(view: Values) -> PetHeader:
    tracers = view.items("RadiopharmaceuticalInformationSequence")
    tracer = tracers[0] if tracers else None
    zone = view.text("TimezoneOffsetFromUTC")
    injected = "" if tracer is None else tracer.text("RadiopharmaceuticalStartDateTime")
    ge_scan = (view.private(*_GE_SCAN_MOMENT) or b"").decode("ascii", "replace").strip(" \0")
    return PetHeader(
        units=view.text("Units").upper(),
        suv_type=view.text("SUVType").upper(),
        corrected_image=frozenset(value.upper() for value in view.texts("CorrectedImage")),
        decay_correction=view.text("DecayCorrection").upper(),
        weight_kg=view.number("PatientWeight"),
        size_m=view.number("PatientSize"),
        sex=view.text("PatientSex").upper(),
        dose_bq=None if tracer is None else tracer.number("RadionuclideTotalDose"),
        half_life_s=None if tracer is None else tracer.number("RadionuclideHalfLife"),
        injection=_moment(injected, zone),
        injection_time_s=None if tracer is None else tracer.seconds("RadiopharmaceuticalStartTime"),
        series=_combined(view.text("SeriesDate"), view.seconds("SeriesTime")),
        ge_scan=_moment(ge_scan, zone),
        injections=len(tracers),
        is_injection_zone_unknown=_has_offset(injected) and not _ZONE.match(zone),
    )


def _parse_frame(view: Values) -> PetFrame:
    reference, duration = view.number("FrameReferenceTime"), view.number("ActualFrameDuration")
    zone, time_s = view.text("TimezoneOffsetFromUTC"), view.seconds("AcquisitionTime")
    moments = (view.text(keyword) for keyword in ("FrameAcquisitionDateTime", "AcquisitionDateTime"))
    date, series = view.text("AcquisitionDate"), _combined(view.text("SeriesDate"), view.seconds("SeriesTime"))
    return PetFrame(
        acquisition=_combined(date, time_s)
        or next(filter(None, (_moment(text, zone) for text in moments)), None)
        or (None if date else _near(series, time_s)),
        reference_time_s=None if reference is None else reference / _MS_PER_S,
        duration_s=None if duration is None else duration / _MS_PER_S,
        philips_suv=_factor(view, _PHILIPS_SUV),
        philips_activity=_factor(view, _PHILIPS_ACTIVITY),
    )


def _near(series: datetime | None, time_s: float | None) -> datetime | None:
    """Give a time without a date on the day of the series, or on a neighbouring day where it is near the series there.

    A scan lasts minutes to hours, and may begin or end past midnight; a series made later is of the same day.
    """
    if series is None or time_s is None:
        return None
    midnight = datetime.combine(series.date(), datetime.min.time())
    of_series, same_day = series - midnight, timedelta(seconds=time_s)
    days = (same_day + timedelta(days=shift) for shift in (-1, 1))
    after_midnight = next((day for day in days if abs(day - of_series) < _LONGEST_SCAN), same_day)
    try:
        return midnight + after_midnight
    except OverflowError:
        return None


def _combined(date: str, time_s: float | None) -> datetime | None:
    """Give a date (DA, also as ACR-NEMA wrote it) and a time as one moment."""
    digits = date.replace(".", "")
    if time_s is None or not re.fullmatch(r"\d{8}", digits):
        return None
    try:
        return datetime.strptime(digits, "%Y%m%d") + timedelta(seconds=time_s)
    except (ValueError, OverflowError):
        return None


def _moment(text: str, zone: str) -> datetime | None:
    """Read a date-time (PS3.5 6.2, DT) that has at least an hour, in the time zone of the data set."""
    match = _MOMENT.match(text)
    if match is None:
        return None
    local = _combined(match[1], Values.seconds_of(match[2]))
    if local is None or not match[3] or not _ZONE.match(zone):
        return local
    try:
        return local + (_offset(zone) - _offset(match[3]))
    except OverflowError:  # a dummy at the end or begin of the calendar
        return None


def _has_offset(text: str) -> bool:
    match = _MOMENT.match(text)
    return match is not None and match[3] is not None


def _offset(zone: str) -> timedelta:
    sign, hours, minutes = _ZONE.match(zone).groups()  # type: ignore[union-attr]  # callers have matched
    offset = timedelta(hours=int(hours), minutes=int(minutes))
    return -offset if sign == "-" else offset


def _factor(view: Values, place: tuple[int, str, int]) -> float | None:
    """Give a private factor (DS); None where it is absent, no number, or not above 0."""
    text = (view.private(*place) or b"").decode("ascii", "replace").strip(" \0")
    try:
        value = float(text)
    except ValueError:
        return None
    return value if 0 < value < float("inf") else None
