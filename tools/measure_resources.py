"""The memory that each application takes at its peak, with models of the published sizes on a large usual study.

``python -m tools.measure_resources [TASK ...]`` makes, below build/resources/, models with random weights in the
published layouts and a study, runs ``apps/TASK`` on it in a process of its own (:mod:`tools.measured_run`: all folds,
but one tile of each model through the network) and writes what it took into benchmarks/results/resources.json.
``--device cpu-torch`` measures the other road; its figures stand beside.

No plans of the published models are public but those of Task762 (of its sister, AutoPET-II's plans.pkl). So the sizes
are: network and patch of nnU-Net's planner, which plans any patch for about as many voxels as 128^3; spacing a little
finer than the study's own, so that everything is resampled, or what the training data make it; labels and channels of
the catalogue.
"""

import argparse
import json
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

from aimi.models import catalogue
from aimi.models.catalogue import CATALOGUE, ModelSpec
from tools.made_models import MadeModel, write_v1, write_v2
from tools.made_studies import Brightness, Wanted, write_study

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "benchmarks" / "results" / "resources.json"
FOLDER = ROOT / "build" / "resources"
ROADS = ("cpu", "cpu-torch")
MARGIN = 1.2
"""What an application asks for, as a multiple of its peak, before it is rounded up to whole GiB."""
LIMIT = 18 << 30
"""Bytes of data that a measured process may take: then it fails, and nothing else does."""

_PARTS = catalogue.TOTALSEGMENTATOR_PARTS[291]
_LEFT, _RIGHT = "lung_upper_lobe_left", "lung_upper_lobe_right"


@dataclass(frozen=True, slots=True)
class Use:
    """A model of a case.

    Parameters
    ----------
    target : the part of the sample that it finds.
    labels : name of the model's label for each label of the target, in order; None is background.
    """

    spec: ModelSpec
    spacing: tuple[float, float, float]
    target: str
    labels: tuple[str | None, ...]
    schemes: tuple[str, ...] = ("CT",)
    shape: Mapping[str, Any] = field(default_factory=dict)

    @property
    def made(self) -> MadeModel:
        """What is written for it."""
        own = self.spec.generation == 1
        return MadeModel(
            self.spec.name, self.spec.labels, self.schemes, self.spacing, folds=5 if own else 1, **self.shape
        )


@dataclass(frozen=True, slots=True)
class Case:
    """A task's study and models, and why these."""

    wanted: Mapping[str, Wanted]
    models: tuple[Use, ...]
    why: str


_PROSTATE_NETWORK = {
    "patch": (20, 320, 256),
    "pools": ((1, 2, 2), (1, 2, 2), (2, 2, 2), (2, 2, 2), (1, 2, 2), (1, 2, 2)),
    "flat_stages": 2,
}
_LIVER_MR_NETWORK = {"patch": (64, 192, 160), "pools": (*((2, 2, 2),) * 4, (1, 2, 2))}
_PET_CT = {
    "pet": Wanted((300, 192, 192), (3.27, 3.65, 3.65)),
    "ct": Wanted((300, 512, 512), (3.27, 0.977, 0.977)),
}
_TUMOR = Use(catalogue.TASK762_PET_CT, (3.0, 2.03642, 2.03642), "tumor", ("tumor",), ("CT", "nonCT"))

CASES: dict[str, Case] = {
    "lung_pet_ct": Case(
        _PET_CT,
        (Use(_PARTS, (1.5, 1.5, 1.5), "region", (_LEFT, _RIGHT)), _TUMOR),
        "skull to thigh, 981 mm; the second most frequent matrix of the annotated PETs, a CT of 500 mm",
    ),
    "lung_ct": Case(
        {"ct": Wanted((400, 512, 512), (1.0, 0.7, 0.7))},
        (
            Use(catalogue.TASK775_LUNGS, (1.0, 0.69, 0.69), "lungs", ("lung",)),
            Use(catalogue.TASK777_NODULES, (1.0, 0.69, 0.69), "nodules", ("nodule",)),
        ),
        "a thin chest; annotated were 3 to 636 images, 133 in the middle",
    ),
    "breast": Case(
        _PET_CT,
        (
            Use(_PARTS, (1.5, 1.5, 1.5), "region", (None, _RIGHT, None, "liver", "spleen")),
            Use(catalogue.TOTALSEGMENTATOR_BREASTS, (1.5, 1.5, 1.5), "region", ("breast", None, None, None, None)),
            _TUMOR,
        ),
        "skull to thigh as for lung_pet_ct; annotated were chests of 83 images",
    ),
    "kidney": Case(
        {"ct": Wanted((400, 512, 512), (1.5, 0.8, 0.8))},
        (Use(catalogue.TASK779_KIDNEYS, (0.78125, 0.78125, 0.78125), "kidney", ("kidney", "tumor", "cyst")),),
        "chest to pelvis, 600 mm; the network's grid is that of nnU-Net on KiTS, most of the training data",
    ),
    "prostate": Case(
        {"mr": Wanted((40, 512, 512), (3.0, 0.39, 0.39))},
        (Use(catalogue.TASK788_PROSTATE, (3.0, 0.38, 0.38), "prostate", ("prostate",), ("nonCT",), _PROSTATE_NETWORK),),
        "twice the slices and 1.8 times the pixels of the annotated T2W series",
    ),
    "liver_mr": Case(
        {"mr": Wanted((120, 260, 320), (3.0, 1.2, 1.2))},
        (Use(catalogue.TASK822_LIVER, (3.0, 1.17, 1.17), "liver_mr", ("liver",), ("nonCT",), _LIVER_MR_NETWORK),),
        "a whole abdomen; annotated were 17 to 520 images, 64 in the middle",
    ),
    "liver_ct": Case(
        {"ct": Wanted((400, 512, 512), (1.5, 0.8, 0.8))},
        (Use(catalogue.TASK773_LIVER, (1.5, 0.78, 0.78), "liver_ct", ("liver",)),),
        "chest to pelvis, 600 mm; annotated were 22 to 794 images (794 are three phases), 109 in the middle",
    ),
}


