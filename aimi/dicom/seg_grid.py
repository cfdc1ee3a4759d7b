"""Where the frames of a segmentation lie: on the slices of its source, or on a grid of their own.

A writer leaves out frames without a voxel, so the frames alone show a grid with holes. The *source grid* is
taken where the referenced stack is at hand and every frame coincides with one of its planes. Otherwise the
grid is that of the frames: the gap is Spacing Between Slices where the positions agree with it, else the
smallest distance between two frames or a simple fraction of it, and holes are slices without a voxel.
Slices rise along the normal (PS3.3 C.7.6.2.1.1) in both cases.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import highdicom as hd
import numpy as np
import numpy.typing as npt

from aimi.dicom.geometry import is_regular, stack_affine
from aimi.dicom.header import Plane, Stack
from aimi.dicom.slice_sources import describe_source
from aimi.errors import GeometryError
from aimi.image import Note, SourceGrid, Vector

__all__ = ["FramePlane", "Grid", "frames_grid", "source_geometry", "source_grid"]

_SAME_PLANE_MM = 0.01
_MOST_SLICES = 16384
_TOLERANCE_MM = 0.03
_TOLERANCE_GAPS = 0.05
_COSINE_TOLERANCE = 1e-3
_SPACING_TOLERANCE = 1e-3
_MOST_DRIFT_PIXELS = 0.5
_SMALLEST_FRACTION = 4

_Positions = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class FramePlane:
    """The plane of one frame.

    Parameters
    ----------
    position, orientation : Image Position and Orientation (Patient), mm and cosines, LPS.
    pixel_spacing : (between rows, between columns), mm.
    """

    position: Vector
    orientation: tuple[float, float, float, float, float, float]
    pixel_spacing: tuple[float, float]


@dataclass(frozen=True, slots=True)
class Grid:
    """A volume's geometry and the slice of each frame in it.

    Parameters
    ----------
    slices : for each frame, in the order of the frames, its index along the first axis.
    source : the series behind the grid; None for a grid of the frames' own.
    """

    geometry: hd.VolumeGeometry
    slices: tuple[int, ...]
    source: SourceGrid | None
    notes: tuple[Note, ...] = ()


@dataclass(frozen=True, slots=True)
class _Fit:
    """A regular grid through planes: ``origin + index * gap * normal``."""

    axes: _Positions
    origin: _Positions
    gap: float
    indices: npt.NDArray[np.int64]


def frames_grid(
    planes: Sequence[FramePlane],
    matrix: tuple[int, int],
    *,
    gap: float | None,
    thickness: float | None,
    frame: str | None,
) -> Grid:
    """Give the grid that the frames show.

    Parameters
    ----------
    matrix : (rows, columns).
    gap : Spacing Between Slices, where it is written.
    thickness : Slice Thickness; used for a single plane only, which has no neighbour.
    frame : Frame of Reference UID.

    Raises
    ------
    GeometryError
        The frames have several orientations or pixel spacings, or lie on no regular grid.
    """
    first = planes[0]
    if any(not _alike(first, plane) for plane in planes):
        raise GeometryError(
            "The frames of the segmentation have several orientations or pixel spacings; one grid has one of each.",
            "Split the object by orientation where it was made.",
        )
    fit = _fit(np.array([plane.position for plane in planes]), first, gap or None, thickness or None)
    count = int(fit.indices.max()) + 1
    if count > _MOST_SLICES:
        raise GeometryError(
            f"The frames of the segmentation would span {count} slices of {fit.gap:.4g} mm; "
            f"at most {_MOST_SLICES} are read.",
            "Check Spacing Between Slices and the frames' positions.",
        )
    return Grid(
        geometry=hd.VolumeGeometry(_affine(fit, first), (count, *matrix), "PATIENT", frame),
        slices=tuple(int(index) for index in fit.indices),
        source=None,
        notes=_notes_on_gap(fit, gap),
    )


def source_grid(stack: Stack, planes: Sequence[FramePlane], matrix: tuple[int, int]) -> Grid | None:
    """Give the grid of the source stack; None where it is irregular or a frame coincides with none of its slices."""
    geometry = source_geometry(stack)
    of_source = [frame_plane for plane in stack.planes if (frame_plane := _frame_plane(plane)) is not None]
    if geometry is None or geometry.spatial_shape[1:] != matrix:
        return None
    if any(not _alike(of_source[0], plane) for plane in planes):
        return None
    slices = _nearest(np.array([plane.position for plane in of_source]), planes, geometry.affine)
    return None if slices is None else Grid(geometry, slices, describe_source(stack))


def source_geometry(stack: Stack) -> hd.VolumeGeometry | None:
    """Give the geometry of the stack's image, as :mod:`aimi.dicom.volume` makes it; None for an irregular stack."""
    planes = [frame_plane for plane in stack.planes if (frame_plane := _frame_plane(plane)) is not None]
    if len(planes) < len(stack.planes) or any(not _alike(planes[0], plane) for plane in planes):
        return None
    positions = np.array([plane.position for plane in planes])
    if len(planes) == 1:
        affine = _affine(_fit(positions, planes[0], None, stack.header.slice_thickness), planes[0])
    elif stack.spacing is not None and is_regular(positions @ _axes(planes[0].orientation)[0]):
        affine = stack_affine(stack)
    else:
        return None
    pixels = stack.instances[stack.planes[0].instance].pixels
    shape = (len(planes), pixels.rows, pixels.columns)
    return hd.VolumeGeometry(affine, shape, "PATIENT", stack.header.frame_of_reference_uid)


