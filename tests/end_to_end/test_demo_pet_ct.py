"""The demo models of PET/CT find the tumors of samples that they never saw: whole, and none elsewhere.

A tumor is whole where it equals, voxel by voxel, what the network marks of it when it looks everywhere: nothing is cut
at the border of the region, nor where the network was told to look.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from aimi import model_runs, paired, pipeline, tasks
from aimi.dicom import seg_reading
from aimi.dicom import study as studies
from aimi.models import store
from aimi.regions import Component, Mask, components, fill_cavities, mask_of
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


def tumors_of(path: Path, sample: SamplePaths) -> Mask:
    return seg_reading.read(path, study=studies.read(sample.study)).masks[-1].mask


def pieces(mask: Mask) -> tuple[Component, ...]:
    return components(mask, (1.0, 1.0, 1.0))


def test_tumors_of_the_region_are_present_and_those_elsewhere_absent(finished: Finished) -> None:
    # Every sample has a lymph node at the aorta and one further tumor outside; those of the lungs: one at the pleura.
    ours, true = (tumors_of(path, finished.sample) for path in (finished.result(0), finished.sample.truth))
    shares = [float(ours[one.box][one.mask].mean()) for one in pieces(true)]
    assert shares
    assert min(shares) > 0.8
    for one in pieces(ours):
        assert np.any(true[one.box] & one.mask)


@dataclass(frozen=True)
class Marked:
    """What the networks mark on the PET's grid when they look everywhere."""

    tumors: Mask
    region: Mask


@pytest.fixture(scope="module")
def marked(finished: Finished, tmp_path_factory: pytest.TempPathFactory) -> Marked:
    folder = tmp_path_factory.mktemp("everywhere")
    job = roads.make_job(tasks.get(finished.task), folder, store.demo_folder(), demo=True)
    selection = pipeline.choose(job, pipeline.read_study(job, finished.sample.study))
    images = pipeline.load_images(job, selection)
    aligned = pipeline.align(job, selection, images)
    region = paired.region_on(job, aligned, pipeline.find_region_unless_done(job, images))
    last = [one for one in pipeline.find_models(job) if one.spec == job.task.demo_models[-1]]
    (run,) = model_runs.run_models(job, aligned.images, pipeline.load_models(job, last)).values()
    assert region is not None
    assert aligned.outside is not None
    assert job.task.region is not None
    judged_against = mask_of(region.labels, job.task.region.required["paper"])
    return Marked((run.labels.labels > 0) & (aligned.outside.labels == 0), judged_against)


def test_tumors_are_the_networks_own_components_voxel_by_voxel(finished: Finished, marked: Marked) -> None:
    own = {(one.first_voxel, one.mask.shape, one.mask.tobytes()) for one in pieces(marked.tumors)}
    kept = pieces(tumors_of(finished.result(0), finished.sample))
    assert kept
    assert {(one.first_voxel, one.mask.shape, one.mask.tobytes()) for one in kept} <= own


@pytest.mark.parametrize("finished", ["lung_pet_ct"], indirect=True)
def test_a_tumor_at_the_pleura_keeps_what_lies_beyond_the_lungs(finished: Finished, marked: Marked) -> None:
    lungs = fill_cavities(marked.region)
    kept = pieces(tumors_of(finished.result(0), finished.sample))
    shares = [float(lungs[one.box][one.mask].mean()) for one in kept]
    assert [share for share in shares if 0 < share < 1]
