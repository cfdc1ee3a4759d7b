import numpy as np
import pytest

from aimi.tasks.liver_ct import LIVER_CT
from aimi.tasks.liver_mr import LIVER_MR
from aimi.tasks.task import Task
from tests.tasks.grids import Box, boxes, clean

SHAPE = (20, 40, 40)
LIVER: Box = ((0, 9), (5, 24), (5, 29))  # 5000 voxels
SPECK: Box = ((15, 15), (30, 34), (30, 35))  # 30 voxels, in the spleen


LIVERS = pytest.mark.parametrize("task", [LIVER_MR, LIVER_CT], ids=lambda task: task.name)
RULE_SETS = pytest.mark.parametrize("rule_set", ["paper", "published-code", "mhub"])


@LIVERS
@pytest.mark.parametrize(("rule_set", "voxels"), [("paper", 5000), ("published-code", 5030), ("mhub", 5030)])
def test_h1_speck_in_the_spleen_goes_by_the_paper_only(task: Task, rule_set: str, voxels: int) -> None:
    cleaned = clean(task, rule_set, boxes(SHAPE, (LIVER, 1), (SPECK, 1)))
    assert np.count_nonzero(cleaned.labels) == voxels


@LIVERS
@RULE_SETS
def test_everything_in_one_component_stays_whole(task: Task, rule_set: str) -> None:
    """Liver and speck, joined by a chain of voxels that meet at corners."""
    chain: list[Box] = [((9 + step, 9 + step), (24 + step, 24 + step), (29 + step, 29 + step)) for step in range(1, 7)]
    labels = boxes(SHAPE, (LIVER, 1), (SPECK, 1), *((link, 1) for link in chain))
    cleaned = clean(task, rule_set, labels)
    assert np.array_equal(cleaned.labels, labels)
    assert cleaned.removed == ()


@LIVERS
@RULE_SETS
def test_a_volume_that_is_all_liver_stays(task: Task, rule_set: str) -> None:
    labels = np.ones((4, 5, 6), np.uint8)
    cleaned = clean(task, rule_set, labels)
    assert (int(cleaned.labels.sum()), cleaned.removed) == (120, ())


@LIVERS
@RULE_SETS
def test_nothing_found_stays_empty(task: Task, rule_set: str) -> None:
    cleaned = clean(task, rule_set, boxes(SHAPE))
    assert not cleaned.labels.any()
    assert cleaned.labels.dtype == np.uint8
    assert cleaned.removed == ()


@LIVERS
def test_of_two_equal_components_the_first_in_slice_order_stays(task: Task) -> None:
    later: Box = ((12, 13), (2, 4), (2, 4))
    first: Box = ((3, 4), (30, 32), (30, 32))
    cleaned = clean(task, "paper", boxes(SHAPE, (later, 1), (first, 1)))
    assert sorted(set(np.nonzero(cleaned.labels)[0].tolist())) == [3, 4]
    assert [(one.voxels, one.centroid) for one in cleaned.removed] == [(18, (3.0, 3.0, 12.5))]


def test_removed_speck_is_told() -> None:
    (removed,) = clean(LIVER_MR, "paper", boxes(SHAPE, (LIVER, 1), (SPECK, 1))).removed
    assert (removed.label, removed.voxels, removed.reason) == ("Liver", 30, "It is not the largest component.")


def test_segment_and_model_are_the_published_ones() -> None:
    (liver,), (model,) = LIVER_MR.segments, LIVER_MR.models
    assert (liver.property_type.value, liver.color) == ("10200004", (221, 130, 101))
    assert (model.name, model.file, model.record) == ("Task822_Liver_AMD", "Task882_MR_Liver.zip", "8290124")
    assert model.algorithm_name == "BAMF-Liver-MR"