def _alike(one: FramePlane, other: FramePlane) -> bool:
    cosines = float(np.abs(np.subtract(one.orientation, other.orientation)).max())
    spacing = float(np.abs(np.divide(one.pixel_spacing, other.pixel_spacing) - 1).max())
    return cosines <= _COSINE_TOLERANCE and spacing <= _SPACING_TOLERANCE


def _axes(orientation: Sequence[float]) -> _Positions:
    """Give the unit vectors (normal, column direction, row direction), one per row."""
    row, column = np.array(orientation[:3]), np.array(orientation[3:])
    lengths = float(np.linalg.norm(row)), float(np.linalg.norm(column))
    if max(abs(lengths[0] - 1), abs(lengths[1] - 1), abs(float(row @ column))) > _COSINE_TOLERANCE:
        raise GeometryError(
            "The orientation of the frames is not a pair of orthogonal unit vectors (PS3.3 C.7.6.2.1.1).",
            "Correct Image Orientation (Patient) where the object was made.",
        )
    row = row / lengths[0]
    normal = np.cross(row, column)
    normal /= np.linalg.norm(normal)
    return np.stack([normal, np.cross(normal, row), row])


def _fit(positions: _Positions, plane: FramePlane, gap: float | None, thickness: float | None) -> _Fit:
    axes = _axes(plane.orientation)
    heights = positions @ axes[0]
    order = np.argsort(heights, kind="stable")
    steps = np.diff(heights[order])
    steps = np.where(steps <= _SAME_PLANE_MM, 0.0, steps)
    indices = np.zeros(len(heights), np.int64)
    if steps.any():
        gap = _choose_gap(steps[steps > 0], gap)
        indices[order[1:]] = np.cumsum(np.rint(steps / gap).astype(np.int64))
        centered = indices - indices.mean()
        gap = float(centered @ (heights - heights.mean()) / (centered @ centered))
    else:
        gap = gap or thickness or 1.0
    origin = positions.mean(axis=0) - indices.mean() * gap * axes[0]
    _check(positions - (origin + indices[:, None] * gap * axes[0]), axes, gap, plane.pixel_spacing)
    return _Fit(axes, origin, gap, indices)


def _choose_gap(steps: _Positions, written: float | None) -> float:
    smallest = float(steps.min())
    candidates = [smallest / part for part in range(1, _SMALLEST_FRACTION + 1)]
    for gap in candidates if written is None else [written, *candidates]:
        counts = np.rint(steps / gap)
        if counts.min() >= 1 and np.abs(steps - counts * gap).max() <= _tolerance(gap):
            return gap
    raise GeometryError(
        f"The frames lie {smallest:.4g} to {float(steps.max()):.4g} mm apart, on no regular grid.",
        "Give the source series, so that the frames can be placed on its slices.",
    )


def _tolerance(gap: float) -> float:
    return min(max(_TOLERANCE_MM, _TOLERANCE_GAPS * gap), gap / 4)


def _check(residuals: _Positions, axes: _Positions, gap: float, pixel_spacing: tuple[float, float]) -> None:
    along, down, across = np.abs(residuals @ axes.T).max(axis=0)
    if along > _tolerance(gap):
        raise GeometryError(
            f"A frame departs by {along:.3g} mm from the regular grid of {gap:.4g} mm; "
            f"at most {_tolerance(gap):.3g} mm are allowed.",
            "Give the source series, so that the frames can be placed on its slices.",
        )
    if max(down / pixel_spacing[0], across / pixel_spacing[1]) > _MOST_DRIFT_PIXELS:
        raise GeometryError(
            f"The frames drift by up to {max(down, across):.3g} mm within their plane: the grid is sheared.",
            "Resample the segmentation onto an orthogonal grid first.",
        )


def _affine(fit: _Fit, plane: FramePlane) -> _Positions:
    affine = np.eye(4)
    affine[:3, :3] = (fit.axes * np.array([[fit.gap], *([value] for value in plane.pixel_spacing)])).T
    affine[:3, 3] = fit.origin
    return affine


def _notes_on_gap(fit: _Fit, written: float | None) -> tuple[Note, ...]:
    if not fit.indices.any():
        sentence = f"All frames lie in one plane; its extent along the normal is taken as {fit.gap:.4g} mm."
        return (Note("single-plane", sentence),)
    if written is None:
        sentence = f"Spacing Between Slices is absent; the frames show a gap of {fit.gap:.4g} mm."
        return (Note("gap-from-frames", sentence),)
    if abs(fit.gap - written) > _tolerance(written):
        sentence = f"Spacing Between Slices says {written:.4g} mm; the frames show a gap of {fit.gap:.4g} mm."
        return (Note("gap-from-frames", sentence),)
    return ()


def _frame_plane(plane: Plane) -> FramePlane | None:
    if plane.position is None or plane.orientation is None or plane.pixel_spacing is None:
        return None
    return FramePlane(plane.position, plane.orientation, plane.pixel_spacing)


def _nearest(positions: _Positions, planes: Sequence[FramePlane], affine: _Positions) -> tuple[int, ...] | None:
    """Give the source slice of each frame, or None where a frame coincides with none."""
    spacing = np.linalg.norm(affine[:3, :3], axis=0)
    axes = (affine[:3, :3] / spacing).T
    wanted = np.array([plane.position for plane in planes])
    nearest = np.abs((positions @ axes[0])[None, :] - (wanted @ axes[0])[:, None]).argmin(axis=1)
    departure = np.abs((wanted - positions[nearest]) @ axes.T).max(axis=0)
    is_beside = any(value > _tolerance(float(gap)) for value, gap in zip(departure, spacing, strict=True))
    return None if is_beside else tuple(int(index) for index in nearest)
