"""Standardized uptake values: the factors from the values of a PET to SUV, or the reason why there are none.

SUV = activity concentration x body size / (injected dose, decayed to the time for which the activity holds). The
size is the body weight in g, a lean or ideal body weight in g, or the body surface in cm2. That time and the dose
stand in different attributes by vendor and software: the cases are those of the QIBA profile and of published
collections of headers; ``docs/suv.md`` lists them with their sources.

SUV is never guessed (DECISIONS 2.5): whatever is missing or implausible gives a reason instead of a factor, and the
segmentation goes on, for the network normalises each PET by itself.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from types import MappingProxyType

import numpy as np

from aimi.dicom.header import Stack
from aimi.dicom.pet_header import PetFrame, PetHeader, PetSeries, read_pet_headers
from aimi.image import Image, Note

__all__ = ["SuvFactors", "SuvKind", "calibrate", "mean_count_rate_time", "suv_factors", "to_suv"]

_WEIGHT_KG = (2.0, 400.0)
_DOSE_MBQ = (1.0, 5000.0)
_SIZE_M = (1.0, 2.5)
_BQ_PER_MBQ = 1e6
_G_PER_KG = 1000.0
_CM_PER_M = 100.0
_CM2_PER_M2 = 1e4
_DAY_S = 86400.0
_MOST_HALF_LIVES = 10.0
_MOST_HALF_LIVES_WITHOUT_DATE = 6.0
_HALF_LIFE_OF_F18_S = 6586.0
_HALF_LIFE_MAY_DIFFER_BY = 0.01
_ZONE_UNKNOWN = (
    "Start DateTime of the injection has an offset from UTC, that of the scan is not known, and Start Time does not "
    "say the same."
)
_ROUNDING_S = 1.0
_SAME_CLOCK_S = 60.0
_YEARS_OF_A_DUMMY = 2
_MAY_DIFFER = frozenset({"ge_scan"})


class SuvKind(StrEnum):
    """By what an uptake is normalised."""

    BODY_WEIGHT = "body-weight"
    LEAN_JAMES = "lean-body-mass-james"
    LEAN_JANMAHASATIAN = "lean-body-mass-janmahasatian"
    IDEAL_WEIGHT = "ideal-body-weight"
    BODY_SURFACE = "body-surface-area"


# SUV Type (0054,1006), PS3.3 C.8.9.1.1.4
_SUV_TYPES: Mapping[str, SuvKind] = MappingProxyType(
    {
        "": SuvKind.BODY_WEIGHT,
        "BW": SuvKind.BODY_WEIGHT,
        "LBM": SuvKind.LEAN_JAMES,
        "LBMJAMES128": SuvKind.LEAN_JAMES,
        "LBMJANMA": SuvKind.LEAN_JANMAHASATIAN,
        "IBW": SuvKind.IDEAL_WEIGHT,
        "BSA": SuvKind.BODY_SURFACE,
    }
)


@dataclass(frozen=True, slots=True)
class SuvFactors:
    """The factors from the values of an image to SUV.

    Parameters
    ----------
    by_kind : kind -> one factor for all slices, or one for each slice in the order of the stack's planes.
    reason : why there is no body-weight SUV; empty where there is.
    method : how the factor was found, in a few words; empty where there is none.
    decay_s : seconds by which the dose was decayed; None where it was not.
    """

    by_kind: Mapping[SuvKind, tuple[float, ...]]
    reason: str = ""
    method: str = ""
    decay_s: float | None = None
    notes: tuple[Note, ...] = ()

    @property
    def body_weight(self) -> tuple[float, ...] | None:
        """The body-weight factors; None where there are none."""
        return self.by_kind.get(SuvKind.BODY_WEIGHT)


class _NoSuvError(Exception):
    """Why there is no SUV, as a sentence."""


@dataclass(frozen=True, slots=True)
class _Found:
    """A factor of one kind and how it was found."""

    kind: SuvKind
    factors: tuple[float, ...]
    method: str
    decay_s: float | None = None
    notes: tuple[Note, ...] = ()


@dataclass(frozen=True, slots=True)
class _Decay:
    seconds: float
    method: str
    notes: tuple[Note, ...] = ()


@dataclass(frozen=True, slots=True)
class _Injection:
    """When the tracer was given: the moment where a date is known, and the seconds since midnight."""

    moment: datetime | None
    time_s: float
    notes: tuple[Note, ...] = ()


def suv_factors(stack: Stack) -> SuvFactors:
    """Give the SUV factors of a PET stack, or why there are none.

    Raises
    ------
    InputError
        A file of the stack can no longer be read.
    """
    return calibrate(read_pet_headers(stack))


def calibrate(series: PetSeries) -> SuvFactors:
    """Give the SUV factors that the headers of a PET allow (DECISIONS 2.4, 2.5)."""
    try:
        found = _find(series)
    except _NoSuvError as err:
        return SuvFactors(MappingProxyType({}), reason=str(err))
    by_kind = {found.kind: found.factors, **_converted(found, series.header)}
    reason = ""
    if SuvKind.BODY_WEIGHT not in by_kind:
        reason = (
            f"Its values are {found.kind} SUV, and weight, height or sex to convert them is missing or not possible."
        )
    if series.header.units == "CM2ML":
        by_kind = {found.kind: found.factors}
        reason = "Its unit is CM2ML (body-surface SUV), which is not converted."
    return SuvFactors(MappingProxyType(by_kind), reason, found.method, found.decay_s, found.notes)


def to_suv(image: Image, factors: tuple[float, ...]) -> Image:
    """Give an image, float32, whose values are SUV; it has the grid and source of the given one."""
    slices = np.asarray(factors, np.float64).reshape(-1, 1, 1)
    values = (image.volume.array * slices).astype(np.float32)
    return Image(image.volume.with_array(values), "GML", image.source, image.notes, image.file_grid)


def mean_count_rate_time(duration_s: float, half_life_s: float) -> float:
    """Give when within a frame the activity equals its mean over the frame, seconds after the frame's begin.

    References
    ----------
    DICOM PS3.3 C.8.9.4 (Frame Reference Time): ``ln(l T / (1 - exp(-l T))) / l``, decay constant l, duration T.
    """
    decay = math.log(2) / half_life_s
    return math.log(decay * duration_s / -math.expm1(-decay * duration_s)) / decay


def _find(series: PetSeries) -> _Found:
    header = series.header
    disagreeing = [name for name in series.disagreements if name not in _MAY_DIFFER]
    if disagreeing:
        raise _NoSuvError(f"Its slices disagree on {' and '.join(name.replace('_', ' ') for name in disagreeing)}.")
    missing = [name for name in ("ATTN", "DECY") if name not in header.corrected_image]
    if missing:
        raise _NoSuvError(f"Corrected Image lacks {' and '.join(missing)}: it is not corrected for that.")
    match header.units:
        case "GML":
            return _stated(header)
        case "CM2ML":
            return _Found(SuvKind.BODY_SURFACE, (1.0,), "the values are SUV")
        case "CNTS":
            return _of_philips(series)
        case "BQML":
            return _computed(series, (1.0,))
    unit = header.units if header.units.isalnum() else "absent"
    raise _NoSuvError(f"Its unit is {unit}, from which no SUV follows.")


def _stated(header: PetHeader) -> _Found:
    kind = _SUV_TYPES.get(header.suv_type)
    if kind is None:
        raise _NoSuvError("Its values are SUV of a type that is not known.")
    return _Found(kind, (1.0,), "the values are SUV")


def _of_philips(series: PetSeries) -> _Found:
    """Take Philips' SUV factor; where there is none, the factor to Bq/ml and the formula."""
    suv = _per_slice(series.frames, "philips_suv")
    if suv:
        return _Found(SuvKind.BODY_WEIGHT, suv, "private SUV factor of Philips")
    activity = _per_slice(series.frames, "philips_activity")
    if activity:
        return _computed(series, activity)
    raise _NoSuvError("Its unit is CNTS, and a private factor of Philips is missing.")


