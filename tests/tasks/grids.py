"""Hand-made label maps: boxes of voxels on a grid of one's own."""

from typing import TypeAlias

import highdicom as hd
import numpy as np
import numpy.typing as npt

from aimi.image import LabelMap
from aimi.tasks.task import Cleaned, Task

Labels: TypeAlias = npt.NDArray[np.uint8]
Span: TypeAlias = tuple[int, int]
Box: TypeAlias = tuple[Span, Span, Span]


def boxes(shape: tuple[int, int, int], *painted: tuple[Box, int]) -> Labels:
    """Give labels with boxes painted in order; a box is ((k, k), (j, j), (i, i)), both ends included."""
    labels = np.zeros(shape, np.uint8)
    for (ks, js, is_), value in painted:
        labels[ks[0] : ks[1] + 1, js[0] : js[1] + 1, is_[0] : is_[1] + 1] = value
    return labels


def on_grid(labels: Labels, spacing: tuple[float, float, float] = (1.0, 1.0, 1.0)) -> LabelMap:
    """Give a label map with slices rising towards the head and no segments."""
    k, j, i = spacing
    affine = np.array([[0, 0, i, 0], [0, j, 0, 0], [k, 0, 0, 0], [0, 0, 0, 1]], float)
    return LabelMap(hd.Volume(labels, affine, coordinate_system="PATIENT"), (), None)


def clean(task: Task, rule_set: str, *labels: Labels, spacing: tuple[float, float, float] = (1.0, 1.0, 1.0)) -> Cleaned:
    """Clean up the labels of the task's models, in their order."""
    grids = {model.name: on_grid(one, spacing) for model, one in zip(task.models, labels, strict=True)}
    return task.clean_ups[rule_set](grids, {})
