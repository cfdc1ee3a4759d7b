"""How well the demo model finds the truth of samples that it never saw, end to end.

``python -m benchmarks.demo [TASK] [--seeds 20] [--alternating | --axial] [--save]``: for each seed an axial and an
oblique sample, or one of them in turn, or the axial one alone, is written as DICOM, run through the pipeline with
``-m demo``, and scored on the source's grid. Ends with 1 where a segment is below :data:`tools.demo.LEAST`.
"""

import argparse
import json
import statistics
import sys
import tempfile
from pathlib import Path

from aimi import pipeline
from aimi.models import store
from aimi.options import RunOptions, clock_of_environment
from aimi.output_place import OutputPlace
from aimi.run_record import RunRecord
from aimi.samples.sample import make_sample
from aimi.tasks import get
from tools.demo import LEAST, score

FIRST_SEED = 500
RESULTS = Path(__file__).resolve().parent / "results"


def dice_of(task: str, seed: int, folder: Path, *, oblique: bool) -> dict[str, float]:
    """Give the Dice of each segment of one sample."""
    sample = make_sample(task, folder / "sample", seed=seed, oblique=oblique)
    job = pipeline.Job(
        task=get(task),
        options=RunOptions(),
        place=OutputPlace(folder / "out", task),
        models=store.demo_folder(),
        demo=True,
        clock=clock_of_environment({}),
        record=RunRecord(),
    )
    pipeline.segment_case(job, sample.study)
    rows = score(folder / "out" / f"{task}.seg.dcm", sample.truth, sample.study)
    return {row[0]: float(row[3]) for row in rows}


def measure(task: str, seeds: range, *, oblique: bool) -> dict[str, list[float]]:
    """Give the Dice of each segment over seeds, printed as they come."""
    found: dict[str, list[float]] = {}
    for seed in seeds:
        with tempfile.TemporaryDirectory() as folder:
            scores = dice_of(task, seed, Path(folder), oblique=oblique)
        print(f"seed {seed} {'oblique' if oblique else 'axial'} {scores}", flush=True)
        for segment, dice in scores.items():
            found.setdefault(segment, []).append(dice)
    return found


def main() -> int:
    """Print the distributions."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("task", nargs="?", default="liver_ct")
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--alternating", action="store_true", help="even seeds axial, odd ones oblique")
    parser.add_argument("--axial", action="store_true", help="axial ones alone: those of a PET scanner are")
    parser.add_argument("--save", action="store_true", help="keep the figures in benchmarks/results")
    arguments = parser.parse_args()
    seeds = range(FIRST_SEED, FIRST_SEED + arguments.seeds)
    parts = (seeds[::2], seeds[1::2]) if arguments.alternating else (seeds, seeds[:0] if arguments.axial else seeds)
    found = {
        name: measure(arguments.task, part, oblique=name == "oblique")
        for name, part in zip(("axial", "oblique"), parts, strict=True)
    }
    for name, segments in found.items():
        for segment, dice in segments.items():
            print(
                f"{name} {segment}: n {len(dice)}, min {min(dice):.3f}, median {statistics.median(dice):.3f}, "
                f"max {max(dice):.3f}"
            )
    if arguments.save:
        path = RESULTS / f"demo_{arguments.task}.json"
        of_kind = {name: list(part) for name, part in zip(found, parts, strict=True)}
        path.write_text(json.dumps({"task": arguments.task, "seeds": of_kind, "dice": found}, indent=2) + "\n")
    least = LEAST[arguments.task]
    low = [(name, min(dice)) for one in found.values() for name, dice in one.items() if min(dice) < least[name]]
    for name, lowest in low:
        print(f"{name}: {lowest:.3f} is below {least[name]}")
    return 1 if low else 0


if __name__ == "__main__":
    sys.exit(main())
