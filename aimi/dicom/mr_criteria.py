"""Tests and preferences on MR stacks: weighting, Dixon components, maps and calibrations, field of view.

Weighting is told from parameters of the sequence first: diffusion values, scanning sequence, echo,
repetition and inversion time, flip angle. Words decide only where these are absent or say nothing
(DECISIONS 2.1). The limits are those between the protocols of clinical body MR at 1.5 and 3 T; they are wide on
purpose, and what lies between them is unknown.
"""

import re
from collections.abc import Mapping
from enum import IntEnum, StrEnum
from types import MappingProxyType

from aimi.dicom.header import SeriesHeader, Stack
from aimi.dicom.selection import Outcome, Preference, Test
from aimi.dicom.words import names, tokens, vocabulary

__all__ = [
    "DixonPart",
    "Weighting",
    "dixon_part_of",
    "field_of_view_at_most",
    "no_fat_image",
    "no_measurement",
    "phase_by_echo_time",
    "plain_before_fat_suppressed",
    "water_first",
    "weighted",
    "weighting_of",
]

# --- weighting ---


class Weighting(StrEnum):
    """What an MR image shows, as far as selection needs it."""

    T1 = "T1-weighted"
    T2 = "T2-weighted"
    PROTON_DENSITY = "proton-density-weighted"
    T2_STAR = "T2*-weighted"
    BALANCED = "balanced steady state"
    DIFFUSION = "diffusion-weighted or made from it"
    ECHO_PLANAR = "echo-planar"
    UNKNOWN = "of unknown weighting"


LONG_ECHO, SHORT_ECHO, MIDDLE_ECHO = 60.0, 30.0, 50.0
SHORT_REPETITION, LONG_REPETITION = 1200.0, 1500.0
GRADIENT_LONG_ECHO, GRADIENT_LONG_REPETITION, STEADY_STATE_REPETITION = 12.0, 400.0, 20.0
SMALL_FLIP, BALANCED_FLIP, SATURATING_FLIP = 5.0, 30.0, 50.0
FLUID_INVERSION, T1_INVERSION = 1500.0, 300.0
"""Limits in ms and degrees."""

_DIFFUSION_TYPES = vocabulary("diffusion adc trace tracew dwi fa exp_adc eadc diffusion_anisotropy")
_DIFFUSION_SEQUENCE = re.compile(r"ep_?b\d", re.IGNORECASE)
_STARRED = re.compile(r"t2[ _]?\*", re.IGNORECASE)
_DIFFUSION_KEYWORD = "DiffusionBValue"

_WORDS: Mapping[Weighting, frozenset[str]] = MappingProxyType(
    {
        Weighting.DIFFUSION: vocabulary(
            "dwi dw dwibs diff diffusion diffusie diffusione difusion difusao adc trace tracew ivim dti ep2d_diff"
            " calc_bval bval"
        ),
        Weighting.T2_STAR: vocabulary("t2star t2_star gre_t2 swi r2star"),
        Weighting.BALANCED: vocabulary("trufi truefisp true_fisp fiesta bffe btfe balanced bssfp"),
        Weighting.T2: vocabulary("t2 t2w t2wi t2fs haste ssfse ssh fase mrcp stir tirm blade propeller"),
        Weighting.PROTON_DENSITY: vocabulary("pd pdw pdwi proton_density protonendichte"),
        Weighting.T1: vocabulary(
            "t1 t1w t1wi t1fs vibe lava thrive ethrive fspgr spgr flash fl2d fl3d mprage dixon mdixon ideal in_phase"
            " inphase opp_phase out_phase opposed_phase out_of_phase in_opp dual_echo dce dyn dynamic dynamisch"
        ),
    }
)
"""In the order in which they are tried: an ADC of a T2-prepared sequence is diffusion."""


_FLAVORS: Mapping[str, Weighting] = MappingProxyType(
    {
        "T1": Weighting.T1,
        "T2": Weighting.T2,
        "STIR": Weighting.T2,
        "T2_STAR": Weighting.T2_STAR,
        "PROTON_DENSITY": Weighting.PROTON_DENSITY,
    }
)
"""Image flavor of enhanced MR, the third value of Image Type (PS3.3 C.8.16.1.3.1); DIFFUSION is seen before."""


