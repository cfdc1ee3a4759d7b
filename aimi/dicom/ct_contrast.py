"""Intravenous contrast of a CT: what its attributes and words state, deny, or leave open.

Attributes come first: phase, route, agent. Free text follows: series description, then protocol. Words are matched in
the languages of public collections; what denies contrast is looked for before what states it.
"""

import re
from collections.abc import Mapping
from enum import StrEnum

from aimi.dicom.header import SeriesHeader, Stack
from aimi.dicom.selection import Outcome, Preference, Test
from aimi.dicom.words import names, tokens, vocabulary

__all__ = ["Contrast", "contrast_enhanced", "contrast_first", "contrast_of"]


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
    "gastro gastrografin gastroview gastrolux peritrast telebrix barium bar readicat water wasser mannitol volumen"
    " breeza milk readi_cat redicat e_z_cat ezcat"
)
_SALINE = vocabulary("saline nacl ns kochsalz")
_BRANDS = vocabulary(
    "omni omnipaque iohexol accupaque isovue iopamidol iopamiro solutrast ultravist iopromide iopromid visipaque"
    " iodixanol optiray ioversol iomeron iomeprol imeron oxilan ioxilan xenetix iobitridol hexabrix conray"
)
_VENOUS_WORDS = vocabulary("iv i_v")
_PHASES = vocabulary("arterial capillary venous portal post delayed immediate dynamic steady")
"""Defined terms of Contrast/Bolus Agent Phase (0018,9344) after injection, each by the word that tells it."""
_BEFORE_CONTRAST = vocabulary("pre precontrast non_contrast noncontrast unenhanced native nativ")
_AMOUNTS = frozenset(("ml", "cc"))
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
    r"[;&+]|(?<!\d),|,(?!\d)|(?<=[a-z]{3})\s*/\s*(?=[a-z]{3})|\bw/(?!o(?:ut)?\b)|\b(?:and|und|et|plus|with|mit|avec)\b",
    re.IGNORECASE,
)
_TREATMENT = re.compile(
    r"\b(?:pre|post)[\s-]+(?=op|surg|transplant|ltx|tavi|tavr|rfa|ablat|cryo|biops|tace|embol|treat|therap|chemo|radi"
    r"|nephrect|hepatect|resect|stent|drain|void|partum|trauma)",
    re.IGNORECASE,
)
"""Before or after a treatment: nothing of contrast."""
_ENHANCED_WORDS = vocabulary(
    "enhanced post postcontrast arterial artery art arteriell arteriel arteriele portal portalvenous portovenous"
    " venous venos veineux pv pvp hvp nephrographic nephrogenic nephro corticomedullary cortico delayed delay"
    " delays parenchymal excretory late cect ce iv km"
)
_CONTRAST_WORDS = vocabulary("kontrast contrast contrasto contraste kontrastmittel contrastmiddel mdc injecte injected")
_PLAIN_WORDS = vocabulary(
    "unenhanced unenh noncontrast nonenhanced precontrast precon native nativer natives nativen nativ nativa natif"
    " nativo plain blanco blanc pre nc nect ncct noncon vnc tnc"
)
_WITHOUT = "without|ohne|sans|sin|senza|sem|zonder|geen|kein|keine"
_WITH = "with|mit|avec|con|met|com"
_AND = "and|und|et|y|e|en"
_LINKS = (
    "any|the|a|of|to|di|de|do|da|del|du|le|la|el|il|iv|intravenous|intravenos|intravenoso|intravenosa|mezzo|medio"
    "|produit|agent|material|media|iodinated"
)
_SUBSTANCE = r"[ck]ontrast\w*|con|km|iv|mdc|enh|enhance\w*|inject\w*"
_BOTH = re.compile(
    rf"\b(?:(?:{_WITH}) (?:(?:{_AND}) )?(?:{_WITHOUT})|(?:{_WITHOUT}) (?:(?:{_AND}) )?(?:{_WITH})|wwo"
    rf"|pre (?:(?:{_AND}) )?post)\b"
)
_DENIED = re.compile(
    rf"\b(?:no|non|not|minus|before|prior|vor|voor|avant|antes|prima|pre|{_WITHOUT})(?: (?:{_LINKS}))*"
    rf" (?:{_SUBSTANCE})\b"
    r"|\b(?:[ck]ontrast\w*|iv|km) (?:none|no|not|nil|nein|kein)(?: (?:given|used|administered|applied)\b|$)"
)
"""Denials, in words put in order by :func:`_in_order`."""
_GIVEN = re.compile(rf"\b(?:{_WITH}|nach|after|apres|dopo)(?: (?:{_LINKS}))* (?:{_SUBSTANCE})\b")
_BARE_WITHOUT = re.compile(r"\b(?:without|ohne|sans|sin|senza|sem|zonder)\b")
_SIGNS = (
    (re.compile(r"(?<![A-Za-z0-9])[Cc]\s?\+"), " contrast "),
    (re.compile(r"(?<![A-Za-z0-9])[Cc]-(?![A-Za-z0-9])"), " nc "),
)
_SPELLINGS = tuple(
    (re.compile(pattern), word)
    for pattern, word in (
        (r"\bi v\b", "iv"),
        (r"\bm d c\b", "mdc"),
        (r"\b(?:w o|w out|wout|wo)\b", "without"),
        (r"\bw\b", "with"),
        (r"\bwithout(?=[ck]ontrast)", "without "),
    )
)
_NO_AGENT = _PLAIN_WORDS | vocabulary(
    "no none non nil not false w_o wo w_out wout without ohne kein keine sans sin senza sem zonder geen"
)


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
    left = [one for one in found if one not in _AMOUNTS]
    if names(part, _NO_AGENT) or left == ["0"]:
        return Contrast.NONE
    if names(part, _SALINE) and all(one in _SALINE or one.isdecimal() for one in left):
        return Contrast.NONE
    is_drunk = names(part, _BY_MOUTH) and not names(part, _ORAL_AGENTS)
    if names(part, _VENOUS_WORDS) or (names(part, _BRANDS) and not is_drunk):
        return Contrast.INTRAVENOUS
    return Contrast.NONE if names(part, _ORAL_AGENTS | _BY_MOUTH) else Contrast.SILENT


