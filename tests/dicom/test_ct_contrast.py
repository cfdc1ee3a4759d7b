from typing import Any

import pytest

from aimi.dicom import ct_contrast
from aimi.dicom.ct_contrast import Contrast
from aimi.dicom.header import Stack
from aimi.dicom.selection import Outcome
from tests.stacks import make_stack

PASS, FAIL = Outcome.PASS, Outcome.FAIL


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ({"contrast_bolus_route": "Oral & IV", "contrast_bolus_agent": "GASTRO & OMNI"}, Contrast.INTRAVENOUS),
        ({"contrast_bolus_route": "INTRAVENOUS"}, Contrast.INTRAVENOUS),
        ({"contrast_bolus_route": "I.V."}, Contrast.INTRAVENOUS),
        ({"contrast_bolus_route": "Oral", "contrast_bolus_agent": "Omnipaque"}, Contrast.NONE),
        ({"contrast_bolus_route": "RECTAL", "series_description": "PORTAL"}, Contrast.NONE),
        ({"contrast_bolus_agent": "APPLIED"}, Contrast.INTRAVENOUS),
        ({"contrast_bolus_agent": "ISOVUE 300"}, Contrast.INTRAVENOUS),
        ({"contrast_bolus_agent": "GASTROGRAFIN"}, Contrast.NONE),
        ({"contrast_bolus_agent": "ORAL & IV"}, Contrast.INTRAVENOUS),
        ({"contrast_bolus_agent": "NONE"}, Contrast.NONE),
        ({"contrast_bolus_agent": "0 ml"}, Contrast.NONE),
        ({"contrast_bolus_agent": "NON-IONIC"}, Contrast.INTRAVENOUS),
        ({"contrast_bolus_agent": "Omnipaque 350, non ionic"}, Contrast.INTRAVENOUS),
        ({"contrast_bolus_agent": "100cc ISOVUE 370 @ 2.0 cc/s"}, Contrast.INTRAVENOUS),
        ({"contrast_bolus_agent": "NO OMNIPAQUE"}, Contrast.NONE),
        ({"contrast_bolus_agent": "ORAL OMNIPAQUE"}, Contrast.NONE),
        ({"contrast_bolus_agent": "Omni PO"}, Contrast.NONE),
        ({"contrast_bolus_agent": "Oral & Omnipaque"}, Contrast.INTRAVENOUS),
        ({"contrast_bolus_agent": "oral omnipaque, IV isovue"}, Contrast.INTRAVENOUS),
        ({"contrast_bolus_agent": "OMNIPAQUE 350 PO"}, Contrast.NONE),
        ({"contrast_bolus_agent": "ORAL: OMNIPAQUE"}, Contrast.NONE),
        ({"contrast_bolus_agent": "OMNIPAQUE 300 ORAL"}, Contrast.NONE),
        ({"contrast_bolus_agent": "OMNIPAQUE 350 MG/ML PO"}, Contrast.NONE),
        ({"contrast_bolus_agent": "OMNIPAQUE 350 PO & IV"}, Contrast.INTRAVENOUS),
        ({"contrast_bolus_agent": "OMNIPAQUE ORAL, 100,0 ML ISOVUE"}, Contrast.INTRAVENOUS),
        ({"contrast_bolus_agent": "GASTRO PO ISOVUE 370"}, Contrast.INTRAVENOUS),
        ({"contrast_bolus_agent": "ISOVUE 370 W/ ORAL"}, Contrast.INTRAVENOUS),
        ({"contrast_bolus_agent": "GASTROGRAFIN/ISOVUE"}, Contrast.INTRAVENOUS),
        ({"contrast_bolus_agent": "NO ORAL, 100CC ISOVUE"}, Contrast.INTRAVENOUS),
        ({"contrast_bolus_agent": "ISOVUE / NO ORAL"}, Contrast.INTRAVENOUS),
        ({"contrast_bolus_agent": "ISOVUE W/O ORAL CONTRAST"}, Contrast.INTRAVENOUS),
        ({"contrast_bolus_agent": "NO GASTRO, ISOVUE"}, Contrast.INTRAVENOUS),
        ({"contrast_bolus_agent": "NO ORAL"}, Contrast.SILENT),
        ({"contrast_bolus_agent": "NO ORAL/IV"}, Contrast.NONE),
        ({"contrast_bolus_agent": "no oral or IV"}, Contrast.NONE),
        ({"contrast_bolus_agent": "NO IV, OMNIPAQUE PO"}, Contrast.NONE),
        ({"contrast_bolus_agent": "N"}, Contrast.NONE),
        ({"contrast_bolus_agent": "W/O"}, Contrast.NONE),
        ({"contrast_bolus_agent": "NONCONTRAST"}, Contrast.NONE),
        ({"contrast_bolus_agent": "UNENHANCED"}, Contrast.NONE),
        ({"contrast_bolus_agent": "NATIV"}, Contrast.NONE),
        ({"contrast_bolus_agent": "PRE"}, Contrast.NONE),
        ({"contrast_bolus_agent": "N/A"}, Contrast.SILENT),
        ({"contrast_bolus_agent": "NA", "series_description": "PORTAL"}, Contrast.INTRAVENOUS),
        ({"contrast_bolus_agent": "UNKNOWN"}, Contrast.SILENT),
        ({"contrast_bolus_route": "IV", "contrast_bolus_agent": "N/A"}, Contrast.INTRAVENOUS),
        ({"contrast_bolus_route": "IV", "contrast_bolus_agent": "UNENHANCED"}, Contrast.CONTRADICTORY),
        ({"series_description": "ABD ORAL CONTRAST ONLY"}, Contrast.SILENT),
        ({"series_description": "ABD ORAL AND IV CONTRAST"}, Contrast.INTRAVENOUS),
        ({"contrast_bolus_agent": "ISOVUE", "series_description": "ABD ORAL CONTRAST"}, Contrast.INTRAVENOUS),
        ({"series_description": "ABD W/O"}, Contrast.NONE),
        ({"protocol_name": "ABD WO/W CONTRAST"}, Contrast.SILENT),
        ({"protocol_name": "ABD W/O & W CONTRAST"}, Contrast.SILENT),
        ({"protocol_name": "ABDOMEN WITHOUT AND WITH CONTRAST"}, Contrast.SILENT),
        ({"series_description": "ABD W/O CONTRAST"}, Contrast.NONE),
        ({"series_description": "Abdomen nativ 5.0"}, Contrast.NONE),
        ({"series_description": "non-contrast"}, Contrast.NONE),
        ({"series_description": "Abdomen W CONTRAST"}, Contrast.INTRAVENOUS),
        ({"series_description": "Arterielle Phase KM"}, Contrast.INTRAVENOUS),
        ({"series_description": "PRE", "protocol_name": "ABD WITH CONTRAST"}, Contrast.NONE),
        ({"protocol_name": "ABD W/WO CONTRAST"}, Contrast.SILENT),
        ({"study_description": "CT W CONTRAST"}, Contrast.SILENT),
        ({"contrast_bolus_agent": "OMNI", "series_description": "PRE LIVER"}, Contrast.DENIED),
        ({"contrast_bolus_route": "IV", "series_description": "Abdomen nativ"}, Contrast.DENIED),
        ({"contrast_bolus_agent": "OMNI", "series_description": "ABD W/O"}, Contrast.DENIED),
        ({"contrast_bolus_agent": "OMNI", "protocol_name": "ABD NON-CONTRAST"}, Contrast.DENIED),
        ({"contrast_bolus_route": "IV", "series_description": "DE_ABD VNC"}, Contrast.DENIED),
        ({"contrast_bolus_agent": "OMNI", "series_description": "ABD_PRE_OP"}, Contrast.INTRAVENOUS),
        ({"contrast_bolus_agent": "OMNI", "series_description": "pre-transplant liver"}, Contrast.INTRAVENOUS),
        ({"contrast_bolus_agent": "OMNI", "series_description": "ABD_NO_ORAL"}, Contrast.INTRAVENOUS),
        ({"contrast_bolus_agent": "OMNI", "series_description": "ABD W/O ORAL CONTRAST"}, Contrast.INTRAVENOUS),
        ({"contrast_bolus_agent": "OMNI", "series_description": "ABD NO ORAL OR IV"}, Contrast.DENIED),
        ({"contrast_bolus_route": "IV", "contrast_bolus_agent": "NONE"}, Contrast.CONTRADICTORY),
        ({"contrast_bolus_route": "IV", "contrast_bolus_agent": "0 ml"}, Contrast.CONTRADICTORY),
        ({"contrast_bolus_route": "IV", "contrast_bolus_agent": "NO ORAL"}, Contrast.INTRAVENOUS),
        ({"series_description": "CT IMAGES"}, Contrast.SILENT),
        ({}, Contrast.SILENT),
    ],
)
def test_route_outranks_agent_and_agent_outranks_words(header: dict[str, Any], expected: Contrast) -> None:
    assert ct_contrast.contrast_of(make_stack(**header)) is expected


