"""What a label map holds, in millilitres and millimetres.

A *finding* is a 26-connected component of one segment. Its axial diameter is the largest distance between the
centers of two of its voxels in one axial slice, plus one voxel (DECISIONS 6.2); "axial" is the array axis nearest
to the patient's foot-head axis, so that sagittal and coronal volumes are measured in the same anatomical plane.
"One voxel" is its size along that very direction: the pixel spacing where pixels are square. The largest diameter
in three dimensions is defined likewise. Both are exact: two points farthest apart are corners of the convex hull.

Findings come largest first. Positions are LPS mm.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.spatial import ConvexHull, QhullError
from scipy.spatial.distance import pdist, squareform

from aimi import regions
from aimi.image import LabelMap, Note, Segment, Vector, patient_axes
from aimi.regions import Box, Component, Mask

__all__ = [
    "FINDING_LIMIT",
    "Finding",
    "SegmentMeasures",
    "Spread",
    "axial_diameter",
    "diameter",
    "findings",
    "left_out",
    "measure",
]

FINDING_LIMIT = 1000
"""How many findings of a segment are told one by one: no patient's nodules, but the specks of a network gone wrong,
are more, and each takes its time and its place in the report."""

_ROUNDING_MM = 1e-9
_MM3_PER_ML = 1000.0
_FEW_POINTS = 64


@dataclass(frozen=True, slots=True)
class Spread:
    """Where voxels lie.

    Parameters
    ----------
    extent_mm : of the bounding box, along slices, rows and columns of the volume (k, j, i).
    first_slice, last_slice : index k, from 0.
    centroid : mean of the voxels' centers, LPS mm.
    truncated : there are voxels on the first or last slice or at the in-plane border (DECISIONS 6.6).
    """

    extent_mm: Vector
    first_slice: int
    last_slice: int
    centroid: Vector
    truncated: bool


@dataclass(frozen=True, slots=True)
class Finding:
    """One component of a segment.

    Parameters
    ----------
    axial_diameter_mm, diameter_mm : largest in one axial slice, and in three dimensions.
    equivalent_diameter_mm : of the sphere of the same volume.
    """

    voxels: int
    volume_ml: float
    axial_diameter_mm: float
    diameter_mm: float
    equivalent_diameter_mm: float
    spread: Spread


@dataclass(frozen=True, slots=True)
class SegmentMeasures:
    """One segment.

    Parameters
    ----------
    number, label : of the segment.
    components : how many findings it has.
    axial_diameter_mm, diameter_mm : the largest of any finding; 0 for an empty segment.
    spread : of all voxels together; None for an empty segment.
    findings : the largest ones, as many as were asked for; :func:`left_out` tells of the others.
    """

    number: int
    label: str
    voxels: int
    volume_ml: float
    components: int
    axial_diameter_mm: float
    diameter_mm: float
    spread: Spread | None
    findings: tuple[Finding, ...]


def measure(labels: LabelMap, *, finding_limit: int = FINDING_LIMIT) -> tuple[SegmentMeasures, ...]:
    """Measure every segment, in the order of the label map's segments.

    Parameters
    ----------
    finding_limit : how many findings a segment are measured one by one; all count in the sums.
    """
    return tuple(_measure_segment(labels, segment, finding_limit) for segment in labels.segments)


def left_out(measures: Sequence[SegmentMeasures]) -> tuple[Note, ...]:
    """Tell, of each segment, how many findings are not among those that were measured one by one."""
    return tuple(
        Note(
            "findings-left-out",
            f"Segment {one.number} has {one.components} findings; the {len(one.findings)} largest are told one by one,"
            f" the other {one.components - len(one.findings)} count in the sums alone.",
        )
        for one in measures
        if one.components > len(one.findings)
    )


def findings(labels: LabelMap, found: Iterable[Component]) -> tuple[Finding, ...]:
    """Measure components of a mask on the grid of a label map, in the order given."""
    return tuple(_measure_finding(labels, component) for component in found)


def axial_diameter(labels: LabelMap, component: Component) -> float:
    """Give a component's largest axial diameter in mm (DECISIONS 6.2), for a rule that keeps some sizes."""
    axial = patient_axes(labels.volume.affine)[2]
    mask, spacing = _axis_first(component.mask, labels.volume.spacing, axial)
    best = 0.0
    for points in _slice_corners(mask):
        best = max(best, _farthest(points[:, 1:], spacing[1:]))
    return best


def diameter(labels: LabelMap, component: Component) -> float:
    """Give a component's largest diameter in three dimensions, in mm."""
    return _farthest(_corners(component.mask), labels.volume.spacing)


def _measure_segment(labels: LabelMap, segment: Segment, finding_limit: int) -> SegmentMeasures:
    found = regions.components(regions.mask_of(labels.labels, (segment.number,)), labels.volume.spacing)
    measured = findings(labels, found[:finding_limit])
    axial = max((finding.axial_diameter_mm for finding in measured), default=0.0)
    largest = max((finding.diameter_mm for finding in measured), default=0.0)
    for component in found[finding_limit:]:
        bound = _bound(component, labels.volume.spacing)
        if bound > axial:
            axial = max(axial, axial_diameter(labels, component))
        if bound > largest:
            largest = max(largest, diameter(labels, component))
    voxels = sum(component.voxels for component in found)
    return SegmentMeasures(
        number=segment.number,
        label=segment.label,
        voxels=voxels,
        volume_ml=voxels * labels.volume.voxel_volume / _MM3_PER_ML,
        components=len(found),
        axial_diameter_mm=axial,
        diameter_mm=largest,
        spread=_spread_of(labels, found),
        findings=measured,
    )


