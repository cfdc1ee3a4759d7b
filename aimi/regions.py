"""Components and regions of label arrays: which findings stay, and where they lie.

Terms (DECISIONS 6.1, 6.3, 6.4): a *component* is a set of 26-connected voxels; a *finding* is a component and is
kept or removed whole, never cut; a *region* is a mask against which findings are judged. Arrays are (k, j, i) =
slices, rows, columns; spacing is in mm in the same order. Masks are boolean, of the whole grid; the work is done
on bounding boxes. Nothing here changes its arguments, and nothing knows patient coordinates.

Components come largest first; of two with as many voxels the one whose first voxel is earlier in slice, row,
column order comes first. So every choice made of them is total.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import cc3d
import numpy as np
import numpy.typing as npt

from aimi.image import Vector

__all__ = [
    "Box",
    "Component",
    "Mask",
    "bounding_box",
    "centermost",
    "components",
    "dilate",
    "fill_cavities",
    "is_inside",
    "keep_inside",
    "keep_largest",
    "keep_largest_of_union",
    "keep_sized",
    "keep_touching",
    "largest_centermost",
    "lungs",
    "lungs_of_lobes",
    "mask_of",
    "paint",
    "substantial_part",
    "touches",
]

Mask: TypeAlias = npt.NDArray[np.bool_]
Box: TypeAlias = tuple[slice, slice, slice]

_AXES = 3
_ROUNDING = 1e-9
_MM3_PER_ML = 1000.0


@dataclass(frozen=True, slots=True, eq=False)
class Component:
    """One component of a mask.

    Parameters
    ----------
    voxels, volume_mm3 : its size.
    box : its bounding box in the whole grid.
    first_voxel : (k, j, i), the earliest in slice, row, column order.
    centroid : (k, j, i), mean of its voxels' indices.
    numbered, number : a view of the numbered components in ``box``; its voxels hold ``number``.
    """

    voxels: int
    volume_mm3: float
    box: Box
    first_voxel: tuple[int, int, int]
    centroid: Vector
    numbered: npt.NDArray[np.unsignedinteger[Any]]
    number: int

    @property
    def mask(self) -> Mask:
        """Its voxels, shape of ``box``."""
        mask: Mask = self.numbered == self.number
        return mask


def mask_of(labels: npt.NDArray[np.integer[Any]], numbers: Collection[int] | None = None) -> Mask:
    """Give the voxels that hold one of the numbers; without numbers, those that are not 0."""
    mask: Mask = np.zeros(labels.shape, dtype=np.bool_)
    if numbers is None:
        np.not_equal(labels, 0, out=mask)
        return mask
    for number in numbers:
        mask |= labels == number
    return mask


def bounding_box(mask: Mask) -> Box | None:
    """Give the smallest box that holds every voxel; None for an empty mask."""
    box: list[slice] = []
    for axis in range(mask.ndim):
        others = tuple(other for other in range(mask.ndim) if other != axis)
        filled = np.flatnonzero(mask.any(axis=others))
        if filled.size == 0:
            return None
        box.append(slice(int(filled[0]), int(filled[-1]) + 1))
    return (box[0], box[1], box[2])


def components(mask: Mask, spacing: Vector) -> tuple[Component, ...]:
    """Give the components of a mask, largest first (ties: module docstring).

    Parameters
    ----------
    mask : shape (k, j, i).
    spacing : (k, j, i) in mm.
    """
    box = bounding_box(mask)
    if box is None:
        return ()
    numbered = _number(mask[box])
    statistics = cc3d.statistics(numbered)
    origin = [side.start for side in box]
    voxel_volume = float(np.prod(spacing))
    found: list[Component] = []
    for number in range(1, len(statistics["voxel_counts"])):
        voxels = int(statistics["voxel_counts"][number])
        inner = statistics["bounding_boxes"][number]
        view = numbered[inner]
        row, column = divmod(int(np.argmax(view[0] == number)), view.shape[2])
        k, j, i = (int(side.start) + start for side, start in zip(inner, origin, strict=True))
        mean = statistics["centroids"][number] + origin
        found.append(
            Component(
                voxels=voxels,
                volume_mm3=voxels * voxel_volume,
                box=(slice(k, k + view.shape[0]), slice(j, j + view.shape[1]), slice(i, i + view.shape[2])),
                first_voxel=(k, j + row, i + column),
                centroid=(float(mean[0]), float(mean[1]), float(mean[2])),
                numbered=view,
                number=number,
            )
        )
    return tuple(sorted(found, key=lambda component: (-component.voxels, component.first_voxel)))


def _number(mask: Mask) -> npt.NDArray[np.unsignedinteger[Any]]:
    """Give the numbered 26-connected components of a mask.

    The margin of one voxel makes a copy that cc3d can write to and keeps clear of its bound on the number of
    components, one too low for arrays as small as (1, 1, 3).
    """
    numbered = cc3d.connected_components(np.pad(mask, 1), connectivity=26)[1:-1, 1:-1, 1:-1]
    contiguous: npt.NDArray[np.unsignedinteger[Any]] = np.ascontiguousarray(numbered)
    contiguous.flags.writeable = False
    return contiguous


def paint(kept: Iterable[Component], shape: Sequence[int]) -> Mask:
    """Give the mask, of the whole grid, of these components."""
    mask = np.zeros(tuple(shape), dtype=np.bool_)
    for component in kept:
        mask[component.box] |= component.mask
    return mask


def keep_largest(mask: Mask, count: int = 1) -> Mask:
    """Keep the ``count`` largest components (all, if there are fewer)."""
    return paint(components(mask, (1.0, 1.0, 1.0))[:count], mask.shape)


def keep_largest_of_union(labels: npt.NDArray[np.uint8], count: int) -> npt.NDArray[np.uint8]:
    """Keep, of a label array, what lies in the ``count`` largest components of all its labels together."""
    kept = keep_largest(mask_of(labels), count)
    return np.where(kept, labels, np.uint8(0))


def keep_sized(mask: Mask, spacing: Vector, *, minimum_mm3: float = 0.0, maximum_mm3: float = np.inf) -> Mask:
    """Keep the components whose volume lies in the range, both ends included."""
    found = components(mask, spacing)
    low, high = minimum_mm3 * (1.0 - _ROUNDING), maximum_mm3 * (1.0 + _ROUNDING)
    return paint((c for c in found if low <= c.volume_mm3 <= high), mask.shape)


def is_inside(finding: Component, region: Mask) -> bool:
    """Tell whether at least half of a finding's voxels lie in the region (DECISIONS 6.3 b)."""
    shared = int(np.count_nonzero(region[finding.box] & finding.mask))
    return 2 * shared >= finding.voxels


