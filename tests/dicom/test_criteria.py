from typing import Any

import pytest

from aimi.dicom import criteria
from aimi.dicom.body_parts import BodyRegion, regions_in_text
from aimi.dicom.criteria import PatientAxis
from aimi.dicom.header import Stack
from aimi.dicom.selection import Outcome, Test
from aimi.dicom.words import LOCALIZER, find, names, tokens
from tests.stacks import MR, PET, make_mr, make_stack

PASS, FAIL, UNKNOWN = Outcome.PASS, Outcome.FAIL, Outcome.UNKNOWN
ABDOMEN = criteria.shows_region(BodyRegion.ABDOMEN)
MALE = criteria.male_pelvis()


def outcome(test: Test, stack: Stack) -> Outcome:
    return test.judge(stack)[0]


# --- words ---


def test_text_is_cut_at_all_but_letters_and_digits() -> None:
    assert tokens("CT CH/AB/PEL_t2*") == ("ct", "ch", "ab", "pel", "t2")


def test_case_and_accents_do_not_matter() -> None:
    assert tokens("Schädel REPÉRAGE") == ("schadel", "reperage")


def test_words_are_matched_whole() -> None:
    assert names("AP Scout", LOCALIZER)
    assert not names("scouting", LOCALIZER)
    assert find("Hip", {"hi", "ip"}) is None


# --- modality ---


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ({}, PASS),
        ({"sop_class_uid": "1.2.840.10008.5.1.4.1.1.2.1"}, PASS),
        ({"sop_class_uid": "1.2.840.10008.5.1.4.1.1.2.2"}, PASS),
        ({"sop_class_uid": MR, "modality": "MR"}, FAIL),
        ({"sop_class_uid": PET, "modality": "PT"}, FAIL),
        ({"modality": "PT"}, FAIL),
        ({"sop_class_uid": "1.2.840.10008.5.1.4.1.1.7"}, FAIL),
    ],
)
def test_ct_is_single_frame_enhanced_or_converted_ct(header: dict[str, Any], expected: Outcome) -> None:
    assert outcome(criteria.modality("CT"), make_stack(**header)) is expected


def test_contradiction_of_sop_class_and_modality_is_named() -> None:
    sentence = criteria.modality("CT").judge(make_stack(modality="PT"))[1]
    assert sentence == "Its objects are CT images, but its Modality says otherwise."
    assert criteria.modality("CT").judge(make_mr())[1] == "It is MR, not CT."


# --- orientation ---

SIN18 = 0.3090169943749474
COS18 = 0.9510565162951535
HALF = 0.7071067811865476


@pytest.mark.parametrize(
    ("normal", "axis"),
    [
        ((0.0, 0.0, 1.0), PatientAxis.AXIAL),
        ((0.0, 0.0, -1.0), PatientAxis.AXIAL),
        ((0.0, SIN18, COS18), PatientAxis.AXIAL),
        ((0.0, HALF, HALF + 1e-9), PatientAxis.AXIAL),
        ((1.0, 0.0, 0.0), PatientAxis.SAGITTAL),
        ((0.0, -COS18, SIN18), PatientAxis.CORONAL),
        ((0.5773502691896258, 0.5773502691896258, 0.5773502691896258), None),
        (None, None),
    ],
)
def test_plane_is_the_nearest_axis_up_to_45_degrees(
    normal: tuple[float, float, float] | None, axis: PatientAxis | None
) -> None:
    assert criteria.nearest_axis(make_stack(normal=normal)) is axis


def test_axial_fails_other_planes_and_is_unknown_without_orientation() -> None:
    assert outcome(criteria.axial(), make_stack()) is PASS
    assert outcome(criteria.axial(), make_stack(normal=(1.0, 0.0, 0.0))) is FAIL
    assert outcome(criteria.axial(), make_stack(normal=(0.577, 0.577, 0.577))) is FAIL
    assert outcome(criteria.axial(), make_stack(normal=None)) is UNKNOWN


def test_planes_are_preferred_in_the_order_given() -> None:
    preference = criteria.plane_order(PatientAxis.AXIAL, PatientAxis.CORONAL)
    normals = ((0.0, 0.0, 1.0), (0.0, 1.0, 0.0), (1.0, 0.0, 0.0))
    assert [preference.key(make_stack(normal=normal)) for normal in normals] == [0, 1, 2]


# --- original ---


