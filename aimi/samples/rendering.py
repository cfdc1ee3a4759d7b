"""Anatomy on a grid: an image of a modality and the tissue at each voxel."""

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from aimi.samples.anatomy import Anatomy
from aimi.samples.shapes import Block, Field, Matrix
from aimi.samples.tissue import Canvas, Tissue, Tissues
from aimi.samples.values import Look

__all__ = ["Grid", "paint", "render_ct", "render_mr", "render_pet"]

_PET_SIGMA = 6.0 / 2.355  # mm: a scanner's full width at half maximum
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


def paint(anatomy: Anatomy, grid: Grid, values: Field) -> tuple[Field, Tissues]:
    """Sample an anatomy on a grid.

    Parameters
    ----------
    values : of each tissue, indexed by tissue.

    Returns
    -------
    image : float32, shape of the grid: values, mixed where a surface crosses a voxel.
    tissues : uint8, shape of the grid: the tissue at each voxel's center.
    """
    image = np.empty(grid.shape, np.float32)
    tissues = np.empty(grid.shape, np.uint8)
    affine = anatomy.to_plan @ grid.affine
    blur = 1.1 * float(np.mean(grid.spacing[1:]))
    for start in range(0, grid.shape[0], _SLAB):
        size = min(_SLAB, grid.shape[0] - start)
        block = Block.of(affine, (start, 0, 0), (size, *grid.shape[1:]))
        canvas = Canvas.of(block, values, blur)
        for painter in anatomy.painters:
            painter.paint(canvas)
        image[start : start + size] = canvas.image
        tissues[start : start + size] = canvas.tissues
    return image, tissues


def render_ct(anatomy: Anatomy, grid: Grid, look: Look, generator: np.random.Generator) -> tuple[Field, Tissues]:
    """Sample an anatomy as CT numbers, with texture, the scanner's blur and its correlated noise."""
    image, tissues = paint(anatomy, grid, look.values)
    _add_texture(image, tissues, grid, look, generator)
    noise = generator.standard_normal(grid.shape, np.float32)
    noise = ndimage.gaussian_filter(noise, (0.25, 0.75, 0.75)) - 0.6 * ndimage.gaussian_filter(noise, (0.25, 2, 2))
    noise *= look.noise / noise.std()
    inside = ndimage.gaussian_filter((tissues > Tissue.SHELL).astype(np.float32), (0, 6, 6))
    image[:] = ndimage.gaussian_filter(image, (0, 0.45, 0.45)) + noise * (0.5 + 0.5 * inside)
    return image, tissues


def render_mr(anatomy: Anatomy, grid: Grid, look: Look, generator: np.random.Generator) -> tuple[Field, Tissues]:
    """Sample an anatomy as MR magnitude, with texture, the coils' bias field and Rician noise."""
    image, tissues = paint(anatomy, grid, look.values)
    _add_texture(image, tissues, grid, look, generator)
    image *= _bias_field(grid.shape, generator)
    image = ndimage.gaussian_filter(image, (0, 0.4, 0.4))
    real, imaginary = (look.noise * generator.standard_normal(grid.shape, np.float32) for _ in range(2))
    return np.sqrt((image + real) ** 2 + imaginary**2), tissues


def render_pet(anatomy: Anatomy, grid: Grid, look: Look, generator: np.random.Generator) -> tuple[Field, Tissues]:
    """Sample an anatomy as FDG uptake: blurred by 6 mm, with noise that grows with the root of the uptake."""
    image, tissues = paint(anatomy, grid, look.values)
    _add_texture(image, tissues, grid, look, generator)
    image = ndimage.gaussian_filter(image, [_PET_SIGMA / step for step in grid.spacing]).clip(0)
    noise = ndimage.gaussian_filter(generator.standard_normal(grid.shape, np.float32), 0.8)
    noise *= look.noise / noise.std()
    return (image + noise * np.sqrt(image)).clip(0), tissues


def _add_texture(image: Field, tissues: Tissues, grid: Grid, look: Look, generator: np.random.Generator) -> None:
    """Add each tissue's own structure, some 3 mm coarse."""
    sigma = [max(1.6 / step, 0.3) for step in grid.spacing]
    texture = ndimage.gaussian_filter(generator.standard_normal(grid.shape, np.float32), sigma)
    texture /= texture.std()
    image += texture * look.textures[tissues]


def _bias_field(shape: tuple[int, int, int], generator: np.random.Generator) -> Field:
    """Give a smooth factor between about 0.6 and 1.5: the sensitivity of the coils."""
    axes = [np.linspace(-1, 1, size, dtype=np.float32) for size in shape]
    k, j, i = axes[0][:, None, None], axes[1][None, :, None], axes[2][None, None, :]
    weights = generator.uniform(-0.18, 0.18, 8).astype(np.float32)
    terms = (k, j, i, j * i, k * j, j * j - np.float32(0.3), i * i - np.float32(0.3), k * k - np.float32(0.3))
    field: Field = np.exp(sum(weight * term for weight, term in zip(weights, terms, strict=True)))
    return field.astype(np.float32)
