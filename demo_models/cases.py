"""Samples as nnU-Net wants its cases: SimpleITK images of the channels, and the labels."""

import numpy as np
import numpy.typing as npt
import SimpleITK as sitk  # noqa: N813
from scipy import ndimage

from aimi.samples.drawing import SAMPLE_TASKS, draw
from aimi.samples.rendering import Grid
from aimi.samples.scans import Scan
from demo_models.specs import Spec

__all__ = ["draw_case", "is_oblique"]

_USUAL_WIDTH = 380.0  # mm: of a body


def draw_case(spec: Spec, index: int, seed: int) -> tuple[list[sitk.Image], sitk.Image]:
    """Give channel images and labels of a sample.

    Every second round of the tasks is oblique, every third sample has voxels of another size. Channels that were
    scanned on another grid are brought to the grid of the target, linearly, outside -1024 (CT).
    """
    task = spec.tasks[index % len(spec.tasks)]
    drawing = draw(task, seed=seed, oblique=is_oblique(spec, index), spacing=_spacing(task, index, seed))
    target = drawing.targets[spec.target]
    scans = {scan.role: scan for scan in drawing.scans}
    grid = scans[target.role].grid
    images = [sitk.GetImageFromArray(_on_grid(scans[role], grid).astype(np.float32)) for role in spec.roles]
    labels = sitk.GetImageFromArray(target.labels)
    for image in (*images, labels):
        image.SetSpacing([float(step) for step in grid.spacing[::-1]])
    return images, labels


def is_oblique(spec: Spec, index: int) -> bool:
    """Tell whether the sample with this place in the row is oblique."""
    return index // len(spec.tasks) % 2 == 1


def _spacing(task: str, index: int, seed: int) -> tuple[float, float, float] | None:
    """Draw every third sample's spacing; None for the view's own."""
    if index % 3 != 2:  # noqa: PLR2004
        return None
    generator = np.random.default_rng([seed, 7])
    along, across = float(generator.uniform(0.65, 1.25)), float(generator.uniform(0.85, 1.5))
    view = SAMPLE_TASKS[task].view
    in_plane = across * (view.width or _USUAL_WIDTH) / view.matrix
    return along * view.slice_spacing, in_plane, in_plane


def _on_grid(scan: Scan, grid: Grid) -> npt.NDArray[np.float32]:
    """Give a scan's image on a grid."""
    if scan.grid is grid:
        return scan.image
    change = np.linalg.inv(scan.grid.affine) @ grid.affine
    moved: npt.NDArray[np.float32] = ndimage.affine_transform(
        scan.image, change, output_shape=grid.shape, order=1, cval=-1024.0
    )
    return moved
