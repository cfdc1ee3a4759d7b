"""The choice that each task makes on each set of real data, default options."""

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from aimi.dicom import selection, study
from aimi.dicom.header import Stack, Study
from aimi.dicom.selection import NothingSuitableError, Rule, Selection
from aimi.errors import InputError
from aimi.tasks import kidney, liver_ct, liver_mr, lung_ct, prostate
from tests.stacks import make_mr, make_stack, make_study, with_header

RULES: dict[str, tuple[Rule, ...]] = {
    "lung_ct": lung_ct.RULES,
    "kidney": kidney.RULES,
    "prostate": prostate.RULES,
    "liver_mr": liver_mr.RULES,
    "liver_ct": liver_ct.RULES,
}
ABDOMEN = "ct_abdomen_crlm_1004"
PET_CT = "petct_acrin_042"
PROSTATE = "mr_prostatex/ProstateX-0000"
MR_ABDOMEN = "mr_abdomen_cmb_crc"
CHEST = "ct_chest_lidc_0314"
CT_IMAGES = "1.3.6.1.4.1.14519.5.2.1.7009.2403.226151125820845824875394858561"

read = cache(study.read)


def real_study(real_data: Callable[[str], Path], name: str) -> Study:
    folder, _, rest = name.partition("/")
    return read(real_data(folder) / rest)


def first(found: Study, task: str) -> Selection:
    return selection.require_sound(selection.choose(found, RULES[task]))


@pytest.mark.parametrize(
    ("task", "name", "series_number", "noted"),
    [
        ("lung_ct", ABDOMEN, 2, ["selection-unknown-whole-lungs"]),
        ("lung_ct", PET_CT, 2, ["selection-unknown-diagnostic-CT"]),
        ("lung_ct", CHEST, 30026, ["selection-unknown-whole-lungs"]),
        ("kidney", ABDOMEN, 2, []),
        ("prostate", PROSTATE, 4, []),
        ("liver_ct", ABDOMEN, 2, []),
        ("liver_ct", PET_CT, 2, ["selection-unknown-body-part"]),
    ],
)
def test_real_series_is_chosen(
    real_data: Callable[[str], Path], task: str, name: str, series_number: int, noted: list[str]
) -> None:
    chosen = first(real_study(real_data, name), task)
    (stack,) = chosen.stacks.values()
    assert (stack.header.series_number, [note.code for note in selection.notes(chosen)]) == (series_number, noted)


@pytest.mark.parametrize(
    ("task", "name", "test"),
    [
        ("lung_ct", PROSTATE, "modality"),
        ("lung_ct", MR_ABDOMEN, "modality"),
        ("kidney", PET_CT, "contrast"),
        ("kidney", PROSTATE, "modality"),
        ("kidney", MR_ABDOMEN, "modality"),
        ("kidney", CHEST, "contrast"),
        ("kidney", CHEST, "body part"),
        ("prostate", ABDOMEN, "modality"),
        ("prostate", PET_CT, "modality"),
        ("prostate", MR_ABDOMEN, "body part"),
        ("prostate", CHEST, "modality"),
        ("liver_mr", ABDOMEN, "modality"),
        ("liver_mr", PET_CT, "modality"),
        ("liver_mr", PROSTATE, "body part"),
        ("liver_mr", PROSTATE, "weighting"),
        ("liver_mr", MR_ABDOMEN, "weighting"),
        ("liver_mr", CHEST, "modality"),
        ("liver_ct", PROSTATE, "modality"),
        ("liver_ct", MR_ABDOMEN, "modality"),
        ("liver_ct", CHEST, "body part"),
    ],
)
def test_real_study_is_refused_for_this_reason(
    real_data: Callable[[str], Path], task: str, name: str, test: str
) -> None:
    with pytest.raises(NothingSuitableError) as err:
        selection.choose(real_study(real_data, name), RULES[task])
    assert all(one.rank is None and one.failures for one in err.value.candidates)
    assert test in {failure.test for one in err.value.candidates for failure in one.failures}