def weighting_of(stack: Stack) -> Weighting:
    """Give the weighting of a stack: by parameters of the sequence, else by image flavor, else by words.

    A long spin echo may be an echo-planar one, which some makers do not write: words that name diffusion count then.
    """
    found = _by_parameters(stack)
    if found not in {Weighting.UNKNOWN, Weighting.T2}:
        return found
    named = _by_words(stack.header)
    return named if found is Weighting.UNKNOWN or named is Weighting.DIFFUSION else found


def _by_parameters(stack: Stack) -> Weighting:
    found = _by_sequence(stack)
    if found is not Weighting.UNKNOWN:
        return found
    flavors = (_FLAVORS.get(value.upper()) for value in stack.header.image_type[2:3])
    return next((flavor for flavor in flavors if flavor is not None), Weighting.UNKNOWN)


def _by_sequence(stack: Stack) -> Weighting:
    header = stack.header
    sequence = {value.strip().upper() for value in header.scanning_sequence}
    if _is_diffusion(stack):
        return Weighting.DIFFUSION
    if "EP" in sequence:
        return Weighting.ECHO_PLANAR
    if "GR" in sequence:
        return _gradient_echo(header)
    if sequence & {"SE", "IR"}:
        return _spin_echo(header)
    return Weighting.UNKNOWN


def _is_diffusion(stack: Stack) -> bool:
    """Tell by values, types and names; what was split off by its b-value is diffusion, though that be 0."""
    header = stack.header
    values = {plane.split.get(_DIFFUSION_KEYWORD, "") for plane in stack.planes}
    return (
        names(" | ".join(header.image_type[2:]), _DIFFUSION_TYPES)
        or any(_is_positive(value) for value in values)
        or any(keyword == _DIFFUSION_KEYWORD for keyword, _ in stack.split)
        or _DIFFUSION_SEQUENCE.search(header.sequence_name) is not None
    )


def _is_positive(text: str) -> bool:
    try:
        return float(text) > 0
    except ValueError:
        return False


def _spin_echo(header: SeriesHeader) -> Weighting:
    echo, repetition, inversion = header.echo_time, header.repetition_time, header.inversion_time or 0.0
    if echo is None:
        return Weighting.UNKNOWN
    if echo >= LONG_ECHO or inversion >= FLUID_INVERSION:
        return Weighting.T2
    if repetition is None:
        return Weighting.UNKNOWN
    if echo <= SHORT_ECHO and (repetition <= SHORT_REPETITION or inversion >= T1_INVERSION):
        return Weighting.T1
    if echo <= MIDDLE_ECHO and repetition >= LONG_REPETITION and inversion == 0:
        return Weighting.PROTON_DENSITY
    return Weighting.UNKNOWN


def _gradient_echo(header: SeriesHeader) -> Weighting:
    echo, repetition, flip = header.echo_time, header.repetition_time, header.flip_angle
    if echo is None or repetition is None:
        return Weighting.UNKNOWN
    if echo > GRADIENT_LONG_ECHO:
        return Weighting.T2_STAR
    if _is_balanced(header):
        return Weighting.BALANCED
    if (header.inversion_time or 0.0) >= T1_INVERSION:
        return Weighting.T1
    return Weighting.UNKNOWN if flip is None else _spoiled_echo(repetition, flip)


def _spoiled_echo(repetition: float, flip: float) -> Weighting:
    is_slow_and_gentle = repetition > GRADIENT_LONG_REPETITION and flip < SATURATING_FLIP
    is_fast_and_gentle = repetition <= STEADY_STATE_REPETITION and flip < SMALL_FLIP
    return Weighting.PROTON_DENSITY if is_slow_and_gentle or is_fast_and_gentle else Weighting.T1


def _is_balanced(header: SeriesHeader) -> bool:
    """Tell a balanced echo; the name counts where the variant is silent, for spoiling is then not denied."""
    variant = {value.strip().upper() for value in header.sequence_variant}
    is_fast = header.repetition_time is not None and header.repetition_time <= STEADY_STATE_REPETITION
    is_wide = header.flip_angle is not None and header.flip_angle >= BALANCED_FLIP
    is_named = names(f"{header.series_description} | {header.protocol_name}", _WORDS[Weighting.BALANCED])
    return ("SS" in variant or is_named) and "SP" not in variant and is_fast and is_wide


def _by_words(header: SeriesHeader) -> Weighting:
    for text in (header.series_description, header.protocol_name):
        if _STARRED.search(text):
            return Weighting.T2_STAR
        for weighting, words in _WORDS.items():
            if names(text, words):
                return weighting
    return Weighting.UNKNOWN


