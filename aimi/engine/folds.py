"""The folds of a model over the tiles of one case: one live fold, one sum.

Folds run one after another over all tiles. Loading the next costs a fifth of a second; a second live one would cost as
much memory as the first. The labels of each fold are kept (a byte per voxel), for the vote and for the agreement of the
folds.
"""

import itertools
import logging
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from aimi.engine.backends import Backend, TileFunction
from aimi.engine.checkpoint import Weights, forget
from aimi.engine.export import pick_labels
from aimi.engine.network import Network
from aimi.engine.plans import Plans
from aimi.engine.sliding_window import Tiling, accumulate, normalize
from aimi.image import Note

__all__ = ["FoldSums", "LiveFold", "Progress", "mirrorings_of", "pick_by_plane", "run_folds"]

logger = logging.getLogger(__name__)

Array = npt.NDArray[np.float32]
Labels = npt.NDArray[np.uint8]

Progress = Callable[[int, int], None]
"""Called with tiles done and tiles in all."""


class LiveFold:
    """The fold that is compiled at the moment.

    Parameters
    ----------
    weights : of each fold, mapped from their files.
    """

    def __init__(self, backend: Backend, network: Network, weights: tuple[Weights, ...]) -> None:
        self._backend = backend
        self._network = network
        self._weights = weights
        self._live: tuple[int, TileFunction] | None = None

    def function(self, index: int) -> TileFunction:
        """Give the function of a fold, compiled if it is not the live one."""
        if self._live is None or self._live[0] != index:
            self._live = None  # the old one goes before the new one comes
            self._live = (index, self._backend.compile(self._network, self._weights[index]))
            forget(self._weights[index])  # the function has its own
        return self._live[1]

    def release(self) -> None:
        """Free the live fold: it would take its gigabyte while other models of the run are at work."""
        self._live = None

    def __len__(self) -> int:
        return len(self._weights)


@dataclass(frozen=True, slots=True)
class FoldSums:
    """What the folds gave, on the network's grid without padding.

    Parameters
    ----------
    mean : of the folds' outputs, (heads, z, y, x).
    labels : of each fold; empty where they were not asked for.
    notes : on where sums were kept.
    """

    mean: Array
    labels: tuple[Labels, ...]
    notes: tuple[Note, ...] = ()


def mirrorings_of(axes: tuple[int, ...]) -> list[tuple[int, ...]]:
    """Give every set of axes, the empty one first."""
    return [chosen for count in range(len(axes) + 1) for chosen in itertools.combinations(axes, count)]


def run_folds(
    live: LiveFold,
    image: Array,
    tiling: Tiling,
    plans: Plans,
    *,
    mirroring: bool,
    progress: Progress | None,
    each: Callable[[Array], Labels] | None,
) -> FoldSums:
    """Run every fold over the tiles.

    Parameters
    ----------
    image : (channels, z, y, x), not padded.
    each : makes the labels of one fold from its outputs (heads, z, y, x); None keeps no labels, which saves a sum.
    """
    padded = tiling.pad(image)
    shape = (plans.heads, *tiling.shape)
    mirrorings = mirrorings_of(plans.mirror_axes if mirroring else ())
    counter = _Counter(len(live) * len(tiling.starts), progress)
    total, labels = np.zeros(shape, np.float32), []
    notes: list[Note] = []

    def tell(note: Note) -> None:
        if note not in notes:
            notes.append(note)
            logger.warning("%s", note.sentence)

    first, second, third = tiling.inside
    inside = (slice(None), first, second, third)
    for index in range(len(live)):
        own = total if each is None or len(live) == 1 else np.zeros(shape, np.float32)
        accumulate(live.function(index), padded, tiling, own, mirrorings=mirrorings, done=counter.count, tell=tell)
        if own is not total:
            normalize(own, tiling, 1)
            if each is not None:
                labels.append(each(own[inside]))
            total += own
    passes = np.float32(len(live))
    if each is None or len(live) == 1:
        normalize(total, tiling, len(live))
    else:
        total /= passes
    live.release()
    return FoldSums(mean=total[inside], labels=tuple(labels), notes=tuple(notes))


def pick_by_plane(outputs: Array, plans: Plans) -> Labels:
    """Give labels on the network's grid, a plane at a time."""
    labels = np.empty(outputs.shape[1:], np.uint8)
    for index in range(outputs.shape[1]):
        labels[index] = pick_labels(outputs[:, index], plans)
    return labels


class _Counter:
    """Counts tiles over all folds."""

    def __init__(self, total: int, progress: Progress | None) -> None:
        self._total = total
        self._done = 0
        self._progress = progress

    def count(self) -> None:
        self._done += 1
        if self._progress is not None:
            self._progress(self._done, self._total)
