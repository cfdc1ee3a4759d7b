"""The cases of the published functions (array 60 x 80 x 80, two lungs of 40 x 40 x 25, 1 mm) and our own."""

import numpy as np
import pytest

from aimi.image import Code
from aimi.tasks.lung_ct import LUNG_CT
from tests.tasks.grids import Box, Labels, boxes, clean

SHAPE = (60, 80, 80)
LEFT: Box = ((10, 49), (20, 59), (5, 29))
RIGHT: Box = ((10, 49), (20, 59), (50, 74))
ONE_LUNG = 40 * 40 * 25
LUNGS = boxes(SHAPE, (LEFT, 1), (RIGHT, 1))
NO_NODULE = boxes(SHAPE)
INSIDE: Box = ((20, 25), (30, 35), (10, 15))


def nodule(box: Box) -> Labels:
    return boxes(SHAPE, (box, 1))


def count(labels: Labels, value: int) -> int:
    return int(np.count_nonzero(labels == value))


CASES: dict[str, tuple[Labels, Labels, tuple[int, int, int]]] = {
    # name: (labels of the lung model, of the nodule model, nodule voxels under paper, published-code, mhub)
    "N1 one voxel inside": (LUNGS, nodule(((20, 20), (30, 30), (10, 10))), (0, 1, 1)),
    "N2 2 x 2 x 2 inside": (LUNGS, nodule(((20, 21), (30, 31), (10, 11))), (0, 8, 8)),
    "N3 35 x 35 x 20 inside": (LUNGS, nodule(((12, 46), (22, 56), (7, 26))), (0, 24500, 24500)),
    "N4 three voxels outside": (LUNGS, nodule(((20, 24), (30, 34), (33, 37))), (0, 0, 0)),
    "N5 half out": (LUNGS, nodule(((20, 25), (30, 35), (27, 32))), (216, 108, 108)),
    "N6 in a hole": (boxes(SHAPE, (LEFT, 1), (RIGHT, 1), (INSIDE, 0)), nodule(INSIDE), (216, 0, 0)),
    "N7 marked as second label": (boxes(SHAPE, (LEFT, 1), (RIGHT, 1), (INSIDE, 2)), nodule(INSIDE), (216, 216, 216)),
    "N8 in a third piece": (
        boxes(SHAPE, (LEFT, 1), (RIGHT, 1), (((1, 4), (1, 4), (1, 4)), 1)),
        nodule(((2, 3), (2, 3), (2, 3))),
        (0, 0, 0),
    ),
}


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize(("rule_set", "column"), [("paper", 0), ("published-code", 1), ("mhub", 2)])
def test_nodules_of_the_published_cases(case: str, rule_set: str, column: int) -> None:
    lungs, nodules, expected = CASES[case]
    cleaned = clean(LUNG_CT, rule_set, lungs, nodules)
    assert count(cleaned.labels, 2) == expected[column]


@pytest.mark.parametrize("rule_set", LUNG_CT.clean_ups)
def test_n9_joined_lungs_are_one_and_the_far_piece_the_other(rule_set: str) -> None:
    bridge: Box = ((30, 30), (40, 40), (30, 49))
    lungs = boxes(SHAPE, (LEFT, 1), (RIGHT, 1), (bridge, 1), (((1, 4), (1, 4), (1, 4)), 1))
    cleaned = clean(LUNG_CT, rule_set, lungs, NO_NODULE)
    assert count(cleaned.labels, 1) == 2 * ONE_LUNG + 20 + 64
    assert cleaned.removed == ()


@pytest.mark.parametrize(("rule_set", "kept"), [("paper", 38), ("published-code", 0), ("mhub", 38)])
def test_n10_lungs_of_18_and_20_voxels(rule_set: str, kept: int) -> None:
    lungs = boxes(SHAPE, (((5, 6), (5, 7), (5, 7)), 1), (((20, 23), (5, 9), (5, 5)), 1))
    assert count(clean(LUNG_CT, rule_set, lungs, NO_NODULE).labels, 1) == kept


def test_published_code_takes_lungs_larger_than_the_background_for_background() -> None:
    lungs = boxes((4, 4, 4), (((0, 3), (0, 3), (0, 3)), 1), (((0, 0), (0, 0), (0, 1)), 0))
    assert not clean(LUNG_CT, "published-code", lungs, boxes((4, 4, 4))).labels.any()
    assert count(clean(LUNG_CT, "paper", lungs, boxes((4, 4, 4))).labels, 1) == 62


ISO, THIN, COARSE = (1.0, 1.0, 1.0), (5.0, 0.5, 0.5), (1.0, 0.6, 0.6)
SIZES = [
    # a row of n voxels: (n - 1) steps between centers and one voxel more make n steps
    (ISO, (1, 1, 2), False, "2.0 mm is below 3 mm"),
    (ISO, (1, 1, 3), True, ""),
    (ISO, (1, 1, 4), True, ""),
    (ISO, (1, 1, 29), True, ""),
    (ISO, (1, 1, 30), True, ""),
    (ISO, (1, 1, 31), False, "31.0 mm is above 30 mm"),
    (ISO, (9, 2, 2), False, "2.4 mm is below 3 mm"),  # tall, but sqrt 2 + 1 in the slice
    (THIN, (3, 1, 5), False, "2.5 mm is below 3 mm"),  # 15 mm tall
    (THIN, (1, 1, 6), True, ""),
    ((1.0, 0.33, 0.33), (1, 1, 9), False, "2.97 mm is below 3 mm"),
    ((1.0, 0.43, 0.43), (1, 1, 7), True, ""),  # 3.01 mm
    ((1.0, 2.8, 0.43), (1, 2, 1), True, ""),  # 2 x 2.8 along the rows
    ((1.0, 2.8, 0.43), (1, 1, 6), False, "2.6 mm is below 3 mm"),
    (COARSE, (1, 1, 5), True, ""),  # 5 x 0.6 in floating point
    (COARSE, (1, 1, 49), True, ""),  # 29.4
    (COARSE, (1, 1, 50), True, ""),  # 50 x 0.6
    (COARSE, (1, 1, 51), False, "30.6 mm is above 30 mm"),
    (ISO, (2, 21, 21), True, ""),  # 20 x sqrt 2 + 1 = 29.3 along the diagonal
    (ISO, (2, 22, 22), False, "30.7 mm is above 30 mm"),
]


