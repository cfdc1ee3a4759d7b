"""The first run: a synthetic study, the application with its demo model, the score against the truth.

``python -m tools.demo liver_ct`` (``make demo``) writes below demo-output/ and needs no network.
"""

import argparse
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

import numpy as np
import numpy.typing as npt

from aimi.cli.console import print_table
from aimi.dicom import seg_reading
from aimi.dicom import study as studies
from aimi.samples.sample import make_sample

ROOT = Path(__file__).resolve().parent.parent
LEAST: Mapping[str, Mapping[str, float]] = MappingProxyType(
    {
        "liver_ct": {"Liver": 0.95},
        "kidney": {"Kidney": 0.9, "Mass": 0.9, "Cyst": 0.8},
        "lung_ct": {"Lung": 0.9, "Nodule": 0.8},
        "prostate": {"Prostate": 0.9},
        "liver_mr": {"Liver": 0.9},
        "lung_pet_ct": {"Lung": 0.9, "FDG-Avid Tumor": 0.85},
        "breast": {"FDG-Avid Tumor": 0.85},
    }
)
"""Dice asked of the demo models, by task and segment: tests ask it of one sample, ``benchmarks.demo`` of every one."""


def dice(one: npt.NDArray[np.bool_], other: npt.NDArray[np.bool_]) -> float:
    """Give the Dice coefficient; 1 for two empty masks."""
    size = int(one.sum()) + int(other.sum())
    return 2 * int((one & other).sum()) / size if size else 1.0


def score(result: Path, truth: Path, study: Path) -> list[tuple[str, ...]]:
    """Give segment, volume of the result and of the truth in ml, and Dice, on the source's grid."""
    source = studies.read(study)
    ours, true = (seg_reading.read(path, study=source) for path in (result, truth))
    voxel_ml = float(np.prod(ours.geometry.spacing)) / 1000
    found = {(one.segment.property_type.value, one.segment.anatomic_region): one.mask for one in ours.masks}
    rows = []
    for one in true.masks:
        truth_mask = one.mask
        # A segment that the result lacks scores 0.
        mask = found.get((one.segment.property_type.value, one.segment.anatomic_region), np.zeros_like(truth_mask))
        volumes = (f"{part.sum() * voxel_ml:.1f}" for part in (mask, truth_mask))
        rows.append((one.segment.property_type.meaning, *volumes, f"{dice(mask, truth_mask):.3f}"))
    return rows


def main() -> int:
    """Run the demo of a task; give the application's status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("task", nargs="?", default="liver_ct")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    folder = ROOT / "demo-output" / arguments.task
    shutil.rmtree(folder, ignore_errors=True)
    print(f"Making a synthetic study (seed {arguments.seed}) ...")
    sample = make_sample(arguments.task, folder / "sample", seed=arguments.seed)
    print("Running the application with the demo model ...")
    application = [sys.executable, str(ROOT / "apps" / arguments.task)]
    paths = ["-i", str(sample.study), "-o", str(folder / "result"), "-m", "demo"]
    ended = subprocess.run([*application, *paths], check=False)
    if ended.returncode != 0:
        return ended.returncode
    rows = score(folder / "result" / f"{arguments.task}.seg.dcm", sample.truth, sample.study)
    print_table("Result against the truth", ("segment", "volume ml", "true volume ml", "Dice"), rows)
    for path in (sample.study, sample.truth, *sorted((folder / "result").iterdir())):
        print(path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path)
    return 0


if __name__ == "__main__":
    sys.exit(main())
