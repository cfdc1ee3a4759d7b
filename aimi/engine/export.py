"""From outputs on the network's grid to labels on the image's grid, in bounded memory.

nnU-Net resamples every output to the image's grid and then picks the largest. With order 1 (or nearest along a
separate axis) a resampled value is a mean of at most eight corners with weights that sum to 1. So where the background
is largest at every corner it is largest in between, and only the rest needs work: plane by plane, inside the box of
what may be foreground. The same holds for outputs that paint regions and stay below their limit at every corner. It
does not hold for order 3, which is resampled whole, one output at a time.

References
----------
nnunetv2 2.8.1, ``inference/export_prediction.py``; nnunet 1.7.1, ``inference/segmentation_export.py``.
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from aimi.engine.plans import Plans
from aimi.engine.preprocessing import Geometry
from aimi.engine.resampling import (
    Axis,
    Shape,
    bytes_of_resampling,
    linear_axis,
    nearest_index,
    resample,
    separate_axis,
)

__all__ = ["bytes_of_whole", "export_labels", "pick_labels", "support"]

Array = npt.NDArray[np.float32]
Labels = npt.NDArray[np.uint8]
Mask = npt.NDArray[np.bool_]
Axes = tuple[Axis, Axis, Axis]

_FLOAT = 4  # bytes


@dataclass(frozen=True, slots=True)
class _Span:
    """Outputs of one axis, with the inputs from ``low`` up to ``high`` that they need."""

    outputs: slice
    low: int
    high: int


def pick_labels(outputs: Array, plans: Plans) -> Labels:
    """Give the label of each voxel from the network's outputs, the first axis being the heads.

    Outputs that compete: the largest, the first of equals. Regions: each that is above its limit paints its label over
    the earlier ones.
    """
    if plans.regions is None:
        largest: Labels = outputs.argmax(axis=0).astype(np.uint8)
        return largest
    labels = np.zeros(outputs.shape[1:], np.uint8)
    for output, label in zip(outputs, plans.regions, strict=True):
        labels[output > 0] = label
    return labels


def export_labels(outputs: Array, geometry: Geometry, plans: Plans) -> Labels:
    """Give the labels on the image's grid, in the axes before the plans' transposition.

    Parameters
    ----------
    outputs : (heads, z, y, x) on the network's grid, of the part of the image that was kept: means of logits (v2) or of
        probabilities (v1).
    """
    labels = np.zeros(geometry.shape, np.uint8)
    kept = labels[geometry.box]
    if outputs.shape[1:] == geometry.cropped_shape:
        for index in range(kept.shape[0]):
            kept[index] = pick_labels(outputs[:, index], plans)
    elif _is_linear(plans):
        _export_linear(outputs, kept, _axes(geometry, plans), plans)
    else:
        _export_whole(outputs, kept, _separate(geometry, plans), plans)
    return labels.transpose(np.argsort(plans.transpose))


def _is_linear(plans: Plans) -> bool:
    return plans.result_rule.order == 1 and plans.result_rule.order_z in (0, 1)


def bytes_of_whole(geometry: Geometry, plans: Plans) -> int:
    """Give what :func:`export_labels` takes beside outputs and labels where whole outputs are resampled, in bytes."""
    shape = geometry.cropped_shape
    if geometry.network_shape == shape or _is_linear(plans):
        return 0
    separate = _separate(geometry, plans)
    one = bytes_of_resampling(geometry.network_shape, shape, plans.result_rule, separate)
    # where outputs compete, the best of the earlier ones is held; while two are compared, a byte more
    voxels = math.prod(shape)
    return max(one, _FLOAT * voxels + voxels) + (_FLOAT * voxels if plans.regions is None else 0)


def support(region: Mask, geometry: Geometry, plans: Plans) -> Mask:
    """Give the voxels of the network's grid that the labels of a region depend on.

    Parameters
    ----------
    region : on the image's grid, in the network's axes.
    """
    kept = region[geometry.box]
    if kept.shape == geometry.network_shape:
        return kept
    if not _is_linear(plans):
        return np.full(geometry.network_shape, kept.any())
    for axis, part in enumerate(_axes(geometry, plans)):
        moved = np.moveaxis(kept, axis, 0)
        spread = np.zeros((geometry.network_shape[axis], *moved.shape[1:]), np.bool_)
        for index, plane in enumerate(moved):
            spread[part.lower[index]] |= plane
            spread[part.upper[index]] |= plane
        kept = np.moveaxis(spread, 0, axis)
    return kept


def _separate(geometry: Geometry, plans: Plans) -> int | None:
    if plans.version != 1:
        return separate_axis(plans.spacing, geometry.spacing, plans.result_rule)
    # v1 looks for the axis after it has undone the transposition of the image's spacing but not of the plans'
    image_spacing = tuple(geometry.spacing[int(axis)] for axis in np.argsort(plans.transpose))
    axis = separate_axis(image_spacing, plans.spacing, plans.result_rule)
    return None if axis is None else plans.transpose.index(axis)


def _axes(geometry: Geometry, plans: Plans) -> Axes:
    separate = _separate(geometry, plans)
    made = []
    for axis, (count_in, count_out) in enumerate(zip(geometry.network_shape, geometry.cropped_shape, strict=True)):
        if axis == separate and plans.result_rule.order_z == 0:
            nearest = nearest_index(count_in, count_out)
            made.append(Axis(nearest, nearest, np.zeros(count_out, np.float32)))
        else:
            made.append(linear_axis(count_in, count_out))
    return made[0], made[1], made[2]


def _export_linear(outputs: Array, labels: Labels, axes: Axes, plans: Plans) -> None:
    first, second, third = axes
    active: dict[int, Any] = {}
    for index in range(labels.shape[0]):
        lower, upper = int(first.lower[index]), int(first.upper[index])
        active = {
            plane: active[plane] if plane in active else _may_be_foreground(outputs[:, plane], plans)
            for plane in {lower, upper}
        }
        either = active[lower] | active[upper]
        rows, columns = _span(either.any(axis=1), second), _span(either.any(axis=0), third)
        if rows is None or columns is None:
            continue
        box = (slice(rows.low, rows.high), slice(columns.low, columns.high))
        mixed = _mix(outputs[(slice(None), lower, *box)], outputs[(slice(None), upper, *box)], first.weight[index])
        mixed = _interpolate(mixed, second, rows, axis_number=1)
        mixed = _interpolate(mixed, third, columns, axis_number=2)
        labels[index, rows.outputs, columns.outputs] = pick_labels(mixed, plans)


def _may_be_foreground(outputs: Array, plans: Plans) -> Mask:
    if plans.regions is not None:
        painted: Mask = np.any(outputs > 0, axis=0)
        return painted
    largest: Array = outputs[1:].max(axis=0, initial=-np.inf)
    mask: Mask = np.greater_equal(largest, outputs[0])
    return mask


def _span(used: Mask, axis: Axis) -> _Span | None:
    """Give the outputs of an axis that read a used input, from the first to the last; None where none does."""
    reads = np.flatnonzero(used[axis.lower] | used[axis.upper])
    if not reads.size:
        return None
    start, stop = int(reads[0]), int(reads[-1]) + 1
    return _Span(slice(start, stop), int(axis.lower[start]), int(axis.upper[stop - 1]) + 1)


def _mix(lower: Array, upper: Array, weight: np.float32) -> Array:
    return lower if weight == 0 else lower * (np.float32(1) - weight) + upper * weight


def _interpolate(values: Array, axis: Axis, span: _Span, *, axis_number: int) -> Array:
    lower = np.take(values, axis.lower[span.outputs] - span.low, axis=axis_number)
    weight = axis.weight[span.outputs]
    if not weight.any():
        return lower
    upper = np.take(values, axis.upper[span.outputs] - span.low, axis=axis_number)
    weight = weight.reshape([-1 if number == axis_number else 1 for number in range(values.ndim)])
    upper -= lower
    upper *= weight
    upper += lower
    return upper


def _export_whole(outputs: Array, labels: Labels, separate: int | None, plans: Plans) -> None:
    shape: Shape = (labels.shape[0], labels.shape[1], labels.shape[2])
    if plans.regions is not None:
        for output, label in zip(outputs, plans.regions, strict=True):
            labels[resample(output, shape, plans.result_rule, separate) > 0] = label
        return
    best = resample(outputs[0], shape, plans.result_rule, separate)
    for label, output in enumerate(outputs[1:], start=1):
        _prefer(resample(output, shape, plans.result_rule, separate), label, best, labels)


def _prefer(values: Array, label: int, best: Array, labels: Labels) -> None:
    """Set a label where its values are larger than the best so far, and keep the larger ones."""
    labels[values > best] = label
    np.maximum(best, values, out=best)
