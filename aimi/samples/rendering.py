"""Anatomy on a grid: an image of a modality and the tissue at each voxel."""

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from aimi.samples.anatomy import Anatomy
from aimi.samples.shapes import Block, Field, Matrix
from aimi.samples.tissue import Canvas, Tissue, Tissues
from aimi.samples.values import Look

__all__ = ["Grid", "render"]

_SLAB = 4  # slices painted at a time: the arrays stay in the cache


@dataclass(frozen=True, slots=True)
class Grid:
    """A regular grid: affine from index (k, j, i) to the patient (LPS, mm), and its size."""

    affine: Matrix
    shape: tuple[int, int, int]

    @property
    def spacing(self) -> tuple[float, float, float]:
        """Distances between slices, rows and columns, mm."""
        slices, rows, columns = np.linalg.norm(self.affine[:3, :3], axis=0)
        return float(slices), float(rows), float(columns)


def render(anatomy: Anatomy, grid: Grid, look: Look, generator: np.random.Generator) -> tuple[Field, Tissues]:
    """Sample an anatomy on a grid with texture and noise.

    Returns
    -------
    image : float32, shape of the grid, in the look's unit.
    tissues : uint8, shape of the grid: the tissue at each voxel's center.
    """
    image = np.empty(grid.shape, np.float32)
    tissues = np.empty(grid.shape, np.uint8)
    affine = anatomy.to_plan @ grid.affine
    blur = 1.1 * float(np.mean(grid.spacing[1:]))
    for start in range(0, grid.shape[0], _SLAB):
        size = min(_SLAB, grid.shape[0] - start)
        block = Block.of(affine, (start, 0, 0), (size, *grid.shape[1:]))
        canvas = Canvas.of(block, look.values, blur)
        for painter in anatomy.painters:
            painter.paint(canvas)
        image[start : start + size] = canvas.image
        tissues[start : start + size] = canvas.tissues
    _add_texture(image, tissues, grid, look, generator)
    return image, tissues


def _add_texture(image: Field, tissues: Tissues, grid: Grid, look: Look, generator: np.random.Generator) -> None:
    """Add each tissue's own structure (3 mm coarse), then the scanner's blur and its correlated noise."""
    sigma = [max(1.6 / step, 0.3) for step in grid.spacing]
    texture = ndimage.gaussian_filter(generator.standard_normal(grid.shape, np.float32), sigma)
    texture /= texture.std()
    image += texture * look.textures[tissues]
    noise = generator.standard_normal(grid.shape, np.float32)
    noise = ndimage.gaussian_filter(noise, (0.25, 0.75, 0.75)) - 0.6 * ndimage.gaussian_filter(noise, (0.25, 2, 2))
    noise *= look.noise / noise.std()
    inside = ndimage.gaussian_filter((tissues > Tissue.SHELL).astype(np.float32), (0, 6, 6))
    image[:] = ndimage.gaussian_filter(image, (0, 0.45, 0.45)) + noise * (0.5 + 0.5 * inside)
