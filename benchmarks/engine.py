"""The engine against nnunetv2 and its peers: time of each stage, peak memory, agreement, in one run.

``python -m benchmarks.engine`` makes a network of 31 M parameters with random weights (speed does not depend on their
values) and a case, runs every way by turns in processes of their own and writes ``results/engine.json``. Agreement is
measured on it too: random weights nearly tie everywhere, so this is the worst case. What a user gets is measured on the
demo model of the liver and a sample, against nnunetv2's own predictor; ``--dice-only`` does this alone and keeps the
rest of the results that were written before. Ends with 1, and writes nothing, where nnunetv2 or this engine fails.

Sizes: ``full`` is patch 128^3, five folds, 512 x 512 x 120 on disk; ``quick`` is the same network with patch 64^3, two
folds and a quarter of the case, which has the same shares of the stages; ``fold`` is the full job with one fold.
``--peer-folds 1`` runs the peers with one fold and compares the network's time of a fold; it takes half an hour less.
CPU seconds are those of the case, loading left out; on a machine with other work they say more than wall time.
"""

import argparse
import contextlib
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from aimi.engine.backends.openvino_backend import has_bf16
from aimi.engine.folder import import_folder, open_folder
from aimi.engine.network import Convolution, Network, TransposedConvolution, network_of
from aimi.engine.sliding_window import make_tiling
from benchmarks.agreement import SEED, demo_job, dice, our_labels, stock_labels
from benchmarks.engine_runs import WAYS
from benchmarks.peak import Chip, find_chip, measure_peak
from demo_models.specs import SPECS
from tests.engine.stock_v2 import Case, make_model

RESULTS = Path(__file__).parent / "results" / "engine.json"
PACKAGES = ("numpy", "scipy", "openvino", "torch", "nnunetv2", "monai")
FEATURES = (32, 64, 128, 256, 320, 320)
ONE, TWO, THREE = (1, 1, 1), (2, 2, 2), (3, 3, 3)


@dataclass(frozen=True, slots=True)
class Size:
    """How large the job is."""

    patch: int
    folds: int
    shape: tuple[int, int, int]
    spacing: tuple[float, float, float]

    @property
    def case(self) -> Case:
        """The model: spacing such that rows and columns are halved and slices stay about as many."""
        stages = len(FEATURES)
        return Case(
            spacing=(1.0, 1.6, 1.6),
            patch=(self.patch, self.patch, self.patch),
            strides=(ONE, *(TWO,) * (stages - 1)),
            kernels=(THREE,) * stages,
            features=FEATURES,
            folds=self.folds,
        )


SIZES = {
    "full": Size(128, 5, (120, 512, 512), (1.067, 0.8, 0.8)),
    "fold": Size(128, 1, (120, 512, 512), (1.067, 0.8, 0.8)),
    "quick": Size(64, 2, (60, 256, 256), (1.067, 0.8, 0.8)),
}
STOCK, EXACT, FAST = "nnunetv2", "aimi f32", "aimi bf16"
OURS_AND_STOCK = (STOCK, EXACT, FAST)
TRAINED = SPECS["liver_ct"]


def make_case(size: Size) -> npt.NDArray[np.int16]:
    """Give an image with structure of every size."""
    rng = np.random.default_rng(3)
    coarse = rng.normal(scale=300, size=(6, 12, 12))
    smooth = ndimage.zoom(coarse, np.divide(size.shape, coarse.shape), order=1)
    return (smooth + rng.normal(scale=20, size=size.shape)).astype(np.int16)


def prepare(folder: Path, size: Size) -> None:
    """Write the model, its import and the case."""
    original = open_folder(make_model(folder / "model", size.case))
    import_folder(original, folder / "imported")
    np.save(folder / "case.npy", make_case(size))
    (folder / "case.json").write_text(json.dumps({"spacing": size.spacing}))