def _per_slice(frames: tuple[PetFrame, ...], name: str) -> tuple[float, ...]:
    values: list[float | None] = [getattr(frame, name) for frame in frames]
    present = tuple(value for value in values if value is not None)
    if len(present) < len(values):
        return ()
    return present[:1] if len(set(present)) == 1 else present


def _computed(series: PetSeries, activity: tuple[float, ...]) -> _Found:
    header = series.header
    weight = _weight(header)
    dose, decay = _dose(header), None
    if header.decay_correction == "START":
        decay = _decay(series)
        half_lives = decay.seconds / _half_life(series)
        if half_lives > _MOST_HALF_LIVES:
            raise _NoSuvError(f"{half_lives:.1f} half-lives between injection and scan are implausible.")
        dose *= 2.0**-half_lives
    elif header.decay_correction != "ADMIN":
        said = "NONE" if header.decay_correction == "NONE" else "absent or not known"
        raise _NoSuvError(f"Decay Correction is {said}: no time is stated for which its values hold.")
    elif header.half_life_s is not None:
        _half_life(series)  # the scanner has corrected by it
    method = "decay correction to the injection" if decay is None else decay.method
    return _Found(
        SuvKind.BODY_WEIGHT,
        tuple(factor * weight * _G_PER_KG / dose for factor in activity),
        method,
        None if decay is None else decay.seconds,
        () if decay is None else decay.notes,
    )


