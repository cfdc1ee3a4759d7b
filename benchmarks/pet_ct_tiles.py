"""How many tiles of the PET/CT tumor model meet the lungs, for three fields of view.

``python -m benchmarks.pet_ct_tiles`` prints tiles of all, and those that a voxel of the pulmonary region or next to it
depends on. The network's grid and patch are those of Task762 (2.036 x 2.036 x 3.0 mm, 128 x 128 x 128); the lungs are
two ellipsoids of 4.5 l together, in the middle of the field of view, near its upper end where it is a whole body. The
network's time is proportional to the tiles: what remains is the share of the time that remains.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from aimi.engine.sliding_window import make_tiling

SPACING = (3.0, 2.03642, 2.03642)
PATCH = (128, 128, 128)
STEP = 0.5
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


def count(view: FieldOfView) -> tuple[int, int]:
    """Give the tiles of all, and those that meet the lungs."""
    shape = [round(length / step) for length, step in zip(view.extent, SPACING, strict=True)]
    grid = (max(shape[0], PATCH[0]), max(shape[1], PATCH[1]), max(shape[2], PATCH[2]))
    everywhere = make_tiling(grid, PATCH, STEP)
    return len(everywhere.starts), len(make_tiling(grid, PATCH, STEP, lungs(view, grid)).starts)


def main() -> None:
    """Print a row for each field of view."""
    print("| field of view | mm (slices, rows, columns) | tiles | needed | time saved |")
    print("|---|---|---|---|---|")
    for view in VIEWS:
        tiles, needed = count(view)
        extent = " x ".join(f"{length:.0f}" for length in view.extent)
        print(f"| {view.name} | {extent} | {tiles} | {needed} | {100 * (1 - needed / tiles):.0f} % |")


if __name__ == "__main__":
    main()