@pytest.mark.parametrize("task", RULES)
def test_scout_pet_segmentation_and_value_map_are_never_chosen(real_data: Callable[[str], Path], task: str) -> None:
    found = real_study(real_data, PET_CT)
    try:
        candidates = selection.choose(found, RULES[task])[0].candidates
    except NothingSuitableError as err:
        candidates = err.candidates
    assert len(candidates) == 10
    assert {one.stack.name for one in candidates if one.rank is not None} <= {CT_IMAGES}


def test_two_patients_are_refused(real_data: Callable[[str], Path]) -> None:
    with pytest.raises(InputError, match="more than one patient"):
        read(real_data("mr_prostatex"))


def test_sagittal_coronal_diffusion_and_proton_density_fail_for_the_prostate(real_data: Callable[[str], Path]) -> None:
    candidates = first(real_study(real_data, PROSTATE), "prostate").candidates
    failed = {one.stack.header.series_number: {failure.test for failure in one.failures} for one in candidates}
    assert failed[3] == failed[5] == {"plane"}
    assert failed[6] == failed[7] == failed[8] == failed[9] == {"weighting"}


def test_non_contrast_ct_is_taken_for_the_kidneys_on_request(real_data: Callable[[str], Path]) -> None:
    (chosen,) = selection.choose(real_study(real_data, PET_CT), kidney.RULES_WITH_NON_CONTRAST)
    assert chosen.stacks["ct"].name == CT_IMAGES


# --- rules that no real set shows ---


def ranked(task: str, *stacks: Stack) -> list[int | None]:
    return [
        stack.header.series_number
        for one in selection.choose(make_study(*stacks), RULES[task])
        for stack in one.stacks.values()
    ]


def test_lung_kernel_and_thin_go_first() -> None:
    soft = make_stack(body_part_examined="CHEST", count=300, spacing=(1.0, 1, 1), convolution_kernel=("B30f",))
    thick = make_stack(
        series_number=3, body_part_examined="CHEST", count=60, spacing=(5.0, 1, 1), convolution_kernel=("B70f",)
    )
    thin = make_stack(
        series_number=4, body_part_examined="CHEST", count=300, spacing=(1.0, 1, 1), convolution_kernel=("B70f",)
    )
    assert ranked("lung_ct", soft, thick, thin) == [4, 3, 2]


def test_attenuation_ct_goes_behind_a_diagnostic_one() -> None:
    attenuation = make_stack(
        body_part_examined="CHEST", count=300, series_description="CTAC", convolution_kernel=("B70f",)
    )
    diagnostic = make_stack(series_number=3, body_part_examined="CHEST", count=300, convolution_kernel=("B30f",))
    assert ranked("lung_ct", attenuation, diagnostic) == [3, 2]


def test_thinner_slices_of_a_pair_go_behind_a_thick_diagnostic_chest() -> None:
    pair = make_stack(body_part_examined="CHEST", count=300, spacing=(3.27, 1, 1), series_description="CT SLICES")
    chest = make_stack(
        series_number=3, body_part_examined="CHEST", count=60, spacing=(5.0, 1, 1), convolution_kernel=("SOFT",)
    )
    assert ranked("lung_ct", pair, chest) == [3, 2]


def test_lung_kernel_of_a_pet_session_goes_before_a_soft_chest() -> None:
    soft = make_stack(body_part_examined="CHEST", count=300, protocol_name="5.1 CHEST", convolution_kernel=("B30f",))
    sharp = make_stack(
        series_number=3,
        body_part_examined="CHEST",
        count=300,
        protocol_name="PET/CT WB",
        series_description="RECON 2",
        convolution_kernel=("B70f",),
    )
    assert ranked("lung_ct", soft, sharp) == [3, 2]