def weighted(wanted: Weighting) -> Test:
    """Ask for a weighting."""

    def judge(stack: Stack) -> tuple[Outcome, str]:
        found = weighting_of(stack)
        if found is Weighting.UNKNOWN:
            return Outcome.UNKNOWN, f"Neither its parameters nor its description say that it is {wanted}."
        source = "parameters" if _by_parameters(stack) is found else "description"
        if found is wanted:
            return Outcome.PASS, f"It is {found} by its {source}."
        return Outcome.FAIL, f"It is {found} by its {source}, not {wanted}."

    return Test("weighting", judge)


# --- Dixon ---


class DixonPart(IntEnum):
    """Which image of a Dixon or dual-echo acquisition a stack is; NONE for all others."""

    NONE = 0
    WATER = 1
    IN_PHASE = 2
    OPPOSED_PHASE = 3
    FAT = 4


_IN_WORDS, _OPPOSED_WORDS = vocabulary("in inphase ip"), vocabulary("opposed opp op out outphase")
_PARTS: Mapping[DixonPart, frozenset[str]] = MappingProxyType(
    {
        DixonPart.WATER: vocabulary("water w"),
        DixonPart.FAT: vocabulary("fat f"),
        DixonPart.IN_PHASE: _IN_WORDS,
        DixonPart.OPPOSED_PHASE: _OPPOSED_WORDS,
    }
)
"""Words of Image Type, and of descriptions at places where a name stands."""

_PHRASES: Mapping[DixonPart, frozenset[str]] = MappingProxyType(
    {
        DixonPart.IN_PHASE: vocabulary("in_phase inphase"),
        DixonPart.OPPOSED_PHASE: vocabulary("opp opposed out_phase outphase out_of_phase"),
    }
)
"""What names a phase anywhere in a description, where "in" alone is no name."""

_BOTH_PHASES = vocabulary("dual_echo dualecho")
_DIXON_NAMES = vocabulary("dixon mdixon qdixon ideal flex")
_PREFIX = re.compile(r"^\s*(water|fat|in\s?phase|out\s?phase)\s*:", re.IGNORECASE)
_ECHO_KEYWORDS = frozenset(("EchoTime", "EchoNumbers"))

SHIFT_PPM = 3.4
"""Chemical shift between water and the main resonance of fat."""
PROTON_MHZ_PER_TESLA = 42.577
LOWEST_TESLA, HIGHEST_TESLA = 0.1, 12.0
PHASE_TOLERANCE = 0.15
"""Largest distance, in cycles of fat against water, of an echo from where it is named for."""


def dixon_part_of(stack: Stack) -> DixonPart:
    """Give the Dixon component: by Image Type, else as the maker names an image that it computed, else the phase.

    The echo time tells the phase of a stack whose description names one or both, or that is one echo of several: of
    a plain image it tells nothing that matters.
    """
    header = stack.header
    coded = _part_named(" | ".join(header.image_type[2:]), _PARTS)
    return coded or _computed_part(header.series_description) or _phase_of(stack)


def _computed_part(description: str) -> DixonPart:
    """Give the component that a description names in front of a colon, or after the name of a Dixon method.

    Such images are computed from several echoes, so that their echo time tells nothing.
    """
    prefix = _PREFIX.match(description)
    if prefix:
        return _part_named("".join(tokens(prefix[1])), _PARTS)
    if not names(description, _DIXON_NAMES):
        return DixonPart.NONE
    phases = _phases_named(description)
    if phases:
        return phases[0] if len(phases) == 1 else DixonPart.NONE
    return _part_named(tokens(description)[-1], _PARTS)


def _phase_of(stack: Stack) -> DixonPart:
    """Give the phase by echo time, else the only one that the description names."""
    phases = _phases_named(stack.header.series_description)
    is_one_of_several = any(keyword in _ECHO_KEYWORDS for keyword, _ in stack.split)
    if not phases and not is_one_of_several:
        return DixonPart.NONE
    timed = phase_by_echo_time(stack.header)
    if timed is DixonPart.NONE and len(phases) == 1:
        return phases[0]
    return timed


def _phases_named(text: str) -> tuple[DixonPart, ...]:
    """Give the phases that a text names: "in" is a name only beside a word for the other phase."""
    if names(text, _BOTH_PHASES) or (names(text, _IN_WORDS) and names(text, _OPPOSED_WORDS)):
        return DixonPart.IN_PHASE, DixonPart.OPPOSED_PHASE
    return tuple(part for part, entries in _PHRASES.items() if names(text, entries))