@pytest.mark.parametrize(
    "image_type",
    [
        ("DERIVED", "SECONDARY", "MPR"),
        ("DERIVED", "SECONDARY", "REFORMATTED", "AVERAGE"),
        ("DERIVED", "SECONDARY", "AXIAL", "CT_SOM5 MPR"),
        ("DERIVED", "PRIMARY", "PROJECTION IMAGE", "M"),
        ("ORIGINAL", "PRIMARY", "MIP"),
        ("DERIVED", "PRIMARY", "VOLUME", "MIN_IP"),
        ("DERIVED", "PRIMARY", "M", "ND", "SUB"),
        ("DERIVED", "PRIMARY", "PERFUSION", "CBF"),
        ("DERIVED", "SECONDARY", "SCREEN SAVE"),
        ("DERIVED", "SECONDARY", "DOSE_INFO"),
        ("DERIVED", "SECONDARY", "csa mpr"),
        ("DERIVED", "PRIMARY", "AXIAL", "VNC"),
        ("DERIVED", "SECONDARY", "AXIAL", "IODINE"),
        ("ORIGINAL", "PRIMARY", "AXIAL", "MAT_SPECIFIC"),
        ("DERIVED", "PRIMARY", "AXIAL", "MAT_REMOVED"),
        ("DERIVED", "PRIMARY", "AXIAL", "ELECTRON_DENSITY"),
    ],
)
def test_image_made_from_others_is_not_original(image_type: tuple[str, ...]) -> None:
    assert outcome(criteria.original(), make_stack(image_type=image_type)) is FAIL


@pytest.mark.parametrize("value", ["P", "PHASE MAP", "FIELD_MAP", "IMAGINARY"])
def test_phase_image_and_field_map_of_mr_are_not_original(value: str) -> None:
    assert outcome(criteria.original(), make_mr(image_type=("ORIGINAL", "PRIMARY", "T1", value))) is FAIL


def test_in_phase_image_is_original() -> None:
    assert outcome(criteria.original(), make_mr(image_type=("ORIGINAL", "PRIMARY", "M", "IN_PHASE"))) is PASS


@pytest.mark.parametrize(
    "image_type", [("DERIVED", "SECONDARY"), ("DERIVED", "SECONDARY", "AXIAL"), ("ORIGINAL", "SECONDARY"), ()]
)
def test_derived_or_secondary_alone_is_unknown(image_type: tuple[str, ...]) -> None:
    assert outcome(criteria.original(), make_stack(image_type=image_type)) is UNKNOWN
    named = make_stack(image_type=image_type, series_description="MPR thick")
    assert outcome(criteria.original(), named) is FAIL


@pytest.mark.parametrize(
    "description", ["DE_Abdomen VNC", "Iodine Density 2.0", "WATER(IODINE)", "Virtual Non-Contrast"]
)
def test_map_of_materials_is_told_by_its_description_where_image_type_says_derived(description: str) -> None:
    stack = make_stack(image_type=("DERIVED", "SECONDARY", "AXIAL"), series_description=description)
    assert outcome(criteria.original(), stack) is FAIL


@pytest.mark.parametrize("value", ["VMI", "MONOENERGETIC"])
def test_monoenergetic_image_may_be_annotated(value: str) -> None:
    assert outcome(criteria.original(), make_stack(image_type=("DERIVED", "PRIMARY", "AXIAL", value))) is UNKNOWN


def test_iodine_as_the_agent_names_no_map() -> None:
    stack = make_stack(image_type=("DERIVED", "SECONDARY"), series_description="iodine contrast, portal")
    assert outcome(criteria.original(), stack) is UNKNOWN


def test_image_type_outranks_the_description() -> None:
    assert outcome(criteria.original(), make_stack(series_description="for MIP")) is PASS


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ({"image_type": ("ORIGINAL", "PRIMARY", "LOCALIZER")}, FAIL),
        ({"image_type": ("ORIGINAL", "PRIMARY", "AXIAL", "CT_SOM5 MON")}, FAIL),
        ({"image_type": ("ORIGINAL", "PRIMARY", "AXIAL", "CT_SOM5 TOP")}, FAIL),
        ({"image_type": ("ORIGINAL", "PRIMARY", "AXIAL", "CT_SOM5 SPI")}, PASS),
        ({"image_type": ("ORIGINAL", "PRIMARY"), "series_description": "Topogramm 0.6"}, FAIL),
        ({"series_description": "Scout"}, UNKNOWN),
        ({"series_description": "SMART PREP SERIES"}, FAIL),
        ({"protocol_name": "Test-Bolus"}, FAIL),
        ({"series_description": "AX LIVER"}, PASS),
    ],
)
def test_localizers_and_bolus_watching_are_refused(header: dict[str, Any], expected: Outcome) -> None:
    assert outcome(criteria.no_localizer(), make_stack(**header)) is expected


def test_three_plane_localizer_of_mr_is_refused_by_its_name() -> None:
    assert outcome(criteria.no_localizer(), make_mr(series_description="LOC_haste")) is FAIL


