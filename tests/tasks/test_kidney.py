"""The cases of the published script (array 40 x 60 x 60, two kidneys of 1000 voxels, a tumor of 48 in the second)."""

import numpy as np
import pytest

from aimi.engine.agreement import vote
from aimi.tasks.kidney import KIDNEY
from tests.tasks.grids import Box, Labels, boxes, clean

SHAPE = (40, 60, 60)
FIRST: Box = ((5, 14), (5, 14), (5, 14))
SECOND: Box = ((5, 14), (5, 14), (40, 49))
TUMOR: Box = ((7, 10), (7, 10), (42, 44))
BOTH = ((FIRST, 1), (SECOND, 1), (TUMOR, 2))
FAR: Box = ((30, 34), (50, 54), (20, 24))
ONE_VOXEL: Box = ((30, 30), (50, 50), (20, 20))

CASES: dict[str, tuple[Labels, tuple[int, int, int]]] = {
    # name: (labels, voxels under paper, published-code, mhub)
    "two kidneys": (boxes(SHAPE, *BOTH), (2000, 2000, 2000)),
    "K1 a third piece of kidney": (boxes(SHAPE, *BOTH, (FAR, 1)), (2000, 2000, 2125)),
    "K1 a third piece of tumor": (boxes(SHAPE, *BOTH, (FAR, 2)), (2000, 2000, 2125)),
    "K2 one kidney and a far cyst of one voxel": (boxes(SHAPE, (FIRST, 1), (ONE_VOXEL, 3)), (1001, 1001, 1001)),
    "K3 pieces that touch at a corner are one": (
        boxes(SHAPE, (FIRST, 1), (((15, 24), (15, 24), (15, 24)), 3), (SECOND, 1), (FAR, 1)),
        (3000, 3000, 3125),
    ),
    "K4 three equal components": (boxes(SHAPE, (FIRST, 1), (SECOND, 1), (((25, 34), (5, 14), (5, 14)), 1)),
                                  (2000, 2000, 3000)),
    "K5 empty": (boxes(SHAPE), (0, 0, 0)),
    "K6 more foreground than background": (
        boxes((4, 4, 4), (((0, 3), (0, 3), (0, 3)), 1), (((0, 0), (0, 0), (0, 1)), 0)),
        (62, 0, 62),
    ),
    "everything one component": (boxes((3, 3, 3), (((0, 2), (0, 2), (0, 2)), 2)), (27, 0, 27)),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize(("rule_set", "column"), [("paper", 0), ("published-code", 1), ("mhub", 2)])
def test_voxels_that_stay_in_the_published_cases(case: str, rule_set: str, column: int) -> None:
    labels, expected = CASES[case]
    cleaned = clean(KIDNEY, rule_set, labels)
    assert np.count_nonzero(cleaned.labels) == expected[column]
    assert np.count_nonzero(labels) - sum(one.voxels for one in cleaned.removed) == expected[column]


def test_of_three_equal_components_the_first_two_in_slice_row_column_order_stay() -> None:
    cleaned = clean(KIDNEY, "paper", CASES["K4 three equal components"][0])
    assert cleaned.labels[5:15].any()
    assert not cleaned.labels[25:].any()


def test_k7_two_labels_never_both_have_three_of_five_votes() -> None:
    folds = [np.full((1, 1, 1), label, np.uint8) for label in (2, 2, 3, 3, 3)]
    assert vote(folds, 3).item() == 3
    assert vote([*folds[:2], *folds[2:4], np.ones((1, 1, 1), np.uint8)], 3).item() == 0


def test_labels_within_the_kept_components_are_unchanged() -> None:
    labels = boxes(SHAPE, *BOTH)
    assert np.array_equal(clean(KIDNEY, "paper", labels).labels, labels)


@pytest.mark.parametrize(("value", "label"), [(1, "Kidney"), (2, "Tumor"), (3, "Cyst")])
def test_removed_component_is_called_by_its_most_frequent_label(value: int, label: str) -> None:
    labels = boxes(SHAPE, *BOTH, (FAR, value), (ONE_VOXEL, 2))
    (removed,) = clean(KIDNEY, "paper", labels).removed
    assert (removed.label, removed.voxels) == (label, 125)


def test_five_components_leave_two_and_three_accounts() -> None:
    specks: list[Box] = [((30, 30), (row, row), (20, 20 + row)) for row in (5, 10, 15)]
    cleaned = clean(KIDNEY, "paper", boxes(SHAPE, *BOTH, *((box, 1) for box in specks)))
    assert [one.voxels for one in cleaned.removed] == [16, 11, 6]


def test_segments_are_kidney_mass_and_cyst_as_published() -> None:
    assert [one.property_type.value for one in KIDNEY.segments] == ["64033007", "4147007", "367643001"]
    regions = [one.anatomic_region for one in KIDNEY.segments[1:]]
    assert [region and region.value for region in regions] == ["64033007", "64033007"]


def test_kidneys_are_also_measured_with_their_lesions() -> None:
    assert [group.numbers for group in KIDNEY.groups] == [(1, 2, 3), (2, 3)]


def test_script_votes_and_port_averages() -> None:
    assert [KIDNEY.running[name].ensemble for name in ("published-code", "mhub")] == ["vote", None]
    assert (KIDNEY.models[0].ensemble, KIDNEY.models[0].mirroring) == ("mean", True)
