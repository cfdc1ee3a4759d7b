"""One application in this process, its peak memory measured; the network runs for one tile of each model only.

``python -m tools.measured_run ORDERS.json`` is started by :mod:`tools.measure_resources`. Memory does not depend on how
many tiles run through a network, nor on what comes out. So of each model every fold is compiled, but a single tile is
computed: in the last fold, when the most is held already. Its outputs are set to zero, and the sums of each fold get at
once what all its tiles would leave there: one for the label that the brightness of the study shows. All else is the
application as it is: reading, resampling, sums, labels of each fold, export, clean-up, writing.
"""

import contextlib
import json
import os
import resource
import runpy
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from aimi.engine import ensemble, folds
from aimi.engine.backends import Backend, TileFunction, Weights
from aimi.engine.memory import Need
from aimi.engine.network import Network
from aimi.engine.sliding_window import Tiling
from aimi.run_record import RunRecord

ROOT = Path(__file__).resolve().parent.parent

Array = npt.NDArray[np.float32]
Rules = list[tuple[int, float, int]]
"""(channel, value, label): above the value lies the label; later ones win."""

_INTERVAL_S = 0.01


class Watch:
    """Resident memory by stage, sampled by a thread; the peak itself is the kernel's."""

    def __init__(self) -> None:
        self.peaks: dict[str, int] = {}
        self.shared = 0
        self.shared_names: set[str] = set()
        self._stages = ["start"]
        self._page = os.sysconf("SC_PAGESIZE")

    @contextlib.contextmanager
    def at(self, name: str) -> Iterator[None]:
        """Count what follows to a stage."""
        self._stages.append(name)
        try:
            yield
        finally:
            self._stages.pop()

    def start(self) -> None:
        """Sample until the process ends."""
        threading.Thread(target=self._sample, daemon=True).start()

    def _sample(self) -> None:
        while True:
            _, resident, _ = Path("/proc/self/statm").read_text(encoding="ascii").split(maxsplit=2)
            name = "/".join(self._stages[1:]) or self._stages[0]
            self.peaks[name] = max(self.peaks.get(name, 0), int(resident) * self._page)
            self._look_for_shared()
            time.sleep(_INTERVAL_S)

    def _look_for_shared(self) -> None:
        lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
        shared = next((int(line.split()[1]) << 10 for line in lines if line.startswith("RssShmem:")), 0)
        if shared > self.shared:
            self.shared = shared
            maps = Path("/proc/self/maps").read_text(encoding="utf-8", errors="replace").splitlines()
            self.shared_names |= {line.split(maxsplit=5)[5] for line in maps if "/dev/shm/" in line}  # noqa: S108


class _Ruled:
    """A backend whose functions know by what their outputs are painted."""

    def __init__(self, inner: Backend, rules: Rules) -> None:
        self._inner = inner
        self._rules = rules
        self.device = inner.device
        self.precision = inner.precision

    def compile(self, network: Network, weights: Weights) -> "_Function":
        """Give the function of a fold."""
        return _Function(self._inner.compile(network, weights), self._rules)


class _Function:
    """The network of a fold; what it computes is not used."""

    def __init__(self, inner: TileFunction, rules: Rules) -> None:
        self._inner = inner
        self.rules = rules

    def __call__(self, tile: Array) -> Array:
        """Compute, and give zeros."""
        outputs = self._inner(tile)
        outputs[:] = 0
        return outputs


def wrap_backend(rules: Mapping[str, Rules]) -> None:
    """Let the functions of every model that is loaded from now on know the model's rules."""
    load, open_backend = ensemble.load, ensemble.open_backend

    def loaded(folder: Any, options: Any) -> Any:  # noqa: ANN401  (as it is called)
        name = next(part for part in reversed(folder.path.parts) if part in rules)

        def opened(device: str, precision: str) -> Any:  # noqa: ANN401
            inner, notes = open_backend(device, precision)
            return _Ruled(inner, rules[name]), notes

        ensemble.open_backend = opened
        try:
            return load(folder, options)
        finally:
            ensemble.open_backend = open_backend

    ensemble.load = loaded


def wrap_sums() -> None:
    """Let a tile of the last fold run, and fill the sums with what all tiles would leave there."""
    accumulate, run_folds = folds.accumulate, ensemble.run_folds
    left = 0

    def run(live: Any, *given: Any, **named: Any) -> folds.FoldSums:  # noqa: ANN401  (as it is called)
        nonlocal left
        left = len(live)
        return run_folds(live, *given, **named)

    def accumulated(function: Any, image: Array, tiling: Tiling, into: Array, **named: Any) -> None:  # noqa: ANN401
        nonlocal left
        left -= 1
        accumulate(function, image, replace(tiling, starts=tiling.starts[: int(left == 0)]), into, **named)
        _fill(image, tiling, into, function.rules)

    ensemble.run_folds, folds.accumulate = run, accumulated


def _fill(image: Array, tiling: Tiling, into: Array, rules: Rules) -> None:
    """Add, a plane at a time, the weights of all tiles to the output of each voxel's label."""
    first, second, third = tiling.total
    across = second[:, None] * third
    for index, along in enumerate(first):
        labels = np.zeros(tiling.shape[1:], np.uint8)
        for channel, value, label in rules:
            labels[image[channel, index] > value] = label
        for head in np.unique(labels):
            into[head, index] += (labels == head) * (along * across)


def watch_stages(watch: Watch) -> None:
    """Let stages of the run and of the engine be told to the watch."""

    def watched(stage: Callable[[Any, str], Any]) -> Callable[[Any, str], Any]:
        @contextlib.contextmanager
        def entered(self: Any, name: str) -> Iterator[None]:  # noqa: ANN401
            with watch.at(name), stage(self, name):
                yield

        return entered

    RunRecord.stage = watched(RunRecord.stage)  # type: ignore[method-assign]
    ensemble._Clock.stage = watched(ensemble._Clock.stage)  # type: ignore[method-assign]


def keep_needs() -> list[int]:
    """Give a list that fills with what the engine estimates of each model before it runs it."""
    kept: list[int] = []
    check = ensemble.check_memory

    def checked(need: Need, limit: int | None) -> None:
        check(need, limit)
        if need.total not in kept:  # each model is checked at the start and again before it runs
            kept.append(need.total)

    ensemble.check_memory = checked
    return kept


def main() -> int:
    """Run as ordered; write the measures; give the application's status."""
    orders = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    resource.setrlimit(resource.RLIMIT_DATA, (orders["limit"], orders["limit"]))
    watch, needs = Watch(), keep_needs()
    wrap_backend(orders["rules"])
    wrap_sums()
    watch_stages(watch)
    watch.start()
    sys.argv = ["application", "-i", orders["study"], "-o", orders["output"], "-m", orders["models"]]
    status: Any = 0
    try:
        runpy.run_path(str(ROOT / "apps" / orders["task"]), run_name="__main__")
    except SystemExit as end:
        status = end.code
    measures = {
        "status": status,
        "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10,
        "stages": watch.peaks,
        "estimates": needs,
        "shared": watch.shared,
        "shared_names": sorted(watch.shared_names),
    }
    Path(orders["measures"]).write_text(json.dumps(measures), encoding="utf-8")
    return int(status or 0)


if __name__ == "__main__":
    sys.exit(main())
