import numpy as np
import pytest

from aimi.tasks.prostate import PROSTATE
from tests.tasks.grids import Box, Labels, boxes, clean

SHAPE = (20, 60, 60)
CENTER: Box = ((5, 14), (25, 34), (25, 34))  # 1000 voxels
BLADDER: Box = ((0, 9), (0, 9), (0, 14))  # 1500 voxels at the edge


def kept(labels: Labels, rule_set: str = "paper") -> int:
    return int(np.count_nonzero(clean(PROSTATE, rule_set, labels).labels))


@pytest.mark.parametrize(("rule_set", "voxels"), [("paper", 1000), ("published-code", 2500), ("mhub", 2500)])
def test_p1_bladder_larger_than_the_prostate_goes_by_the_paper_only(rule_set: str, voxels: int) -> None:
    assert kept(boxes(SHAPE, (CENTER, 1), (BLADDER, 1)), rule_set) == voxels


def test_speck_in_the_very_center_does_not_beat_the_gland() -> None:
    gland: Box = ((5, 14), (5, 14), (5, 14))
    assert kept(boxes(SHAPE, (gland, 1), (((9, 10), (29, 30), (29, 30)), 1))) == 1000


@pytest.mark.parametrize(("size", "voxels"), [(5, 500), (4, 1000)])
def test_half_of_the_largest_is_still_large(size: int, voxels: int) -> None:
    """Half of 1000 is 500: a slab of 5 x 10 x 10 at the center beats the block, one of 4 x 10 x 10 does not."""
    labels = boxes(SHAPE, (((0, 9), (0, 9), (0, 9)), 1), (((8, 7 + size), (25, 34), (25, 34)), 1))
    assert kept(labels) == voxels


def test_distance_counts_in_half_extents_so_that_slices_weigh_like_columns() -> None:
    """5 of 10 slices off the center is further than 10 of 30 columns off."""
    near: Box = ((9, 10), (29, 30), (38, 41))
    far: Box = ((14, 15), (29, 30), (28, 31))
    cleaned = clean(PROSTATE, "paper", boxes(SHAPE, (near, 1), (far, 1)))
    assert cleaned.labels[9:11].any()
    assert not cleaned.labels[14:16].any()


def test_of_two_equal_and_equally_central_ones_the_first_in_slice_order_stays() -> None:
    cleaned = clean(
        PROSTATE, "paper", boxes(SHAPE, (((4, 4), (30, 30), (30, 30)), 1), (((15, 15), (29, 29), (29, 29)), 1))
    )
    assert np.argwhere(cleaned.labels).tolist() == [[4, 30, 30]]


def test_removed_component_is_told() -> None:
    (removed,) = clean(PROSTATE, "paper", boxes(SHAPE, (CENTER, 1), (BLADDER, 1))).removed
    assert (removed.label, removed.voxels) == ("Prostate", 1500)
    assert "centermost" in removed.reason


@pytest.mark.parametrize("rule_set", PROSTATE.clean_ups)
def test_nothing_found_stays_empty(rule_set: str) -> None:
    assert kept(boxes(SHAPE), rule_set) == 0


@pytest.mark.parametrize("rule_set", PROSTATE.clean_ups)
def test_everything_one_component_stays(rule_set: str) -> None:
    assert kept(boxes((3, 3, 3), (((0, 2), (0, 2), (0, 2)), 1)), rule_set) == 27


def test_segment_is_coded_as_published() -> None:
    (prostate,) = PROSTATE.segments
    assert (prostate.property_type.value, prostate.color) == ("41216001", (230, 158, 140))
    assert prostate.anatomic_region is None
