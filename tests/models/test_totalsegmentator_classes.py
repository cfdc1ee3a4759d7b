"""The classes of TotalSegmentator: numbers that published code relies on, and segments of other writers."""

import pytest

from aimi.image import Code, Segment
from aimi.models import totalsegmentator_classes as classes
from aimi.models.totalsegmentator_classes import ANATOMY, anatomy_of

LEFT, RIGHT, BOTH = (
    Code("7771000", "SCT", "Left"),
    Code("24028007", "SCT", "Right"),
    Code("51440002", "SCT", "Right and left"),
)
LUNG = Code("39607008", "SCT", "Lung")


def segment(label: str, kind: Code, *modifiers: Code, region_modifiers: tuple[Code, ...] = ()) -> Segment:
    anatomy = Code("123037004", "SCT", "Anatomical Structure")
    return Segment(1, label, label, anatomy, kind, (0, 0, 0), modifiers, None, region_modifiers)


def test_numbers_of_version_1_are_those_that_the_published_code_uses() -> None:
    names = (
        "spleen",
        "kidney_right",
        "kidney_left",
        "gallbladder",
        "liver",
        "lung_upper_lobe_left",
        "heart_myocardium",
    )
    assert [ANATOMY[name] for name in names] == [1, 2, 3, 4, 5, 13, 44]
    assert (classes.LOBES_LEFT, classes.LOBES_RIGHT, classes.V1_COUNT) == ((13, 14), (15, 16, 17), 104)


def test_numbers_of_version_2_differ() -> None:
    found = {name: number for number, name in enumerate(classes.V2_TOTAL, start=1)}
    assert [found[name] for name in ("lung_upper_lobe_left", "lung_lower_lobe_right", "heart")] == [10, 14, 51]


def test_the_five_parts_make_up_the_whole() -> None:
    parts = [name for part in classes.V2_PARTS.values() for name in part]
    assert sorted(parts) == sorted(classes.V2_TOTAL)
    assert [len(part) for part in classes.V2_PARTS.values()] == [24, 26, 18, 23, 26]


def test_every_class_has_a_number_of_its_own_that_fits_a_label_map() -> None:
    assert set(classes.V1) | set(classes.V2_TOTAL) | {"breast", "lung"} <= set(ANATOMY)
    assert sorted(ANATOMY.values()) == list(range(1, len(ANATOMY) + 1))
    assert len(ANATOMY) < 256


def test_a_coarser_class_goes_with_all_of_its_parts_alone() -> None:
    right = {"lung_upper_lobe_right", "lung_middle_lobe_right", "lung_lower_lobe_right"}
    found = set(classes.with_unions(sorted(right | {"kidney_left", "spleen"})))
    assert found == {ANATOMY[name] for name in right | {"kidney_left", "spleen", "lung_right"}}
    assert set(classes.with_unions(classes.V1)) - set(range(1, classes.V1_COUNT + 1)) == {
        ANATOMY[name] for name in ("heart", "lung", "lung_left", "lung_right", "kidney")
    }


@pytest.mark.parametrize(
    ("given", "name"),
    [
        (segment("lung_upper_lobe_left", Code("0", "99X", "")), "lung_upper_lobe_left"),
        (segment("Lung upper lobe left", Code("0", "99X", "")), "lung_upper_lobe_left"),
        (segment("Oberlappen", Code("45653009", "SCT", "Upper lobe of lung"), LEFT), "lung_upper_lobe_left"),
        (segment("x", Code("90572001", "SCT", "Lower lobe"), region_modifiers=(RIGHT,)), "lung_lower_lobe_right"),
        (segment("x", LUNG, BOTH), "lung"),
        (segment("x", LUNG), "lung"),
        (segment("x", LUNG, LEFT), "lung_left"),
        (segment("x", Code("76752008", "SCT", "Breast"), BOTH), "breast"),
        (segment("x", Code("78961009", "SCT", "Spleen")), "spleen"),
        (segment("x", Code("64033007", "SCT", "Kidney"), RIGHT), "kidney_right"),
        (segment("x", Code("64033007", "SCT", "Kidney")), "kidney"),
    ],
)  # fmt: skip
def test_a_segment_is_known_by_its_name_or_its_code_and_side(given: Segment, name: str) -> None:
    assert anatomy_of(given) == ANATOMY[name]


def test_a_segment_of_something_else_is_unknown() -> None:
    assert anatomy_of(segment("Tumor", Code("86049000", "SCT", "Malignant neoplasm"))) == 0
    assert anatomy_of(segment("x", Code("39607008", "99X", "Lung"))) == 0