def test_nameless_ct_that_covers_the_pet_goes_behind_a_diagnostic_chest() -> None:
    """Of the real pair, words taken away: its thinner CT lies under the PET, which no word says."""
    nameless = make_stack(body_part_examined="CHEST", count=299, spacing=(3.27, 1, 1), convolution_kernel=("STANDARD",))
    chest = make_stack(
        series_number=3, body_part_examined="CHEST", count=60, spacing=(5.0, 1, 1), convolution_kernel=("STANDARD",)
    )
    assert ranked("lung_ct", nameless, chest) == [2, 3]
    assert ranked("lung_ct", replace(nameless, covers_pet=True), chest) == [3, 2]
    (alone,) = selection.choose(make_study(replace(nameless, covers_pet=True)), lung_ct.RULES)
    assert [note.code for note in selection.notes(alone)] == ["selection-unknown-diagnostic-CT"]


def test_sharp_kernel_over_a_pet_is_diagnostic() -> None:
    sharp = make_stack(body_part_examined="CHEST", count=300, convolution_kernel=("B70f",))
    soft = make_stack(series_number=3, body_part_examined="CHEST", count=300, convolution_kernel=("B30f",))
    assert ranked("lung_ct", replace(sharp, covers_pet=True), soft) == [2, 3]


@pytest.mark.parametrize("task", ["lung_ct", "kidney", "liver_ct"])
def test_projection_that_calls_itself_original_is_refused(task: str) -> None:
    region = "CHEST" if task == "lung_ct" else "ABDOMEN"
    part: dict[str, Any] = {"body_part_examined": region, "contrast_bolus_route": "IV"}
    projection = make_stack(count=300, series_description="AX MIP 10x2", **part)
    assert projection.header.image_type[:2] == ("ORIGINAL", "PRIMARY")
    assert ranked(task, projection, make_stack(series_number=3, **part)) == [3]


def test_narrow_reconstruction_of_the_spine_goes_behind_the_lungs() -> None:
    spine = make_stack(body_part_examined="CHEST", count=150, spacing=(2.0, 0.35, 0.35), convolution_kernel=("BONE",))
    lungs = make_stack(
        series_number=3, body_part_examined="CHEST", count=70, spacing=(5.0, 0.7, 0.7), convolution_kernel=("LUNG",)
    )
    assert ranked("lung_ct", spine, lungs) == [3, 2]


def test_attenuation_ct_goes_behind_a_diagnostic_one_of_more_open_questions() -> None:
    attenuation = make_stack(body_part_examined="CHEST", count=300, series_description="CTAC")
    diagnostic = make_stack(series_number=3, body_part_examined="CHEST", count=30, image_type=())
    assert ranked("lung_ct", attenuation, diagnostic) == [3, 2]
    assert ranked("lung_ct", attenuation) == [2]


@pytest.mark.parametrize("open_question", [{}, {"image_type": (), "body_part_examined": ""}])
def test_enhanced_goes_before_plain_when_plain_is_allowed(open_question: dict[str, Any]) -> None:
    plain = make_stack(convolution_kernel=("SOFT",), body_part_examined="ABDOMEN")
    enhanced = make_stack(
        series_number=3, contrast_bolus_route="IV", **{"body_part_examined": "ABDOMEN", **open_question}
    )
    chosen = selection.choose(make_study(plain, enhanced), kidney.RULES_WITH_NON_CONTRAST)
    assert [one.stacks["ct"].header.series_number for one in chosen] == [3, 2]


def t2(number: int, **values: object) -> Stack:
    sequence = {"scanning_sequence": ("SE",), "echo_time": 104.0, "repetition_time": 5660.0, "size": (384, 384)}
    return make_mr(
        series_number=number, spacing=(3.0, 0.5, 0.5), body_part_examined="PROSTATE", **{**sequence, **values}
    )