def touches(finding: Component, region: Mask) -> bool:
    """Tell whether some voxel of a finding is in the region or 26-adjacent to it (DECISIONS 6.3 a)."""
    around, inner = _grown_box(finding.box, region.shape, (1, 1, 1))
    near = region[around]
    if not near.any():
        return False
    grown = np.zeros(near.shape, dtype=np.bool_)
    grown[inner] = finding.mask
    for axis in range(_AXES):
        grown = _spread(grown, axis, 1)
    return bool(np.any(grown & near))


def keep_inside(mask: Mask, region: Mask) -> Mask:
    """Keep, whole, the components that are inside the region."""
    return paint((c for c in components(mask, (1.0, 1.0, 1.0)) if is_inside(c, region)), mask.shape)


def keep_touching(mask: Mask, region: Mask) -> Mask:
    """Keep, whole, the components that touch the region."""
    return paint((c for c in components(mask, (1.0, 1.0, 1.0)) if touches(c, region)), mask.shape)


def centermost(found: Sequence[Component], shape: Sequence[int]) -> Component | None:
    """Give the component whose centroid is nearest to the volume's center; None if there is none.

    Distances are in units of the volume's half extents per axis, so that all directions weigh alike (DECISIONS
    6.4). Of equally near ones the first given is taken.
    """
    size = np.array(shape, dtype=np.float64)

    def distance(component: Component) -> float:
        return round(float(np.linalg.norm((np.array(component.centroid) - (size - 1) / 2) / (size / 2))), 9)

    return min(found, key=distance, default=None)


def largest_centermost(found: Sequence[Component], shape: Sequence[int]) -> Component | None:
    """Give, among components of at least half the largest one's size, the centermost (DECISIONS 6.4)."""
    largest = max((component.voxels for component in found), default=0)
    return centermost([component for component in found if 2 * component.voxels >= largest], shape)