@pytest.mark.parametrize(("spacing", "size", "stays", "reason"), SIZES)
def test_nodules_of_3_to_30_mm_axial_diameter_stay(
    spacing: tuple[float, float, float], size: tuple[int, int, int], stays: bool, reason: str
) -> None:
    shape = (20, 60, 60)
    lungs = boxes(shape, (((0, 19), (0, 59), (0, 29)), 1), (((0, 19), (0, 59), (30, 59)), 1))
    found = boxes(shape, (((5, 4 + size[0]), (5, 4 + size[1]), (5, 4 + size[2])), 1))
    cleaned = clean(LUNG_CT, "paper", lungs, found, spacing=spacing)
    assert count(cleaned.labels, 2) == (int(np.prod(size)) if stays else 0)
    assert [reason in one.reason and one.label for one in cleaned.removed] == ([] if stays else ["Nodule"])


def test_touching_lungs_are_kept_whole() -> None:
    lungs = boxes(SHAPE, (((10, 49), (20, 59), (5, 39)), 1), (((10, 49), (20, 59), (40, 74)), 2))
    cleaned = clean(LUNG_CT, "paper", lungs, nodule(INSIDE))
    assert count(cleaned.labels, 1) == 40 * 40 * 70 - 216
    assert count(cleaned.labels, 2) == 216


def test_nodule_at_the_pleura_touches_by_a_corner_and_stays_whole() -> None:
    cleaned = clean(LUNG_CT, "paper", LUNGS, nodule(((50, 53), (60, 63), (30, 33))))
    assert count(cleaned.labels, 2) == 64
    assert count(cleaned.labels, 1) == 2 * ONE_LUNG


def test_nodule_one_voxel_off_the_pleura_goes_and_is_told() -> None:
    cleaned = clean(LUNG_CT, "paper", LUNGS, nodule(((51, 54), (60, 63), (30, 33))))
    (removed,) = cleaned.removed
    assert (removed.label, removed.voxels, removed.reason) == ("Nodule", 64, "It does not touch the lungs.")
    assert removed.centroid == (31.5, 61.5, 52.5)


def test_nodule_in_a_large_hole_belongs_though_it_touches_no_lung_voxel() -> None:
    lungs = boxes(SHAPE, (LEFT, 1), (RIGHT, 1), (((15, 35), (25, 45), (8, 26)), 0))
    cleaned = clean(LUNG_CT, "paper", lungs, nodule(((23, 27), (33, 37), (15, 19))))
    assert count(cleaned.labels, 2) == 125


def test_third_piece_of_lung_is_told_as_removed() -> None:
    lungs = boxes(SHAPE, (LEFT, 1), (RIGHT, 1), (((1, 4), (1, 4), (1, 4)), 1))
    (removed,) = clean(LUNG_CT, "paper", lungs, NO_NODULE).removed
    assert (removed.label, removed.voxels) == ("Lung", 64)


def test_of_three_equal_pieces_the_first_two_in_slice_order_stay() -> None:
    pieces: list[Box] = [((start, start + 2), (5, 7), (5, 7)) for start in (40, 0, 20)]
    cleaned = clean(LUNG_CT, "paper", boxes(SHAPE, *((box, 1) for box in pieces)), NO_NODULE)
    assert sorted(set(np.nonzero(cleaned.labels)[0].tolist())) == [0, 1, 2, 20, 21, 22]


@pytest.mark.parametrize("rule_set", LUNG_CT.clean_ups)
def test_without_lungs_there_are_no_nodules(rule_set: str) -> None:
    cleaned = clean(LUNG_CT, rule_set, NO_NODULE, nodule(INSIDE))
    assert not cleaned.labels.any()
    assert [one.label for one in cleaned.removed] == ["Nodule"]


@pytest.mark.parametrize("rule_set", LUNG_CT.clean_ups)
def test_nothing_found_stays_empty(rule_set: str) -> None:
    cleaned = clean(LUNG_CT, rule_set, NO_NODULE, NO_NODULE)
    assert not cleaned.labels.any()
    assert cleaned.removed == ()
    assert cleaned.labels.dtype == np.uint8


def test_segments_are_lung_and_nodule_as_published() -> None:
    lung, found = LUNG_CT.segments
    assert (lung.property_type.value, lung.property_type_modifiers[0].value) == ("39607008", "51440002")
    assert (found.category.value, found.property_type.value) == ("49755003", "27925004")
    assert found.anatomic_region == Code("39607008", "SCT", "Lung")
    assert [one.value for one in found.anatomic_region_modifiers] == ["51440002"]


def test_models_run_as_the_container_does_and_under_mhub_as_the_port() -> None:
    assert [(model.ensemble, model.mirroring) for model in LUNG_CT.models] == [("vote", False)] * 2
    assert (LUNG_CT.running["mhub"].ensemble, LUNG_CT.running["mhub"].mirroring) == ("mean", True)
    assert [model.file for model in LUNG_CT.models] == ["Task775_CT_NSCLC_RG.zip", "Task777_CT_Nodules.zip"]
