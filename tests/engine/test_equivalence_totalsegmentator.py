"""Region models as TotalSegmentator runs them, against its own ``nnUNet_predict_image``, on random weights.

How far apart tiles lie is what the catalogue says of each model. They were trained on images resampled with order 3,
which was the package's default up to version 2.15 (DECISIONS 3.5); 1 is now.
"""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import highdicom as hd
import nibabel
import numpy as np
import numpy.typing as npt
import pytest
from scipy import ndimage

from aimi.engine import ensemble
from aimi.engine.agreement import NEAR_TIE
from aimi.engine.ensemble import Options
from aimi.engine.isotropic import shape_at
from aimi.engine.orientation import Orientation, axis_change
from aimi.image import Image
from aimi.model_runs import load_with, run_models
from aimi.models import store
from aimi.models.catalogue import TOTALSEGMENTATOR_3MM, TOTALSEGMENTATOR_BREASTS, TOTALSEGMENTATOR_PARTS, ModelSpec
from aimi.options import RunOptions
from aimi.tasks.breast import BREAST
from aimi.tasks.lung_pet_ct import LUNG_PET_CT
from tests.end_to_end import roads
from tests.engine import stock_totalsegmentator as stock
from tests.engine.stock_v2 import Case

pytestmark = [pytest.mark.slow]

PADDING = -1024
TURN = np.array([[0.96, -0.28, 0.0], [0.28, 0.96, 0.0], [0.0, 0.0, 1.0]]) @ np.array(
    [[1.0, 0.0, 0.0], [0.0, 0.8, -0.6], [0.0, 0.6, 0.8]]
)


@dataclass(frozen=True)
class Run:
    """A model, an image (x, y, z) of a NIfTI file, and the settings of the package.

    Parameters
    ----------
    fraction : what lies between values and whole numbers.
    """

    number: int
    spec: ModelSpec
    task: str
    order: int
    shape: tuple[int, int, int]
    axes: npt.NDArray[np.float64]
    fraction: float = 0.0

    @property
    def trainer(self) -> str:
        return stock.TRAINERS[self.number]

    @property
    def ct(self) -> npt.NDArray[np.float32]:
        return make_ct(self.shape) + np.float32(self.fraction)

    @property
    def affine(self) -> npt.NDArray[np.float64]:
        affine = np.eye(4)
        affine[:3, :3], affine[:3, 3] = self.axes, (11.0, -23.0, 47.0)
        return affine


FLIPPED = TURN @ np.diag([-1.3, 0.97, 4.1])
"""Oblique, rows against the patient's axes as in most CTs."""
SAGITTAL = TURN @ np.array([[0.0, 0.0, -2.0], [0.8, 0.0, 0.0], [0.0, -0.8, 0.0]])
"""Oblique, the slices along the patient's first axis."""

RUNS = {
    "all classes at 3 mm": Run(297, TOTALSEGMENTATOR_3MM, "total", 3, (60, 70, 33), FLIPPED),
    "organs at 1.5 mm": Run(291, TOTALSEGMENTATOR_PARTS[291], "total", 3, (42, 50, 21), SAGITTAL),
    "breasts": Run(527, TOTALSEGMENTATOR_BREASTS, "breasts", 3, (35, 45, 14), FLIPPED),
    "linear, the package's default": Run(291, TOTALSEGMENTATOR_PARTS[291], "total", 1, (35, 45, 14), FLIPPED),
    "almost 1.5 mm": Run(291, TOTALSEGMENTATOR_PARTS[291], "total", 3, (35, 40, 33), np.diag([-1.49, 1.51, 1.5]), 0.4),
    "1.5 mm": Run(291, TOTALSEGMENTATOR_PARTS[291], "total", 3, (35, 40, 33), np.diag([-1.5, 1.5, 1.5]), 0.4),
}
"""In the last two the shape stays; only where the spacing does, too, the package leaves fractions of values."""