def _without_denial_of_oral(text: str) -> str:
    """Take out what denies contrast by mouth alone: it says nothing of that by vein."""
    return _NO_ORAL.sub(lambda found: " no iv " if found[1] else " ", text.replace("_", " "))


def _contrast_by_words(header: SeriesHeader) -> Contrast:
    said = (_contrast_by_text(text) for text in (header.series_description, header.protocol_name))
    return next((one for one in said if one is not Contrast.SILENT), Contrast.SILENT)


def _contrast_by_text(written: str) -> Contrast:
    """Give what a description says; one that names images both with and without contrast says nothing."""
    text = _in_order(_TREATMENT.sub(" ", _without_denial_of_oral(_NON_IONIC.sub("nonionic", written))))
    is_given, is_denied = _GIVEN.search(text) is not None, _DENIED.search(text) is not None
    if _BOTH.search(text) or (is_given and is_denied and not names(text, _PLAIN_WORDS)):
        return Contrast.SILENT
    if is_denied or names(text, _PLAIN_WORDS) or (_BARE_WITHOUT.search(text) and not is_given):
        return Contrast.NONE
    is_named = is_given or names(text, _CONTRAST_WORDS)
    if names(text, _ENHANCED_WORDS) or (is_named and not names(text, _OTHER_ROUTES)):
        return Contrast.INTRAVENOUS
    return Contrast.SILENT


def _in_order(text: str) -> str:
    """Give the words of a text, one blank between them, with one spelling of what is written in many ways."""
    for sign, word in _SIGNS:
        text = sign.sub(word, text)
    words = " ".join(tokens(text))
    for spelling, word in _SPELLINGS:
        words = spelling.sub(word, words)
    return words


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
