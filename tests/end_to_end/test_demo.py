"""The demo model finds the truth of samples that it never saw, by both roads, and says whose result it is."""

from pathlib import Path

import pydicom
import pytest

from aimi.models import store
from aimi.samples.sample import make_sample
from aimi.tasks.liver_ct import LIVER_CT
from tests.end_to_end import roads
from tools.demo import score

pytestmark = [pytest.mark.holoscan, pytest.mark.slow]


@pytest.mark.parametrize("oblique", [False, True], ids=["axial", "oblique"])
def test_the_liver_of_a_sample_is_found_by_both_roads(oblique: bool, tmp_path: Path) -> None:
    sample = make_sample("liver_ct", tmp_path / "sample", seed=41, oblique=oblique)
    objects = []
    for road in roads.ROADS:
        end = roads.run(road, LIVER_CT, sample.study, tmp_path / road, store.demo_folder(), demo=True)
        assert (end.status, end.message) == (0, "")
        objects.append((end.folder / "liver_ct.seg.dcm").read_bytes())
    assert objects[0] == objects[1]
    ((segment, _, _, dice),) = score(tmp_path / "command" / "liver_ct.seg.dcm", sample.truth, sample.study)
    assert segment.startswith("Liver")
    assert float(dice) >= 0.95


def test_a_demo_result_bears_the_demo_models_name(tmp_path: Path) -> None:
    sample = make_sample("liver_ct", tmp_path / "sample", seed=42)
    roads.run("command", LIVER_CT, sample.study, tmp_path / "out", store.demo_folder(), demo=True)
    dataset = pydicom.dcmread(tmp_path / "out" / "liver_ct.seg.dcm")
    assert dataset.SegmentSequence[0].SegmentAlgorithmName == "DEMO-liver-ct"
