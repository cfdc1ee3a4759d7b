"""From the image to what the network sees: crop, normalise, resample, with the numbers of nnU-Net.

v2 normalises and then resamples; v1 resamples and then normalises. Both crop to the box of non-zero voxels first.

References
----------
nnunetv2 2.8.1, ``preprocessing/preprocessors/default_preprocessor.py``, ``run_case_npy``, ``cropping/cropping.py`` and
``normalization/default_normalization_schemes.py``; nnunet 1.7.1, ``preprocessing/preprocessing.py``,
``GenericPreprocessor.resample_and_normalize``, and ``preprocessing/cropping.py``.
"""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from aimi.engine.plans import Normalization, Plans, Scheme
from aimi.engine.resampling import (
    ResamplingRule,
    Shape,
    bytes_of_resampling,
    new_shape,
    resample,
    separate_axis,
)
from aimi.errors import InputError

__all__ = ["Geometry", "Preprocessed", "bytes_of_preparing", "preprocess", "uncropped"]

Array = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]

_EPSILON = 1e-8
_MASK_V1 = ResamplingRule(order=1)
_FLOAT = 4  # bytes
_FINDING, _FILLING = 2, 5
"""Masks of a byte a voxel that there are while what is not zero is found, and while its holes are filled."""


@dataclass(frozen=True, slots=True)
class Geometry:
    """The way back from the network's grid.

    Parameters
    ----------
    shape : of the image, in the network's axes.
    box : the part of it that was kept.
    spacing : of the image, mm, in the network's axes.
    network_shape : of the kept part on the network's grid.
    """

    shape: Shape
    box: tuple[slice, slice, slice]
    spacing: tuple[float, float, float]
    network_shape: Shape

    @property
    def cropped_shape(self) -> Shape:
        """The shape of the kept part on the image's grid."""
        first, second, third = (part.stop - part.start for part in self.box)
        return first, second, third


def uncropped(shape: Shape, spacing: tuple[float, float, float], plans: Plans) -> Geometry:
    """Give the geometry of an image of which nothing will be cropped.

    Parameters
    ----------
    shape, spacing : before the plans' transposition; mm.

    Raises
    ------
    InputError
        The image is too thin for the training's spacing.
    """
    first, second, third = plans.transpose
    shape = (shape[first], shape[second], shape[third])
    spacing = (spacing[first], spacing[second], spacing[third])
    box = (slice(0, shape[0]), slice(0, shape[1]), slice(0, shape[2]))
    return _geometry(shape, box, spacing, plans)


def _geometry(
    shape: Shape, box: tuple[slice, slice, slice], spacing: tuple[float, float, float], plans: Plans
) -> Geometry:
    cropped = [part.stop - part.start for part in box]
    network_shape = new_shape(cropped, spacing, plans.spacing)
    for axis, count in enumerate(network_shape):
        if count == 0:
            found = f"The image, or what is not zero of it, is {cropped[axis] * spacing[axis]:g} mm thin along one axis"
            message = f"{found}, not more than half of the {plans.spacing[axis]:g} mm of a voxel of the training."
            raise InputError(message, "Give an image that holds the whole organ.")
    return Geometry(shape, box, spacing, network_shape)


@dataclass(frozen=True, slots=True)
class Preprocessed:
    """What the network sees: (channels, z, y, x)."""

    array: Array
    geometry: Geometry


def preprocess(array: Array, spacing: tuple[float, float, float], plans: Plans) -> Preprocessed:
    """Crop, normalise and resample an image.

    Parameters
    ----------
    array : (channels, z, y, x), in the orientation of the training, before the plans' transposition; it is overwritten.
    spacing : mm, in the same axes.

    Raises
    ------
    InputError
        The image, or what is not zero of it, is too thin for the training's spacing, or a channel whose values a plan
        wants to be colours is not in 0 .. 255.
    """
    first, second, third = plans.transpose
    array = array.transpose(0, first + 1, second + 1, third + 1)
    spacing = (spacing[first], spacing[second], spacing[third])
    shape: Shape = (array.shape[1], array.shape[2], array.shape[3])
    nonzero = _nonzero(array)
    box = _box_of(nonzero)
    mask = _filled(nonzero)[box] if _is_masked(plans) else None
    del nonzero
    array = array[(slice(None), *box)]
    geometry = _geometry(shape, box, spacing, plans)
    run = _preprocess_v1 if plans.version == 1 else _preprocess_v2
    return Preprocessed(run(array, mask, geometry, plans), geometry)


