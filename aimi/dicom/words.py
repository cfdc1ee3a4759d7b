"""Words of free text and coded strings: matched whole, without case and accents.

Text is cut into tokens at everything that is neither letter nor digit: ``CT CH/AB/PEL`` holds ``ct``,
``ch``, ``ab``, ``pel``. A vocabulary is a set of words or phrases (tokens with a blank between them).
Words are the weakest evidence: parameters of the acquisition outrank them (DECISIONS 2.1). Languages:
those of public collections (English, German, Dutch, French, Spanish, Italian, Portuguese).
"""

import re
import unicodedata
from collections.abc import Iterable

__all__ = [
    "BOLUS_TRACKING",
    "LOCALIZER",
    "MAP",
    "PROJECTION",
    "REFORMAT",
    "SUBTRACTION",
    "find",
    "names",
    "tokens",
    "vocabulary",
]


def vocabulary(text: str) -> frozenset[str]:
    """Give the entries of a vocabulary: separated by blanks, with an underscore within a phrase.

    Examples
    --------
    >>> sorted(vocabulary("scout bolus_tracking"))
    ['bolus tracking', 'scout']
    """
    return frozenset(entry.replace("_", " ") for entry in text.split())


LOCALIZER = vocabulary(
    "localizer localiser localizador localizzatore lokalizer lokalisator loc locator scout scouts topo topogram"
    " topogramm topogramme topogramma scanogram scanogramm surview scanoscope pilot survey reperage"
)
"""Names of overview images for planning."""

BOLUS_TRACKING = vocabulary(
    "smart_prep smartprep premonitoring monitoring test_bolus testbolus tracker bolus_tracking timing_bolus"
    " bolus_timing care_bolus carebolus sure_start surestart bolustrak bolus_trak fluoro_trigger fluorotrigger"
)
"""Names of the images by which the arrival of contrast is watched."""

PROJECTION = vocabulary("mip mips minip min_ip max_ip pjn")
SUBTRACTION = vocabulary(
    "sub subs subt subtr subtraction subtractions subtracted subtraktion subtraktionen subtractie soustraction"
    " sottrazione sustraccion subtracao"
)
MAP = vocabulary("map maps mapping")
REFORMAT = (
    PROJECTION
    | SUBTRACTION
    | vocabulary(
        "mpr mprs reformat reformats reformatted reformation cpr curved vrt volume_rendering 3d_rendering rendered ssd"
        " perfusion perf cbf cbv mtt ttp tmax dose_report dosisprotokoll patient_protocol patientenprotokoll"
        " screen_save screen_capture key_images summary"
    )
)
"""Names of images made from other images, and of pages that hold text."""


def tokens(text: str) -> tuple[str, ...]:
    """Give the words of a text: lower case, no accents, letters and digits only."""
    plain = "".join(one for one in unicodedata.normalize("NFKD", text.casefold()) if not unicodedata.combining(one))
    return tuple(re.findall(r"[^\W_]+", plain))


def names(text: str, vocabulary: Iterable[str]) -> bool:
    """Tell whether a text holds a word or phrase of a vocabulary, as whole words."""
    return find(text, vocabulary) is not None


def find(text: str, vocabulary: Iterable[str]) -> str | None:
    """Give the first word or phrase of a sorted vocabulary that a text holds."""
    padded = f" {' '.join(tokens(text))} "
    return next((entry for entry in sorted(vocabulary) if f" {entry} " in padded), None)