@pytest.mark.parametrize(
    "text",
    [
        "ABDOMEN W/OUT CONTRAST", "without i.v. contrast", "no i.v. contrast", "without any contrast",
        "before contrast", "contrast: none", "IV contrast: no", "contrast not given", "minus contrast",
        "prior to the contrast", "ohne i.v. KM", "ohne i.v. Kontrast", "vor KM", "Abdomen 5.0 vor Kontrastmittel",
        "zonder i.v. contrast",
        "senza mezzo di contrasto", "senza m.d.c.", "sans produit de contraste", "sin medio de contraste",
        "avant contraste", "antes do contraste", "avant injection", "sans injection", "non injecté",
        "w/o oral/iv contrast", "ABD WITHOUT", "NON ENH", "unenh", "precon", "pre-con", "C- ABD", "ABDOMEN NC",
        "nativer Scan",
        "CT without (iv)contrast", "withoutcontrast", "PRE LIVER WITH CONTRAST",
    ],
)  # fmt: skip
def test_words_of_many_languages_deny_contrast(text: str) -> None:
    assert ct_contrast.contrast_of(make_stack(series_description=text)) is Contrast.NONE
    stated = make_stack(series_description=text, contrast_bolus_agent="OMNIPAQUE 350")
    assert ct_contrast.contrast_of(stated) is Contrast.DENIED