def _weight(header: PetHeader) -> float:
    weight = _positive(header.weight_kg, "patient's weight")
    if not _WEIGHT_KG[0] <= weight <= _WEIGHT_KG[1]:
        raise _NoSuvError(f"The patient's weight lies outside {_WEIGHT_KG[0]:g} to {_WEIGHT_KG[1]:g} kg.")
    return weight


def _dose(header: PetHeader) -> float:
    if header.injections > 1:
        raise _NoSuvError(
            f"The header tells of {header.injections} injections; which one the image shows is not known."
        )
    dose = _positive(header.dose_bq, "injected dose")
    if not _DOSE_MBQ[0] <= dose / _BQ_PER_MBQ <= _DOSE_MBQ[1]:
        raise _NoSuvError(
            f"The injected dose, {dose / _BQ_PER_MBQ:.6g} MBq as written, lies outside "
            f"{_DOSE_MBQ[0]:g} to {_DOSE_MBQ[1]:g} MBq."
        )
    return dose


def _half_life(series: PetSeries) -> float:
    """Give the half-life, which is that of fluorine-18 unless the tracer is said to be another than FDG."""
    half_life = _positive(series.header.half_life_s, "radionuclide's half-life")
    is_of_f18 = abs(half_life / _HALF_LIFE_OF_F18_S - 1) <= _HALF_LIFE_MAY_DIFFER_BY
    if not is_of_f18 and not series.is_other_tracer:
        raise _NoSuvError(
            f"The radionuclide's half-life, {half_life:.6g} s as written, is not that of fluorine-18, "
            f"{_HALF_LIFE_OF_F18_S:g} s."
        )
    return half_life


def _positive(value: float | None, name: str) -> float:
    """Give a value that is there and above zero; say which of both it is not."""
    if value is None:
        raise _NoSuvError(f"The {name} is missing.")
    if value <= 0:
        raise _NoSuvError(f"The {name} is zero or negative, which is not a possible value.")
    return value


# --- from injection to scan ---