def make_ct(shape: tuple[int, int, int]) -> npt.NDArray[np.int16]:
    """Give smooth tissue with noise, and padding around it."""
    rng = np.random.default_rng(7)
    coarse = rng.normal(scale=400, size=(7, 8, 6))
    smooth = ndimage.zoom(coarse, np.divide(shape, coarse.shape), order=3)
    ct = np.round(smooth + rng.normal(scale=15, size=shape)).astype(np.int16)
    inside = np.zeros(shape, np.bool_)
    inside[3:-3, 3:-3, 2:-2] = True
    return np.where(inside, ct, np.int16(PADDING))


def case_of(spec: ModelSpec) -> Case:
    """Give a small model of as many labels, with plans as old as the published ones."""
    labels = {"background": 0, **{name: number for number, name in enumerate(spec.labels, start=1)}}
    assert spec.resample_mm is not None
    return Case(spacing=(spec.resample_mm,) * 3, is_old=True, labels=labels, heads=len(labels))


def image_of(run: Run) -> Image:
    """Give the image as a series would give it: (k, j, i), LPS."""
    affine = np.diag([-1.0, -1.0, 1.0, 1.0]) @ run.affine[:, [2, 1, 0, 3]]
    array = run.ct.T.copy()
    return Image(volume=hd.Volume(array, affine, coordinate_system="PATIENT"), units="HU", source=None)


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    stock.require_package()
    folder = tmp_path_factory.mktemp("weights")
    for run in RUNS.values():
        stock.make_model(folder / run.spec.name, run.trainer, case_of(run.spec))
    return folder


@pytest.fixture(scope="module")
def references(weights: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, stock.Reference]:
    """Call the package for all runs at once: to start it takes longer than to run it."""
    work = tmp_path_factory.mktemp("work")
    calls, nifti = [], cast(Any, nibabel.Nifti1Image)
    for number, run in enumerate(RUNS.values()):
        path = work / f"ct_{number}.nii.gz"
        nibabel.save(nifti(run.ct, run.affine), path)
        arguments: dict[str, Any] = {
            "task_id": run.number,
            "folds": [0],
            "trainer": run.trainer,
            "task_name": run.task,
            "resample": [run.spec.resample_mm] * 3,
            "resampling_order": run.order,
        }
        calls.append(stock.Call(path, arguments))
    return dict(zip(RUNS, stock.predict_all(weights, calls, work), strict=True))


def labels_of(run: Run, weights: Path) -> npt.NDArray[np.uint8]:
    """Give our labels, (x, y, z), as a run of a task that has the model gets them."""
    task = BREAST if run.spec in BREAST.models else LUNG_PET_CT
    job = roads.make_job(task, Path("unused"), weights, RunOptions(fast_region=run.spec not in task.models))
    loaded = load_with(job, store.find(run.spec, weights), "f32")
    loaded = replace(loaded, options=replace(loaded.options, resample_order=run.order))
    return run_models(job, {"ct": image_of(run)}, [loaded])[run.spec.name].labels.labels.T


@pytest.mark.parametrize("name", RUNS)
def test_labels_are_those_of_the_package_but_for_near_ties(
    name: str, weights: Path, references: dict[str, stock.Reference]
) -> None:
    theirs, ours = references[name], labels_of(RUNS[name], weights)
    different = ours != theirs.labels
    assert len(np.unique(theirs.labels)) > 1
    assert not (different & (theirs.margin > NEAR_TIE)).any()
    assert different.mean() < 1e-3


@pytest.mark.parametrize("name", RUNS)
def test_the_network_gets_the_numbers_of_the_package(name: str, references: dict[str, stock.Reference]) -> None:
    run, theirs = RUNS[name], references[name].seen.T
    image = image_of(run)
    change = axis_change(Orientation.RAS, image.volume.affine)
    along_k, along_j, along_i = image.volume.spacing
    spacing = change.spacing((along_k, along_j, along_i))
    options = Options(Orientation.RAS, resample_mm=run.spec.resample_mm, resample_order=run.order)
    shape = shape_at(change.apply(image.volume.array).shape, spacing, run.spec.resample_mm or 0.0)
    (ours,) = ensemble._stack([image], change, shape, options)
    # where the image is flat the package's cut takes one, here and there
    assert set(ours[ours != theirs]) <= ({PADDING} if run.order == 3 else set())
    assert np.abs(ours - theirs).max() <= 1
