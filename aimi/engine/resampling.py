"""Resampling as nnU-Net does it, as one small matrix per axis.

nnU-Net resizes with scikit-image (``mode="edge"``, no anti-aliasing): a spline of order 0, 1 or 3 over cell centres,
then a clip to the range of the input. Before the clip it is linear and separable, so each axis is a matrix that is
found by resizing unit vectors with the very function that scikit-image calls. Rows of that matrix die away within
some tens of columns; the product is taken block by block over the columns that matter.

A plan whose spacing or whose image is anisotropic is resized slice by slice (each slice clipped by itself) and then
along the low-resolution axis with its own order, mostly nearest.

References
----------
nnunetv2 2.8.1, ``preprocessing/resampling/default_resampling.py``; nnunet 1.7.1, ``preprocessing/preprocessing.py``
(the same numbers); scikit-image 0.26, ``transform/_warps.py``, ``resize``.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage

__all__ = [
    "ANISOTROPY",
    "Axis",
    "ResamplingRule",
    "Shape",
    "Spacing",
    "axis_matrix",
    "bytes_of_corners",
    "bytes_of_resampling",
    "linear_axis",
    "nearest_index",
    "new_shape",
    "resample",
    "resize_corners",
    "separate_axis",
]

Shape = tuple[int, int, int]
Spacing = Sequence[float]
Matrix = npt.NDArray[np.float64]
Values = npt.NDArray[np.float32] | npt.NDArray[np.uint8]

ANISOTROPY = 3.0
"""Spacings that differ by more than this factor make the axis of the largest one separate."""

_BLOCK = 8
_UNITS = 64
_SMALL_PRODUCT = 200_000
"""Multiplications per call of the matrix product: OpenBLAS starts no threads for fewer than 262,144, and on products of
this kind its threads cost nine times the CPU time of one (two busy cores)."""
_NEGLIGIBLE = 1e-10
_NEGLIGIBLE_BEFORE_CUT = 1e-15
"""Where values are cut to whole numbers the least difference can become one of 1."""
_SINGLE, _DOUBLE = 4, 8  # bytes
_CUT = 4
"""Arrays of the size of the values that there are while they are cut to whole numbers."""
_SAME = 1e-9
"""Rounding of values of some thousands in double precision."""


@dataclass(frozen=True, slots=True)
class ResamplingRule:
    """How the plans want arrays resampled.

    Parameters
    ----------
    order : of the spline.
    order_z : along a separate axis.
    separate_z : whether there is one; None lets the spacings decide.
    """

    order: int
    order_z: int = 0
    separate_z: bool | None = None


@dataclass(frozen=True, slots=True)
class Axis:
    """Linear interpolation along one axis.

    Output ``n`` is ``(1 - weight[n]) * input[lower[n]] + weight[n] * input[upper[n]]``.
    """

    lower: npt.NDArray[np.intp]
    upper: npt.NDArray[np.intp]
    weight: npt.NDArray[np.float32]


def new_shape(shape: Sequence[int], spacing: Spacing, target: Spacing) -> Shape:
    """Give the shape of a grid of the same extent with another spacing."""
    first, second, third = (round(old / new * count) for old, new, count in zip(spacing, target, shape, strict=True))
    return first, second, third


def separate_axis(spacing: Spacing, target: Spacing, rule: ResamplingRule) -> int | None:
    """Give the axis that is resampled by itself, or None."""
    if rule.separate_z is False:
        return None
    if rule.separate_z is True or _is_anisotropic(spacing):
        return _coarsest(spacing)
    return _coarsest(target) if _is_anisotropic(target) else None


def _is_anisotropic(spacing: Spacing) -> bool:
    return max(spacing) / min(spacing) > ANISOTROPY


def _coarsest(spacing: Spacing) -> int | None:
    # two axes that are equally coarse make none separate
    axes = [axis for axis, step in enumerate(spacing) if max(spacing) / step == 1]
    return axes[0] if len(axes) == 1 else None


@lru_cache(maxsize=32)
def axis_matrix(count_in: int, count_out: int, order: int, *, corners: bool = False) -> Matrix:
    """Give the matrix, shape (count_out, count_in), that resizes one axis with a spline of an order; read-only.

    Parameters
    ----------
    corners : the centres of the first and last cells lie on one another; else the borders of the outer cells do. Beyond
        them the outer values go on.
    """
    factor = float(1 / np.divide(count_in, count_out))
    units = np.eye(count_in)
    spline: Any = order  # scipy is typed with each order as a literal
    columns = [
        ndimage.zoom(block, (factor, 1.0), order=spline, mode="nearest", grid_mode=not corners)
        for block in np.split(units, range(_UNITS, count_in, _UNITS), axis=1)
    ]
    matrix: Matrix = np.concatenate(columns, axis=1)
    matrix.flags.writeable = False
    return matrix


def nearest_index(count_in: int, count_out: int) -> npt.NDArray[np.intp]:
    """Give the input index of each output along an axis that is resampled with order 0: half goes up."""
    position = float(count_in) / count_out * (np.arange(count_out) + 0.5) - 0.5
    index: npt.NDArray[np.intp] = np.clip(np.floor(position + 0.5), 0, count_in - 1).astype(np.intp)
    return index


def linear_axis(count_in: int, count_out: int) -> Axis:
    """Give the two neighbours and the weight of each output along an axis that is resampled with order 1."""
    position = float(count_in) / count_out * (np.arange(count_out) + 0.5) - 0.5
    position = np.clip(position, 0, count_in - 1)
    lower = np.floor(position).astype(np.intp)
    upper = np.minimum(lower + 1, count_in - 1)
    return Axis(lower=lower, upper=upper, weight=(position - lower).astype(np.float32))


def resample(array: Values, shape: Shape, rule: ResamplingRule, separate: int | None) -> npt.NDArray[np.float32]:
    """Resample one channel.

    Parameters
    ----------
    array : three axes.
    separate : as :func:`separate_axis` gives it.

    Returns
    -------
    The array itself where the shape is the same already and it is float32.
    """
    if array.shape == shape:
        return array.astype(np.float32, copy=False)
    if separate is None:
        result = _resize(array, shape, _Spline(rule.order))
        np.clip(result, array.min(), array.max(), out=result)
        return result
    return _resize_separately(array, shape, rule, separate)


def bytes_of_resampling(before: Shape, after: Shape, rule: ResamplingRule, separate: int | None) -> int:
    """Give the bytes that :func:`resample` takes at its peak, those of its result included."""
    voxels = math.prod(after)
    if separate is None:
        return _bytes_of_resizing(before, after, _Spline(rule.order))
    resized = voxels // after[separate] * before[separate]
    copied = voxels * _SINGLE if separate > 0 else 0
    if rule.order_z == 0:
        return resized * _SINGLE + voxels * _SINGLE + copied
    product = resized * (_SINGLE + _DOUBLE) + voxels * _DOUBLE
    return max(product, resized * _SINGLE + voxels * (_DOUBLE + _SINGLE) + copied)


def bytes_of_corners(before: Shape, after: Shape, order: int) -> int:
    """Give the bytes that :func:`resize_corners` takes at its peak, those of its result included."""
    return _bytes_of_resizing(before, after, _Spline(order, corners=True))


def resize_corners(array: npt.NDArray[np.float32], shape: Shape, order: int) -> npt.NDArray[np.float32]:
    """Resize three axes from corner to corner, as scipy's ``zoom`` does, and cut the values to whole numbers.

    They are cut before they lose their double precision: rounding to float32 would lift some of them to the next whole
    number. What differs from a whole number by no more than rounding is that number.
    """
    return _resize(array, shape, _Spline(order, corners=True))


@dataclass(frozen=True, slots=True)
class _Spline:
    """How axes are resized; from corner to corner values are cut to whole numbers at the end."""

    order: int
    corners: bool = False

    @property
    def negligible(self) -> float:
        return _NEGLIGIBLE_BEFORE_CUT if self.corners else _NEGLIGIBLE

    def finish(self, values: Matrix) -> Matrix:
        if not self.corners:
            return values
        cut: Matrix = np.trunc(values + np.copysign(_SAME, values))
        return cut

    def matrix(self, count_in: int, count_out: int) -> Matrix:
        if count_in == count_out:
            return np.eye(count_in)
        return axis_matrix(count_in, count_out, self.order, corners=self.corners)


def _resize(array: Values, shape: Shape, spline: _Spline) -> npt.NDArray[np.float32]:
    result = np.empty(shape, dtype=np.float32)
    matrix = spline.matrix(array.shape[0], shape[0])
    window: dict[int, npt.NDArray[np.float64]] = {}
    for rows, columns in _bands(matrix, spline.negligible):
        # only the planes that this block of rows needs are held in double precision
        window = {
            index: window[index] if index in window else _resize_plane(array[index], shape[1:], spline)
            for index in range(columns.start, columns.stop)
        }
        # no names for stacked planes and product: they would be held while the next ones are made
        result[rows] = spline.finish(
            _product(matrix[rows, columns], np.stack(list(window.values())).reshape(len(window), -1))
        ).reshape(-1, *shape[1:])
    return result


def _bytes_of_resizing(before: Shape, after: Shape, spline: _Spline) -> int:
    bands = _bands(spline.matrix(before[0], after[0]), spline.negligible)
    window: int = max(columns.stop - columns.start for _, columns in bands)
    # the planes of a block twice, and its rows of the result; or the planes once, and the rows while they are cut
    held = max(2 * window + _BLOCK, window + _CUT * _BLOCK if spline.corners else 0)
    return math.prod(after) * _SINGLE + math.prod(after[1:]) * held * _DOUBLE


def _resize_plane(plane: npt.NDArray[Any], shape: tuple[int, int], spline: _Spline) -> npt.NDArray[np.float64]:
    """Resize a plane without clipping, the axis that shrinks more first."""
    exact = plane.astype(np.float64)
    if shape[0] / plane.shape[0] <= shape[1] / plane.shape[1]:
        return _right(_left(exact, shape[0], spline), shape[1], spline)
    return _left(_right(exact, shape[1], spline), shape[0], spline)


def _left(plane: npt.NDArray[np.float64], count: int, spline: _Spline) -> npt.NDArray[np.float64]:
    if plane.shape[0] == count:
        return plane
    matrix = spline.matrix(plane.shape[0], count)
    result = np.empty((count, plane.shape[1]))
    for rows, columns in _bands(matrix, spline.negligible):
        result[rows] = _product(matrix[rows, columns], plane[columns])
    return result


def _product(matrix: Matrix, operand: Matrix) -> Matrix:
    """Give a matrix product, a few columns at a time."""
    result = np.empty((matrix.shape[0], operand.shape[1]))
    width = max(1, _SMALL_PRODUCT // matrix.size)
    for start in range(0, operand.shape[1], width):
        part = slice(start, start + width)
        np.matmul(matrix, operand[:, part], out=result[:, part])
    return result


def _right(plane: npt.NDArray[np.float64], count: int, spline: _Spline) -> npt.NDArray[np.float64]:
    return np.ascontiguousarray(_left(np.ascontiguousarray(plane.T), count, spline).T)


def _bands(matrix: Matrix, negligible: float) -> list[tuple[slice, slice]]:
    """Give blocks of rows, each with the columns outside which its entries do not matter."""
    bands = []
    for start in range(0, matrix.shape[0], _BLOCK):
        rows = slice(start, min(start + _BLOCK, matrix.shape[0]))
        used = np.flatnonzero(np.abs(matrix[rows]).max(axis=0) > negligible)
        bands.append((rows, slice(int(used[0]), int(used[-1]) + 1)))
    return bands


def _resize_separately(array: Values, shape: Shape, rule: ResamplingRule, separate: int) -> npt.NDArray[np.float32]:
    planes = np.moveaxis(array, separate, 0)
    first, second = (count for axis, count in enumerate(shape) if axis != separate)
    resized = np.empty((planes.shape[0], first, second), dtype=np.float32)
    for index, plane in enumerate(planes):
        if plane.shape == (first, second):
            resized[index] = plane
            continue
        resized[index] = np.clip(_resize_plane(plane, (first, second), _Spline(rule.order)), plane.min(), plane.max())
    count = shape[separate]
    if rule.order_z == 0:
        stacked = resized[nearest_index(planes.shape[0], count)]
    else:
        matrix = _Spline(rule.order_z).matrix(planes.shape[0], count)
        flat = _product(matrix, resized.reshape(len(planes), -1).astype(np.float64))
        stacked = flat.reshape(count, first, second).astype(np.float32)
    return np.ascontiguousarray(np.moveaxis(stacked, 0, separate))
