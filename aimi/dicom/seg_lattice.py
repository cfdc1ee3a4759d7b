"""Two grids whose voxels coincide, though their axes are ordered or directed otherwise.

A writer may turn rows into columns, run slices the other way or cut the frames to a part of the source. Every
voxel of such a grid is a voxel of the source, and a mask moves there without interpolation.
"""

from dataclasses import dataclass

import highdicom as hd
import numpy as np
import numpy.typing as npt

__all__ = ["Lattice", "find_lattice"]

_LARGEST_DEPARTURE = 0.05
"""In voxels of the source, at any corner: what rounded positions and spacings make."""


@dataclass(frozen=True, slots=True)
class Lattice:
    """How a grid lies in another one of the same voxels.

    Parameters
    ----------
    order : for each axis of the outer grid, the axis of the inner one that runs along it.
    flipped : axes of the outer grid along which the inner one runs backwards.
    start : index in the outer grid of the inner grid's lowest corner.
    shape : of the outer grid, (k, j, i).
    """

    order: tuple[int, int, int]
    flipped: tuple[int, ...]
    start: tuple[int, int, int]
    shape: tuple[int, int, int]

    def place(self, mask: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
        """Give a mask of the inner grid on the outer one; what lies outside the inner one is empty."""
        turned = np.flip(mask.transpose(self.order), self.flipped)
        placed = np.zeros(self.shape, np.bool_)
        window = tuple(slice(begin, begin + size) for begin, size in zip(self.start, turned.shape, strict=True))
        placed[window] = turned
        return placed


def find_lattice(inner: hd.VolumeGeometry, outer: hd.VolumeGeometry) -> Lattice | None:
    """Give how a grid lies in another; None unless each of its voxels is a voxel of the other."""
    mapping = np.linalg.inv(outer.affine) @ inner.affine
    steps = np.rint(mapping[:3, :3])
    if not np.array_equal(np.abs(steps).sum(axis=0), np.ones(3)) or not np.abs(steps).sum(axis=1).all():
        return None
    ends = np.array(np.meshgrid(*([0, size - 1] for size in inner.spatial_shape))).reshape(3, -1)
    exact = mapping[:3, :3] @ ends + mapping[:3, 3:]
    whole = steps @ ends + np.rint(mapping[:3, 3:])
    lowest, highest = whole.min(axis=1), whole.max(axis=1)
    is_inside = (lowest >= 0).all() and (highest < outer.spatial_shape).all()
    if not is_inside or np.abs(exact - whole).max() > _LARGEST_DEPARTURE:
        return None
    first, second, third = (int(axis) for axis in np.abs(steps).argmax(axis=1))
    k, j, i = (int(value) for value in lowest)
    slices, rows, columns = outer.spatial_shape
    flipped = tuple(int(axis) for axis in np.flatnonzero(steps.sum(axis=1) < 0))
    return Lattice((first, second, third), flipped, (k, j, i), (slices, rows, columns))