@pytest.mark.parametrize(
    "text",
    [
        "ABD W CON", "with contrast", "W/ CONTRAST", "ABD C+", "nach KM", "mit KM", "Abdomen 5.0 KM", "CHEST ABD W IV",
        "POST CONTRAST", "con contraste", "con mdc", "injecté", "after the contrast", "W CONTRAST WITHOUT GATING",
        "ABD PV 3.0", "w contrast, no oral", "with contrast, non ionic", "IV CONTRAST NO DELAY", "0 5 KONTRAST",
        "PRE OP ABD PORTAL", "NEPHROGRAPHIC",
    ],
)  # fmt: skip
def test_words_of_many_languages_state_contrast(text: str) -> None:
    assert ct_contrast.contrast_of(make_stack(series_description=text)) is Contrast.INTRAVENOUS


@pytest.mark.parametrize(
    "text",
    [
        "POST OP", "post nephrectomy", "POST-ABLATION", "post void", "pre/post contrast", "pre and post", "ABD",
        "with contrast and without contrast", "mit/ohne KM", "LUNG WINDOW",
    ],
)  # fmt: skip
def test_words_that_tell_nothing_of_the_images_leave_contrast_open(text: str) -> None:
    assert ct_contrast.contrast_of(make_stack(series_description=text)) is Contrast.SILENT


@pytest.mark.parametrize(
    ("agent", "expected"),
    [
        ("False", Contrast.NONE),
        ("E-Z-CAT", Contrast.NONE),
        ("Redicat", Contrast.NONE),
        ("BAR", Contrast.NONE),
        ("NaCl 100 ml", Contrast.NONE),
        ("Saline", Contrast.NONE),
        ("ULTRAVIST 370 NACL", Contrast.INTRAVENOUS),
        ("OMNI + saline", Contrast.INTRAVENOUS),
        ("W/OUT", Contrast.NONE),
    ],
)
def test_agents_that_are_none(agent: str, expected: Contrast) -> None:
    assert ct_contrast.contrast_of(make_stack(contrast_bolus_agent=agent)) is expected


def in_phase(phase: str, **header: Any) -> Stack:
    return make_stack(split=(("ContrastBolusAgentPhase", phase),), **header)


@pytest.mark.parametrize(
    ("phase", "header", "expected"),
    [
        ("PORTAL_VENOUS", {}, Contrast.INTRAVENOUS),
        ("ARTERIAL", {}, Contrast.INTRAVENOUS),
        ("DELAYED", {"contrast_bolus_agent": "ISOVUE"}, Contrast.INTRAVENOUS),
        ("STEADY_STATE", {}, Contrast.INTRAVENOUS),
        ("POST_CONTRAST", {"series_description": "nativ"}, Contrast.INTRAVENOUS),
        ("POST_CONTRAST\\PRE_CONTRAST", {}, Contrast.INTRAVENOUS),
        ("PRE_CONTRAST", {}, Contrast.NONE),
        ("PRE_CONTRAST", {"contrast_bolus_agent": "ISOVUE", "contrast_bolus_route": "IV"}, Contrast.NONE),
        ("ARTERIAL", {"contrast_bolus_route": "ORAL"}, Contrast.CONTRADICTORY),
        ("ARTERIAL", {"contrast_bolus_agent": "NONE"}, Contrast.CONTRADICTORY),
        ("SOMETHING", {}, Contrast.SILENT),
        ("SOMETHING", {"contrast_bolus_route": "ORAL"}, Contrast.NONE),
    ],
)
def test_phase_tells_what_route_and_agent_leave_open(phase: str, header: dict[str, Any], expected: Contrast) -> None:
    assert ct_contrast.contrast_of(in_phase(phase, **header)) is expected


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ({"contrast_bolus_route": "IV"}, PASS),
        ({"contrast_bolus_route": "ORAL"}, FAIL),
        ({}, FAIL),
        ({"contrast_bolus_route": "IV", "series_description": "unenhanced"}, FAIL),
        ({"contrast_bolus_route": "IV", "contrast_bolus_agent": "NONE"}, FAIL),
    ],
)
def test_enhanced_ct_must_state_intravenous_contrast(header: dict[str, Any], expected: Outcome) -> None:
    assert ct_contrast.contrast_enhanced().judge(make_stack(**header))[0] is expected


def test_enhanced_goes_before_silent_before_denied_before_plain() -> None:
    key = ct_contrast.contrast_first().key
    stacks = [make_stack(series_description=text) for text in ("portal", "CT", "native")]
    stacks.insert(2, make_stack(series_description="native", contrast_bolus_route="IV"))
    assert sorted(map(key, stacks)) == list(map(key, stacks))
    assert len(set(map(key, stacks))) == 4