def run_way(way: str, folder: Path, folds: int) -> dict[str, Any]:
    """Run one way with the first folds in a process of its own; give its measures, or why it failed."""
    command = [sys.executable, "-m", "benchmarks.engine_runs", way, str(folder), str(folds)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        return {"failed": done.stderr.strip().splitlines()[-1][:200] if done.stderr.strip() else "killed"}
    measures: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return {**measures, "folds": folds}


def require_run(way: str, runs: list[dict[str, Any]]) -> None:
    """End where a way without which there is nothing to compare has failed and never ran.

    Raises
    ------
    SystemExit
        With the reason.
    """
    if way in (STOCK, EXACT) and all("failed" in run for run in runs):
        sys.exit(f"{way} failed: {runs[-1]['failed']}. There is nothing to compare; no results were written.")


def summarise(runs: list[dict[str, Any]]) -> dict[str, Any]:
    """Give the medians of a way's runs."""
    good = [run for run in runs if "failed" not in run]
    if not good:
        return {"failed": runs[0]["failed"]}
    stages = {
        stage: statistics.median(run["seconds"].get(stage, 0.0) for run in good)
        for stage in ("loading", "preprocessing", "network", "export")
    }
    total = statistics.median(
        sum(seconds for stage, seconds in run["seconds"].items() if stage != "loading") for run in good
    )
    return {
        "folds": good[0]["folds"],
        "seconds": stages,
        "network_seconds_per_fold": stages["network"] / good[0]["folds"],
        "total_seconds": total,
        "share_outside_network": 1 - stages["network"] / total,
        "cpu_seconds": statistics.median(run["cpu_seconds"] for run in good),
        "peak_bytes": max(run["peak_bytes"] for run in good),
        "runs": len(good),
    }


def gigaflops(network: Network) -> float:
    """Count the operations of one tile; a multiplication and an addition are two."""
    total = 0
    shapes: dict[int, tuple[int, ...]] = {0: network.patch}
    for index, layer in enumerate(network.layers):
        shape = shapes[network.sources(layer)[0]]
        if isinstance(layer, Convolution):
            shape = tuple(-(-length // step) for length, step in zip(shape, layer.stride, strict=True))
            total += 2 * int(np.prod(network.weights[layer.weight])) * int(np.prod(shape))
        elif isinstance(layer, TransposedConvolution):
            total += 2 * int(np.prod(network.weights[layer.weight])) * int(np.prod(shape))
            shape = tuple(length * step for length, step in zip(shape, layer.stride, strict=True))
        shapes[index + 1] = shape
    return total / 1e9


def parameters_of(network: Network) -> str:
    """Give the number of weights in millions."""
    return f"{sum(int(np.prod(weight)) for weight in network.weights.values()) / 1e6:.1f} M"


def add_trained_dice(results: dict[str, Any]) -> None:
    """Add to results the Dice of a demo model on a sample, and what speed and Dice were measured on."""
    good = [way for way, found in results["aimi"].items() if "failed" not in found]
    with tempfile.TemporaryDirectory() as temporary:
        job = demo_job(TRAINED, Path(temporary))
        theirs = stock_labels(job)
        for way in good:
            found = dice(our_labels(job, way.removeprefix("aimi ")), theirs)
            results["dice"].setdefault(way, {})[TRAINED.name] = found
    settings, network = results["settings"], network_of(open_folder(job.model).plans)
    trained = f"PlainConvUNet, {parameters_of(network)} parameters, trained, {job.folds} fold(s); sample {SEED}"
    settings["speed_measured_on"] = f"{settings['network']}, random weights"
    settings["dice_measured_on"] = {"random weights": "the network and the case of the speed", TRAINED.name: trained}


def judge(ways: dict[str, Any], agreement: dict[str, Any], chip: Chip) -> dict[str, Any]:
    """Give the ratios that the targets speak of."""
    stock, exact, fast = ways[STOCK], ways[EXACT], ways.get(FAST)
    if fast is not None and "failed" in fast:
        fast = None
    chosen = fast or exact
    return {
        "speedup": stock["total_seconds"] / fast["total_seconds"] if fast else None,
        "speedup_identical": stock["total_seconds"] / exact["total_seconds"],
        "cpu_speedup": stock["cpu_seconds"] / fast["cpu_seconds"] if fast else None,
        "cpu_speedup_identical": stock["cpu_seconds"] / exact["cpu_seconds"],
        "targets": {"speedup": chip.fast, "speedup_identical": chip.identical},
        "dice": agreement,
        "memory_ratio": chosen["peak_bytes"] / stock["peak_bytes"],
        "memory_ratio_f32": exact["peak_bytes"] / stock["peak_bytes"],
        "share_outside_network": chosen["share_outside_network"],
    }


def _versions() -> dict[str, str]:
    found = {}
    for package in PACKAGES:
        with contextlib.suppress(PackageNotFoundError):
            found[package] = version(package)
    return found


def measure(name: str, chosen: list[str], repeats: int, peer_folds: int | None = None) -> dict[str, Any]:
    """Run the ways by turns on one job; the peers, but for nnunetv2 itself, with all folds or the first of them."""
    size, chip = SIZES[name], find_chip()
    folds = {way: size.folds if peer_folds is None or way in OURS_AND_STOCK else peer_folds for way in chosen}
    peak = measure_peak()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        prepare(folder, size)
        runs: dict[str, list[dict[str, Any]]] = {way: [] for way in chosen}
        for _ in range(repeats):
            for way in chosen:
                runs[way].append(run_way(way, folder, folds[way]))
                sys.stderr.write(f"{way}: {json.dumps(runs[way][-1])}\n")
                require_run(way, runs[way])
        ways = {way: summarise(results) for way, results in runs.items()}
        good = [way for way in chosen if "failed" not in ways[way]]
        labels = {way: np.load(folder / f"{way}.npy") for way in good}
        plans = open_folder(folder / "imported").plans
    alike = [way for way in good if way != STOCK and folds[way] == size.folds]
    agreement = {way: {"random weights": dice(labels[way], labels[STOCK])} for way in alike}
    network = network_of(plans)
    shape = tuple(round(n * s / t) for n, s, t in zip(size.shape, size.spacing, plans.spacing, strict=True))
    tiles = len(make_tiling((shape[0], shape[1], shape[2]), plans.patch, 0.5).starts) * size.folds
    work = gigaflops(network) * tiles
    rate = work / ways[EXACT]["seconds"]["network"]
    cores = os.cpu_count() or 1
    return {
        **judge(ways, agreement, chip),
        "cpu_class": chip.name,
        "share_of_peak": rate / (peak * cores) if peak else None,
        "peers": {way: ways[way] for way in chosen if not way.startswith("aimi")},
        "aimi": {way: ways[way] for way in chosen if way.startswith("aimi")},
        "settings": {
            "size": name,
            "network": f"PlainConvUNet, {parameters_of(network)} parameters",
            "patch": plans.patch,
            "folds": size.folds,
            "shape": size.shape,
            "network_shape": shape,
            "tiles": tiles,
            "gflop": work,
            "gflops": rate,
            "peak_gflops_per_core": peak,
            "cores": cores,
            "load_at_start": os.getloadavg()[0],
        },
        "versions": {"python": platform.python_version(), **_versions()},
    }


def main() -> None:
    """Measure, print the ratios and write the results."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", choices=SIZES, default="full")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--peer-folds", type=int, help="run the peers with fewer folds than the rest")
    parser.add_argument("--ways", nargs="*", choices=WAYS)
    parser.add_argument("--output", type=Path, default=RESULTS)
    parser.add_argument("--dice-only", action="store_true", help="measure the demo model alone; keep the rest")
    arguments = parser.parse_args()
    if arguments.dice_only and not arguments.output.is_file():
        parser.error(f"{arguments.output.name} is not there: measure the speed first, without --dice-only.")
    possible = [way for way in WAYS if way != FAST or has_bf16()]
    chosen = [way for way in possible if not arguments.ways or way in (*arguments.ways, EXACT, STOCK)]
    if arguments.dice_only:
        results = json.loads(arguments.output.read_text())
    else:
        results = measure(arguments.size, chosen, arguments.repeats, arguments.peer_folds)
    add_trained_dice(results)
    arguments.output.parent.mkdir(exist_ok=True)
    arguments.output.write_text(json.dumps(results, indent=1) + "\n")
    for key in (
        "cpu_class",
        "speedup",
        "speedup_identical",
        "cpu_speedup_identical",
        "targets",
        "memory_ratio",
        "share_outside_network",
    ):
        print(f"{key:22} {results[key]}")
    print(f"{'share_of_peak':22} {results['share_of_peak']}")
    for way in results["aimi"]:
        print(f"{'dice, ' + way:22} {results['dice'].get(way, 'it failed')}")


if __name__ == "__main__":
    main()