def _measure_finding(labels: LabelMap, component: Component) -> Finding:
    volume_mm3 = component.voxels * labels.volume.voxel_volume
    return Finding(
        voxels=component.voxels,
        volume_ml=volume_mm3 / _MM3_PER_ML,
        axial_diameter_mm=axial_diameter(labels, component),
        diameter_mm=diameter(labels, component),
        equivalent_diameter_mm=float(np.cbrt(6 * volume_mm3 / np.pi)),
        spread=_spread(labels, component.box, component.centroid),
    )


def _spread_of(labels: LabelMap, found: tuple[Component, ...]) -> Spread | None:
    if not found:
        return None
    sides = [
        slice(
            min(component.box[axis].start for component in found), max(component.box[axis].stop for component in found)
        )
        for axis in range(3)
    ]
    weights = [component.voxels for component in found]
    mean = np.average([component.centroid for component in found], axis=0, weights=weights)
    return _spread(labels, (sides[0], sides[1], sides[2]), (mean[0], mean[1], mean[2]))


def _spread(labels: LabelMap, box: Box, centroid_index: Vector) -> Spread:
    shape, spacing, affine = labels.labels.shape, labels.volume.spacing, labels.volume.affine
    extents = [(side.stop - side.start) * step for side, step in zip(box, spacing, strict=True)]
    x, y, z = affine[:3, :3] @ np.array(centroid_index) + affine[:3, 3]
    return Spread(
        extent_mm=(extents[0], extents[1], extents[2]),
        first_slice=box[0].start,
        last_slice=box[0].stop - 1,
        centroid=(float(x), float(y), float(z)),
        truncated=any(side.start == 0 or side.stop == size for side, size in zip(box, shape, strict=True)),
    )


def _bound(component: Component, spacing: Vector) -> float:
    """Give a length that no diameter of the component exceeds."""
    sides = [(side.stop - side.start) * step for side, step in zip(component.box, spacing, strict=True)]
    return float(np.linalg.norm(sides)) + max(spacing)


def _axis_first(mask: Mask, spacing: Vector, axis: int) -> tuple[Mask, Vector]:
    order = [axis, *(other for other in range(3) if other != axis)]
    return mask.transpose(order), (spacing[order[0]], spacing[order[1]], spacing[order[2]])


def _farthest(points: npt.NDArray[np.int64], spacing: tuple[float, ...]) -> float:
    """Give the largest distance of two points, plus one voxel along it.

    Of equal distances the one along which a voxel is longest counts; a single point counts its longest side.
    """
    steps = np.array(spacing)
    if len(points) == 1:
        return float(steps.max())
    distances = pdist(points * steps)
    largest = float(distances.max())
    rows, columns = np.nonzero(np.triu(squareform(distances) >= largest - _ROUNDING_MM, 1))
    directions = (points[rows] - points[columns]) * steps / largest
    return largest + float(np.linalg.norm(directions * steps, axis=1).max())


def _corners(mask: Mask) -> npt.NDArray[np.int64]:
    """Give points (n, 3) among which are all corners of the convex hull."""
    points = np.concatenate(_slice_corners(mask))
    if len(points) <= _FEW_POINTS:
        return points
    try:
        corners: npt.NDArray[np.int64] = points[ConvexHull(points).vertices]
    except QhullError:  # flat: then each slice has given its two ends, or there is one slice
        return points
    return corners


def _slice_corners(mask: Mask) -> list[npt.NDArray[np.int64]]:
    """Give the corners (n, 3) of the convex hull of each slice that is not empty."""
    filled: Mask = np.max(mask, axis=2)
    first = mask.argmax(axis=2)
    last = mask.shape[2] - 1 - mask[:, :, ::-1].argmax(axis=2)
    corners: list[npt.NDArray[np.int64]] = []
    for k in np.flatnonzero(filled.any(axis=1)):
        rows = np.flatnonzero(filled[k])
        left = _chain(rows.tolist(), first[k, rows].tolist(), 1)
        right = _chain(rows.tolist(), last[k, rows].tolist(), -1)
        ends = np.unique(np.array(left + right, dtype=np.int64), axis=0)
        corners.append(np.column_stack([np.full(len(ends), k), ends]))
    return corners


def _chain(rows: list[int], columns: list[int], side: int) -> list[tuple[int, int]]:
    """Give the convex chain of points with rising rows: the left one for side 1, the right one for side -1.

    References
    ----------
    A. M. Andrew, Another efficient algorithm for convex hulls in two dimensions, 1979.
    """
    chain: list[tuple[int, int]] = []
    for row, column in zip(rows, columns, strict=True):
        while len(chain) > 1:
            (r0, c0), (r1, c1) = chain[-2:]
            if side * ((r1 - r0) * (column - c0) - (c1 - c0) * (row - r0)) > 0:
                break
            chain.pop()
        chain.append((row, column))
    return chain
