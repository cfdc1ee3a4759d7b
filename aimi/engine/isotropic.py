"""Resampling to one spacing before the network and back after it, as TotalSegmentator does.

Its models are given images that the package has resampled (spline of order 3 from corner to corner, cut to whole
numbers), and its labels go back by nearest neighbour. nnU-Net itself then has nothing to resample. The numbers differ
from nnU-Net's own resampling, which puts cell borders on one another, so a model must be run as it was trained.

References
----------
TotalSegmentator, ``resampling.py``, ``change_spacing`` and ``resample_img``, and ``nnunet.py`` (order 3 and int32,
order 0 back); scipy, ``ndimage.zoom``.
"""

from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from aimi.engine.resampling import Shape, resize_corners

__all__ = ["labels_back", "region_to", "resample_to", "shape_at"]

Labels = npt.NDArray[np.uint8]
Mask = npt.NDArray[np.bool_]


def shape_at(shape: Shape, spacing: tuple[float, float, float], target: float) -> Shape:
    """Give the shape of an image after it is resampled to a spacing, mm."""
    first, second, third = (round(count * step / target) for count, step in zip(shape, spacing, strict=True))
    return max(first, 1), max(second, 1), max(third, 1)


def resample_to(array: npt.NDArray[np.float32], shape: Shape) -> npt.NDArray[np.float32]:
    """Resample one channel from corner to corner and cut its values to whole numbers."""
    return np.trunc(resize_corners(array, shape, 3))


def labels_back(labels: Labels, shape: Shape) -> Labels:
    """Give labels on the grid that an image had before, each voxel that of its nearest neighbour.

    Labels of that shape are given back as they are.
    """
    if labels.shape == shape:
        return labels
    result: npt.NDArray[Any] = labels
    for axis, (count_in, count_out) in enumerate(zip(labels.shape, shape, strict=True)):
        index = _nearest(count_in, count_out)
        result = np.take(result, np.maximum(index - 1, 0), axis=axis)
        if not index.all():  # rounding put a coordinate outside: background
            np.moveaxis(result, axis, 0)[index == 0] = 0
    return result


def region_to(region: Mask, shape: Shape) -> Mask:
    """Give the voxels of the resampled grid from which labels of a region come back."""
    if region.shape == shape:
        return region
    for axis, count in enumerate(shape):
        index = np.maximum(_nearest(count, region.shape[axis]) - 1, 0)
        moved = np.moveaxis(region, axis, 0)
        spread = np.zeros((count, *moved.shape[1:]), np.bool_)
        for source, plane in zip(index, moved, strict=True):
            spread[source] |= plane
        region = np.moveaxis(spread, 0, axis)
    return region


def _nearest(count_in: int, count_out: int) -> npt.NDArray[np.intp]:
    """Give one more than the input index of each output; 0 is outside."""
    ramp = np.arange(1, count_in + 1, dtype=np.float64)
    index: npt.NDArray[np.intp] = ndimage.zoom(ramp, count_out / count_in, order=0).astype(np.intp)
    return index
