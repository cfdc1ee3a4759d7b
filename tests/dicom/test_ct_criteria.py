from typing import Any

import pytest

from aimi.dicom import ct_criteria
from aimi.dicom.ct_criteria import Contrast, Kernel
from aimi.dicom.header import Stack
from aimi.dicom.selection import Outcome
from tests.stacks import make_header, make_stack

PASS, FAIL, UNKNOWN = Outcome.PASS, Outcome.FAIL, Outcome.UNKNOWN


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
    assert ct_criteria.contrast_of(make_stack(**header)) is expected


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
    assert ct_criteria.contrast_of(in_phase(phase, **header)) is expected


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
    assert ct_criteria.contrast_enhanced().judge(make_stack(**header))[0] is expected


def test_enhanced_goes_before_silent_before_denied_before_plain() -> None:
    key = ct_criteria.contrast_first().key
    stacks = [make_stack(series_description=text) for text in ("portal", "CT", "native")]
    stacks.insert(2, make_stack(series_description="native", contrast_bolus_route="IV"))
    assert sorted(map(key, stacks)) == list(map(key, stacks))
    assert len(set(map(key, stacks))) == 4


@pytest.mark.parametrize(
    ("kernel", "expected"),
    [
        (("STANDARD",), Kernel.SOFT),
        (("SOFT",), Kernel.SOFT),
        (("LUNG",), Kernel.SHARP),
        (("BONEPLUS",), Kernel.SHARP),
        (("B30f",), Kernel.SOFT),
        (("B31s", "2"), Kernel.SOFT),
        (("I50f", "3"), Kernel.SHARP),
        (("Br40d",), Kernel.SOFT),
        (("Bl57d",), Kernel.SHARP),
        (("B",), Kernel.SOFT),
        (("D",), Kernel.SHARP),
        (("YC",), Kernel.SHARP),
        (("FC08",), Kernel.SOFT),
        (("FC51",), Kernel.SHARP),
        (("ZZZ",), Kernel.UNKNOWN),
        ((), Kernel.UNKNOWN),
    ],
)
def test_kernels_of_four_makers(kernel: tuple[str, ...], expected: Kernel) -> None:
    assert ct_criteria.kernel_of(make_header(convolution_kernel=kernel)) is expected


def test_words_tell_the_kernel_only_where_it_is_unknown() -> None:
    assert ct_criteria.kernel_of(make_header(series_description="LUNG 1.25")) is Kernel.SHARP
    assert ct_criteria.kernel_of(make_header(series_description="Weichteil")) is Kernel.SOFT
    assert ct_criteria.kernel_of(make_header(series_description="LUNG", convolution_kernel=("B20f",))) is Kernel.SOFT


def test_soft_and_sharp_kernels_are_preferred_in_opposite_order() -> None:
    stacks = [make_stack(convolution_kernel=(kernel,)) for kernel in ("SOFT", "ZZZ", "LUNG")]
    assert [ct_criteria.soft_kernel_first().key(stack) for stack in stacks] == [0, 1, 2]
    assert [ct_criteria.sharp_kernel_first().key(stack) for stack in stacks] == [0, -1, -2]


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ({"series_description": "CTAC 3.75"}, UNKNOWN),
        ({"series_description": "CT IMAGES", "protocol_name": "6.1 PET_CT_WBS_2D_"}, UNKNOWN),
        ({"series_description": "CT WB 5.0"}, UNKNOWN),
        ({"series_description": "CT SLICES 3.27"}, UNKNOWN),
        ({"series_description": "CT Atten Corr 3.75"}, UNKNOWN),
        ({"series_description": "CTAC LUNG", "convolution_kernel": ("LUNG",)}, UNKNOWN),
        ({"protocol_name": "PET/CT WB"}, UNKNOWN),
        ({"protocol_name": "PET/CT WB", "convolution_kernel": ("LUNG",)}, PASS),
        ({"protocol_name": "PET/CT WB", "series_description": "LUNG 1.25"}, PASS),
        ({"protocol_name": "PET/CT WB", "series_description": "Thorax 5.0", "convolution_kernel": ("B30f",)}, PASS),
        ({"series_description": "CHEST LOW DOSE"}, PASS),
        ({"series_description": "THIN SLICES"}, PASS),
        ({"series_description": "PETERSON chest"}, PASS),
        ({}, PASS),
    ],
)
def test_attenuation_ct_passes_with_a_note(header: dict[str, Any], expected: Outcome) -> None:
    stack = make_stack(**header)
    assert ct_criteria.no_attenuation_ct().judge(stack)[0] is expected
    assert ct_criteria.diagnostic_first().key(stack) == (expected is UNKNOWN)


@pytest.mark.parametrize(
    ("count", "gap", "expected", "said"),
    [
        (41, 5.0, UNKNOWN, "It is 205 mm long: the lungs are cut."),
        (80, 1.0, UNKNOWN, "It is 80 mm long: the lungs are cut."),
        (44, 5.0, PASS, "It is 220 mm long, enough for whole lungs."),
    ],
)
def test_short_stack_cuts_the_lungs(count: int, gap: float, expected: Outcome, said: str) -> None:
    assert ct_criteria.whole_lungs().judge(make_stack(count=count, spacing=(gap, 1, 1))) == (expected, said)


def test_unknown_extent_leaves_the_lungs_open() -> None:
    assert ct_criteria.whole_lungs().judge(make_stack(spacing=None))[0] is UNKNOWN
