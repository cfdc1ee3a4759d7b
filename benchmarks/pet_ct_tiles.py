"""What leaving tiles out saves the PET/CT tumor model, for three fields of view: counted and measured.

``python -m benchmarks.pet_ct_tiles`` prints all tiles, those that a voxel of the pulmonary region or next to it depends
on, and the processor and wall time of the network part with all of them and with the needed ones. The network's grid
and patch are those of Task762 (2.036 x 2.036 x 3.0 mm, 128 x 128 x 128); the lungs are two ellipsoids of 4.5 l
together, in the middle of the field of view, near its upper end where it is a whole body. The network is a thin one of
random weights: a tile of it takes about a tenth of the time of the published one's, so what every run does besides its
tiles weighs ten times as much as it would. Each time is the smallest of three.
"""

import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from aimi.engine.ensemble import Model, Options, load
from aimi.engine.folder import open_folder
from aimi.engine.folds import run_folds
from aimi.engine.orientation import Orientation
from aimi.engine.sliding_window import Tiling, make_tiling
from tests.engine import stock_v2

SPACING = (3.0, 2.03642, 2.03642)
PATCH = (128, 128, 128)
STEP = 0.5
TIMES = 3
LUNG_MM = (250.0, 160.0, 130.0)
SIDE_MM = 75.0
REACH_MM = 12.0
"""What resampling from a PET's grid reaches beyond the region: two voxels of 5 mm, and one for contact."""


@dataclass(frozen=True)
class FieldOfView:
    """A PET's extent in mm (slices, rows, columns), and where the middle of the lungs is along its slices."""

    name: str
    extent: tuple[float, float, float]
    lungs_at: float


VIEWS = (
    FieldOfView("chest (QIN-Breast)", (271.0, 700.0, 700.0), 0.5),
    FieldOfView("neck to abdomen (ACRIN 042)", (441.0, 600.0, 600.0), 0.55),
    FieldOfView("whole body, widest", (814.0, 978.0, 978.0), 0.75),
)


def lungs(view: FieldOfView, shape: tuple[int, int, int]) -> npt.NDArray[np.bool_]:
    """Give the region on the network's grid: both lungs with what their neighbourhood reaches."""
    places = [
        (np.arange(count) + 0.5) * step - length * at
        for count, step, length, at in zip(shape, SPACING, view.extent, (view.lungs_at, 0.5, 0.5), strict=True)
    ]
    radii = [size / 2 + REACH_MM for size in LUNG_MM]
    along_k = (places[0] / radii[0])[:, np.newaxis, np.newaxis] ** 2 + (places[1] / radii[1])[:, np.newaxis] ** 2
    region: npt.NDArray[np.bool_] = np.zeros(shape, np.bool_)
    for side in (-SIDE_MM, SIDE_MM):
        region |= along_k + ((places[2] - side) / radii[2]) ** 2 <= 1.0
    return region


@dataclass(frozen=True)
class Spent:
    """Seconds of the network part."""

    processor: float
    wall: float


def tilings_of(view: FieldOfView) -> tuple[Tiling, Tiling]:
    """Give the tiles of all, and those that meet the lungs."""
    shape = [round(length / step) for length, step in zip(view.extent, SPACING, strict=True)]
    grid = (max(shape[0], PATCH[0]), max(shape[1], PATCH[1]), max(shape[2], PATCH[2]))
    return make_tiling(grid, PATCH, STEP), make_tiling(grid, PATCH, STEP, lungs(view, grid))


def load_thin_model(folder: Path) -> Model:
    """Write and load a model of two channels that has the patch of the published one."""
    case = stock_v2.Case(
        spacing=SPACING,
        patch=PATCH,
        normalizations=("CTNormalization", "ZScoreNormalization"),
        labels={"background": 0, "tumor": 1},
        heads=2,
    )
    stock_v2.make_model(folder, case)
    return load(open_folder(folder), Options(orientation=Orientation.ITK, device="cpu"))


def spend(model: Model, image: npt.NDArray[np.float32], tiling: Tiling) -> Spent:
    """Run the network part over the tiles."""
    processor, wall = time.process_time(), time.perf_counter()
    run_folds(model.live, image, tiling, model.folder.plans, mirroring=False, progress=None, each=None)
    return Spent(time.process_time() - processor, time.perf_counter() - wall)


def measure(model: Model, tilings: tuple[Tiling, Tiling]) -> tuple[Spent, Spent]:
    """Give what all tiles and what the needed ones take, in turns."""
    image = np.random.default_rng(0).standard_normal((2, *tilings[0].shape), np.float32)
    spend(model, image, tilings[1])  # what only a first run takes counts for neither
    runs = [[spend(model, image, tiling) for tiling in tilings] for _ in range(TIMES)]
    everywhere, needed = (
        Spent(min(run[way].processor for run in runs), min(run[way].wall for run in runs)) for way in (0, 1)
    )
    return everywhere, needed


def share_saved(before: float, after: float) -> str:
    """Give what was saved, in percent."""
    return f"{round(100 * (1 - after / before))} %"


def main() -> None:
    """Print a row for each field of view."""
    print(
        "| field of view | mm (slices, rows, columns) | tiles | needed | tiles saved | CPU s, all | CPU s, needed "
        "| CPU time saved | wall s, all | wall s, needed | wall time saved |"
    )
    print("|---|---|---|---|---|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        model = load_thin_model(Path(folder))
        for view in VIEWS:
            tilings = tilings_of(view)
            tiles, needed = (len(tiling.starts) for tiling in tilings)
            before, after = measure(model, tilings)
            extent = " x ".join(f"{length:.0f}" for length in view.extent)
            print(
                f"| {view.name} | {extent} | {tiles} | {needed} | {share_saved(tiles, needed)} "
                f"| {before.processor:.1f} | {after.processor:.1f} | {share_saved(before.processor, after.processor)} "
                f"| {before.wall:.1f} | {after.wall:.1f} | {share_saved(before.wall, after.wall)} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