def test_last_of_several_repeats_of_the_prostate_is_taken() -> None:
    wide = t2(12, size=(768, 768))
    assert ranked("prostate", t2(4, count=21), t2(11), t2(8, size=(512, 512)), wide) == [11, 8, 4, 12]


@pytest.mark.parametrize(
    "later",
    [{"count": 9}, {"inversion_time": 160.0}, {"series_description": "tirm_tra"}, {"series_description": "AX T2 FS"}],
)
def test_later_series_that_is_no_repeat_of_the_prostate_goes_behind(later: dict[str, Any]) -> None:
    assert ranked("prostate", t2(4), t2(9, **later)) == [4, 9]


@pytest.mark.parametrize(
    "computed",
    [
        {"series_description": "FAT: Ax T2 FLEX"},
        {"image_type": ("ORIGINAL", "PRIMARY", "DIXON", "FAT")},
        {"series_description": "t2_tse_tra SUB"},
        {"series_description": "T2 MAP"},
        {"series_description": "T2_MAP_Images"},
        {"series_description": "T2 Coil Sens"},
    ],
)
def test_fat_image_subtraction_map_and_calibration_of_the_prostate_are_refused(computed: dict[str, Any]) -> None:
    assert ranked("prostate", t2(4), t2(9, **computed)) == [4]


def test_water_of_the_prostate_goes_before_later_images_in_phase() -> None:
    water = t2(4, series_description="WATER: Ax T2 FLEX")
    assert ranked("prostate", water, t2(40, series_description="InPhase: Ax T2 FLEX")) == [4, 40]


@pytest.mark.parametrize(
    "female", [{"body_part_examined": "UTERUS"}, {"body_part_examined": "PELVIS", "patient_sex": "F"}]
)
def test_female_pelvis_is_refused_for_the_prostate(female: dict[str, Any]) -> None:
    with pytest.raises(NothingSuitableError, match="male pelvis 1"):
        ranked("prostate", with_header(t2(4), **female))


def test_patient_given_as_female_is_noted_where_the_prostate_is_named() -> None:
    (chosen,) = selection.choose(make_study(t2(4, patient_sex="F")), prostate.RULES)
    assert [note.code for note in selection.notes(chosen)] == ["selection-unknown-male-pelvis"]


def test_dynamic_and_adc_of_the_prostate_are_never_taken() -> None:
    dynamic = make_mr(series_number=9, scanning_sequence=("GR",), echo_time=1.4, repetition_time=4.0, flip_angle=12.0)
    adc = make_mr(series_number=10, image_type=("DERIVED", "PRIMARY", "DIFFUSION", "ADC"))
    assert ranked("prostate", dynamic, adc, t2(4)) == [4]


def t1(number: int, **values: object) -> Stack:
    sequence = {"scanning_sequence": ("GR",), "echo_time": 1.4, "repetition_time": 4.0, "flip_angle": 12.0}
    return make_mr(series_number=number, body_part_examined="LIVER", **{**sequence, **values})


def test_axial_t1_of_the_liver_goes_before_coronal_and_sagittal_is_refused() -> None:
    coronal, sagittal = t1(3, normal=(0.0, 1.0, 0.0)), t1(2, normal=(1.0, 0.0, 0.0))
    assert ranked("liver_mr", coronal, sagittal, t1(4)) == [4, 3]


def test_axial_t1_that_calls_itself_derived_goes_before_a_coronal_original() -> None:
    water = t1(7, series_description="WATER: Ax LAVA-Flex", image_type=("DERIVED", "PRIMARY", "DIXON", "WATER"))
    derived = t1(8, image_type=("DERIVED", "PRIMARY", "OTHER"))
    assert ranked("liver_mr", t1(3, normal=(0.0, 1.0, 0.0)), water, derived) == [8, 7, 3]


