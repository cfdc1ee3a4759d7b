"""Labels of the engine beside those of nnunetv2, model by model.

``python -m benchmarks.agreement [--save]`` prints a table: small models with random weights of each kind, which nearly
tie everywhere, and the demo models on a sample. *differ*: voxels whose label is another than with nnunetv2 and float32
accumulators; *beyond ties*: those of them that are no near-tie (:data:`aimi.engine.agreement.NEAR_TIE`); *Dice*: the
lowest of a label with the untouched nnunetv2, which adds in half precision. Ends with 1 where a voxel differs beyond
ties, or a demo model has a Dice below 0.9995.
"""

import argparse
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import SimpleITK as sitk  # noqa: N813

from aimi.cli.console import print_table
from aimi.engine.agreement import NEAR_TIE
from aimi.engine.ensemble import Options, load, predict
from aimi.engine.folder import open_folder
from aimi.engine.orientation import Orientation
from demo_models.cases import draw_case
from demo_models.specs import SPECS, Spec
from tests.engine import stock_v2
from tests.engine.test_equivalence_v2 import CASES, SPACING, as_images, image_of

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "benchmarks" / "results" / "agreement.md"
HEAD = ("model", "voxels", "differ", "beyond ties", "Dice")
SEED = 90_001
LEAST_DICE = 0.9995
Labels = npt.NDArray[np.uint8]
MIRRORED = ("isotropic", "regions")


@dataclass(frozen=True, slots=True)
class Job:
    """A model as this engine and as nnunetv2 wants it, and a case for it."""

    name: str
    model: Path
    stock: Path
    folds: int
    array: npt.NDArray[np.float32]
    spacing: tuple[float, float, float]
    mirroring: bool = False
    is_trained: bool = False


def jobs(folder: Path) -> Iterator[Job]:
    """Give every model with its case, written below a folder."""
    for name, case in CASES.items():
        model = stock_v2.make_model(folder / name, case)
        array = image_of(case)
        yield Job(name, model, model, case.folds, array, SPACING)
        if name in MIRRORED:
            yield Job(f"{name}, mirrored", model, model, case.folds, array, SPACING, mirroring=True)
    for spec in SPECS.values():
        yield demo_job(spec, folder)


def demo_job(spec: Spec, folder: Path) -> Job:
    """Give a demo model with a sample, written below a folder."""
    model = ROOT / "demo_models" / spec.name
    images, labels = draw_case(spec, 0, SEED)
    array = np.stack([sitk.GetArrayFromImage(image) for image in images]).astype(np.float32)
    first, second, third = (float(step) for step in labels.GetSpacing()[::-1])  # type: ignore[no-untyped-call]
    stock = stock_v2.with_checkpoints(model, folder / spec.name)
    folds = len(open_folder(model).folds)
    return Job(spec.name, model, stock, folds, array, (first, second, third), is_trained=True)


@dataclass(frozen=True, slots=True)
class Agreement:
    """How one model agrees; ``dice`` is the lowest of its labels."""

    job: Job
    voxels: int
    differ: int
    beyond_ties: int
    dice: float

    @property
    def holds(self) -> bool:
        """Nothing differs beyond ties, and trained weights give the same labels as the untouched original."""
        return self.beyond_ties == 0 and not (self.job.is_trained and self.dice < LEAST_DICE)

    @property
    def row(self) -> tuple[str, ...]:
        """What the table shows."""
        dice = "" if self.job.mirroring else f"{self.dice:.5f}"
        return self.job.name, str(self.voxels), str(self.differ), str(self.beyond_ties), dice


def our_labels(job: Job, precision: str = "f32") -> Labels:
    """Run a job by this engine, on the CPU."""
    options = Options(orientation=Orientation.ITK, mirroring=job.mirroring, device="cpu", precision=precision)
    return predict(as_images(job.array, job.spacing), load(open_folder(job.model), options), options).labels


def stock_labels(job: Job) -> Labels:
    """Run a job without mirroring by the untouched nnunetv2."""
    return stock_v2.predict_untouched(job.stock, job.array, job.spacing, folds=job.folds)


def dice(ours: Labels, theirs: Labels) -> dict[str, float]:
    """Give Dice by label of those that either has."""
    result = {}
    for label in np.union1d(np.unique(ours), np.unique(theirs)):
        if label:
            one, other = ours == label, theirs == label
            result[str(label)] = 2 * int((one & other).sum()) / int(one.sum() + other.sum())
    return result


def agreement_of(job: Job) -> Agreement:
    """Run a job by both."""
    ours = our_labels(job)
    theirs = stock_v2.predict_exactly(job.stock, job.array, job.spacing, folds=job.folds, mirroring=job.mirroring)
    differ = ours != theirs.labels
    lowest = 1.0
    if not job.mirroring:
        lowest = min(dice(ours, stock_labels(job)).values(), default=1.0)
    beyond = int((differ & (theirs.margin > NEAR_TIE)).sum())
    return Agreement(job, ours.size, int(differ.sum()), beyond, lowest)


def main() -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--save", action="store_true", help="keep the table in benchmarks/results")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        found = [agreement_of(job) for job in jobs(Path(folder))]
    print_table("The engine beside nnunetv2", HEAD, [one.row for one in found])
    if arguments.save:
        lines = [f"| {' | '.join(cells)} |" for cells in (HEAD, ("---",) * len(HEAD), *(one.row for one in found))]
        RESULTS.write_text("\n".join(lines) + "\n")
    return 0 if all(one.holds for one in found) else 1


if __name__ == "__main__":
    sys.exit(main())
