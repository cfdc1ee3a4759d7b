"""The demo models of PET/CT find the tumors of samples that they never saw: whole, and none elsewhere."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from aimi import tasks
from aimi.dicom import seg_reading
from aimi.dicom import study as studies
from aimi.models import store
from aimi.regions import components
from aimi.samples.sample import SamplePaths, make_sample
from tests.end_to_end import roads
from tools.demo import LEAST, score

pytestmark = [pytest.mark.holoscan, pytest.mark.slow]

SEED = 41


@dataclass(frozen=True)
class Finished:
    """What both roads left of a sample."""

    task: str
    sample: SamplePaths
    ends: tuple[roads.End, ...]

    def result(self, number: int) -> Path:
        return self.ends[number].folder / f"{self.task}.seg.dcm"


@pytest.fixture(scope="module", params=["lung_pet_ct", "breast"])
def finished(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Finished:
    task, folder = request.param, tmp_path_factory.mktemp(request.param)
    sample = make_sample(task, folder / "sample", seed=SEED)
    ends = tuple(
        roads.run(road, tasks.get(task), sample.study, folder / road, store.demo_folder(), demo=True)
        for road in roads.ROADS
    )
    return Finished(task, sample, ends)


def test_both_roads_give_the_same_object(finished: Finished) -> None:
    assert [(end.status, end.message) for end in finished.ends] == [(0, ""), (0, "")]
    assert finished.result(0).read_bytes() == finished.result(1).read_bytes()


def test_segments_are_those_of_the_truth(finished: Finished) -> None:
    rows = score(finished.result(0), finished.sample.truth, finished.sample.study)
    least = LEAST[finished.task]
    assert {row[0] for row in rows} == set(least)
    assert not {row[0]: row[3] for row in rows if float(row[3]) < least[row[0]]}


def test_tumors_of_the_region_are_whole_and_those_elsewhere_absent(finished: Finished) -> None:
    # Every sample has a lymph node at the aorta and one further tumor outside; those of the lungs: one at the pleura.
    source = studies.read(finished.sample.study)
    ours, true = (
        seg_reading.read(path, study=source).masks[-1].mask for path in (finished.result(0), finished.sample.truth)
    )
    shares = [float(ours[one.box][one.mask].mean()) for one in components(true, (1.0, 1.0, 1.0))]
    assert shares
    assert min(shares) > 0.8
    for one in components(ours, (1.0, 1.0, 1.0)):
        assert np.any(true[one.box] & one.mask)