# --- body part ---


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("CHEST", {BodyRegion.CHEST}),
        ("CHESTABDPELVIS", {BodyRegion.CHEST, BodyRegion.ABDOMEN, BodyRegion.PELVIS}),
        ("CT C/A/P", {BodyRegion.CHEST, BodyRegion.ABDOMEN, BodyRegion.PELVIS}),
        ("CT CH/AB/PEL", {BodyRegion.CHEST, BodyRegion.ABDOMEN, BodyRegion.PELVIS}),
        ("Whole-Body", {BodyRegion.CHEST, BodyRegion.ABDOMEN, BodyRegion.PELVIS}),
        ("Foie", {BodyRegion.ABDOMEN}),
        ("Tórax y abdómen", {BodyRegion.CHEST, BodyRegion.ABDOMEN}),
        ("MR prostaat", {BodyRegion.PROSTATE, BodyRegion.PELVIS}),
        ("Schädel", {BodyRegion.HEAD}),
        ("UNKNOWN", set()),
    ],
)
def test_regions_are_named_in_several_languages(text: str, expected: set[BodyRegion]) -> None:
    assert regions_in_text(text) == expected


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ({"body_part_examined": "ABDOMEN"}, PASS),
        ({"body_part_examined": "KIDNEY"}, PASS),
        ({"body_part_examined": "CHEST"}, FAIL),
        ({"body_part_examined": "CHEST", "series_description": "LIVER"}, FAIL),
        ({"body_part_examined": "ABDOMEN", "series_description": "LUNG 1.25"}, UNKNOWN),
        ({"body_part_examined": "ABDOMEN", "series_description": "CHEST/ABD"}, PASS),
        ({"body_part_examined": "ABDOMEN", "protocol_name": "CHEST"}, PASS),
        ({"series_description": "LIVER"}, PASS),
        ({"series_description": "LUNG 1.25", "protocol_name": "ABDOMEN"}, FAIL),
        ({"protocol_name": "CT CAP"}, PASS),
        ({"study_description": "ABDOMEN"}, PASS),
        ({"study_description": "LUNG DELAYS"}, UNKNOWN),
        ({"body_part_examined": "ZZZ"}, UNKNOWN),
        ({}, UNKNOWN),
    ],
)
def test_body_part_decides_and_words_only_where_it_is_absent(header: dict[str, Any], expected: Outcome) -> None:
    assert outcome(ABDOMEN, make_stack(**header)) is expected


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ({"body_part_examined": "PELVIS", "patient_sex": "M"}, PASS),
        ({"body_part_examined": "PELVIS", "patient_sex": "O"}, PASS),
        ({"body_part_examined": "PELVIS"}, PASS),
        ({"body_part_examined": "PELVIS", "patient_sex": "F"}, FAIL),
        ({"body_part_examined": "UTERUS"}, FAIL),
        ({"body_part_examined": "CERVIX"}, FAIL),
        ({"series_description": "t2 tra Gebärmutter"}, FAIL),
        ({"body_part_examined": "PELVIS", "protocol_name": "OVARIES"}, FAIL),
        ({"body_part_examined": "PROSTATE", "patient_sex": "F"}, UNKNOWN),
        ({"body_part_examined": "PELVIS", "study_description": "MR PROSTATE", "patient_sex": "F"}, UNKNOWN),
        ({"body_part_examined": "PROSTATE", "patient_sex": "M"}, PASS),
    ],
)
def test_female_pelvis_is_refused_unless_a_prostate_is_named(header: dict[str, Any], expected: Outcome) -> None:
    assert outcome(MALE, make_mr(**header)) is expected


def test_sentences_hold_no_header_text() -> None:
    stack = make_stack(
        body_part_examined="DOE LIVER", series_description="DOE MIP scout", image_type=("DOE", "DOE", "DOE")
    )
    tests = (criteria.modality("CT"), criteria.original(), criteria.no_localizer(), criteria.axial(), ABDOMEN, MALE)
    assert "DOE" not in " ".join(test.judge(stack)[1] for test in tests)


# --- preferences ---


@pytest.mark.parametrize(("gap", "key"), [(0.99, 1), (1.0, 0), (5.0, 0), (5.004, 0), (5.01, 1)])
def test_gap_within_its_ends_is_preferred(gap: float, key: int) -> None:
    assert criteria.gap_within(1.0, 5.0).key(make_stack(spacing=(gap, 1, 1))) == key


def test_unknown_gap_is_outside() -> None:
    assert criteria.gap_within(1.0, 5.0).key(make_stack(spacing=None)) == 1


def test_last_repeat_is_the_one_of_the_highest_series_number() -> None:
    key = criteria.last_repeat_first().key
    assert key(make_stack(series_number=9)) < key(make_stack(series_number=8)) < key(make_stack(series_number=None))
