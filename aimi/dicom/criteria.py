"""Tests and preferences that tasks compose their selection rules of (DECISIONS 2.1, 2.6).

Each function gives a :class:`~aimi.dicom.selection.Test` or ``Preference`` with its name. Sentences are our
own words: no header text passes through them. Those that only CT or only MR needs stand in
:mod:`aimi.dicom.ct_criteria`, :mod:`aimi.dicom.ct_contrast` and :mod:`aimi.dicom.mr_criteria`.
"""

import math
import re
from collections.abc import Iterable, Mapping, Set
from enum import IntEnum
from types import MappingProxyType

from aimi.dicom.body_parts import BodyRegion, regions_by_body_part, regions_in_text, regions_of
from aimi.dicom.header import SeriesHeader, Stack
from aimi.dicom.selection import Outcome, Preference, Test
from aimi.dicom.sop_classes import image_modality
from aimi.dicom.words import BOLUS_TRACKING, LOCALIZER, MAP, PROJECTION, REFORMAT, SUBTRACTION, names, vocabulary

__all__ = [
    "PatientAxis",
    "axial",
    "extent_at_least",
    "gap_within",
    "last_repeat_first",
    "male_pelvis",
    "modality",
    "nearest_axis",
    "no_computed_image",
    "no_localizer",
    "original",
    "plane",
    "plane_order",
    "shows_region",
]

OBLIQUE_LIMIT_DEGREES = 45.0

_Judgement = tuple[Outcome, str]

_MODALITY_NAMES = MappingProxyType({"CT": "CT", "MR": "MR", "PT": "PET"})


def modality(wanted: str) -> Test:
    """Ask for a modality (``CT``, ``MR``, ``PT``), by SOP class and Modality alike; no option overrules it."""
    name = _MODALITY_NAMES[wanted]

    def judge(stack: Stack) -> _Judgement:
        found = image_modality(stack.header.sop_class_uid, stack.header.modality)
        if found == wanted and stack.header.modality in {wanted, ""}:
            return Outcome.PASS, f"It is {name}."
        if found == wanted:
            return Outcome.FAIL, f"Its objects are {name} images, but its Modality says otherwise."
        return Outcome.FAIL, f"It is {_MODALITY_NAMES.get(found, 'no image')}, not {name}."

    return Test("modality", judge, binding=True)


# --- orientation ---


class PatientAxis(IntEnum):
    """The patient axis along which slices follow each other, and the name of such slices."""

    SAGITTAL = 0
    CORONAL = 1
    AXIAL = 2


def nearest_axis(stack: Stack) -> PatientAxis | None:
    """Give the patient axis within 45 degrees of the normal; None if there is none or no orientation."""
    if stack.normal is None:
        return None
    angles = [math.degrees(math.acos(min(1.0, abs(cosine)))) for cosine in stack.normal]
    smallest = min(angles)
    return PatientAxis(angles.index(smallest)) if smallest <= OBLIQUE_LIMIT_DEGREES + 1e-6 else None


def plane(*accepted: PatientAxis) -> Test:
    """Ask for slices nearest to one of the planes; oblique by up to 45 degrees counts."""
    wanted = " or ".join(axis.name.lower() for axis in accepted)

    def judge(stack: Stack) -> _Judgement:
        if stack.normal is None:
            return Outcome.UNKNOWN, f"The header does not say whether its slices are {wanted}."
        axis = nearest_axis(stack)
        if axis is None:
            return Outcome.FAIL, f"Its slices are more than 45 degrees off every plane, not {wanted}."
        found = axis.name.lower()
        if axis in accepted:
            return Outcome.PASS, f"Its slices are {found}."
        return Outcome.FAIL, f"Its slices are {found}, not {wanted}."

    return Test("plane", judge)


def axial() -> Test:
    """Ask for axial slices."""
    return plane(PatientAxis.AXIAL)


def plane_order(*order: PatientAxis) -> Preference:
    """Prefer planes in the order given."""

    def key(stack: Stack) -> float:
        axis = nearest_axis(stack)
        return order.index(axis) if axis in order else len(order)

    return Preference(f"{order[0].name.lower()} slices", key)


# --- original images ---

