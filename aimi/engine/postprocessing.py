"""What nnU-Net v1's own prediction does to labels afterwards: keep the largest piece of some of them.

A v1 model folder may hold ``postprocessing.json``, which the training's cross-validation made. Pieces are joined over
faces (six neighbours); of several that are equally large all stay.

References
----------
nnunet 1.7.1, ``postprocessing/connected_components.py`` and ``inference/predict.py``, ``predict_cases``.
"""

import ast
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from aimi.errors import ModelError

__all__ = ["KeepLargest", "bytes_of_keeping", "keep_largest", "read_rules"]

Labels = npt.NDArray[np.uint8]
Mask = npt.NDArray[np.bool_]

_NUMBER = 4
"""Bytes of the number of a piece."""


@dataclass(frozen=True, slots=True)
class KeepLargest:
    """One step: of some labels taken together only the largest piece stays.

    Parameters
    ----------
    labels : one or several that are joined.
    spared_mm3 : other pieces of at least this volume stay too; None spares none.
    """

    labels: tuple[int, ...]
    spared_mm3: float | None = None


def read_rules(content: Mapping[str, Any]) -> tuple[KeepLargest, ...]:
    """Give the steps of a postprocessing.json, in order.

    Raises
    ------
    ModelError
        It is not what v1 writes.
    """
    try:
        sizes = ast.literal_eval(content.get("min_valid_object_sizes") or "None") or {}
        return tuple(
            KeepLargest(
                labels=tuple(map(int, entry)) if isinstance(entry, list) else (int(entry),),
                spared_mm3=sizes.get(tuple(entry) if isinstance(entry, list) else entry),
            )
            for entry in content["for_which_classes"]
        )
    except (KeyError, TypeError, ValueError, SyntaxError, AttributeError) as error:
        raise ModelError("The model's postprocessing.json is damaged.", "Get the model again.") from error


def keep_largest(labels: Labels, rules: tuple[KeepLargest, ...], voxel_mm3: float) -> Labels:
    """Give labels after every step."""
    result = labels.copy()
    for rule in rules:
        _keep(result, rule, voxel_mm3)
    return result


def _keep(labels: Labels, rule: KeepLargest, voxel_mm3: float) -> None:  # in place
    pieces, count = ndimage.label(_is_one_of(labels, rule.labels))
    sizes = _counts(pieces, count) * voxel_mm3
    sizes[0] = 0
    goes = sizes < sizes.max()
    if rule.spared_mm3 is not None:
        goes &= sizes < rule.spared_mm3
    goes[0] = False
    for plane, numbers in zip(labels, pieces, strict=True):
        plane[goes[numbers]] = 0


def bytes_of_keeping(voxels: int) -> int:
    """Give what :func:`keep_largest` takes beside the labels that it is given, in bytes."""
    return voxels * (1 + 1 + _NUMBER)  # the result, where labels of a step are, and the numbers of pieces


def _is_one_of(labels: Labels, wanted: tuple[int, ...]) -> Mask:
    # a table of all labels: numpy's own search makes eight bytes of each voxel
    table = np.isin(np.arange(np.iinfo(labels.dtype).max + 1), wanted)
    found = np.empty(labels.shape, np.bool_)
    for plane, where in zip(labels, found, strict=True):
        where[:] = table[plane]
    return found


def _counts(pieces: npt.NDArray[np.int32 | np.intp], count: int) -> npt.NDArray[np.int64]:
    """Give the number of voxels of each piece, 0 included; by plane: counting makes eight bytes of each voxel."""
    counts = np.zeros(count + 1, np.int64)
    for plane in pieces:
        found = np.bincount(plane.ravel())
        counts[: found.size] += found
    return counts
