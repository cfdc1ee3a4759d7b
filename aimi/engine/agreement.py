"""How sure the ensemble is: near ties of the mean, and where the folds differ.

Both are counted on the network's grid from what the prediction holds anyway; no tile is run for them.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from aimi.engine.plans import Plans

__all__ = ["NEAR_TIE", "count_near_ties", "fold_disagreement", "vote"]

Array = npt.NDArray[np.float32]
Labels = npt.NDArray[np.uint8]

NEAR_TIE = 1e-3
"""Two best classes closer than this (logits, v1: probabilities) are a near tie (DECISIONS 3.4)."""

VOTE_SHARE = 0.6
"""Share of the folds that must give a label (DECISIONS 3.3)."""


def count_near_ties(outputs: Array, plans: Plans) -> int:
    """Count the voxels whose two best classes nearly tie, or one of whose regions nearly does; (heads, ...)."""
    if plans.regions is not None:
        return int((np.abs(outputs) < NEAR_TIE).any(axis=0).sum())
    if plans.heads == 1:
        return 0
    best = np.maximum(outputs[0], outputs[1])
    second = np.minimum(outputs[0], outputs[1])
    for output in outputs[2:]:
        np.maximum(second, np.minimum(best, output), out=second)
        np.maximum(best, output, out=best)
    return int((best - second < NEAR_TIE).sum())


def fold_disagreement(folds: Sequence[Labels], count: int) -> dict[int, float]:
    """Give for labels 1 to ``count`` the share of the voxels that any fold gives the label and not all do.

    A label that no fold gives is left out.
    """
    any_fold, every_fold = np.zeros(count + 1, np.int64), np.zeros(count + 1, np.int64)
    for planes in zip(*folds, strict=True):  # by plane: counting makes eight bytes of each voxel
        agreed = planes[0].copy()
        for index, labels in enumerate(planes):
            agreed[labels != planes[0]] = 0
            is_new = np.ones(labels.shape, np.bool_)
            for earlier in planes[:index]:
                is_new &= labels != earlier
            any_fold += np.bincount(labels[is_new], minlength=count + 1)[: count + 1]
        every_fold += np.bincount(agreed.ravel(), minlength=count + 1)[: count + 1]
    return {
        label: float(1 - every_fold[label] / any_fold[label]) for label in range(1, count + 1) if any_fold[label] > 0
    }


def vote(folds: Sequence[Labels], count: int) -> Labels:
    """Give each voxel the label that at least 60 % of the folds give it, else background."""
    result = np.zeros_like(folds[0])
    needed = VOTE_SHARE * len(folds) - 1e-9
    for label in range(1, count + 1):
        votes = np.zeros(result.shape, np.uint8)
        for labels in folds:
            votes += labels == label
        result[votes >= needed] = label
    return result