def bytes_of_preparing(geometry: Geometry, plans: Plans) -> int:
    """Give what :func:`preprocess` takes at its peak beside the array and its result, in bytes."""
    before, after = math.prod(geometry.cropped_shape), math.prod(geometry.network_shape)
    finding = before * (_FILLING if _is_masked(plans) else _FINDING) - _FLOAT * plans.channels * after
    mask = before * _is_masked(plans)
    run = _bytes_of_v1 if plans.version == 1 else _bytes_of_v2
    return max(finding, mask + run(geometry, plans))


def _bytes_of_v2(geometry: Geometry, plans: Plans) -> int:
    separate = separate_axis(geometry.spacing, plans.spacing, plans.data_rule)
    normalizing = math.prod(geometry.cropped_shape) * _bytes_of_a_voxel(plans)
    return max(normalizing, _bytes_of_change(geometry, plans.data_rule, separate))


def _bytes_of_v1(geometry: Geometry, plans: Plans) -> int:
    before, after = math.prod(geometry.cropped_shape), math.prod(geometry.network_shape)
    separate = separate_axis(geometry.spacing, plans.spacing, plans.data_rule)
    is_masked = _is_masked(plans)
    resampling = _bytes_of_change(geometry, plans.data_rule, separate)
    channel = max(before, resampling, after * max(_bytes_of_a_voxel(plans), is_masked))
    if not is_masked or geometry.cropped_shape == geometry.network_shape:
        return channel
    return after + max(channel, _bytes_of_change(geometry, _MASK_V1, separate))


def _is_masked(plans: Plans) -> bool:
    return any(entry.inside_mask for entry in plans.normalizations)


def _bytes_of_a_voxel(plans: Plans) -> int:
    """Give what normalising takes beside each voxel: the values whose mean and deviation are sought, and where."""
    taken = {Scheme.ZSCORE: _FLOAT, Scheme.CT_OWN: _FLOAT + 1}
    return max((taken.get(entry.scheme, 0) for entry in plans.normalizations), default=0)


def _bytes_of_change(geometry: Geometry, rule: ResamplingRule, separate: int | None) -> int:
    before, after = geometry.cropped_shape, geometry.network_shape
    return 0 if before == after else bytes_of_resampling(before, after, rule, separate)


def _nonzero(array: Array) -> Mask:
    """Give the voxels that are not zero in some channel."""
    nonzero = np.zeros(array.shape[1:], np.bool_)
    for channel in array:
        nonzero |= channel != 0
    return nonzero


def _box_of(nonzero: Mask) -> tuple[slice, slice, slice]:
    """Give the box of voxels; the whole where there is none."""
    spans = []
    for axis, count in enumerate(nonzero.shape):
        used = np.flatnonzero(nonzero.any(axis=tuple(other for other in range(3) if other != axis)))
        spans.append(slice(int(used[0]), int(used[-1]) + 1) if used.size else slice(0, count))
    return spans[0], spans[1], spans[2]


def _filled(nonzero: Mask) -> Mask:
    mask: Mask = ndimage.binary_fill_holes(nonzero) if nonzero.any() else ~nonzero
    return mask


def _mean_and_deviation(values: Array) -> tuple[np.float32, np.float32]:
    """Give both with numpy's own numbers, of values in one row that are overwritten; its own deviation copies them."""
    mean = values.mean()
    values -= mean
    np.square(values, out=values)
    return mean, np.sqrt(values.mean())


