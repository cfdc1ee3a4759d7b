"""What tells a corrected, static FDG PET from others."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from aimi.dicom import study
from aimi.dicom.header import Stack
from aimi.dicom.pet_criteria import attenuation_corrected, fdg, names_the_breast, static
from aimi.dicom.selection import Outcome
from tests.stacks import PET, make_stack

PASS, FAIL, UNKNOWN = Outcome.PASS, Outcome.FAIL, Outcome.UNKNOWN


def pet(**values: Any) -> Stack:
    return make_stack(**{"modality": "PT", "sop_class_uid": PET, "image_type": ("ORIGINAL", "PRIMARY"), **values})


@pytest.mark.parametrize(
    ("values", "outcome"),
    [
        ({"corrected_image": ("DECY", "ATTN")}, PASS),
        ({"corrected_image": ("DECY", "RAN")}, FAIL),
        ({"corrected_image": ("DECY",), "attenuation_correction_method": "measured,AC_CT_Body"}, PASS),
        ({"attenuation_correction_method": "CTAC-SG"}, PASS),
        ({"attenuation_correction_method": "None"}, FAIL),
        ({"attenuation_correction_method": "measured", "series_description": "NAC"}, PASS),
        ({"corrected_image": ("ATTN",), "series_description": "PET NAC"}, FAIL),
        ({"series_description": "WB uncorrected"}, FAIL),
        ({"series_description": "PET no AC"}, FAIL),
        ({"series_description": "PET WB AC"}, UNKNOWN),
        ({"series_description": "CANACE"}, UNKNOWN),
        ({}, UNKNOWN),
    ],
)  # fmt: skip
def test_attenuation_correction_by_attributes_before_words(values: dict[str, Any], outcome: Outcome) -> None:
    assert attenuation_corrected().judge(pet(**values))[0] is outcome


@pytest.mark.parametrize(
    ("values", "outcome"),
    [
        ({"radiopharmaceutical_codes": ("C-B1031",)}, PASS),
        ({"radiopharmaceutical_codes": ("35321007",), "radiopharmaceutical": "Solution"}, PASS),
        ({"radiopharmaceutical_codes": ("129501009",), "radiopharmaceutical": "FDG"}, FAIL),
        ({"radiopharmaceutical_codes": ("Y-X1743",), "radiopharmaceutical": "FDG -- fluorodeoxyglucose"}, PASS),
        ({"radiopharmaceutical_codes": ("35321007", "129501009")}, FAIL),
        ({"radiopharmaceutical_codes": ("C-B1031", "Y-X1743")}, PASS),
        ({"radiopharmaceutical": "18F-FDG"}, PASS),
        ({"radiopharmaceutical": "18FFDGinj"}, PASS),
        ({"radiopharmaceutical": "F-D-G in water"}, PASS),
        ({"radiopharmaceutical": "FDG alpha"}, PASS),
        ({"radiopharmaceutical": "18FFDGinj alpha"}, PASS),
        ({"radiopharmaceutical": "18FFDG alpha"}, PASS),
        ({"radiopharmaceutical": "FDG + NaF"}, FAIL),
        ({"radiopharmaceutical": "NaF/18F-FDG"}, FAIL),
        ({"radiopharmaceutical": "FDGal"}, FAIL),
        ({"radiopharmaceutical": "18FFDGal"}, FAIL),
        ({"radiopharmaceutical": "FDGal -- Fluorodeoxygalactose F^18^"}, FAIL),
        ({"radiopharmaceutical": "2-fluorodeoxygalactose"}, FAIL),
        ({"radiopharmaceutical": "F-18 Fluorodeoxyglucose"}, PASS),
        ({"radiopharmaceutical": "Ga-68 DOTATATE"}, FAIL),
        ({"radiopharmaceutical": "Solution"}, UNKNOWN),
        ({"radiopharmaceutical": "FDG", "radionuclide_codes": ("35337001",)}, FAIL),
        ({"radiopharmaceutical": "FDG", "radionuclide_codes": ("C-111A1",)}, PASS),
        ({}, UNKNOWN),
    ],
)
def test_tracer_by_code_before_text_and_another_isotope_fails(values: dict[str, Any], outcome: Outcome) -> None:
    assert fdg().judge(pet(**values))[0] is outcome


@pytest.mark.parametrize(
    ("series_type", "outcome"),
    [
        (("STATIC", "IMAGE"), PASS),
        (("WHOLE BODY", "IMAGE"), PASS),
        (("DYNAMIC", "IMAGE"), FAIL),
        (("GATED", "IMAGE"), FAIL),
        (("STATIC", "REPROJECTION"), FAIL),
        ((), UNKNOWN),
    ],
)
def test_dynamic_gated_and_projected_pet_is_no_static_volume(series_type: tuple[str, ...], outcome: Outcome) -> None:
    assert static().judge(pet(series_type=series_type))[0] is outcome


def test_lutetium_stored_as_pet_and_uncorrected_pet_fail(real_data: Callable[[str], Path]) -> None:
    folder = real_data("awkward") / "pet_headers" / "made_dicom"
    (lutetium,), (uncorrected,) = (study.read(folder / name).series for name in ("made_lutetium", "made_NAC"))
    assert fdg().judge(lutetium.stacks[0])[0] is FAIL
    assert attenuation_corrected().judge(uncorrected.stacks[0])[0] is FAIL


@pytest.mark.parametrize(
    ("values", "outcome", "said"),
    [
        ({"body_part_examined": "BREAST", "patient_sex": "M"}, PASS, "It names the breast."),
        ({"study_description": "FDG Mamma"}, PASS, "It names the breast."),
        ({"patient_sex": "F"}, UNKNOWN, "Neither its body part nor a description names the breast."),
        (
            {"study_description": "LUNG DELAYS", "patient_sex": "M"},
            UNKNOWN,
            "Neither its body part nor a description names the breast. It names the chest. The patient is male.",
        ),
    ],
)
def test_a_pet_that_is_no_breast_study_is_taken_with_what_speaks_against_it(
    values: dict[str, Any], outcome: Outcome, said: str
) -> None:
    assert names_the_breast().judge(pet(**values)) == (outcome, said)