_MADE_FROM_OTHERS: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        "a reformat": vocabulary("mpr reformatted reformat curved cpr resampled mpvr"),
        "a projection": vocabulary("mip minip min_ip max_ip mean_ip projection pjn aip"),
        "a rendering": vocabulary("vrt vr ssd volume_render surface_render rendering"),
        "a subtraction": vocabulary("subtraction sub subtracted subtract"),
        "a parameter map": vocabulary(
            "perfusion cbf cbv mtt ttp tmax rcbf rcbv permeability velocity ktrans std_deviation division t1_map"
            " t2_map r2_map fat_fraction difference"
        ),
        "a map of materials or an image without one of them": vocabulary(
            "vnc virtual_non_contrast virtual_noncontrast virtual_unenhanced iodine mat_specific mat_removed"
            " mat_fractional mat_value_based mat_modified eff_atomic_num electron_density zeff"
        ),
        "a page of text or a screen": vocabulary(
            "screen_save screen dose dose_info report protocol result text snapshot"
        ),
    }
)
"""Image Type values 3 and on (PS3.3 C.8.2.1.1.1, C.8.15.2.1.1 and vendors' own words), by what they mean.

A virtual monoenergetic image (VMI) is none of them: it shows all materials in HU, as a CT at one energy would.
"""

_NAMED_MAPS = vocabulary(
    "vnc virtual_non_contrast virtual_noncontrast virtual_unenhanced iodine_map iodine_overlay iodine_density"
    " iodine_image iodine_images iodine_water water_iodine iodine_no_water iodinenowater iodkarte electron_density"
    " iodine_gsi gsi_iodine z_effective effective_z zeff"
)
"""Names of images of materials in descriptions, where iodine alone may be the contrast agent."""

_COMPONENTS = frozenset({"P", "PHASE", "PHASE MAP", "I", "IMAGINARY", "FIELD_MAP", "B0_MAP", "B1_MAP"})
"""Whole values of an MR's Image Type that are neither magnitude nor real (PS3.3 C.8.13.3.1.1, vendors)."""

_WATCHING = vocabulary("mon premonitoring monitoring bolus")
_OVERVIEW = LOCALIZER | vocabulary("top")


def _image_type_words(header: SeriesHeader) -> str:
    return " | ".join(header.image_type[2:])


def _made_from_others(header: SeriesHeader) -> str | None:
    words = _image_type_words(header)
    if header.modality == "MR" and not _COMPONENTS.isdisjoint(value.upper() for value in header.image_type[2:]):
        return "a phase image or a field map"
    return next((kind for kind, vocabulary in _MADE_FROM_OTHERS.items() if names(words, vocabulary)), None)


def _own_words(header: SeriesHeader) -> str:
    return f"{header.series_description} | {header.protocol_name}"


def original() -> Test:
    """Ask for images as reconstructed: no reformat, projection, subtraction, map, rendering or page.

    Image Type decides. DERIVED or SECONDARY alone is unknown, for archives and anonymisers write it; only
    then, or where Image Type is absent, is the series description read.
    """

    def judge(stack: Stack) -> _Judgement:
        header = stack.header
        kind = _made_from_others(header)
        if kind is not None:
            return Outcome.FAIL, f"Its Image Type says that it is {kind}."
        origin = tuple(value.upper() for value in header.image_type[:2])
        if origin == ("ORIGINAL", "PRIMARY"):
            return Outcome.PASS, "Its images are original."
        if names(header.series_description, REFORMAT | _NAMED_MAPS):
            return Outcome.FAIL, "Its description names a reformat, a projection, a map or a page of text."
        said = "says derived or secondary, without saying how" if origin else "is absent"
        return Outcome.UNKNOWN, f"Its Image Type {said}: its images may not be original."

    return Test("original", judge)


_NUMBERED_SUBTRACTION = re.compile(r"(?<![a-z])sub[ _]?\d+(?![a-z0-9])", re.IGNORECASE)
_COMPUTED = ((SUBTRACTION, "a subtraction"), (PROJECTION, "a projection"), (MAP, "a map"))


def no_computed_image() -> Test:
    """Refuse subtractions, projections and maps by their description, whatever Image Type says.

    Scanners that make them on their own write ORIGINAL and PRIMARY on some; their other attributes are those of the
    images that they were made from.
    """

    def judge(stack: Stack) -> _Judgement:
        text = stack.header.series_description
        if _NUMBERED_SUBTRACTION.search(text):
            return Outcome.FAIL, "Its description names a subtraction."
        for words, kind in _COMPUTED:
            if names(text, words):
                return Outcome.FAIL, f"Its description names {kind}."
        return Outcome.PASS, "Its description names no subtraction, projection or map."

    return Test("no computed image", judge)


def no_localizer() -> Test:
    """Refuse localizers, and images that only watch the arrival of contrast."""

    def judge(stack: Stack) -> _Judgement:
        header = stack.header
        if names(_image_type_words(header), _OVERVIEW):
            return Outcome.FAIL, "Its Image Type says that it is a localizer."
        if names(_image_type_words(header), _WATCHING):
            return Outcome.FAIL, "Its Image Type says that it watches the arrival of contrast."
        if names(header.series_description, LOCALIZER):
            return _judge_named_localizer(header)
        if names(_own_words(header), BOLUS_TRACKING):
            return Outcome.FAIL, "Its description names images that watch the arrival of contrast."
        return Outcome.PASS, "It is no localizer."

    return Test("no localizer", judge)


