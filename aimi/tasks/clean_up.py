"""Clean-ups that several tasks share, each with an account of what it removed."""

from collections.abc import Mapping

import numpy as np

from aimi import regions
from aimi.image import Image, LabelMap
from aimi.tasks.task import Cleaned, CleanUp, Removed

__all__ = ["keep_as_predicted", "keep_single_largest", "removed_finding"]

_MM3_PER_ML = 1000.0


def keep_single_largest(model: str, label: str) -> CleanUp:
    """Give the clean-up that keeps the largest component of a model's labels as segment 1.

    Parameters
    ----------
    model : the name of the model of the task.
    label : what the removed components were taken for.
    """

    def clean_up(labels: Mapping[str, LabelMap], _images: Mapping[str, Image]) -> Cleaned:
        predicted = labels[model]
        found = regions.components(regions.mask_of(predicted.labels), _spacing(predicted))
        kept = regions.paint(found[:1], predicted.labels.shape).astype(np.uint8)
        reason = "It is not the largest component."
        return Cleaned(kept, tuple(removed_finding(one, predicted, label, reason) for one in found[1:]))

    return clean_up


def keep_as_predicted(model: str) -> CleanUp:
    """Give the clean-up that changes nothing: a model's labels are the segments."""

    def clean_up(labels: Mapping[str, LabelMap], _images: Mapping[str, Image]) -> Cleaned:
        return Cleaned(labels[model].labels, ())

    return clean_up


def removed_finding(component: regions.Component, grid: LabelMap, label: str, reason: str) -> Removed:
    """Give the account of a removed component of a label map, in patient coordinates."""
    x, y, z = (grid.volume.affine @ np.array([*component.centroid, 1.0]))[:3]
    return Removed(
        label=label,
        volume_ml=component.volume_mm3 / _MM3_PER_ML,
        voxels=component.voxels,
        centroid=(float(x), float(y), float(z)),
        reason=reason,
    )


def _spacing(grid: LabelMap) -> tuple[float, float, float]:
    k, j, i = grid.volume.spacing
    return float(k), float(j), float(i)
