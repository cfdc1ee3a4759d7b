"""Resampling to one spacing before the network and back after it, as TotalSegmentator does.

Its models are given images that the package has resampled (a spline from corner to corner, cut to whole numbers), and
its labels go back by nearest neighbour. nnU-Net itself then has nothing to resample. The numbers differ from nnU-Net's
own resampling, which puts cell borders on one another, so a model must be run as it was trained.

The package rounds: where a value is a whole number, as in a flat part of the image, its double may be one part in 1e16
below, and the cut takes a whole one from it, here and there. Order 3 leaves such a value as it is; order 1, which gives
whole numbers everywhere between others, is scipy's own.

References
----------
TotalSegmentator 2.18.0, ``resampling.py``, ``change_spacing`` and ``resample_img``, and ``nnunet.py`` (int32, order 0
back). The order of the spline is 3 up to version 2.15.0 and with ``resampling_order=3`` after it, where 1 became the
default; what lies beyond the corners was 0 up to version 2.5.0 at least. scipy, ``ndimage.zoom``.
"""

import math
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from aimi.engine.resampling import Shape, bytes_of_corners, resize_corners

__all__ = ["bytes_of_resample_to", "is_at", "labels_back", "region_to", "resample_to", "shape_at"]

Labels = npt.NDArray[np.uint8]
Mask = npt.NDArray[np.bool_]

_SINGLE, _DOUBLE = 4, 8  # bytes


def shape_at(shape: Shape, spacing: tuple[float, float, float], target: float) -> Shape:
    """Give the shape of an image after it is resampled to a spacing, mm.

    The package has its spacing from the header of a NIfTI file, in single precision, which decides where a half is
    rounded.
    """
    steps = [float(np.float32(step)) for step in spacing]
    first, second, third = (round(count * (step / target)) for count, step in zip(shape, steps, strict=True))
    return max(first, 1), max(second, 1), max(third, 1)


def is_at(spacing: tuple[float, float, float], target: float) -> bool:
    """Tell whether an image has a spacing, mm, already, in single precision.

    The package then leaves it as it is, fractions of its values included; a spacing that is slightly off is resampled
    and cut to whole numbers, though its shape be the same.
    """
    return all(float(np.float32(step)) == target for step in spacing)


def resample_to(array: npt.NDArray[np.float32], shape: Shape, order: int) -> npt.NDArray[np.float32]:
    """Resample one channel from corner to corner with a spline of an order and cut its values to whole numbers.

    An array of that shape keeps its values but for the cut.
    """
    if order > 1:
        return resize_corners(array, shape, order)
    # (x, y, z) as in a NIfTI file: the order of the axes is the order of scipy's sums
    zoomed = ndimage.zoom(array.T, np.divide(shape, array.shape)[::-1], output=np.float64, order=1, mode="nearest")
    return np.trunc(zoomed, out=zoomed).T.astype(np.float32)


def bytes_of_resample_to(before: Shape, after: Shape, order: int) -> int:
    """Give the bytes that :func:`resample_to` takes at its peak, those of its result included."""
    if order > 1:
        return bytes_of_corners(before, after, order)
    return math.prod(after) * (_DOUBLE + _SINGLE)


def labels_back(labels: Labels, shape: Shape) -> Labels:
    """Give labels on the grid that an image had before, each voxel that of its nearest neighbour.

    Labels of that shape are given back as they are.
    """
    if labels.shape == shape:
        return labels
    result: npt.NDArray[Any] = labels
    for axis, (count_in, count_out) in enumerate(zip(labels.shape, shape, strict=True)):
        result = np.take(result, _nearest(count_in, count_out), axis=axis)
    return result


def region_to(region: Mask, shape: Shape) -> Mask:
    """Give the voxels of the resampled grid from which labels of a region come back."""
    if region.shape == shape:
        return region
    for axis, count in enumerate(shape):
        index = _nearest(count, region.shape[axis])
        moved = np.moveaxis(region, axis, 0)
        spread = np.zeros((count, *moved.shape[1:]), np.bool_)
        for source, plane in zip(index, moved, strict=True):
            spread[source] |= plane
        region = np.moveaxis(spread, 0, axis)
    return region


def _nearest(count_in: int, count_out: int) -> npt.NDArray[np.intp]:
    """Give the input index of each output."""
    ramp = np.arange(count_in, dtype=np.float64)
    index: npt.NDArray[np.intp] = ndimage.zoom(ramp, count_out / count_in, order=0, mode="nearest").astype(np.intp)
    return index