@pytest.mark.parametrize(
    "description", ["Asset Cal", "FatFrac: IDEAL IQ", "R2*: IDEAL IQ", "T1 MAP MOLLI", "FLUORO TRIGGER"]
)
def test_calibration_and_maps_of_the_liver_are_refused(description: str) -> None:
    water = t1(7, series_description="WATER: Ax LAVA-Flex", image_type=("DERIVED", "PRIMARY", "DIXON", "WATER"))
    assert ranked("liver_mr", t1(3, series_description=description), water) == [7]


def test_of_a_dixon_acquisition_water_goes_first_and_fat_is_refused() -> None:
    parts = ("WATER", "FAT", "IN_PHASE", "OPP_PHASE")
    stacks = [t1(9, split=(("ImageType", part),), image_type=("DERIVED", "PRIMARY", "DIXON", part)) for part in parts]
    chosen = selection.choose(make_study(*stacks), liver_mr.RULES)
    assert [one.stacks["mr"].split[0][1] for one in chosen] == ["WATER", "IN_PHASE", "OPP_PHASE"]


@pytest.mark.parametrize("description", ["AX IN/OUT PHASE", "t1_fl2d_opp-in", "AX T1"])
@pytest.mark.parametrize(("tesla", "opposed", "in_phase"), [(1.5, 2.3, 4.6), (3.0, 1.15, 2.3), (3.0, 3.45, 2.3)])
def test_echo_in_phase_goes_before_the_opposed_one_without_codes_in_image_type(
    description: str, tesla: float, opposed: float, in_phase: float
) -> None:
    echoes = [
        t1(
            9,
            split=(("EchoTime", str(echo)),),
            echo_time=echo,
            magnetic_field_strength=tesla,
            series_description=description,
            image_type=("ORIGINAL", "PRIMARY", "OTHER"),
        )
        for echo in (opposed, in_phase)
    ]
    chosen = selection.choose(make_study(*echoes), liver_mr.RULES)
    assert [one.stacks["mr"].header.echo_time for one in chosen] == [in_phase, opposed]


def test_subtraction_and_localizer_of_the_liver_are_refused() -> None:
    subtraction = t1(8, image_type=("DERIVED", "PRIMARY", "M", "SUB"))
    localizer = t1(1, series_description="localizer")
    assert ranked("liver_mr", subtraction, localizer, t1(4)) == [4]


@pytest.mark.parametrize("description", ["t1_vibe_dyn_SUB", "SUB MIP", "t1_vibe_MIP"])
def test_subtraction_of_the_liver_that_calls_itself_original_is_refused(description: str) -> None:
    assert ranked("liver_mr", t1(8, series_description=description), t1(4)) == [4]


def test_kidney_series_before_contrast_is_refused_by_its_phase() -> None:
    phases = [
        make_stack(series_number=number, contrast_bolus_agent="ISOVUE", split=(("ContrastBolusAgentPhase", phase),))
        for number, phase in ((2, "PRE_CONTRAST"), (3, "PORTAL_VENOUS"))
    ]
    assert ranked("kidney", *phases) == [3]


@pytest.mark.parametrize("description", ["Abdomen nativ", "PRE", "ABD W/O"])
def test_kidney_series_whose_words_deny_the_agent_of_the_examination_is_taken_on_request_only(description: str) -> None:
    plain = make_stack(contrast_bolus_agent="ISOVUE", series_description=description, convolution_kernel=("SOFT",))
    enhanced = make_stack(series_number=3, contrast_bolus_agent="ISOVUE")
    assert ranked("kidney", plain, enhanced) == [3]
    chosen = selection.choose(make_study(plain, enhanced), kidney.RULES_WITH_NON_CONTRAST)
    assert [one.stacks["ct"].header.series_number for one in chosen] == [3, 2]


def test_kidney_series_whose_attributes_contradict_each_other_is_refused() -> None:
    odd = make_stack(contrast_bolus_route="IV", contrast_bolus_agent="NONE")
    assert ranked("kidney", odd, make_stack(series_number=3, contrast_bolus_agent="ISOVUE")) == [3]
