"""One volume on another's grid, by position in the patient: linear for values, nearest for labels.

A voxel of the target takes the value of the source at its center. *Inside* is where the center lies in a voxel of
the source; within half a voxel of the source's border the outermost value holds, beyond it the value for outside.
Nothing is smoothed first: a fine image on a coarse grid is sampled, as the published PET/CT annotations did.

Where the axes of both grids are parallel, in any order and direction, each axis is interpolated by itself, slice by
slice of the target; otherwise every point is mapped by itself, slab by slab. Both give the same values.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, TypeAlias

import highdicom as hd
import numpy as np
import numpy.typing as npt
from scipy import ndimage

from aimi.image import Image, LabelMap

__all__ = ["AIR_HU", "ResampledImage", "ResampledLabels", "image_onto", "is_same_grid", "labels_onto"]

AIR_HU = -1024.0
"""What stands where a CT was not measured."""

_PARALLEL_VOXELS = 1e-5
_EDGE_VOXELS = 1e-6
_SAME_MM = 1e-3
_SLAB = 8

_Array: TypeAlias = npt.NDArray[Any]
_Points: TypeAlias = npt.NDArray[np.float64]
_Mask: TypeAlias = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class ResampledImage:
    """An image on another's grid.

    Parameters
    ----------
    image : float32; its source is the target's, for its voxels lie on the target's slices.
    inside : (k, j, i), where the original image was measured.
    """

    image: Image
    inside: _Mask


@dataclass(frozen=True, slots=True)
class ResampledLabels:
    """A label map on another's grid; ``inside`` as in :class:`ResampledImage`."""

    labels: LabelMap
    inside: _Mask


def image_onto(image: Image, target: Image, *, outside: float) -> ResampledImage:
    """Interpolate an image linearly on the grid of another one.

    Parameters
    ----------
    outside : the value where the image was not measured, in its units.
    """
    values, inside = _resample(image.volume, target.volume, outside, np.dtype(np.float32), is_linear=True)
    return ResampledImage(
        Image(target.volume.with_array(values), image.units, target.source, image.notes, target.file_grid), inside
    )


def labels_onto(labels: LabelMap, target: Image) -> ResampledLabels:
    """Give, at each voxel of an image, the label of the voxel in which its center lies; 0 outside."""
    found, inside = _resample(labels.volume, target.volume, 0, np.dtype(np.uint8), is_linear=False)
    return ResampledLabels(LabelMap(target.volume.with_array(found), labels.segments, target.source), inside)


def is_same_grid(one: hd.Volume, other: hd.Volume) -> bool:
    """Tell whether two volumes have the same voxels, within 0.001 mm."""
    if one.spatial_shape != other.spatial_shape:
        return False
    last = np.array([*(size - 1 for size in one.spatial_shape), 1.0])
    ends = [(one.affine - other.affine) @ corner for corner in (np.array([0.0, 0.0, 0.0, 1.0]), last)]
    turned = np.abs((one.affine - other.affine)[:3, :3]) @ np.array(one.spatial_shape)
    return bool(max(np.abs(ends).max(), turned.max()) <= _SAME_MM)


def _resample(
    source: hd.Volume, target: hd.Volume, outside: float, dtype: np.dtype[Any], *, is_linear: bool
) -> tuple[_Array, _Mask]:
    if is_same_grid(source, target):
        return source.array.astype(dtype), np.ones(target.spatial_shape, np.bool_)
    shape = target.spatial_shape
    to_source = np.linalg.inv(source.affine) @ target.affine
    order = _parallel_axes(to_source, shape)
    found = np.full(shape, outside, dtype)
    inside = np.zeros(shape, np.bool_)
    if order is None:
        slabs = _oblique(source.array, to_source, shape, is_linear=is_linear)
    else:
        slabs = _parallel(source.array, to_source, shape, order, is_linear=is_linear)
    for start, values, within in slabs:
        part = slice(start, start + len(values))
        inside[part] = within
        np.copyto(found[part], values.astype(dtype, copy=False), where=within)
    return found, inside


