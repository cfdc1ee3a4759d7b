"""A region that grows with what is found in it: where it goes on, and what is kept of the rounds before.

The tiles that a region depends on are run, and where a label touches the region's edge, the region is widened there and
what is missing is run. Outputs of the mean are kept, so a later round runs only tiles with outputs that are not there
yet. For a vote only the labels of each fold are kept; those of a later round need all outputs that they are picked
from, of that round.
"""

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from aimi.engine.folds import FoldSums
from aimi.engine.plans import Plans
from aimi.engine.preprocessing import Geometry

__all__ = ["empty_sums", "merged", "touching_edge", "widen"]

Mask = npt.NDArray[np.bool_]


def empty_sums(geometry: Geometry, plans: Plans) -> FoldSums:
    """Give what stands where no tile was run: background."""
    mean = np.zeros((plans.heads, *geometry.network_shape), np.float32)
    mean[0] = 1 if plans.regions is None else -1
    return FoldSums(mean=mean, labels=())


def merged(old: FoldSums, new: FoldSums, where: Mask, where_labels: Mask) -> FoldSums:
    """Give what was kept with what is new in a part of it; the mean of the old is overwritten.

    Parameters
    ----------
    where, where_labels : the part, on the grids of the mean and of the labels.
    """
    np.copyto(old.mean, new.mean, where=where)
    before = old.labels or tuple(np.zeros_like(labels) for labels in new.labels)
    labels = tuple(np.where(where_labels, fresh, kept) for fresh, kept in zip(new.labels, before, strict=True))
    return FoldSums(mean=old.mean, labels=labels, notes=tuple(dict.fromkeys((*old.notes, *new.notes))))


def touching_edge(labelled: Mask, region: Mask) -> Mask:
    """Give the labelled voxels of a region that have a neighbour outside it; the array's border is no edge.

    A neighbour is one of 26, as findings hang together: one that goes on at a corner alone is followed, too.
    """
    edge: Mask = labelled & ~ndimage.binary_erosion(region, np.ones((3, 3, 3), np.bool_), border_value=1)
    return edge


def widen(edge: Mask, geometry: Geometry, plans: Plans) -> Mask:
    """Give the voxels within a quarter of a patch of an edge, on the image's grid."""
    wide = edge.view(np.uint8)
    for axis, tile in enumerate(plans.patch):
        margin = max(1, round(tile * plans.spacing[axis] / geometry.spacing[axis] / 4))
        wide = ndimage.maximum_filter1d(wide, 2 * margin + 1, axis=axis, mode="constant")
    widened: Mask = wide.view(np.bool_)
    return widened
