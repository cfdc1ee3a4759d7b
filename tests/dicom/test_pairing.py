"""Which PET and CT of a study belong together, and why not."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from aimi.dicom import pairing, selection
from aimi.dicom.criteria import modality
from aimi.dicom.ct_criteria import kernel_of, soft_kernel_first
from aimi.dicom.header import Plane, Stack
from aimi.dicom.pairing import PairRule, coverage
from aimi.dicom.selection import NothingSuitableError, Preference, Rule
from aimi.errors import GeometryError, UsageError
from tests.stacks import DEFECT, PET, make_report, make_stack, make_study

RULES = (Rule("pet", (modality("PT"),)), Rule("ct", (modality("CT"),), (soft_kernel_first(),)))
PAIR = PairRule("pet", "ct", sharpness=lambda stack: kernel_of(stack.header))
AXES = np.eye(3)


def placed(stack: Stack, start: float, axes: Any = AXES) -> Stack:
    """Lay a stack's planes along the third axis, from an offset on, centered about the others."""
    gap, *spacing = stack.spacing or (1.0, 1.0, 1.0)
    rows, columns = stack.instances[0].pixels.rows, stack.instances[0].pixels.columns
    corner = -0.5 * ((columns - 1) * spacing[1] * axes[0] + (rows - 1) * spacing[0] * axes[1])
    planes = tuple(
        _plane(plane, corner + (start + gap * k) * axes[2], axes, spacing) for k, plane in enumerate(stack.planes)
    )
    return replace(stack, planes=planes, normal=tuple(axes[2]))


def _plane(plane: Plane, position: Any, axes: Any, spacing: list[float]) -> Plane:
    return replace(
        plane,
        position=(float(position[0]), float(position[1]), float(position[2])),
        orientation=(*axes[0], *axes[1]),
        pixel_spacing=(spacing[0], spacing[1]),
    )


def pet(number: int = 1, start: float = 0.0, count: int = 100, **values: Any) -> Stack:
    made = {"modality": "PT", "sop_class_uid": PET, "frame_of_reference_uid": "2.25.5", **values}
    return placed(
        make_stack(series_number=number, count=count, spacing=(3.0, 4.0, 4.0), size=(128, 128), **made), start
    )


def ct(number: int = 2, start: float = 0.0, count: int = 60, gap: float = 5.0, **values: Any) -> Stack:
    made = {"frame_of_reference_uid": "2.25.5", **values}
    return placed(make_stack(series_number=number, count=count, spacing=(gap, 1.0, 1.0), **made), start)


def pairs(*stacks: Any, **options: Any) -> list[tuple[int | None, int | None]]:
    chosen = pairing.choose(make_study(*stacks), RULES, PAIR, **options)
    return [(one.stacks["pet"].header.series_number, one.stacks["ct"].header.series_number) for one in chosen]


def refusal(*stacks: Any, **options: Any) -> NothingSuitableError:
    with pytest.raises(NothingSuitableError) as err:
        pairing.choose(make_study(*stacks), RULES, PAIR, **options)
    return err.value


@pytest.mark.parametrize(
    ("start", "count", "share"),
    [(0.0, 60, 1.0), (-1.0, 61, 1.0), (30.0, 54, 0.9), (152.0, 30, 0.5), (-600.0, 50, 0.0), (12.5, 57, 0.95)],
)
def test_coverage_is_the_share_of_slices_between_the_ends_of_the_ct(start: float, count: int, share: float) -> None:
    assert coverage(pet(), ct(start=start, count=count)) == pytest.approx(share)


def test_coverage_is_the_same_in_every_orientation() -> None:
    turned = Rotation.random(rng=np.random.default_rng(3)).as_matrix()
    first, second = placed(pet(), 0.0, turned), placed(ct(), 30.0, turned)
    assert coverage(first, second) == pytest.approx(0.9)


def test_the_direction_in_which_slices_were_numbered_does_not_matter() -> None:
    flipped = np.diag([1.0, -1.0, -1.0])
    assert coverage(pet(start=0.0), placed(ct(count=30), -147.0, flipped)) == pytest.approx(0.5)


def test_pet_and_ct_of_one_frame_are_chosen() -> None:
    assert pairs(pet(), ct(), make_report(100)) == [(1, 2)]


def test_another_frame_of_reference_is_refused_and_may_be_registered() -> None:
    other = ct(frame_of_reference_uid="2.25.6")
    err = refusal(pet(), other)
    assert ("frames of reference differ" in err.message, "--register" in err.remedy, err.status) == (True, True, 3)
    (chosen,) = pairing.choose(make_study(pet(), other), RULES, PAIR, register=True)
    assert [note.code for note in selection.notes(chosen)] == ["selection-unknown-frame-of-reference"]


def test_a_ct_of_half_the_pet_is_refused_and_may_be_allowed() -> None:
    half = ct(start=152.0, count=30)
    err = refusal(pet(), half)
    assert ("covers 50 % of the PET's slices; 90 %" in err.message, "--allow-partial-ct" in err.remedy) == (True, True)
    (chosen,) = pairing.choose(make_study(pet(), half), RULES, PAIR, allow_partial=True)
    assert [note.code for note in selection.notes(chosen)] == ["selection-unknown-coverage"]


def test_a_pet_without_ct_is_refused() -> None:
    err = refusal(pet(), make_report(100))
    assert (err.message, err.status) == ("The study holds no CT.", 3)


