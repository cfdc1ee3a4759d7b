"""Where the planes of a stack are, and whether they make a regular grid (DICOM PS3.3 C.7.6.2.1.1).

A plane's Image Position (Patient) is the center of its first voxel. Its offset is that position projected
on the normal, the cross product of the row and the column direction. The gap of a stack is the median
difference of its sorted offsets; Slice Thickness and Spacing Between Slices are never looked at. All
lengths are millimetres in LPS patient coordinates.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from aimi.dicom.header import Defect, Plane, Stack
from aimi.errors import GeometryError
from aimi.image import Vector

__all__ = [
    "FEWEST_SLICES",
    "SAME_POSITION",
    "Axes",
    "are_unique",
    "axes_of",
    "count_continuing",
    "find_geometry_defects",
    "gap_of",
    "is_regular",
    "mean_axes",
    "offsets_of",
    "stack_affine",
]

FEWEST_SLICES: Final = 8
"""A stack of fewer slices is refused (DECISIONS 1.4)."""
SAME_POSITION: Final = 0.01
"""Planes whose offsets differ by less (mm) are at one position: far below any gap, above rounding in headers."""
_MISSING: Final = 1.5
_ORTHONORMAL: Final = 1e-3
_LARGEST_TILT: Final = 0.5
_LARGEST_DRIFT: Final = 0.5
_GAP_DIGITS: Final = 6
# The cosine of 45 degrees: a plane that is steeper against a stack follows another axis.
_STEEPEST: Final = math.sqrt(0.5)

Points = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Axes:
    """Orthonormal directions of a plane, each of shape (3,): along a row, down a column, and the normal."""

    row: Points
    column: Points
    normal: Points


def axes_of(orientation: Sequence[float]) -> Axes | None:
    """Give orthonormal axes nearest to an Image Orientation (Patient); None if it spans no plane."""
    row = np.asarray(orientation[:3], np.float64)
    column = np.asarray(orientation[3:], np.float64)
    normal = np.cross(row, column)
    length = float(np.linalg.norm(normal))
    if length < _ORTHONORMAL:
        return None
    normal = normal / length
    row = row / np.linalg.norm(row)
    return Axes(row=row, column=np.cross(normal, row), normal=normal)


def mean_axes(planes: Sequence[Plane]) -> Axes | None:
    """Give the axes of the mean orientation of planes that all have one."""
    orientations = [plane.orientation for plane in planes if plane.orientation is not None]
    if not orientations:
        return None
    return axes_of([math.fsum(values) / len(values) for values in zip(*orientations, strict=True)])


def positions_of(planes: Sequence[Plane]) -> Points:
    """Give the positions of planes that all have one, shape (n, 3)."""
    return np.array([plane.position for plane in planes if plane.position is not None], np.float64).reshape(-1, 3)


def offsets_of(planes: Sequence[Plane], axes: Axes) -> Points:
    """Give the signed distance of each plane along the normal, shape (n,)."""
    # A fixed order of summation: a sum over rows may differ in the last bit with the number of planes.
    positions = positions_of(planes)
    x, y, z = axes.normal
    offsets: Points = positions[:, 0] * x + positions[:, 1] * y + positions[:, 2] * z
    return offsets


def are_unique(offsets: Points) -> bool:
    """Tell whether no two offsets are at one position; the order does not matter."""
    return bool(np.all(np.diff(np.sort(offsets)) >= SAME_POSITION))


def gap_of(offsets: Points) -> float | None:
    """Give the median distance between neighbouring positions; None if there are not two."""
    steps = np.diff(np.sort(offsets))
    steps = steps[steps >= SAME_POSITION]
    return round(float(np.median(steps)), _GAP_DIGITS) if len(steps) else None


def tolerance_of(gap: float) -> float:
    """Give how far a slice may be from the regular grid (DECISIONS 1.4)."""
    return max(0.03, 0.05 * gap)


def largest_departure(offsets: Points, gap: float) -> float:
    """Give the largest distance of sorted offsets from the regular grid fitted to them by least squares."""
    counts = np.maximum(1, np.rint(np.diff(offsets) / gap))
    index = np.concatenate([[0.0], np.cumsum(counts)])
    index -= index.mean()
    centered = offsets - offsets.mean()
    slope = (index @ centered) / (index @ index)
    return float(np.max(np.abs(centered - slope * index)))


def is_regular(offsets: Points) -> bool:
    """Tell whether offsets, in any order, make a regular grid without holes."""
    ordered = np.sort(offsets)
    gap = gap_of(ordered)
    if gap is None or not are_unique(ordered):
        return False
    steps = np.diff(ordered)
    return bool(steps.max() <= _MISSING * gap) and largest_departure(ordered, gap) <= tolerance_of(gap)


def stack_affine(stack: Stack) -> Points:
    """Give the affine from index (k, j, i) to patient coordinates, shape (4, 4), mm, LPS.

    It is orthogonal, k rises along the normal, and the center of its grid is the center of the stack; the
    slices of a real stack depart from it by no more than the tolerances of DECISIONS 1.4.

    Raises
    ------
    GeometryError
        If the stack has no positions, no orientation, or fewer than two slices.

    References
    ----------
    DICOM PS3.3 C.7.6.2.1.1; the first value of Pixel Spacing is the distance between rows.
    """
    axes = mean_axes(stack.planes)
    positions = positions_of(stack.planes)
    if stack.spacing is None or axes is None or len(positions) != len(stack.planes):
        raise GeometryError(
            "The stack has no slice positions that a volume could be made of.",
            "Choose another series with --series.",
        )
    gap, between_rows, between_columns = stack.spacing
    affine = np.eye(4)
    affine[:3, 0] = axes.normal * gap
    affine[:3, 1] = axes.column * between_rows
    affine[:3, 2] = axes.row * between_columns
    affine[:3, 3] = positions.mean(axis=0) - affine[:3, 0] * ((len(positions) - 1) / 2)
    return affine


def find_geometry_defects(planes: Sequence[Plane], axes: Axes | None, spacing: Vector | None) -> list[Defect]:
    """Give what makes planes no regular grid; they have positions and are sorted along the normal."""
    defects = _find_plane_defects(planes, axes)
    if len(planes) < FEWEST_SLICES:
        slices = _count(len(planes), "slice", "slices")
        defects.append(Defect("too-few-slices", f"The stack has {slices}; at least {FEWEST_SLICES} are needed."))
    if axes is None:
        return defects
    offsets = offsets_of(planes, axes)
    if not are_unique(offsets):
        repeated = len(offsets) - 1 - int(np.count_nonzero(np.diff(offsets) >= SAME_POSITION))
        defects.append(
            Defect(
                "repeated-positions",
                f"The stack has several images at one position: of its {len(planes)} images {repeated} repeat a "
                "position, and no attribute tells them apart.",
            )
        )
    if spacing is None or not are_unique(offsets):
        return defects
    return [*defects, *_find_grid_defects(offsets, spacing[0]), *_find_shear(planes, offsets, axes, spacing)]


def _find_plane_defects(planes: Sequence[Plane], axes: Axes | None) -> list[Defect]:
    defects = []
    worst = max((_departure_from_orthonormal(plane) for plane in planes), default=0.0)
    if worst > _ORTHONORMAL or axes is None:
        defects.append(
            Defect(
                "orientation-not-orthonormal",
                f"The row and column directions are not orthogonal unit vectors: they depart by {worst:.3g}, "
                f"and {_ORTHONORMAL:g} is allowed.",
            )
        )
    smallest = min((min(plane.pixel_spacing) for plane in planes if plane.pixel_spacing), default=None)
    if smallest is not None and smallest <= 0:
        defects.append(Defect("bad-spacing", f"The pixel spacing is {smallest:g} mm; it must be more than zero."))
    return defects


def _departure_from_orthonormal(plane: Plane) -> float:
    if plane.orientation is None:
        return 0.0
    row, column = np.asarray(plane.orientation[:3]), np.asarray(plane.orientation[3:])
    return max(
        abs(float(np.linalg.norm(row)) - 1), abs(float(np.linalg.norm(column)) - 1), abs(float(np.dot(row, column)))
    )


def _find_grid_defects(offsets: Points, gap: float) -> list[Defect]:
    steps = np.diff(offsets)
    holes = np.flatnonzero(steps > _MISSING * gap)
    defects = []
    if len(holes):
        first = holes[0]
        missing = round(float(steps[first]) / gap) - 1
        places = f"; {len(holes)} such places in all" if len(holes) > 1 else ""
        defects.append(
            Defect(
                "missing-slices",
                f"{_count(max(1, missing), 'slice is', 'slices are')} missing between position {offsets[first]:.2f} "
                f"and {offsets[first + 1]:.2f} mm along the normal, where slices are {gap:.2f} mm apart{places}.",
            )
        )
    departure = largest_departure(offsets, gap)
    if departure > tolerance_of(gap):
        defects.append(
            Defect(
                "irregular-spacing",
                f"Irregular slice spacing: the smallest step is {steps.min():.2f} mm and the largest "
                f"{steps.max():.2f} mm; a slice is {departure:.2f} mm off the regular grid of {gap:.2f} mm, and "
                f"{tolerance_of(gap):.2f} mm is allowed.",
            )
        )
    return defects


def _find_shear(planes: Sequence[Plane], offsets: Points, axes: Axes, spacing: Vector) -> list[Defect]:
    """Judge how the first voxels of the planes wander in the plane."""
    positions = positions_of(planes)
    in_plane = np.stack([positions @ axes.row, positions @ axes.column], axis=1)
    in_plane -= in_plane[0]
    centered = offsets - offsets.mean()
    slope = centered @ (in_plane - in_plane.mean(axis=0)) / (centered @ centered)
    tilt = math.degrees(math.atan(float(np.linalg.norm(slope))))
    if tilt > _LARGEST_TILT:
        return [
            Defect(
                "gantry-tilt",
                f"A gantry tilt of {tilt:.1f} degrees is not supported: the slices shift against each other in "
                f"the plane, and {_LARGEST_TILT:g} degrees are allowed.",
            )
        ]
    drift = float(np.linalg.norm(in_plane, axis=1).max())
    pixel = min(spacing[1:])
    if pixel <= 0 or drift <= _LARGEST_DRIFT * pixel:
        return []
    return [
        Defect(
            "in-plane-drift",
            f"The slices drift by {drift:.2f} mm ({drift / pixel:.1f} pixels) in the plane; "
            f"{_LARGEST_DRIFT:g} pixel is allowed.",
        )
    ]


def count_continuing(stack: Stack, planes: Sequence[Plane]) -> int:
    """Count planes that lie where the slice before the first or after the last would be.

    They may have another matrix, spacing or orientation. A plane about as steep as the stack's continues it if
    its center or its first voxel is within a quarter of a gap of that place along the normal and its field of
    view overlaps that of the end slice, whatever its corner: a slice that was reconstructed at another spacing
    keeps its center. A steeper one does if its first voxel is where that slice's would be (within half a gap
    across the normal): a slice turned about its corner; a localizer that only passes by is none.
    """
    axes = mean_axes(stack.planes)
    if axes is None or stack.spacing is None:
        return 0
    gap = stack.spacing[0]
    fields = [(_field(stack, stack.planes[end]), step * axes.normal) for end, step in ((0, -gap), (-1, gap))]
    return sum(
        any(_continues(_field(stack, plane), end + step, axes, gap, plane) for end, step in fields) for plane in planes
    )


def _field(stack: Stack, plane: Plane) -> Points:
    """Give the first voxel's center and the four outer corners of a plane, shape (5, 3), mm."""
    pixels = stack.instances[plane.instance].pixels
    position = positions_of([plane])
    orientation = np.asarray(plane.orientation, np.float64).reshape(2, 3)
    between_rows, between_columns = plane.pixel_spacing or (0.0, 0.0)
    steps = orientation * [[between_columns], [between_rows]]
    ends = [(x - 0.5, y - 0.5) for x in (0, max(1, pixels.columns)) for y in (0, max(1, pixels.rows))]
    return np.concatenate([position, position + np.array(ends) @ steps])


def _continues(field: Points, expected: Points, axes: Axes, gap: float, plane: Plane) -> bool:
    """Tell whether a plane's field of view is where the one next to the end of a stack would be."""
    own = axes_of(plane.orientation or ())
    shift = field[0] - expected[0]
    along = abs(float(shift @ axes.normal))
    if own is None or abs(float(own.normal @ axes.normal)) < _STEEPEST:
        across = float(np.linalg.norm(shift - (shift @ axes.normal) * axes.normal))
        return along <= gap / 4 and across <= gap / 2
    center = abs(float((field[1:] - expected[1:]).mean(axis=0) @ axes.normal))
    in_plane = np.stack([axes.row, axes.column], axis=1)
    one, other = field[1:] @ in_plane, expected[1:] @ in_plane
    overlap = np.minimum(one.max(axis=0), other.max(axis=0)) - np.maximum(one.min(axis=0), other.min(axis=0))
    return min(along, center) <= gap / 4 and bool(np.all(overlap > 0))


def _count(number: int, one: str, several: str) -> str:
    return f"{number} {one if number == 1 else several}"
