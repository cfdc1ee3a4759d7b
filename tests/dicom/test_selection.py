import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aimi.dicom import selection
from aimi.dicom.header import Stack, Study
from aimi.dicom.selection import NothingSuitableError, Outcome, Preference, Rule, Test
from aimi.errors import GeometryError, SelectionError, UsageError
from tests.stacks import DEFECT, MR, SEGMENTATION, make_report, make_stack, make_study


def judge_enhanced(stack: Stack) -> tuple[Outcome, str]:
    agent = stack.header.contrast_bolus_agent
    outcome = {"": Outcome.UNKNOWN, "none": Outcome.FAIL}.get(agent, Outcome.PASS)
    return outcome, f"Contrast is {outcome}."


ANY = Rule("ct", ())
ENHANCED = Rule("ct", (Test("contrast", judge_enhanced),))
ACQUIRED = {"acquisition_date": "20200101", "acquisition_time": 9.0}
BINDING = Rule("ct", (Test("contrast", judge_enhanced, binding=True),))


def numbers(study: Study, rule: Rule = ANY, **options: Any) -> list[int | None]:
    return [one.stacks[rule.role].header.series_number for one in selection.choose(study, (rule,), **options)]


def test_failed_test_excludes() -> None:
    study = make_study(make_stack(contrast_bolus_agent="none"), make_stack(series_number=3, contrast_bolus_agent="yes"))
    assert numbers(study, ENHANCED) == [3]


def test_unknown_passes_and_ranks_behind_pass() -> None:
    study = make_study(make_stack(), make_stack(series_number=3, contrast_bolus_agent="yes"))
    assert numbers(study, ENHANCED) == [3, 2]


def test_fewer_unknowns_outrank_the_tasks_own_preference() -> None:
    rule = Rule("ct", ENHANCED.tests, (Preference("low number", lambda stack: stack.header.series_number or 0),))
    study = make_study(make_stack(), make_stack(series_number=3, contrast_bolus_agent="yes"))
    assert numbers(study, rule) == [3, 2]


def test_leading_preference_outranks_fewer_unknowns() -> None:
    low = Preference("low number", lambda stack: stack.header.series_number or 0)
    study = make_study(make_stack(), make_stack(series_number=3, contrast_bolus_agent="yes"))
    ranked = selection.choose(study, (Rule("ct", ENHANCED.tests, leading=(low,)),))
    assert [one.stacks["ct"].header.series_number for one in ranked] == [2, 3]
    assert ranked[0].reason == "It goes before the next by low number."


def test_preferences_count_in_their_order() -> None:
    first = Preference("kernel", lambda stack: 0.0 if stack.header.convolution_kernel == ("SOFT",) else 1.0)
    second = Preference("agent", lambda stack: 0.0 if stack.header.contrast_bolus_agent else 1.0)
    study = make_study(
        make_stack(contrast_bolus_agent="yes"), make_stack(series_number=3, convolution_kernel=("SOFT",))
    )
    assert numbers(study, Rule("ct", (), (first, second))) == [3, 2]
    assert numbers(study, Rule("ct", (), (second, first))) == [2, 3]


@pytest.mark.parametrize(
    ("better", "worse"),
    [
        ({"spacing": (2.0, 1, 1)}, {"spacing": (3.0, 1, 1)}),
        ({"spacing": (2.0, 1, 1)}, {"spacing": None}),
        ({"slice_thickness": 1.0}, {"slice_thickness": 2.0}),
        ({"size": (512, 512)}, {"size": (256, 512)}),
        ({"acquisition_date": "20200102", "acquisition_time": 5.0}, ACQUIRED),
        ({**ACQUIRED, "acquisition_time": 9.5}, ACQUIRED),
        ({"series_date": "20200101", "series_time": 9.5}, {}),
        ({"acquisition_date": "20200101", "series_date": "20200102", "series_time": 5.0}, ACQUIRED),
        (ACQUIRED, {"acquisition_date": "20200103"}),
        ({**ACQUIRED, "series_date": "20200101", "series_time": 1.0}, {"series_date": "20200101", "series_time": 2.0}),
        ({"series_number": 1}, {"series_number": 12}),
        ({"series_number": 1}, {"series_number": None}),
        ({"series_instance_uid": "2.25.1"}, {"series_instance_uid": "2.25.2"}),
    ],
)  # fmt: skip
def test_of_two_alike_the_better_goes_first(better: dict[str, Any], worse: dict[str, Any]) -> None:
    first = make_stack(**{"series_instance_uid": "2.25.11", **better})
    second = make_stack(**{"series_instance_uid": "2.25.10", **worse})
    ranked = selection.choose(make_study(second, first), (ANY,))
    assert [one.stacks["ct"] for one in ranked] == [first, second]


