"""Clean-ups that several tasks share, each with an account of what it removed."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from aimi import regions
from aimi.image import Image, LabelMap
from aimi.regions import Component
from aimi.tasks.task import Cleaned, CleanUp, Removed

__all__ = [
    "Choice",
    "keep_as_predicted",
    "keep_largest_centermost",
    "keep_of_union",
    "keep_single_largest",
    "largest_as_published",
    "removed_finding",
    "spacing_of",
]

Choice = Callable[[Sequence[Component], Sequence[int]], Sequence[Component]]
"""(components, largest first; shape of the volume) -> those that stay."""

_MM3_PER_ML = 1000.0


def keep_of_union(model: str, labels: tuple[str, ...], choose: Choice, reason: str) -> CleanUp:
    """Give the clean-up that keeps the chosen components of all labels of a model together.

    Parameters
    ----------
    model : the name of the model of the task.
    labels : what label n is taken for at ``[n - 1]``; a removed component is called by its most frequent label.
    reason : why the others go, in one sentence.
    """

    def clean_up(predictions: Mapping[str, LabelMap], _images: Mapping[str, Image]) -> Cleaned:
        predicted = predictions[model]
        found = regions.components(regions.mask_of(predicted.labels), spacing_of(predicted))
        kept = choose(found, predicted.labels.shape)
        cleaned = np.where(regions.paint(kept, predicted.labels.shape), predicted.labels, np.uint8(0))
        removed = (one for one in found if all(one is not other for other in kept))
        accounts = (removed_finding(one, predicted, _called(one, predicted, labels), reason) for one in removed)
        return Cleaned(cleaned, tuple(accounts))

    return clean_up


def keep_single_largest(model: str, label: str) -> CleanUp:
    """Give the clean-up that keeps the largest component."""
    return keep_of_union(model, (label,), lambda found, _: found[:1], "It is not the largest component.")


def keep_largest_centermost(model: str, label: str) -> CleanUp:
    """Give the clean-up that keeps, of the components of at least half the largest one's size, the centermost."""

    def choose(found: Sequence[Component], shape: Sequence[int]) -> Sequence[Component]:
        chosen = regions.largest_centermost(found, shape)
        return () if chosen is None else (chosen,)

    return keep_of_union(model, (label,), choose, "It is not the centermost of the large components.")


def keep_as_predicted(model: str) -> CleanUp:
    """Give the clean-up that changes nothing: a model's labels are the segments."""

    def clean_up(labels: Mapping[str, LabelMap], _images: Mapping[str, Image]) -> Cleaned:
        return Cleaned(labels[model].labels, ())

    return clean_up


def largest_as_published(
    found: Sequence[Component], shape: Sequence[int], *, minimum_voxels: int = 1
) -> Sequence[Component]:
    """Give the two largest components as the published code chooses them.

    It sorts the sizes of components and background together, takes the first for background, and keeps the next two
    of at least so many voxels. So the largest component is lost where it is larger than the background.

    References
    ----------
    bamf-health/aimi-lung-ct a9011ab, n_connected; the other CT and PET/CT tasks have the same.
    """
    background = int(np.prod(shape)) - sum(one.voxels for one in found)
    larger = sum(one.voxels > background for one in found)
    ranked = [*found[:larger], None, *found[larger:]]
    return tuple(one for one in ranked[1:3] if one is not None and one.voxels >= minimum_voxels)


def removed_finding(component: Component, grid: LabelMap, label: str, reason: str) -> Removed:
    """Give the account of a removed component of a label map, in patient coordinates."""
    x, y, z = (grid.volume.affine @ np.array([*component.centroid, 1.0]))[:3]
    return Removed(
        label=label,
        volume_ml=component.volume_mm3 / _MM3_PER_ML,
        voxels=component.voxels,
        centroid=(float(x), float(y), float(z)),
        reason=reason,
    )


def spacing_of(grid: LabelMap) -> tuple[float, float, float]:
    """Give the spacing (k, j, i) of a label map in mm."""
    k, j, i = grid.volume.spacing
    return float(k), float(j), float(i)


def _called(component: Component, predicted: LabelMap, labels: tuple[str, ...]) -> str:
    """Give the name of the most frequent label of a component; of equally frequent ones the first."""
    counts = np.bincount(predicted.labels[component.box][component.mask], minlength=len(labels) + 1)
    return labels[min(int(counts[1:].argmax()), len(labels) - 1)]
