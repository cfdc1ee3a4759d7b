"""Tiles over an image: where they lie, how they are weighted, and their sum.

Tiles lie on the product of three rows of positions and are weighted by a Gaussian, which is a product too. So the sum
of the weights that a voxel gets is a product of three vectors and needs no array, and one division serves all folds.
Sums are kept in float32; nnunetv2 keeps them in float16, which moves voxels whose classes are close. They are kept on
the device that runs the tiles where that has memory of its own and enough of it, else in the processor's memory.

A tile depends on its own voxels only. Where a region is all that matters, only tiles that meet it are run; in the
region the result is the same bit for bit, elsewhere it is undefined.

References
----------
nnunetv2 2.8.1, ``inference/sliding_window_prediction.py``; nnunet 1.7.1, ``neural_network.py``, the same positions and
weights.
"""

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from aimi.engine.backends import SummingFunction, TileFunction
from aimi.engine.resampling import Shape
from aimi.image import Note

__all__ = ["Tiling", "accumulate", "make_tiling", "normalize"]

Array = npt.NDArray[np.float32]

_SIGMA = 1 / 8  # of the patch


@dataclass(frozen=True, slots=True)
class Tiling:
    """The tiles of one image.

    Parameters
    ----------
    shape : of the image after padding to at least one tile.
    inside : the image within that.
    starts : positions of the tiles that are run, rising.
    weight : of a tile's voxels, per axis.
    total : sum of the weights of all tiles at each voxel, per axis.
    """

    shape: Shape
    inside: tuple[slice, slice, slice]
    patch: Shape
    starts: tuple[Shape, ...]
    weight: tuple[Array, Array, Array]
    total: tuple[Array, Array, Array]

    def pad(self, array: Array) -> Array:
        """Give a (channels, z, y, x) image with zeros around it, or itself where it is large enough."""
        if array.shape[1:] == self.shape:
            return array
        padded = np.zeros((array.shape[0], *self.shape), np.float32)
        padded[(slice(None), *self.inside)] = array
        return padded


def make_tiling(shape: Shape, patch: Shape, step: float, region: npt.NDArray[np.bool_] | None = None) -> Tiling:
    """Lay tiles over an image.

    Parameters
    ----------
    step : largest distance of tiles as a share of the patch.
    region : (z, y, x) on the image; only tiles that meet it are run. None runs all.
    """
    padded = [max(length, tile) for length, tile in zip(shape, patch, strict=True)]
    before = [(large - small) // 2 for large, small in zip(padded, shape, strict=True)]
    inside = tuple(slice(low, low + length) for low, length in zip(before, shape, strict=True))
    rows = [_positions(length, tile, step) for length, tile in zip(padded, patch, strict=True)]
    starts = list(itertools.product(*rows))
    if region is not None:
        starts = [start for start in starts if _meets(start, patch, inside, region)]
    weights = [_gaussian(tile) for tile in patch]
    totals = [_total(row, weight, length) for row, weight, length in zip(rows, weights, padded, strict=True)]
    return Tiling(
        shape=(padded[0], padded[1], padded[2]),
        inside=(inside[0], inside[1], inside[2]),
        patch=patch,
        starts=tuple((start[0], start[1], start[2]) for start in starts),
        weight=(weights[0], weights[1], weights[2]),
        total=(totals[0], totals[1], totals[2]),
    )


def _positions(length: int, tile: int, step: float) -> list[int]:
    count = math.ceil((length - tile) / (tile * step)) + 1
    distance = (length - tile) / (count - 1) if count > 1 else 0.0
    return [int(np.round(distance * index)) for index in range(count)]


def _meets(start: Sequence[int], patch: Shape, inside: tuple[slice, ...], region: npt.NDArray[np.bool_]) -> bool:
    box = tuple(
        slice(max(low - part.start, 0), max(low - part.start + size, 0))
        for low, size, part in zip(start, patch, inside, strict=True)
    )
    return bool(region[box].any())


@lru_cache(maxsize=16)
def _gaussian(tile: int) -> Array:
    delta = np.zeros(tile)
    delta[tile // 2] = 1
    weight = ndimage.gaussian_filter1d(delta, tile * _SIGMA, mode="constant")
    scaled: Array = (weight / weight.max()).astype(np.float32)
    scaled[scaled == 0] = scaled[scaled > 0].min()
    scaled.flags.writeable = False
    return scaled


def _total(row: Sequence[int], weight: Array, length: int) -> Array:
    total = np.zeros(length, np.float32)
    for start in row:
        total[start : start + weight.size] += weight
    return total


def accumulate(
    function: TileFunction,
    image: Array,
    tiling: Tiling,
    into: Array,
    *,
    mirrorings: Sequence[tuple[int, ...]],
    done: Callable[[], None],
    tell: Callable[[Note], None],
) -> None:
    """Add one fold's weighted outputs.

    Parameters
    ----------
    image : padded, (channels, z, y, x).
    into : (heads, z, y, x), on the padded grid.
    mirrorings : sets of axes (0 to 2) along which a tile is mirrored, one pass each; ``[()]`` is one plain pass.
    done : called after each tile.
    tell : called with what a reader should know of where the sums were kept.
    """
    first, second, third = tiling.weight
    weight = first[:, None, None] * second[None, :, None] * third / np.float32(len(mirrorings))
    scaled = np.empty((into.shape[0], *tiling.patch), np.float32)
    sums = function.open_sums(into, weight, tell) if isinstance(function, SummingFunction) else None
    for start in tiling.starts:
        place = (slice(None), *(slice(low, low + size) for low, size in zip(start, tiling.patch, strict=True)))
        for axes in mirrorings:
            along = tuple(axis + 1 for axis in axes)
            tile = np.flip(image[place], along)
            if sums is None or not sums.add(tile, along, place):
                sums = None
                np.multiply(np.flip(function(tile), along), weight, out=scaled)
                into[place] += scaled
        done()
    if sums is not None:
        sums.close()


def normalize(total: Array, tiling: Tiling, passes: int) -> None:
    """Divide sums over tiles and a number of folds by the weights, in place; where no tile was run they stay zero."""
    first, second, third = tiling.total
    plane = np.float32(passes) * second[:, None] * third
    for index in range(tiling.shape[0]):
        total[:, index] /= first[index] * plane
