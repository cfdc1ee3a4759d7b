"""Tests on PET stacks: attenuation correction, tracer, static (DECISIONS 2.2), and whether it is a breast's."""

import re
from collections.abc import Mapping
from types import MappingProxyType

from aimi.dicom.body_parts import BodyRegion, regions_in_text
from aimi.dicom.header import SeriesHeader, Stack
from aimi.dicom.selection import Outcome, Test
from aimi.dicom.words import names, tokens, vocabulary

__all__ = ["attenuation_corrected", "fdg", "names_the_breast", "static"]

_CORRECTED_METHODS = vocabulary("measured ct ctac calculated segmented mr mrac transmission dixon atlas")
_NO_METHOD = vocabulary("none no not nil unknown")
_UNCORRECTED_WORDS = vocabulary(
    "nac uncorrected noac non_ac no_ac not_corrected nonac unkorrigiert nicht_korrigiert non_attenuation_corrected"
    " no_attenuation non_corrected nonattenuation wo_ac without_ac"
)
_CORRECTED_WORDS = vocabulary("ac ctac mac mrac corrected attenuation_corrected korrigiert schwachungskorrigiert")

_CODES_FDG = frozenset({"35321007", "C-B1031"})
"""Fluorodeoxyglucose F-18 in SCT and SRT (PS3.16 CID 4021)."""
_CODES_OTHER_TRACERS = vocabulary(
    "424789007 129512009 456999006 423498000 53315004 129506004 129515006 423546004 5811000122108 422763008 129501009"
    " 712736002 129509006 926372005 422975006 129510001 456997008 129504001 423249007 422980002 879808000 129513004"
    " 456992002 424708001 129507008 456995000 129502002 422598008 422540000 129511002 129505000 422855001 71633006"
    " 457000009 129499001 129514005 129508003 423543007 422789008 724025002 425236000 129503007"
    " C-B1033 C-B1032 C-B1036 C-B1037 C-B1038 C-B1039 C-B103A C-B103B C-B103C C-B103D C-B103E C-B103F C-B1042 C-B1043"
    " C-B1044 C-B1045"
)
"""The other SCT members of CID 4021, and their SRT values (pydicom 3.0.2, sr/_cid_dict.py, sr/_snomed_dict.py)."""

_CODES_F18 = frozenset({"77004003", "C-111A1"})
_CODES_OTHER_NUCLIDES = vocabulary(
    "71633006 87437000 425364008 424875009 79477007 79523006 75696008 53315004 63360001 129504001 79197006 40565003"
    " 422934004 35337001 17910003 65054007 3932008 86521004 424079002 14691008 40937006 423764008 10738001 71425003"
    " 69089000 37225000 2705002 21576001"
    " C-105A1 C-107A1 C-B1038 C-131A3 C-159A2 C-127A2 C-168A4 C-114B1 C-101ED"
)
"""The other members of PET radionuclides (CID 4020, SCT), frequent SRT values, and lutetium-177."""

_FDG_WORDS = vocabulary("fdg fluorodeoxyglucose fludeoxyglucose deoxyglucose 2fdg fdg18 f18fdg 18ffdg fdgf18")
_OTHER_WORDS = vocabulary(
    "psma dcfpyl piflufolastat dotatate dotatoc dotanoc naf fluoride choline fluorocholine flt fluorothymidine fes"
    " fluoroestradiol methionine acetate ammonia rubidium rb82 water fdopa dopa florbetapir flutemetamol florbetaben"
    " flortaucipir fluciclovine axumin fmiso misonidazole fapi fet fluoroethyltyrosine raclopride pib exendin"
    " pentixafor girentuximab trastuzumab edotreotide fluorodeoxygalactose fludeoxygalactose deoxygalactose"
    " galactose"
)
_SOLVENTS = vocabulary("water acetate")
"""Other tracers' names that beside FDG are what it is dissolved in."""
_FDG_WITHIN = re.compile(r"fdg(?!al)")
"""FDG within a longer word (``18FFDGinj``), but not FDGal, fluorodeoxygalactose."""
_OTHER_NUCLIDE_WORDS = vocabulary(
    "ga68 68ga c11 11c n13 13n o15 15o rb82 82rb cu64 64cu zr89 89zr i124 124i lu177 177lu"
)

_SERIES_TYPES: Mapping[str, tuple[Outcome, str]] = MappingProxyType(
    {
        "STATIC": (Outcome.PASS, "It is a static PET."),
        "WHOLE BODY": (Outcome.PASS, "It is a static PET of several beds."),
        "DYNAMIC": (Outcome.FAIL, "It is a dynamic PET: no volume of one time."),
        "GATED": (Outcome.FAIL, "It is a gated PET: no volume of one time."),
    }
)
"""Series Type (0054,1000), value 1 (PS3.3 C.8.9.1.1.2)."""