def phase_by_echo_time(header: SeriesHeader) -> DixonPart:
    """Give the phase of fat against water at the echo of a gradient echo; NONE between phases, or if not known.

    Fat lags behind water by 3.4e-6 * gamma * B0 cycles a second: 4.6 ms a cycle at 1.5 T, 2.3 ms at 3 T. At whole
    cycles they are in phase, at odd halves opposed; the first that counts is the first half. A spin echo takes the
    shift back.

    References
    ----------
    Dixon WT, Simple proton spectroscopic imaging, Radiology 1984;153:189-194.
    """
    echo, field = header.echo_time, header.magnetic_field_strength
    is_spin_echo = any(value.strip().upper() == "SE" for value in header.scanning_sequence)
    if echo is None or field is None or is_spin_echo or not LOWEST_TESLA <= field <= HIGHEST_TESLA:
        return DixonPart.NONE
    cycles = echo / 1000.0 * SHIFT_PPM * PROTON_MHZ_PER_TESLA * field
    halves = round(2.0 * cycles)
    if halves == 0 or abs(cycles - halves / 2.0) > PHASE_TOLERANCE:
        return DixonPart.NONE
    return DixonPart.OPPOSED_PHASE if halves % 2 else DixonPart.IN_PHASE


def _part_named(text: str, vocabularies: Mapping[DixonPart, frozenset[str]]) -> DixonPart:
    return next((part for part, entries in vocabularies.items() if names(text, entries)), DixonPart.NONE)


def no_fat_image() -> Test:
    """Refuse the fat image of a Dixon acquisition: organs are dark in it."""

    def judge(stack: Stack) -> tuple[Outcome, str]:
        if dixon_part_of(stack) is DixonPart.FAT:
            return Outcome.FAIL, "It is the fat image of a Dixon acquisition."
        return Outcome.PASS, "It is no fat image."

    return Test("no fat image", judge)


def water_first() -> Preference:
    """Prefer plain images, then the water image, then in phase, then opposed phase."""
    return Preference("the Dixon component", dixon_part_of)


# --- images that show no anatomy ---

_MEASURED = vocabulary(
    "pdff fat_fraction fatfraction fat_frac fatfrac ff_qdixon ff_ideal r2star stiffness mre elastogram"
    " elastography wash_in washin wash_out washout ttp time_to_peak ktrans collapse"
)
_R2_STAR = re.compile(r"\br2\s?\*", re.IGNORECASE)
_CALIBRATION = vocabulary(
    "cal calib calibration kalibrierung ref_scan refscan reference_scan coil_sens coil_sensitivity sense_ref shim"
    " shimming"
)


def no_measurement() -> Test:
    """Refuse maps of a measured quantity and calibration scans by their description, whatever Image Type says."""

    def judge(stack: Stack) -> tuple[Outcome, str]:
        text = stack.header.series_description
        if names(text, _CALIBRATION):
            return Outcome.FAIL, "Its description names a calibration scan."
        if names(text, _MEASURED) or _R2_STAR.search(text):
            return Outcome.FAIL, "Its description names a map of a measured quantity."
        return Outcome.PASS, "Its description names neither a measurement nor a calibration."

    return Test("no measurement", judge)


# --- suppression of fat ---

_FAT_SUPPRESSED = vocabulary("stir tirm spair spir fs fatsat fat_sat fat_suppressed fatsup fat_sup")


def plain_before_fat_suppressed() -> Preference:
    """Prefer images without suppression of fat, by inversion time and words."""

    def key(stack: Stack) -> float:
        header = stack.header
        return (header.inversion_time or 0.0) > 0.0 or names(header.series_description, _FAT_SUPPRESSED)

    return Preference("no fat suppression", key)


# --- field of view ---


def field_of_view_at_most(limit: float) -> Preference:
    """Prefer a field of view whose longer side has at most ``limit`` mm."""

    def key(stack: Stack) -> float:
        if stack.spacing is None:
            return 1
        pixels = stack.instances[stack.planes[0].instance].pixels
        return 0 if max(pixels.rows * stack.spacing[1], pixels.columns * stack.spacing[2]) <= limit else 1

    return Preference(f"a field of view of at most {limit:g} mm", key)
