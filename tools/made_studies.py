"""Studies of a wanted size: a sample's anatomy on a larger grid, what networks are to find painted bright.

The anatomy of :mod:`aimi.samples` is stretched (one series) or put on the wanted grids in place (several series), and
written with all that a study holds. Each voxel of a target gets a value that nothing else of the scan has, so that
labels can be told from the values of a tile (:func:`write_study` says how).
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from aimi.samples.dicom_writing import Identity
from aimi.samples.drawing import Drawing, draw
from aimi.samples.rendering import Grid
from aimi.samples.scans import Scan
from aimi.samples.series import write_scan

__all__ = ["Brightness", "Wanted", "write_study"]

Array = npt.NDArray[Any]

_FIRST = {"ct": 1200.0, "mr": 3000.0, "pet": 200_000.0}
_STEP = {"ct": 300.0, "mr": 500.0, "pet": 100_000.0}
_EMPTY = {"ct": -1000.0, "mr": 0.0, "pet": 0.0}


@dataclass(frozen=True, slots=True)
class Wanted:
    """The grid of a role's series: slices, rows, columns, and their distances in mm."""

    shape: tuple[int, int, int]
    spacing: tuple[float, float, float]


@dataclass(frozen=True, slots=True)
class Brightness:
    """How to tell the voxels of a target.

    Parameters
    ----------
    target : its name in the sample.
    label : its label there.
    value : above it lie this label and those painted later.
    """

    role: str
    target: str
    label: int
    value: float


def write_study(task: str, folder: Path, wanted: Mapping[str, Wanted]) -> tuple[tuple[Brightness, ...], dict[str, Any]]:
    """Write a task's sample on the wanted grids.

    Returns
    -------
    brightness : of each label of each target.
    statistics : mean and standard deviation of each role's image, as a z-score takes them.
    """
    drawing = draw(task, seed=1)
    identity = Identity(f"measured {task}", "AIMI-MEASURED", drawing.title, 80.0)
    brightness: list[Brightness] = []
    statistics = {}
    for number, scan in enumerate(drawing.scans):
        large, told = _enlarged(drawing, scan, wanted[scan.role])
        brightness += told
        statistics[scan.role] = (float(large.image.mean()), float(large.image.std()))
        write_scan(folder, identity, large, 1 + 10 * number)
    return tuple(brightness), statistics


def _enlarged(drawing: Drawing, scan: Scan, wanted: Wanted) -> tuple[Scan, list[Brightness]]:
    in_place = len(drawing.scans) > 1
    scale, offset = _mapping(scan.grid, wanted, in_place=in_place)
    image = _zoomed(scan.image, wanted.shape, scale, offset, order=1, empty=_EMPTY[scan.role]).astype(np.float32)
    np.minimum(image, _FIRST[scan.role] / 2, out=image)
    told, value = [], _FIRST[scan.role]
    for name, target in drawing.targets.items():
        if target.role != scan.role:
            continue
        labels = _zoomed(target.labels, wanted.shape, scale, offset, order=0, empty=0)
        for label in range(1, int(target.labels.max()) + 1):
            image[labels == label] = value
            told.append(Brightness(scan.role, name, label, value - _STEP[scan.role] / 2))
            value += _STEP[scan.role]
    affine = scan.grid.affine @ _matrix(scale, offset)
    affine[:3, :3] *= np.divide(wanted.spacing, np.linalg.norm(affine[:3, :3], axis=0))
    return replace(scan, grid=Grid(affine, wanted.shape), image=image), told


def _mapping(grid: Grid, wanted: Wanted, *, in_place: bool) -> tuple[Array, Array]:
    """Give scale and offset from an index of the wanted grid to one of the sample's."""
    old, new = np.array(grid.shape), np.array(wanted.shape)
    scale = np.divide(wanted.spacing, grid.spacing) if in_place else old / new
    return scale, (old - 1) / 2 - scale * (new - 1) / 2


def _matrix(scale: Array, offset: Array) -> Array:
    matrix = np.diag([*scale, 1.0])
    matrix[:3, 3] = offset
    return matrix


def _zoomed(
    array: Array, shape: tuple[int, int, int], scale: Array, offset: Array, *, order: int, empty: float
) -> Array:
    mode: Any = "constant"
    zoomed: Array = ndimage.affine_transform(
        array, scale, offset, output_shape=shape, order=order, mode=mode, cval=empty, prefilter=False
    )
    return zoomed