def _decay(series: PetSeries) -> _Decay:
    """Give the time from injection to that for which the values hold (decay correction START)."""
    half_life = _half_life(series)
    scan, method = _scan_moment(series, half_life)
    injection = _injection(series.header, scan)
    if injection.moment is not None:
        seconds = (scan - injection.moment).total_seconds()
        if 0 <= seconds <= max(_DAY_S, _MOST_HALF_LIVES * half_life):
            return _Decay(seconds, method, injection.notes)
        if -_DAY_S < seconds < 0:
            raise _NoSuvError("By its date and time the injection is later than the scan.")
    return _decay_by_time_of_day(injection, half_life, scan, method)


def _injection(header: PetHeader, scan: datetime) -> _Injection:
    """Give what Start DateTime and Start Time tell; where they differ, the one that is no dummy."""
    moment, time_s = header.injection, header.injection_time_s
    if moment is None:
        if time_s is None:
            raise _NoSuvError("The time of injection is missing.")
        return _Injection(None, time_s)
    clock = _seconds_of_day(moment)
    is_old = scan.year - moment.year >= _YEARS_OF_A_DUMMY
    if time_s is None:
        if header.is_injection_zone_unknown:
            raise _NoSuvError(_ZONE_UNKNOWN)
        if is_old and clock == 0:
            raise _NoSuvError("The date and time of injection are a dummy, and Start Time is missing.")
        return _Injection(moment, clock)
    apart = abs((clock - time_s + _DAY_S / 2) % _DAY_S - _DAY_S / 2)
    if apart < _SAME_CLOCK_S:
        return _Injection(moment, clock)
    if is_old or clock == 0:
        sentence = "Start DateTime of the injection is a dummy; SUV takes Start Time."
        return _Injection(None, time_s, (Note("suv-injection-time", sentence),))
    if header.is_injection_zone_unknown:
        raise _NoSuvError(_ZONE_UNKNOWN)
    if time_s == 0 and abs(scan - moment) < timedelta(days=1):
        sentence = "Start Time of the injection is 00:00:00; SUV takes Start DateTime."
        return _Injection(moment, clock, (Note("suv-injection-time", sentence),))
    raise _NoSuvError("Start DateTime and Start Time of the injection differ; which one is right is not known.")


def _decay_by_time_of_day(injection: _Injection, half_life_s: float, scan: datetime, method: str) -> _Decay:
    """Take the injection to be on the day of the scan, or the day before where it would be later than the scan."""
    seconds = (_seconds_of_day(scan) - injection.time_s) % _DAY_S
    half_lives = seconds / half_life_s
    if half_lives > _MOST_HALF_LIVES_WITHOUT_DATE:
        raise _NoSuvError(
            f"By the times of day {half_lives:.1f} half-lives lie between injection and scan, which is implausible."
        )
    notes = injection.notes
    if injection.moment is not None:
        sentence = "The date of the injection is far from that of the scan; SUV takes its time of day alone."
        notes = (*notes, Note("suv-injection-date", sentence))
    elif seconds > _seconds_of_day(scan):
        method = f"{method}; injection on the day before"
    return _Decay(seconds, method, notes)


def _scan_moment(series: PetSeries, half_life_s: float) -> tuple[datetime, str]:
    """Give the moment to which the values are decay corrected, and how it was found.

    The series time, unless an acquisition precedes it: then the series was made later from other images, or the
    scanner corrects to its own begin.
    """
    header, earliest = series.header, _earliest(series.frames)
    if header.series is None:
        raise _NoSuvError("The series date or time is missing.")
    if earliest is None or earliest.acquisition is None or any(frame.acquisition is None for frame in series.frames):
        raise _NoSuvError("The acquisition date or time is missing.")
    if header.series <= earliest.acquisition:
        return header.series, "series time"
    if header.ge_scan is not None and "ge_scan" not in series.disagreements:
        return _of_ge(header.ge_scan, earliest.acquisition)
    if earliest.reference_time_s is None:
        raise _NoSuvError("The series was made after its acquisition, and Frame Reference Time is missing.")
    if earliest.reference_time_s == 0:
        return earliest.acquisition, "earliest acquisition"
    if earliest.duration_s is None:
        raise _NoSuvError("The series was made after its acquisition, and Actual Frame Duration is missing.")
    within = mean_count_rate_time(_positive(earliest.duration_s, "Actual Frame Duration"), half_life_s)
    try:
        begin = earliest.acquisition - timedelta(seconds=earliest.reference_time_s - within)
    except OverflowError:
        raise _NoSuvError("The series was made after its acquisition, and Frame Reference Time is absurd.") from None
    return begin, "earliest acquisition, frame reference time and average count rate time"