def fill_cavities(mask: Mask) -> Mask:
    """Add the voxels that the mask encloses in three dimensions.

    A cavity is background from which no path of face-adjacent voxels leads out of the mask's bounding box; what
    is open at the border of the volume is no cavity.
    """
    filled = mask.copy()
    box = bounding_box(mask)
    if box is None:
        return filled
    background = np.pad(~mask[box], 1, constant_values=True)
    numbered = cc3d.connected_components(background, connectivity=6)
    filled[box] = (numbered != numbered[0, 0, 0])[1:-1, 1:-1, 1:-1]
    return filled


def dilate(mask: Mask, spacing: Vector, radius_mm: float) -> Mask:
    """Add every voxel whose center lies within ``radius_mm`` of the center of a voxel of the mask.

    Exact for any spacing: the ball is cut into runs along the columns, one for each offset in slice and row.
    """
    dilated = np.zeros(mask.shape, dtype=np.bool_)
    box = bounding_box(mask)
    if box is None:
        return dilated
    radius = radius_mm * (1.0 + _ROUNDING)
    reach = tuple(int(radius / step) for step in spacing)
    around, inner = _grown_box(box, mask.shape, reach)
    target = dilated[around]
    seed = np.zeros(target.shape, dtype=np.bool_)
    seed[inner] = mask[box]
    offsets: dict[int, list[tuple[int, int]]] = {}
    for dk in range(-reach[0], reach[0] + 1):
        for dj in range(-reach[1], reach[1] + 1):
            left = radius**2 - (dk * spacing[0]) ** 2 - (dj * spacing[1]) ** 2
            if left >= 0:
                offsets.setdefault(int(np.sqrt(left) / spacing[2]), []).append((dk, dj))
    for half_width, shifts in offsets.items():
        run = _spread(seed, 2, half_width)
        for dk, dj in shifts:
            _add_shifted(target, run, dk, dj)
    return dilated


def _grown_box(box: Box, shape: Sequence[int], reach: Sequence[int]) -> tuple[Box, Box]:
    """Give the box grown within the grid, and the old box as seen from the grown one."""
    grown, inner = [], []
    for side, size, margin in zip(box, shape, reach, strict=True):
        start = max(side.start - margin, 0)
        grown.append(slice(start, min(side.stop + margin, size)))
        inner.append(slice(side.start - start, side.stop - start))
    return (grown[0], grown[1], grown[2]), (inner[0], inner[1], inner[2])


def _spread(mask: Mask, axis: int, half_width: int) -> Mask:
    """Dilate along one axis by ``half_width`` voxels to either side."""
    spread = mask.copy()
    along, source = np.moveaxis(spread, axis, 0), np.moveaxis(mask, axis, 0)
    for offset in range(1, min(half_width, len(along) - 1) + 1):
        along[offset:] |= source[:-offset]
        along[:-offset] |= source[offset:]
    return spread


def _add_shifted(target: Mask, source: Mask, dk: int, dj: int) -> None:
    slices, rows, _ = target.shape
    if abs(dk) >= slices or abs(dj) >= rows:
        return
    to_k, from_k = slice(max(dk, 0), slices + min(dk, 0)), slice(max(-dk, 0), slices - max(dk, 0))
    to_j, from_j = slice(max(dj, 0), rows + min(dj, 0)), slice(max(-dj, 0), rows - max(dj, 0))
    target[to_k, to_j] |= source[from_k, from_j]


def substantial_part(mask: Mask, spacing: Vector, *, minimum_ml: float = 1.0) -> Mask:
    """Keep the largest component and any further one of at least ``minimum_ml``."""
    found = components(mask, spacing)
    low = minimum_ml * _MM3_PER_ML * (1.0 - _ROUNDING)
    return paint((*found[:1], *(c for c in found[1:] if c.volume_mm3 >= low)), mask.shape)


def lungs_of_lobes(left: Mask, right: Mask, spacing: Vector) -> Mask:
    """Give the pulmonary and pleural region of lobes (DECISIONS 6.3).

    Parameters
    ----------
    left, right : the union of the lobes of either side, shape (k, j, i).
    """
    return fill_cavities(substantial_part(left, spacing) | substantial_part(right, spacing))


def lungs(mask: Mask) -> Mask:
    """Give the pulmonary and pleural region of a model that knows one label of lung (DECISIONS 6.3)."""
    return fill_cavities(keep_largest(mask, 2))