def _standardize(image: Array, mask: Mask, mean: np.float32, deviation: np.float32) -> None:
    np.subtract(image, mean, out=image, where=mask)
    np.divide(image, deviation, out=image, where=mask)


def _preprocess_v2(array: Array, mask: Mask | None, geometry: Geometry, plans: Plans) -> Array:
    separate = separate_axis(geometry.spacing, plans.spacing, plans.data_rule)
    result = np.empty((plans.channels, *geometry.network_shape), np.float32)
    for channel, entry in enumerate(plans.normalizations):
        _normalize_v2(array[channel], mask, entry)
        result[channel] = resample(array[channel], geometry.network_shape, plans.data_rule, separate)
    return result


def _normalize_v2(image: Array, mask: Mask | None, entry: Normalization) -> None:  # in place
    match entry.scheme:
        case Scheme.CT:
            np.clip(image, entry.lower, entry.upper, out=image)
            image -= entry.mean
            image /= max(entry.deviation, _EPSILON)
        case Scheme.ZSCORE if mask is not None and entry.inside_mask:
            mean, deviation = _mean_and_deviation(image[mask])
            _standardize(image, mask, mean, np.maximum(deviation, np.float32(_EPSILON)))
        case Scheme.ZSCORE:
            mean, deviation = image.mean(), image.std()
            image -= mean
            image /= max(deviation, _EPSILON)
        case Scheme.TO_01:
            image -= image.min()
            image /= max(image.max(), _EPSILON)
        case Scheme.RGB_TO_01:
            if image.min() < 0 or image.max() > 255:  # noqa: PLR2004 - the range of 8 bits
                raise InputError("A channel that the model takes as a colour is not in 0 to 255.", "Use another model.")
            image /= 255.0


def _preprocess_v1(array: Array, mask: Mask | None, geometry: Geometry, plans: Plans) -> Array:
    separate = separate_axis(geometry.spacing, plans.spacing, plans.data_rule)
    resampled_mask = None
    if mask is not None:
        resampled_mask = _resample_mask_v1(mask, geometry, separate)
    result = np.empty((plans.channels, *geometry.network_shape), np.float32)
    for channel, entry in enumerate(plans.normalizations):
        image = array[channel]
        image[np.isnan(image)] = 0
        result[channel] = resample(image, geometry.network_shape, plans.data_rule, separate)
        _normalize_v1(result[channel], resampled_mask, entry)
    return result


def _resample_mask_v1(mask: Mask, geometry: Geometry, separate: int | None) -> Mask:
    """Give the mask as v1 resamples its segmentation of two values: linear, then cut at a half."""
    if mask.shape == geometry.network_shape:
        return mask
    shares = resample(mask.view(np.uint8), geometry.network_shape, _MASK_V1, separate)
    return shares >= 0.5  # noqa: PLR2004 - a half


def _normalize_v1(image: Array, mask: Mask | None, entry: Normalization) -> None:  # in place
    match entry.scheme:
        case Scheme.CT:
            np.clip(image, entry.lower, entry.upper, out=image)
            image -= entry.mean
            image /= entry.deviation
        case Scheme.CT_OWN:
            between = image[(image > entry.lower) & (image < entry.upper)]
            if between.size == 0:
                limits = f"{entry.lower:g} and {entry.upper:g}"
                raise InputError(f"No voxel lies between {limits}, the range of the training.", "Check the image.")
            np.clip(image, entry.lower, entry.upper, out=image)
            mean, deviation = _mean_and_deviation(between)
            image -= mean
            image /= deviation
        case Scheme.ZSCORE if mask is not None and entry.inside_mask:
            mean, deviation = _mean_and_deviation(image[mask])
            _standardize(image, mask, mean, deviation + _EPSILON)
        case Scheme.ZSCORE:
            mean, deviation = image.mean(), image.std()
            image -= mean
            image /= deviation + _EPSILON
    if mask is not None and entry.inside_mask and entry.scheme is not Scheme.NONE:
        image[~mask] = 0