def _of_ge(scan: datetime, acquisition: datetime) -> tuple[datetime, str]:
    """Give GE's scan time, which is that of the first acquisition or before it, and how it was found.

    De-identification may have moved its date by another rule than the standard dates: then its time of day counts, on
    the day of the acquisition.
    """
    method = "private scan time of GE"
    if abs(scan - acquisition) >= timedelta(days=1):
        method = f"{method} on the day of the acquisition"
        scan = datetime.combine(acquisition.date(), scan.time())
    if (scan - acquisition).total_seconds() > _ROUNDING_S:
        raise _NoSuvError("The private scan time of GE is later than the earliest acquisition: one of them is wrong.")
    return scan, method


def _earliest(frames: tuple[PetFrame, ...]) -> PetFrame | None:
    known = [frame for frame in frames if frame.acquisition is not None]
    return min(known, key=lambda frame: (frame.acquisition, frame.reference_time_s or 0.0), default=None)


def _seconds_of_day(moment: datetime) -> float:
    return (moment - datetime.combine(moment.date(), datetime.min.time())).total_seconds()


# --- other sizes of the body ---


def _converted(found: _Found, header: PetHeader) -> dict[SuvKind, tuple[float, ...]]:
    """Give the factors of the other kinds that weight, height and sex allow."""
    sizes = _sizes(header)
    if found.kind not in sizes:
        return {}
    return {
        kind: tuple(factor * size / sizes[found.kind] for factor in found.factors)
        for kind, size in sizes.items()
        if kind is not found.kind
    }


def _sizes(header: PetHeader) -> dict[SuvKind, float]:
    """Give what the uptake is normalised by: g, and cm2 for the surface."""
    weight, height = header.weight_kg, header.size_m
    if weight is None or not _WEIGHT_KG[0] <= weight <= _WEIGHT_KG[1]:
        return {}
    sizes = {SuvKind.BODY_WEIGHT: weight * _G_PER_KG}
    if height is None or not _SIZE_M[0] <= height <= _SIZE_M[1]:
        return sizes
    centimetres = height * _CM_PER_M
    # Du Bois and Du Bois 1916
    sizes[SuvKind.BODY_SURFACE] = 0.007184 * weight**0.425 * centimetres**0.725 * _CM2_PER_M2
    ratio, index = weight / centimetres, weight / height**2
    if header.sex == "M":
        james, janmahasatian = 1.10 * weight - 128.0 * ratio**2, 9270.0 * weight / (6680.0 + 216.0 * index)
        ideal = 48.0 + 1.06 * (centimetres - 152.0)
    elif header.sex == "F":
        james, janmahasatian = 1.07 * weight - 148.0 * ratio**2, 9270.0 * weight / (8780.0 + 244.0 * index)
        ideal = 45.5 + 0.91 * (centimetres - 152.0)
    else:
        return sizes
    kilograms = {
        SuvKind.LEAN_JAMES: james,
        SuvKind.LEAN_JANMAHASATIAN: janmahasatian,
        SuvKind.IDEAL_WEIGHT: ideal,
    }
    return sizes | {kind: value * _G_PER_KG for kind, value in kilograms.items() if value > 0}
