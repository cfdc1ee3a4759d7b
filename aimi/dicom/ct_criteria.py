"""Tests and preferences on CT stacks: contrast, reconstruction kernel, attenuation CT, coverage."""

import re
from collections.abc import Mapping
from enum import IntEnum, StrEnum
from types import MappingProxyType

from aimi.dicom.body_parts import regions_in_text
from aimi.dicom.header import SeriesHeader, Stack
from aimi.dicom.selection import Outcome, Preference, Test
from aimi.dicom.words import names, tokens, vocabulary

__all__ = [
    "Contrast",
    "Kernel",
    "contrast_enhanced",
    "contrast_first",
    "contrast_of",
    "diagnostic_first",
    "kernel_of",
    "no_attenuation_ct",
    "sharp_kernel_first",
    "soft_kernel_first",
    "whole_lungs",
]

# --- contrast ---


class Contrast(StrEnum):
    """What the header says of intravenous contrast."""

    INTRAVENOUS = "intravenous"
    NONE = "none"
    DENIED = "stated, denied by words"
    CONTRADICTORY = "contradictory"
    SILENT = "silent"


_VENOUS_ROUTES = vocabulary(
    "iv intravenous intraven intravenos venous vein venos intravenosa intravenoso intraveineuse intraveineux"
    " endovenosa endovenoso ev intravascular intraarterial injection injected i_v intra_venous intra_arterial"
)
_BY_MOUTH = vocabulary("oral orally orale oraal peroral perioral po p_o per_os mouth rectal rectally")
_OTHER_ROUTES = _BY_MOUTH | vocabulary("enteral intrathecal")
_ORAL_AGENTS = vocabulary(
    "gastro gastrografin gastroview gastrolux peritrast telebrix barium readicat water wasser mannitol volumen breeza"
    " milk readi_cat"
)
_BRANDS = vocabulary(
    "omni omnipaque iohexol accupaque isovue iopamidol iopamiro solutrast ultravist iopromide iopromid visipaque"
    " iodixanol optiray ioversol iomeron iomeprol imeron oxilan ioxilan xenetix iobitridol hexabrix conray"
)
_VENOUS_WORDS = vocabulary("iv i_v")
_PHASES = vocabulary("arterial capillary venous portal post delayed immediate dynamic steady")
"""Defined terms of Contrast/Bolus Agent Phase (0018,9344) after injection, each by the word that tells it."""
_BEFORE_CONTRAST = vocabulary("pre precontrast non_contrast noncontrast unenhanced native nativ")
_NOTHING = frozenset(("0", "ml", "cc"))
_NOT_FILLED_IN = frozenset(("na", "n a", "unk", "unknown", "unspecified", "not applicable", "not available"))
"""Whole texts that stand where nothing was entered."""
_NON_IONIC = re.compile(r"\bnon[\s-]+ionic\b", re.IGNORECASE)
_NO_ORAL = re.compile(
    r"\b(?:no|non|not|without|w/?o|ohne|sans|sin|senza|sem|zonder|geen)[\s-]+(?:[ck]ontrast\w*\s+)?"
    r"(?:oral\w*|oraal|po|p\.o|rectal\w*)\b(?:\s+(?:[ck]ontrast\w*|km|prep))?"
    r"(\s*(?:/|\b(?:or|nor|oder|ou)\b)\s*i\.?v\b)?",
    re.IGNORECASE,
)
"""What denies contrast by mouth, and with its group also that by vein ("no oral or IV")."""
_BETWEEN_AGENTS = re.compile(
    r"[;&+]|(?<!\d),|,(?!\d)|(?<=[a-z]{3})\s*/\s*(?=[a-z]{3})|\bw/(?!o\b)|\b(?:and|und|et|plus|with|mit|avec)\b",
    re.IGNORECASE,
)
_BEFORE_TREATMENT = re.compile(
    r"\bpre[\s-]+(?=op|surg|transplant|ltx|tavi|tavr|rfa|ablat|biops|tace|embol|treat|therap|chemo)", re.IGNORECASE
)
_ENHANCED_WORDS = vocabulary(
    "enhanced post postcontrast arterial artery art arteriell arteriel arteriele portal portalvenous portovenous"
    " venous venos veineux pv pvp hvp nephrographic nephrogenic nephro corticomedullary cortico delayed delay"
    " delays parenchymal excretory late cect ce iv km"
)
_CONTRAST_WORDS = vocabulary("kontrast contrast contrasto contraste kontrastmittel")
_BOTH_WORDS = vocabulary(
    "w_wo w_w_o with_without with_and_without wwo mit_und_ohne avec_et_sans con_y_sin"
    " wo_w w_o_w wo_and_w w_o_and_w without_with without_and_with ohne_und_mit sans_et_avec sin_y_con"
)
_PLAIN_WORDS = vocabulary(
    "unenhanced noncontrast nonenhanced precontrast native nativ natif nativo plain blanco blanc pre nect ncct noncon"
    " w_o wo vnc tnc"
) | {
    f"{no} {what}"
    for no in ("non", "no", "without", "w o", "wo", "ohne", "sans", "sin", "senza", "sem", "zonder", "pre")
    for what in ("contrast", "con", "iv", "km", "kontrast", "kontrastmittel", "contraste", "contrasto", "enhanced")
}
_NO_AGENT = _PLAIN_WORDS | vocabulary("no none non nil not without ohne kein keine sans sin senza sem zonder geen")