def _judge_named_localizer(header: SeriesHeader) -> _Judgement:
    """AXIAL as the third value of a CT's Image Type says that it is no localizer (PS3.3 C.8.2.1.1.1)."""
    if "AXIAL" in header.image_type[2:]:
        return Outcome.UNKNOWN, "Its description names a localizer, its Image Type does not."
    return Outcome.FAIL, "Its description names a localizer."


# --- body part ---


def shows_region(*accepted: BodyRegion) -> Test:
    """Ask for a body region, by Body Part Examined; by words only where that is absent.

    The study's description speaks in favour only: a study of the chest may hold an abdomen. Scanners write the body
    part for a whole session: a description that names other regions alone leaves it open.
    """
    wanted = " or ".join(accepted)

    def judge(stack: Stack) -> _Judgement:
        header = stack.header
        stated = regions_by_body_part(header)
        if stated:
            return _judge_stated(stated, accepted, regions_in_text(header.series_description))
        named = regions_of(header)
        if named:
            return _judge_regions(named, accepted, "description")
        if not regions_in_text(header.study_description).isdisjoint(accepted):
            return Outcome.PASS, f"Its study description names the {wanted}."
        said = "is absent" if stated is None else "is a word that is not known"
        return Outcome.UNKNOWN, f"Its body part {said}, and no description names the {wanted}."

    return Test("body part", judge)


def _judge_stated(stated: Iterable[BodyRegion], accepted: tuple[BodyRegion, ...], named: Set[BodyRegion]) -> _Judgement:
    outcome, sentence = _judge_regions(stated, accepted, "body part")
    if outcome is Outcome.PASS and named and named.isdisjoint(accepted):
        return Outcome.UNKNOWN, f"{sentence[:-1]}, but its description names the {' and '.join(sorted(named))} alone."
    return outcome, sentence


def _judge_regions(found: Iterable[BodyRegion], accepted: tuple[BodyRegion, ...], source: str) -> _Judgement:
    shown = set(found)
    listed = " and ".join(sorted(shown))
    if shown.isdisjoint(accepted):
        return Outcome.FAIL, f"Its {source} is {listed}, not {' or '.join(accepted)}."
    return Outcome.PASS, f"Its {source} is {listed}."


_FEMALE_ORGANS = vocabulary(
    "uterus uterine utero gebarmutter baarmoeder cervix zervix ovary ovaries ovarian ovar ovarien vagina vulva adnexa"
    " endometrium endometrial"
)


def male_pelvis() -> Test:
    """Refuse what names an organ of the female pelvis, and a woman's pelvis; where a prostate is named it is open."""

    def judge(stack: Stack) -> _Judgement:
        header = stack.header
        words = f"{header.body_part_examined} | {_own_words(header)}"
        is_female = header.patient_sex.strip().upper() == "F"
        if BodyRegion.PROSTATE in regions_in_text(f"{words} | {header.study_description}"):
            sentence = "It names the prostate, but the patient's sex is given as female."
            return (Outcome.UNKNOWN, sentence) if is_female else (Outcome.PASS, "It names the prostate.")
        if names(words, _FEMALE_ORGANS):
            return Outcome.FAIL, "It names an organ of the female pelvis."
        if is_female:
            return Outcome.FAIL, "The patient's sex is given as female, and nothing names a prostate."
        return Outcome.PASS, "Nothing says that it shows a female pelvis."

    return Test("male pelvis", judge)


# --- preferences for all ---


def gap_within(low: float, high: float) -> Preference:
    """Prefer slices whose gap lies between two values, mm, ends included."""

    def key(stack: Stack) -> float:
        if stack.spacing is None:
            return 1
        return 0 if low <= round(stack.spacing[0], 2) <= high else 1

    return Preference(f"a gap of {low:g} to {high:g} mm", key)


def extent_at_least(limit: float, name: str) -> Preference:
    """Prefer stacks whose slices reach over at least ``limit`` mm: a part of an organ goes behind the whole."""

    def key(stack: Stack) -> float:
        return 1 if stack.spacing is None else stack.spacing[0] * len(stack.planes) < limit

    return Preference(name, key)


def last_repeat_first() -> Preference:
    """Prefer the last of several repeats, by series number: a repeat replaces the first."""
    return Preference("the last of several repeats", lambda stack: -(stack.header.series_number or 0))