def _parallel_axes(to_source: _Points, shape: tuple[int, ...]) -> tuple[int, int, int] | None:
    """Give, for each axis of the target, the axis of the source along which it runs; None for turned grids."""
    reach = np.abs(to_source[:3, :3]) * np.array(shape)
    along = reach.argmax(axis=0)
    across = reach.copy()
    across[along, np.arange(3)] = 0.0
    if len(set(along.tolist())) < len(along) or across.max() > _PARALLEL_VOXELS:
        return None
    return int(along[0]), int(along[1]), int(along[2])


@dataclass(frozen=True, slots=True)
class _Axis:
    """Where the target's indices fall on one axis of the source.

    Parameters
    ----------
    low, high : the neighbours, within the source; equal for nearest.
    share : of the higher neighbour.
    within : the index lies in a voxel of the source.
    """

    low: npt.NDArray[np.intp]
    high: npt.NDArray[np.intp]
    share: _Points
    within: _Mask


def _axis(step: float, offset: float, count: int, size: int, *, is_linear: bool) -> _Axis:
    places: _Points = step * np.arange(count, dtype=np.float64) + offset
    within = _is_within(places, size)
    places = np.clip(places, 0.0, size - 1.0)
    if not is_linear:
        nearest = np.floor(places + 0.5).astype(np.intp)
        return _Axis(nearest, nearest, np.zeros(count), within)
    low = np.clip(np.floor(places).astype(np.intp), 0, max(size - 2, 0))
    return _Axis(low, np.minimum(low + 1, size - 1), places - low, within)


def _is_within(places: _Points, size: int) -> _Mask:
    within: _Mask = (places >= -0.5 - _EDGE_VOXELS) & (places <= size - 0.5 + _EDGE_VOXELS)
    return within


def _parallel(
    source: _Array, to_source: _Points, shape: tuple[int, ...], order: tuple[int, int, int], *, is_linear: bool
) -> Iterator[tuple[int, _Array, _Mask]]:
    turned = source.transpose(order)
    slices, rows, columns = (
        _axis(to_source[axis, own], to_source[axis, 3], shape[own], source.shape[axis], is_linear=is_linear)
        for own, axis in enumerate(order)
    )
    in_plane = rows.within[:, np.newaxis] & columns.within
    for k in range(shape[0]):
        if not is_linear:
            plane = turned[slices.low[k]][np.ix_(rows.low, columns.low)]
        else:
            plane = _between(turned[slices.low[k]], turned[slices.high[k]], float(slices.share[k]))
            plane = _between(plane[rows.low], plane[rows.high], rows.share[:, np.newaxis])
            plane = _between(plane[:, columns.low], plane[:, columns.high], columns.share)
        yield k, plane[np.newaxis], (in_plane & slices.within[k])[np.newaxis]


def _between(low: _Array, high: _Array, share: float | _Points) -> _Points:
    mixed: _Points = low * (1.0 - share) + high * share
    return mixed


def _oblique(
    source: _Array, to_source: _Points, shape: tuple[int, ...], *, is_linear: bool
) -> Iterator[tuple[int, _Array, _Mask]]:
    sizes = source.shape
    rows, columns = np.arange(shape[1], dtype=np.float64), np.arange(shape[2], dtype=np.float64)
    for start in range(0, shape[0], _SLAB):
        slices = np.arange(start, min(start + _SLAB, shape[0]), dtype=np.float64)
        places = [
            to_source[axis, 0] * slices[:, np.newaxis, np.newaxis]
            + to_source[axis, 1] * rows[:, np.newaxis]
            + to_source[axis, 2] * columns
            + to_source[axis, 3]
            for axis in range(3)
        ]
        within = np.logical_and.reduce([_is_within(one, size) for one, size in zip(places, sizes, strict=True)])
        clipped = [np.clip(one, 0.0, size - 1.0) for one, size in zip(places, sizes, strict=True)]
        if is_linear:
            values = ndimage.map_coordinates(source, clipped, output=np.float64, order=1, mode="nearest")
        else:
            values = source[tuple(np.floor(one + 0.5).astype(np.intp) for one in clipped)]
        yield start, values, within