def contrast_of(stack: Stack) -> Contrast:
    """Give what the header says of intravenous contrast.

    The phase outranks the route where it lies before contrast; the route outranks the agent. Contrast by mouth alone is
    none. Attributes that deny each other are contradictory. Words decide where attributes are silent. They deny what
    route and agent state, for many scanners write these for the whole examination; a phase is of the images themselves
    and outranks words (DECISIONS 2.1). Study descriptions are not read: they name all phases.
    """
    phase, words = _contrast_by_phase(stack), _contrast_by_words(stack.header)
    stated = _contrast_by_attributes(phase, stack.header)
    if stated is Contrast.INTRAVENOUS and phase is Contrast.SILENT and words is Contrast.NONE:
        return Contrast.DENIED
    return words if stated is Contrast.SILENT else stated


def _contrast_by_attributes(phase: Contrast, header: SeriesHeader) -> Contrast:
    given = _contrast_by_administration(header)
    if phase is Contrast.NONE or given is Contrast.SILENT:
        return phase
    is_denied = phase is Contrast.INTRAVENOUS and given is Contrast.NONE
    return Contrast.CONTRADICTORY if is_denied else given


def _contrast_by_phase(stack: Stack) -> Contrast:
    """Give what Contrast/Bolus Agent Phase says of the planes: of any after injection, else of all before it."""
    phases = {
        phase for plane in stack.planes for phase in plane.split.get("ContrastBolusAgentPhase", "").split("\\") if phase
    }
    if any(names(phase, _PHASES) and not names(phase, _BEFORE_CONTRAST) for phase in phases):
        return Contrast.INTRAVENOUS
    return Contrast.NONE if any(names(phase, _BEFORE_CONTRAST) for phase in phases) else Contrast.SILENT


def _contrast_by_administration(header: SeriesHeader) -> Contrast:
    route, agent = header.contrast_bolus_route, _contrast_by_agent(header.contrast_bolus_agent)
    if names(route, _VENOUS_ROUTES):
        is_denied = agent is Contrast.NONE and not names(header.contrast_bolus_agent, _ORAL_AGENTS | _BY_MOUTH)
        return Contrast.CONTRADICTORY if is_denied else Contrast.INTRAVENOUS
    return Contrast.NONE if names(route, _OTHER_ROUTES) else agent