@pytest.mark.parametrize(
    ("gap", "expected"), [(0.9, [2, 3]), (1.0, [3, 2]), (2.0, [3, 2]), (5.0, [3, 2]), (5.1, [2, 3])]
)
def test_more_slices_go_first_only_within_the_target_range(gap: float, expected: list[int]) -> None:
    rule = Rule("ct", (), target_gap=(1.0, 5.0))
    few = make_stack(count=10, spacing=(gap, 1, 1), slice_thickness=1.0)
    many = make_stack(series_number=3, count=20, spacing=(gap, 1, 1), slice_thickness=3.0)
    assert numbers(make_study(few, many), rule) == expected


def test_rounding_of_the_gap_decides_nothing() -> None:
    study = make_study(
        make_stack(spacing=(3.2703, 1, 1), slice_thickness=4.0),
        make_stack(series_number=3, spacing=(3.2704, 1, 1), slice_thickness=3.0),
    )
    assert numbers(study) == [3, 2]


@given(order=st.permutations(range(6)))
def test_order_of_the_series_changes_nothing(order: list[int]) -> None:
    stacks = [make_stack(series_number=n // 2, series_instance_uid=f"2.25.{n}") for n in range(6)]
    ranked = selection.choose(make_study(*(stacks[n] for n in order)), (ANY,))
    assert [one.stacks["ct"] for one in ranked] == stacks


def test_two_stacks_of_one_series_never_tie() -> None:
    echoes = [make_stack(split=(("EchoTime", value),)) for value in ("2.3", "4.6")]
    ranked = selection.choose(make_study(*reversed(echoes)), (ANY,))
    assert [one.stacks["ct"].split for one in ranked] == [echo.split for echo in echoes]


def test_every_series_is_a_candidate_and_reports_are_never_chosen() -> None:
    study = make_study(make_stack(), make_report(100), make_report(101, "SR"))
    (chosen,) = selection.choose(study, (ANY,))
    assert [(one.stack.header.modality, one.rank) for one in chosen.candidates] == [
        ("CT", 1),
        ("SEG", None),
        ("SR", None),
    ]
    assert "modality SR" in chosen.candidates[2].failures[0].sentence


def test_segmentation_with_planes_is_no_image() -> None:
    with pytest.raises(NothingSuitableError):
        selection.choose(make_study(make_stack(sop_class_uid="1.2.840.10008.5.1.4.1.1.66.4", modality="SEG")), (ANY,))


def test_nothing_suitable_has_status_3_and_tells_what_each_failed() -> None:
    study = make_study(make_stack(contrast_bolus_agent="none"), make_report())
    with pytest.raises(
        SelectionError,
        match="by test: contrast 1, image 1",
    ) as err:
        selection.choose(study, (ENHANCED,))
    assert isinstance(err.value, NothingSuitableError)
    assert err.value.status == 3
    lines = [selection.describe(one) for one in err.value.candidates]
    assert "series 2, 20 images" in lines[0] and lines[0].endswith("excluded. Contrast is fail.")


def test_empty_study_has_status_3() -> None:
    with pytest.raises(NothingSuitableError, match="holds no series"):
        selection.choose(make_study(), (ANY,))


def test_defect_does_not_change_the_rank_and_refuses_the_result() -> None:
    study = make_study(make_stack(defects=(DEFECT,)), make_stack(series_number=3))
    selections = selection.choose(study, (ANY,))
    assert selections[0].stacks["ct"].defects
    with pytest.raises(GeometryError, match=r"2 slices are missing.*--series '2\.25\.7000\.3'") as err:
        selection.require_sound(selections)
    assert err.value.status == 4


def test_defect_without_another_sound_candidate_names_none() -> None:
    study = make_study(make_stack(defects=(DEFECT,)), make_stack(series_number=3, defects=(DEFECT,)))
    with pytest.raises(GeometryError, match="No other series"):
        selection.require_sound(selection.choose(study, (ANY,)))


def test_defect_of_another_series_does_not_matter() -> None:
    selections = selection.choose(make_study(make_stack(), make_stack(series_number=3, defects=(DEFECT,))), (ANY,))
    assert selection.require_sound(selections) is selections[0]


def test_forced_series_is_taken_and_its_failed_tests_are_noted() -> None:
    study = make_study(make_stack(contrast_bolus_agent="yes"), make_stack(series_number=3, contrast_bolus_agent="none"))
    (chosen,) = selection.choose(study, (ENHANCED,), series_uid="2.25.7000.3")
    assert chosen.stacks["ct"].header.series_number == 3
    assert [(note.code, note.sentence) for note in selection.notes(chosen)] == [
        ("selection-fail-contrast", "Contrast is fail.")
    ]
    assert [one.rank for one in chosen.candidates] == [2, 1]


def test_open_question_is_noted() -> None:
    (chosen,) = selection.choose(make_study(make_stack()), (ENHANCED,))
    assert [note.code for note in selection.notes(chosen)] == ["selection-unknown-contrast"]


def test_forced_series_is_still_subject_to_geometry() -> None:
    study = make_study(make_stack(), make_stack(series_number=3, defects=(DEFECT,)))
    forced = selection.choose(study, (ANY,), series_uid="2.25.7000.3")
    with pytest.raises(GeometryError, match=r"missing.*--series '2\.25\.7000\.2'"):
        selection.require_sound(forced)


def test_forced_stack_name_takes_that_stack() -> None:
    echoes = [make_stack(split=(("EchoTime", value),)) for value in ("2.3", "4.6")]
    (chosen,) = selection.choose(make_study(*echoes), (ANY,), series_uid="2.25.7000.2[EchoTime=4.6]")
    assert chosen.stacks["ct"] is echoes[1]


def test_forced_series_of_two_stacks_prefers_the_one_that_suits() -> None:
    plain = make_stack(split=(("AcquisitionNumber", "1"),), contrast_bolus_agent="none")
    enhanced = make_stack(split=(("AcquisitionNumber", "2"),), contrast_bolus_agent="yes")
    (chosen,) = selection.choose(make_study(plain, enhanced), (ENHANCED,), series_uid="2.25.7000.2")
    assert chosen.stacks["ct"] is enhanced


def test_binding_test_holds_for_a_forced_series() -> None:
    study = make_study(make_stack(contrast_bolus_agent="none"), make_stack(series_number=3, contrast_bolus_agent="yes"))
    with pytest.raises(NothingSuitableError, match="Contrast is fail") as err:
        selection.choose(study, (BINDING,), series_uid="2.25.7000.2")
    assert [one.rank for one in err.value.candidates] == [None, 1]


def test_forced_report_is_refused() -> None:
    with pytest.raises(NothingSuitableError, match="no CT, MR or PET images"):
        selection.choose(make_study(make_stack(), make_report(100)), (ANY,), series_uid="2.25.7000.100")


def test_unknown_uid_is_wrong_usage() -> None:
    with pytest.raises(UsageError):
        selection.choose(make_study(make_stack()), (ANY,), series_uid="2.25.9")


def test_reason_names_what_decided() -> None:
    study = make_study(make_stack(), make_stack(series_number=3, size=(256, 256)), make_report())
    first, last = selection.choose(study, (ANY,))
    assert first.reason == "It goes before the next by a larger matrix."
    assert last.reason == "It is the last of 2 stacks that suit."


def test_reason_of_a_study_of_one_stack() -> None:
    assert selection.choose(make_study(make_stack()), (ANY,))[0].reason == "It is the only stack."


def test_reason_of_a_forced_one() -> None:
    (chosen,) = selection.choose(make_study(make_stack()), (ANY,), series_uid="2.25.7000.2")
    assert chosen.reason == "It was asked for by its UID."


def test_line_on_a_candidate_tells_its_open_questions() -> None:
    suits, is_open = (
        selection.choose(make_study(make_stack(contrast_bolus_agent=agent)), (ENHANCED,))[0].candidates[0]
        for agent in ("yes", "")
    )
    assert selection.describe(suits) == "series 2, 20 images, 2.25.7000.2: rank 1. Suits."
    assert selection.describe(is_open) == "series 2, 20 images, 2.25.7000.2: rank 1. Contrast is unknown."


def test_remedy_names_the_option_only_where_it_would_help() -> None:
    with pytest.raises(NothingSuitableError, match="--series UID"):
        selection.choose(make_study(make_stack(contrast_bolus_agent="none")), (ENHANCED,))
    with pytest.raises(NothingSuitableError, match="Send another study"):
        selection.choose(make_study(make_stack(contrast_bolus_agent="none")), (BINDING,))


def test_tests_after_a_binding_one_that_failed_are_not_told() -> None:
    rule = Rule("ct", (*BINDING.tests, Test("never", lambda _: (Outcome.FAIL, "Never."))))
    with pytest.raises(NothingSuitableError) as err:
        selection.choose(make_study(make_stack(contrast_bolus_agent="none")), (rule,))
    assert [verdict.test for verdict in err.value.candidates[0].verdicts] == ["image", "contrast"]


def test_reason_of_the_only_one() -> None:
    (chosen,) = selection.choose(make_study(make_stack(), make_report()), (ANY,))
    assert chosen.reason == "It is the only one of 2 stacks that suits."


def test_json_holds_chosen_by_role_and_all_candidates() -> None:
    study = make_study(make_stack(defects=(DEFECT,)), make_report())
    document = json.loads(json.dumps(selection.as_json(selection.choose(study, (ENHANCED,)))))
    assert document["chosen"]["ct"]["series_instance_uid"] == "2.25.7000.2"
    assert [one["rank"] for one in document["candidates"]] == [1, None]
    assert document["acceptable"] == 1
    assert document["candidates"][0]["tests"][1]["outcome"] == "unknown"
    assert document["candidates"][0]["defects"][0]["code"] == "gap"


def test_defects_of_a_report_are_not_told() -> None:
    report = make_stack(series_number=3, sop_class_uid=SEGMENTATION, modality="SEG", defects=(DEFECT,))
    document = json.loads(json.dumps(selection.as_json(selection.choose(make_study(make_stack(), report), (ANY,)))))
    assert [one["defects"] for one in document["candidates"]] == [[], []]


def test_json_of_a_refusal_has_nothing_chosen() -> None:
    with pytest.raises(NothingSuitableError) as err:
        selection.choose(make_study(make_report()), (ANY,))
    document = selection.as_json((), err.value.candidates)
    assert document["chosen"] == {}
    assert [one["rank"] for one in document["candidates"]] == [None]  # type: ignore[attr-defined]


def test_free_text_is_shown_only_on_request() -> None:
    selections = selection.choose(
        make_study(make_stack(series_description="JOHN DOE", study_description="JOHN DOE", protocol_name="JOHN DOE")),
        (ANY,),
    )
    assert "JOHN" not in json.dumps(selection.as_json(selections))
    assert "JOHN" not in selection.describe(selections[0].candidates[0])
    assert json.dumps(selection.as_json(selections, show_descriptions=True)).count("JOHN DOE") == 1


def test_mr_and_pet_are_images_too() -> None:
    assert numbers(make_study(make_stack(sop_class_uid=MR, modality="MR"))) == [2]