def rules_of(
    use: Use, brightness: tuple[Brightness, ...], statistics: Mapping[str, tuple[float, float]]
) -> list[tuple[int, float, int]]:
    """Give channel, value and label of what a model's outputs are painted by."""
    rules = []
    for one in brightness:
        if one.target != use.target:
            continue
        channel, value = use.spec.channels.index(one.role), one.value
        if use.schemes[channel] != "CT":
            mean, deviation = statistics[one.role]
            value = (value - mean) / deviation
        name = use.labels[one.label - 1]
        rules.append((channel, value, 0 if name is None else CATALOGUE[use.spec.name].labels.index(name) + 1))
    return rules


def measure(task: str, road: str) -> dict[str, Any]:
    """Make a case, run it and give its measures."""
    case, folder = CASES[task], FOLDER / task
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "models").mkdir(parents=True)
    brightness, statistics = write_study(task, folder / "study", case.wanted)
    write: Mapping[int, Callable[[Path, MadeModel], Path]] = {1: write_v1, 2: write_v2}
    for use in case.models:
        write[use.spec.generation](folder / "models", use.made)
    orders = {
        "task": task,
        "limit": LIMIT,
        "rules": {use.spec.name: rules_of(use, brightness, statistics) for use in case.models},
        **{name: str(folder / name) for name in ("study", "models", "output", "measures")},
    }
    (folder / "orders.json").write_text(json.dumps(orders), encoding="utf-8")
    command = [sys.executable, "-m", "tools.measured_run", str(folder / "orders.json")]
    environment = {**os.environ, "AIMI_DEVICE": road, "AIMI_MIRROR": "0"}
    ended = subprocess.run(command, cwd=ROOT, env=environment, check=False)
    if ended.returncode != 0:
        raise SystemExit(f"{task} ended with {ended.returncode}")
    measures: dict[str, Any] = json.loads((folder / "measures").read_text(encoding="utf-8"))
    report = json.loads((folder / "output" / f"{task}.report.json").read_text(encoding="utf-8"))
    shutil.rmtree(folder)
    return {
        "study": {role: [*one.shape, *one.spacing] for role, one in case.wanted.items()},
        "why": case.why,
        "models": {use.spec.name: _described(use.made) for use in case.models},
        "peak_bytes": measures["peak"],
        "estimate_bytes": max(measures["estimates"]),
        "estimates_bytes": measures["estimates"],
        "stages_bytes": measures["stages"],
        "shared_bytes": measures["shared"],
        "shared_names": measures["shared_names"],
        "volumes_ml": {one["label"]: round(one["volume_ml"], 1) for one in report["segments"]},
    }


def _described(made: MadeModel) -> dict[str, Any]:
    return {"patch": made.patch, "spacing": made.spacing, "labels": len(made.labels), "folds": made.folds}


def main() -> None:
    """Measure the tasks that were named, or all, and keep the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("tasks", nargs="*", metavar="TASK", help=", ".join(CASES))
    parser.add_argument("--device", choices=ROADS, default=ROADS[0])
    arguments = parser.parse_args()
    unknown = set(arguments.tasks) - set(CASES)
    if unknown:
        parser.error(f"no such task: {', '.join(sorted(unknown))}")
    results = json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.is_file() else {}
    for task in arguments.tasks or CASES:
        found = measure(task, arguments.device)
        packages = ("numpy", "openvino", "torch", "holoscan-cu13")
        found["settings"] = {
            "cores": os.cpu_count(),
            "versions": {"python": platform.python_version(), **{name: version(name) for name in packages}},
        }
        results.setdefault(arguments.device, {})[task] = found
        RESULTS.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
        ratio = found["estimate_bytes"] / found["peak_bytes"]
        print(f"{task:12} peak {found['peak_bytes'] / 2**30:6.2f} GiB, estimate {ratio:.2f} of it")


if __name__ == "__main__":
    main()