def _contrast_by_agent(text: str) -> Contrast:
    """Give what the agent's text says: of several agents one by vein is enough; what no list knows was injected."""
    said = _without_denial_of_oral(_NON_IONIC.sub("nonionic", text))
    whole = " ".join(tokens(said))
    if not whole or whole in _NOT_FILLED_IN:
        return Contrast.SILENT
    if whole == "n":
        return Contrast.NONE
    found = {_contrast_by_part(part) for part in _BETWEEN_AGENTS.split(said)}
    if Contrast.INTRAVENOUS in found:
        return Contrast.INTRAVENOUS
    return Contrast.NONE if Contrast.NONE in found else Contrast.INTRAVENOUS


def _contrast_by_part(part: str) -> Contrast:
    """Give what the text of one agent says; a venous agent beside a word such as "oral" was given by mouth."""
    found = tokens(part)
    if names(part, _NO_AGENT) or ("0" in found and _NOTHING.issuperset(found)):
        return Contrast.NONE
    is_drunk = names(part, _BY_MOUTH) and not names(part, _ORAL_AGENTS)
    if names(part, _VENOUS_WORDS) or (names(part, _BRANDS) and not is_drunk):
        return Contrast.INTRAVENOUS
    return Contrast.NONE if names(part, _ORAL_AGENTS | _BY_MOUTH) else Contrast.SILENT


def _without_denial_of_oral(text: str) -> str:
    """Take out what denies contrast by mouth alone: it says nothing of that by vein."""
    return _NO_ORAL.sub(lambda found: " no iv " if found[1] else " ", text.replace("_", " "))


def _contrast_by_words(header: SeriesHeader) -> Contrast:
    for written in (header.series_description, header.protocol_name):
        text = _BEFORE_TREATMENT.sub(" ", _without_denial_of_oral(written))
        if names(text, _BOTH_WORDS):
            continue
        if names(text, _PLAIN_WORDS):
            return Contrast.NONE
        if names(text, _ENHANCED_WORDS) or (names(text, _CONTRAST_WORDS) and not names(text, _OTHER_ROUTES)):
            return Contrast.INTRAVENOUS
    return Contrast.SILENT


def contrast_enhanced() -> Test:
    """Ask for intravenous contrast; a header that does not state any fails, and one that denies or contradicts it."""
    told: Mapping[Contrast, tuple[Outcome, str]] = {
        Contrast.INTRAVENOUS: (Outcome.PASS, "Intravenous contrast is stated."),
        Contrast.NONE: (Outcome.FAIL, "It is without intravenous contrast."),
        Contrast.SILENT: (Outcome.FAIL, "No intravenous contrast is stated."),
        Contrast.DENIED: (Outcome.FAIL, "Its description or protocol says that it is without contrast."),
        Contrast.CONTRADICTORY: (Outcome.FAIL, "Its attributes contradict each other on intravenous contrast."),
    }
    return Test("contrast", lambda stack: told[contrast_of(stack)])


def contrast_first() -> Preference:
    """Prefer intravenous contrast before a silent header before none."""
    order = (Contrast.INTRAVENOUS, Contrast.CONTRADICTORY, Contrast.SILENT, Contrast.DENIED, Contrast.NONE)
    return Preference("intravenous contrast", lambda stack: order.index(contrast_of(stack)))


# --- kernel ---


class Kernel(IntEnum):
    """How sharp a reconstruction is."""

    SOFT = 0
    UNKNOWN = 1
    SHARP = 2


_KERNELS: Mapping[str, Kernel] = MappingProxyType(
    dict.fromkeys(vocabulary("soft standard stnd std smooth chst a b c ua ub"), Kernel.SOFT)
    | dict.fromkeys(
        vocabulary("lung bone boneplus detail edge ultra sharp d e l ya yb yc yd ye hd uc eb ec"), Kernel.SHARP
    )
)
"""GE's names, Philips' letters (A smooth to E sharp, L lung, Y high resolution)."""

