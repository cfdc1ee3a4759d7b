"""Where a scanner puts its grid over a body."""

from dataclasses import dataclass

import numpy as np

from aimi.samples.anatomy import Anatomy
from aimi.samples.chance import Chance
from aimi.samples.rendering import Grid
from aimi.samples.shapes import Matrix, rotation

__all__ = ["View", "place_grid"]


@dataclass(frozen=True, slots=True)
class View:
    """A field of view.

    Parameters
    ----------
    top, bottom : heights in the body plan, mm.
    slice_spacing : mm, when the caller names none.
    matrix : rows and columns, when the caller names no spacing.
    width : mm in the body plan; None for the width of the body.
    center_y : of the field of view in the body plan, mm.
    """

    top: float
    bottom: float
    slice_spacing: float
    matrix: int
    width: float | None = None
    center_y: float = 10.0


def place_grid(
    anatomy: Anatomy, view: View, chance: Chance, *, oblique: bool, spacing: tuple[float, float, float] | None
) -> Grid:
    """Give the grid of a view: axial, or turned by 10 to 22 degrees about two axes.

    Parameters
    ----------
    spacing : distances between slices, rows and columns, mm; None for the view's own.
    """
    half = anatomy.half_width if view.width is None else view.width / 2
    width = 2.16 * half if view.width is None else view.width
    height = view.top - view.bottom
    tilt = _tilt(chance) if oblique else np.eye(3)
    if oblique:
        height *= 1.12
    in_plane = round(width / view.matrix, 3)
    steps = spacing or (view.slice_spacing, in_plane, in_plane)
    extent = (height, width, width)
    sizes = [max(8, round(length / step)) for length, step in zip(extent, steps, strict=True)]
    shift = chance.point((0, 0, 0), (4, 4, 5))
    center = anatomy.to_patient((shift[0], view.center_y + shift[1], (view.top + view.bottom) / 2 + shift[2]))
    affine = np.eye(4)
    # columns of the matrix: along slices (z), rows (y), columns (x)
    affine[:3, :3] = tilt @ np.array([[0, 0, 1.0], [0, 1.0, 0], [1.0, 0, 0]]) * np.asarray(steps)
    affine[:3, 3] = np.round(center - affine[:3, :3] @ ((np.array(sizes) - 1) / 2), 4)
    return Grid(affine, (sizes[0], sizes[1], sizes[2]))


def _tilt(chance: Chance) -> Matrix:
    """Draw a turn about x and z whose directions may be either."""
    nod = chance.between(10, 22) * (1 if chance.happens(0.5) else -1)
    turn = chance.between(4, 12) * (1 if chance.happens(0.5) else -1)
    roll = chance.between(-6, 6)
    return rotation(x=nod, y=turn, z=roll)
