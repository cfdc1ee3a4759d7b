import numpy as np
import pytest

from aimi.tasks.liver_ct import LIVER_CT
from aimi.tasks.liver_mr import LIVER_MR
from aimi.tasks.task import Task
from tests.tasks.grids import Box, boxes, clean

SHAPE = (20, 40, 40)
LIVER: Box = ((0, 9), (5, 24), (5, 29))  # 5000 voxels
SPECK: Box = ((15, 15), (30, 34), (30, 35))  # 30 voxels, in the spleen


@pytest.mark.parametrize("task", [LIVER_MR, LIVER_CT], ids=lambda task: task.name)
@pytest.mark.parametrize(("rule_set", "voxels"), [("paper", 5000), ("published-code", 5030), ("mhub", 5030)])
def test_h1_speck_in_the_spleen_goes_by_the_paper_only(task: Task, rule_set: str, voxels: int) -> None:
    cleaned = clean(task, rule_set, boxes(SHAPE, (LIVER, 1), (SPECK, 1)))
    assert np.count_nonzero(cleaned.labels) == voxels


def test_removed_speck_is_told() -> None:
    (removed,) = clean(LIVER_MR, "paper", boxes(SHAPE, (LIVER, 1), (SPECK, 1))).removed
    assert (removed.label, removed.voxels, removed.reason) == ("Liver", 30, "It is not the largest component.")


def test_segment_and_model_are_the_published_ones() -> None:
    (liver,), (model,) = LIVER_MR.segments, LIVER_MR.models
    assert (liver.property_type.value, liver.color) == ("10200004", (221, 130, 101))
    assert (model.name, model.file, model.record) == ("Task822_Liver_AMD", "Task882_MR_Liver.zip", "8290124")
    assert model.algorithm_name == "BAMF-Liver-MR"