_SIEMENS = re.compile(r"^[a-z]+(\d{2})")
_CANON = re.compile(r"^fc(\d{2})")
SIEMENS_SHARP = 50
CANON_SHARP = 30
_SHARP_WORDS = vocabulary("lung lungs lunge bone bones knochen sharp edge detail hrct highres os osso hueso bot")
_SOFT_WORDS = vocabulary("soft std standard smooth weichteil mediastinum mediastinal stnd st")


def kernel_of(header: SeriesHeader) -> Kernel:
    """Give how sharp the Convolution Kernel (0018,1210) is; words of the description where it is unknown."""
    for value in header.convolution_kernel:
        found = _kernel_by_name(value)
        if found is not Kernel.UNKNOWN:
            return found
    if names(header.series_description, _SOFT_WORDS):
        return Kernel.SOFT
    return Kernel.SHARP if names(header.series_description, _SHARP_WORDS) else Kernel.UNKNOWN


def _kernel_by_name(value: str) -> Kernel:
    name = value.strip().casefold()
    if name in _KERNELS:
        return _KERNELS[name]
    canon = _CANON.match(name)
    if canon:
        return Kernel.SHARP if int(canon[1]) >= CANON_SHARP else Kernel.SOFT
    siemens = _SIEMENS.match(name)
    if siemens:
        return Kernel.SHARP if int(siemens[1]) >= SIEMENS_SHARP else Kernel.SOFT
    return Kernel.UNKNOWN


def soft_kernel_first() -> Preference:
    """Prefer a soft-tissue kernel before an unknown one before a sharp one."""
    return Preference("a soft-tissue kernel", lambda stack: kernel_of(stack.header))


def sharp_kernel_first() -> Preference:
    """Prefer a lung (sharp) kernel before an unknown one before a soft one."""
    return Preference("a lung kernel", lambda stack: -kernel_of(stack.header))


# --- attenuation CT, lungs ---

_ATTENUATION_WORDS = vocabulary(
    "ctac acct ct_ac ac_ct attenuation atten attn ct_slices wb wholebody whole_body pet petct fusion"
)
"""As in the published pairs: CTAC, "SLICES, FUSION", WB. "Low dose" is none of them: so are screening CTs of lungs."""


def is_attenuation_ct(header: SeriesHeader) -> bool:
    """Tell whether words say that a CT was made to correct a PET's attenuation.

    The description counts first. The protocol is that of the whole session, which may hold a diagnostic CT of the
    chest: it says nothing of a sharp kernel, or where the description names a region of its own.
    """
    if names(header.series_description, _ATTENUATION_WORDS):
        return True
    if kernel_of(header) is Kernel.SHARP or regions_in_text(header.series_description):
        return False
    return names(header.protocol_name, _ATTENUATION_WORDS)


def no_attenuation_ct() -> Test:
    """Note a CT that was made for a PET: it passes, behind a diagnostic one."""

    def judge(stack: Stack) -> tuple[Outcome, str]:
        if is_attenuation_ct(stack.header):
            return Outcome.UNKNOWN, "It is the attenuation CT of a PET: low dose, free breathing."
        return Outcome.PASS, "It is not known as the attenuation CT of a PET."

    return Test("diagnostic CT", judge)


def diagnostic_first() -> Preference:
    """Take a CT that was made for a PET only where no other one suits."""
    return Preference("a diagnostic CT", lambda stack: is_attenuation_ct(stack.header), decides=True)


LUNG_EXTENT = 220.0


def whole_lungs() -> Test:
    """Note a stack that is too short to hold whole lungs."""

    def judge(stack: Stack) -> tuple[Outcome, str]:
        if stack.spacing is None:
            return Outcome.UNKNOWN, "Its extent is not known, the lungs may be cut."
        extent = stack.spacing[0] * len(stack.planes)
        if extent < LUNG_EXTENT:
            return Outcome.UNKNOWN, f"It is {extent:.0f} mm long: the lungs are cut."
        return Outcome.PASS, f"It is {extent:.0f} mm long, enough for whole lungs."

    return Test("whole lungs", judge)
