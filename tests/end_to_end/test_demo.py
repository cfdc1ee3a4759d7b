"""The demo models find the truth of samples that they never saw, by both roads, and say whose result it is."""

from pathlib import Path

import pydicom
import pytest

from aimi import tasks
from aimi.dicom.codes import PUBLISHED
from aimi.models import store
from aimi.samples.sample import make_sample
from tests.end_to_end import roads
from tools.demo import LEAST, score

pytestmark = [pytest.mark.holoscan, pytest.mark.slow]

SEED = 41


@pytest.mark.parametrize("oblique", [False, True], ids=["axial", "oblique"])
@pytest.mark.parametrize("task", [name for name in LEAST if tasks.get(name).pair is None])
def test_a_sample_is_segmented_by_both_roads(task: str, oblique: bool, tmp_path: Path) -> None:
    sample = make_sample(task, tmp_path / "sample", seed=SEED, oblique=oblique)
    objects = []
    for road in roads.ROADS:
        end = roads.run(road, tasks.get(task), sample.study, tmp_path / road, store.demo_folder(), demo=True)
        assert (end.status, end.message) == (0, "")
        objects.append((end.folder / f"{task}.seg.dcm").read_bytes())
    assert objects[0] == objects[1]
    rows = score(tmp_path / "command" / f"{task}.seg.dcm", sample.truth, sample.study)
    assert {row[0] for row in rows} == set(LEAST[task])
    low = {row[0]: row[3] for row in rows if float(row[3]) < LEAST[task][row[0]]}
    assert not low


def test_every_published_task_and_every_demo_model_has_a_demo() -> None:
    assert {row.task for row in PUBLISHED} <= set(LEAST)
    assert {task.name for task in tasks.TASKS.values() if task.demo_models} == set(LEAST)


def test_a_demo_result_bears_the_demo_models_name(tmp_path: Path) -> None:
    sample = make_sample("liver_ct", tmp_path / "sample", seed=42)
    roads.run("command", tasks.get("liver_ct"), sample.study, tmp_path / "out", store.demo_folder(), demo=True)
    dataset = pydicom.dcmread(tmp_path / "out" / "liver_ct.seg.dcm")
    assert dataset.SegmentSequence[0].SegmentAlgorithmName == "DEMO-liver-ct"