def test_the_whole_ct_goes_before_an_earlier_one_that_is_allowed_to_be_partial() -> None:
    assert pairs(pet(), ct(3), ct(2, start=152.0, count=30), allow_partial=True) == [(1, 3), (1, 2)]


@pytest.mark.parametrize(
    ("better", "worse"),
    [
        ({"convolution_kernel": ("SOFT",)}, {"convolution_kernel": ("LUNG",), "acquisition_time": 60.0}),
        ({"acquisition_time": 100.0}, {"acquisition_time": 900.0, "gap": 2.0, "count": 150}),
        ({"acquisition_time": 500.0, "start": -1.0, "count": 62}, {"acquisition_time": 500.0, "start": 20.0}),
        ({"acquisition_time": 500.0, "gap": 2.0, "count": 151}, {"acquisition_time": 500.0}),
    ],
)
def test_of_two_cts_kernel_time_coverage_and_gap_decide_in_this_order(
    better: dict[str, Any], worse: dict[str, Any]
) -> None:
    day: dict[str, Any] = {"acquisition_date": "20200101"}
    best, other = ct(7, **day, **{"acquisition_time": 500.0, **better}), ct(3, **day, **worse)
    assert pairs(pet(**day, acquisition_time=300.0), best, other)[0] == (1, 7)


def test_the_ct_just_before_midnight_is_nearer_than_one_hours_after() -> None:
    before = ct(7, acquisition_date="20191231", acquisition_time=23 * 3600 + 50 * 60.0)
    after = ct(3, acquisition_date="20200101", acquisition_time=3 * 3600.0)
    assert pairs(pet(acquisition_date="20200101", acquisition_time=120.0), before, after)[0] == (1, 7)


def test_a_kernel_twin_is_left_out() -> None:
    moment: dict[str, Any] = {"acquisition_date": "20200101", "acquisition_time": 1.0}
    soft, sharp = ct(2, convolution_kernel=("B30f",), **moment), ct(3, convolution_kernel=("B70f",), **moment)
    (chosen,) = pairing.choose(make_study(pet(), soft, sharp), RULES, PAIR)
    told = {one.stack.header.series_number: [failure.test for failure in one.failures] for one in chosen.candidates}
    assert told == {1: [], 2: [], 3: ["kernel twin"]}
    assert pairs(pet(), soft, sharp, series_uid=sharp.name) == [(1, 3)]


def test_a_sharp_ct_alone_is_taken() -> None:
    assert pairs(pet(), ct(convolution_kernel=("B70f",))) == [(1, 2)]


def test_of_two_pets_the_one_with_fewer_open_questions_goes_first() -> None:
    better, worse = pet(4), pet(1, frame_of_reference_uid="2.25.6")
    assert pairs(better, worse, ct(), register=True) == [(4, 2), (1, 2)]


@pytest.mark.parametrize(("role", "lowest"), [("pet", 1), ("ct", 2)])
def test_a_leading_preference_of_either_role_outranks_fewer_open_questions(role: str, lowest: int) -> None:
    low = Preference("low number", lambda stack: stack.header.series_number or 0)
    rules = tuple(replace(rule, leading=(low,)) if rule.role == role else rule for rule in RULES)
    other: dict[str, Any] = {"frame_of_reference_uid": "2.25.6"}
    stacks = (pet(1, **other), pet(4), ct(9)) if role == "pet" else (pet(1), ct(2, **other), ct(9))
    chosen = pairing.choose(make_study(*stacks), rules, PAIR, register=True)[0]
    assert chosen.stacks[role].header.series_number == lowest


def test_ranks_and_pair_verdicts_are_told_candidate_by_candidate() -> None:
    (chosen,) = pairing.choose(make_study(pet(), ct(), ct(3, start=152.0, count=30), make_report(9)), RULES, PAIR)
    told = {one.stack.header.series_number: (one.role, one.rank) for one in chosen.candidates}
    assert told == {1: ("pet", 1), 2: ("ct", 1), 3: ("ct", None), 9: ("pet", None)}
    assert [one.failures[0].test for one in chosen.candidates if one.rank is None] == ["image", "coverage"]


def test_either_role_or_both_can_be_asked_for() -> None:
    stacks = (pet(1), pet(4), ct(2), ct(3))
    assert pairs(*stacks, series_uid=stacks[1].name) == [(4, 2), (4, 3)]
    assert pairs(*stacks, series_uid=f"{stacks[1].name}, {stacks[3].name}") == [(4, 3)]


def test_a_name_that_is_not_there_is_wrong_usage() -> None:
    with pytest.raises(UsageError, match="no series or stack"):
        pairing.choose(make_study(pet(), ct()), RULES, PAIR, series_uid="2.25.1,2.25.2")


def test_a_defect_of_either_refuses_the_result() -> None:
    chosen = pairing.choose(make_study(pet(), replace(ct(), defects=(DEFECT,))), RULES, PAIR)
    with pytest.raises(GeometryError, match="2 slices are missing"):
        selection.require_sound(chosen)


def test_without_a_pair_rule_one_role_is_chosen_as_before() -> None:
    study = make_study(ct(2), ct(3))
    assert pairing.choose(study, RULES[1:]) == selection.choose(study, RULES[1:])


def test_the_order_of_series_changes_nothing(tmp_path: Path) -> None:
    stacks = [pet(1), pet(4), ct(2), ct(3), ct(5, frame_of_reference_uid="2.25.6")]
    assert pairs(*stacks) == pairs(*reversed(stacks))