def attenuation_corrected() -> Test:
    """Ask for correction of attenuation: by the method, else by Corrected Image, else by words.

    A scanner was seen that writes ATTN into Corrected Image of the uncorrected series too, without a method. So
    ATTN alone does not outrank a description that says "uncorrected": the header contradicts itself, and it fails.
    """

    def judge(stack: Stack) -> tuple[Outcome, str]:
        header = stack.header
        text = f"{header.series_description} | {header.protocol_name}"
        says_uncorrected = names(text, _UNCORRECTED_WORDS)
        method = _method(header)
        if method is True:
            return Outcome.PASS, "It is corrected for attenuation."
        if "ATTN" in {value.upper() for value in header.corrected_image}:
            if says_uncorrected and method is None:
                return (
                    Outcome.FAIL,
                    "Corrected Image says that attenuation is corrected, its description that it is not.",
                )
            return Outcome.PASS, "It is corrected for attenuation."
        if header.corrected_image or method is False:
            return Outcome.FAIL, "It is not corrected for attenuation."
        if says_uncorrected:
            return Outcome.FAIL, "Its description says that it is not corrected for attenuation."
        said = ", its description says it is" if names(text, _CORRECTED_WORDS) else ""
        return Outcome.UNKNOWN, f"No attribute says that it is corrected for attenuation{said}."

    return Test("attenuation correction", judge)


def _method(header: SeriesHeader) -> bool | None:
    """Tell what Attenuation Correction Method says: corrected, not corrected, or nothing that is known."""
    found = tokens(header.attenuation_correction_method)
    if names(" ".join(found[:1]), _NO_METHOD):
        return False
    return True if not _CORRECTED_METHODS.isdisjoint(found) else None


def fdg() -> Test:
    """Ask for F-18 fluorodeoxyglucose: by the radiopharmaceutical's code, else by its text."""

    def judge(stack: Stack) -> tuple[Outcome, str]:
        header = stack.header
        nuclides = set(header.radionuclide_codes)
        if nuclides & _CODES_OTHER_NUCLIDES and not nuclides & _CODES_F18:
            return Outcome.FAIL, "Its radionuclide is not fluorine-18."
        codes = set(header.radiopharmaceutical_codes)
        if codes & _CODES_OTHER_TRACERS:
            both = "FDG together with another" if codes & _CODES_FDG else "another than FDG"
            return Outcome.FAIL, f"Its tracer is {both}."
        if codes & _CODES_FDG:
            return Outcome.PASS, "Its tracer is FDG."
        return _judge_text(header.radiopharmaceutical)

    return Test("tracer", judge)


def _judge_text(text: str) -> tuple[Outcome, str]:
    joined = re.sub(r"[^0-9a-z]+", "", text.casefold())
    words = tokens(text)
    others = _OTHER_WORDS | _OTHER_NUCLIDE_WORDS
    if names(text, _FDG_WORDS) or any(map(_FDG_WITHIN.search, (*words, joined))):
        if names(text, others - _SOLVENTS):
            return Outcome.FAIL, "Its tracer is FDG together with another."
        return Outcome.PASS, "Its tracer is FDG."
    if names(text, others) or any("fdgal" in word for word in words):
        return Outcome.FAIL, "Its tracer is another than FDG."
    return Outcome.UNKNOWN, "The header does not say whether its tracer is FDG."


def static() -> Test:
    """Ask for an image of one time: no dynamic or gated PET, no projection."""

    def judge(stack: Stack) -> tuple[Outcome, str]:
        kinds = tuple(value.upper() for value in stack.header.series_type)
        if "REPROJECTION" in kinds[1:]:
            return Outcome.FAIL, "It holds projections."
        if kinds and kinds[0] in _SERIES_TYPES:
            return _SERIES_TYPES[kinds[0]]
        return Outcome.UNKNOWN, "The header does not say whether it is static."

    return Test("static", judge)


def names_the_breast() -> Test:
    """Ask whether the PET was made for the breast; what was made for something else may show it as well."""

    def judge(stack: Stack) -> tuple[Outcome, str]:
        header = stack.header
        words = (header.body_part_examined, header.series_description, header.protocol_name, header.study_description)
        named = regions_in_text(" | ".join(words))
        if BodyRegion.BREAST in named:
            return Outcome.PASS, "It names the breast."
        man = " The patient is male." if header.patient_sex.upper() == "M" else ""
        other = f" It names the {' and the '.join(sorted(named))}." if named else ""
        return Outcome.UNKNOWN, f"Neither its body part nor a description names the breast.{other}{man}"

    return Test("breast", judge)
