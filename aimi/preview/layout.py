"""Where the planes of a picture lie, and which voxel each pixel shows.

The picture is an orthographic projection of three planes of the volume's own grid, those nearest to the patient's
axes, at one scale in pixels per millimetre::

    axial     | legend (and an enlarged axial part, if the finding is small)
    coronal   | sagittal

and, for a volume much taller than deep, coronal | sagittal | axial above the legend.

Patient right is on the left of axial and coronal planes, anterior is up in axial and left in sagittal planes,
superior is up. So the coronal plane has its columns under those of the axial one (not in the tall form), and its rows
beside those of the sagittal one. Oblique planes carry composite letters (PS3.3 C.7.6.1.1.1).

Pixel (x, y) covers [x, x + 1) by [y, y + 1); voxel (k, j, i) has its center at whole indices.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import numpy.typing as npt

from aimi.image import Vector, patient_axes

__all__ = ["Frame", "Layout", "Letters", "Panel", "Plane", "Rectangle", "lay_out", "orientation_letters"]

WIDTH = 1200
MARGIN = 16
GAP = 14
HEADER = 62
CAPTION = 26
FOOTER = 40
LARGEST_PANELS = 1120
SMALLEST_LEGEND = 400
SMALLEST_PANEL = 96
SMALLEST_COLUMN = 340
LOWEST_LEGEND = 330

_LETTER_THRESHOLD = 0.1
_ENLARGED_MARGIN_MM = 12.0
_LEAST_ENLARGEMENT = 1.8
_LARGEST_ENLARGEMENT = 8.0

_Affine = npt.NDArray[np.float64]


class Plane(StrEnum):
    """The three planes."""

    AXIAL = "Axial"
    CORONAL = "Coronal"
    SAGITTAL = "Sagittal"


# Patient axis (0 = x to the left, 1 = y to the back, 2 = z to the head) and direction of each plane's normal,
# of its columns downwards, and of its rows to the right.
_DIRECTIONS = {
    Plane.AXIAL: (2, (1, 1), (0, 1)),
    Plane.CORONAL: (1, (2, -1), (0, 1)),
    Plane.SAGITTAL: (0, (2, -1), (1, 1)),
}


@dataclass(frozen=True, slots=True)
class Rectangle:
    """A part of the picture, in pixels."""

    left: int
    top: int
    width: int
    height: int

    @property
    def right(self) -> int:
        """One past the last column."""
        return self.left + self.width

    @property
    def bottom(self) -> int:
        """One past the last row."""
        return self.top + self.height


@dataclass(frozen=True, slots=True)
class Letters:
    """What lies beyond each side of a panel: R, L, A, P, I, S, or several letters, the main one first."""

    left: str
    right: str
    top: str
    bottom: str


@dataclass(frozen=True, slots=True)
class Frame:
    """How a plane of the grid is turned into rows and columns of a picture.

    Parameters
    ----------
    normal, vertical, horizontal : array axes.
    flip_vertical, flip_horizontal : the index falls downwards, or to the right.
    """

    plane: Plane
    normal: int
    vertical: int
    horizontal: int
    flip_vertical: bool
    flip_horizontal: bool
    letters: Letters


@dataclass(frozen=True, slots=True)
class Panel:
    """One plane in the picture.

    Parameters
    ----------
    index : of the plane along ``frame.normal``.
    vertical_range, horizontal_range : the voxels shown, first and one past the last.
    area : the pixels that show voxels.
    box : the black box around the area, for letters and scale.
    millimetres : width and height of the area.
    """

    frame: Frame
    index: int
    vertical_range: tuple[int, int]
    horizontal_range: tuple[int, int]
    area: Rectangle
    box: Rectangle
    millimetres: tuple[float, float]
    is_enlarged: bool = False

    def to_pixel(self, voxel: Sequence[float]) -> tuple[float, float]:
        """Give the place (x, y) of a voxel index (k, j, i) projected on the plane; its center for whole indices."""
        frame, area = self.frame, self.area
        x = _forward(voxel[frame.horizontal], self.horizontal_range, area.width, flip=frame.flip_horizontal)
        y = _forward(voxel[frame.vertical], self.vertical_range, area.height, flip=frame.flip_vertical)
        return area.left + x, area.top + y

    def to_index(self, x: float, y: float) -> Vector:
        """Give the voxel index (k, j, i) that lies at a place of the picture."""
        frame, area = self.frame, self.area
        index = [0.0, 0.0, 0.0]
        index[frame.normal] = float(self.index)
        index[frame.horizontal] = _backward(
            x - area.left, self.horizontal_range, area.width, flip=frame.flip_horizontal
        )
        index[frame.vertical] = _backward(y - area.top, self.vertical_range, area.height, flip=frame.flip_vertical)
        return index[0], index[1], index[2]

    @property
    def shown_center(self) -> tuple[float, float]:
        """The middle of the box."""
        return (self.box.left + self.box.right) / 2, (self.box.top + self.box.bottom) / 2

    @property
    def pixels_per_mm(self) -> float:
        """The scale across."""
        return self.area.width / self.millimetres[0]


@dataclass(frozen=True, slots=True)
class Layout:
    """The whole picture: its size, its panels in drawing order, and the legend's place."""

    width: int
    height: int
    panels: tuple[Panel, ...]
    legend: Rectangle


def _forward(index: float, shown: tuple[int, int], size: int, *, flip: bool) -> float:
    place = (index + 0.5 - shown[0]) / (shown[1] - shown[0])
    return size * (1.0 - place if flip else place)


def _backward(pixel: float, shown: tuple[int, int], size: int, *, flip: bool) -> float:
    place = 1.0 - pixel / size if flip else pixel / size
    return place * (shown[1] - shown[0]) + shown[0] - 0.5


def orientation_letters(direction: Sequence[float] | npt.NDArray[np.float64]) -> str:
    """Give the letters of a patient direction (LPS), the main one first; parts below 6 degrees are left out.

    >>> orientation_letters((0.0, 0.8, -0.6))
    'PI'
    """
    parts = [round(float(part), 6) for part in direction]
    order = sorted(range(3), key=lambda axis: (-abs(parts[axis]), axis))
    named = [axis for axis in order if abs(parts[axis]) >= _LETTER_THRESHOLD]
    positive = ("L", "P", "S")
    negative = ("R", "A", "I")
    return "".join(positive[axis] if parts[axis] > 0 else negative[axis] for axis in named)


def frame_of(affine: _Affine, plane: Plane) -> Frame:
    """Give how a plane of a grid is shown."""
    axes = patient_axes(affine)
    normal, (down, down_sign), (right, right_sign) = _DIRECTIONS[plane]
    vertical, horizontal = axes[down], axes[right]
    flip_vertical = bool(affine[down, vertical] * down_sign < 0)
    flip_horizontal = bool(affine[right, horizontal] * right_sign < 0)
    downwards = _unit(affine[:3, vertical]) * (-1 if flip_vertical else 1)
    rightwards = _unit(affine[:3, horizontal]) * (-1 if flip_horizontal else 1)
    letters = Letters(*(orientation_letters(side) for side in (-rightwards, rightwards, -downwards, downwards)))
    return Frame(plane, axes[normal], vertical, horizontal, flip_vertical, flip_horizontal, letters)


def _unit(vector: _Affine) -> _Affine:
    unit: _Affine = vector / np.linalg.norm(vector)
    return unit


def lay_out(
    affine: _Affine,
    shape: Sequence[int],
    center: Sequence[int],
    *,
    finding: Sequence[slice] | None = None,
    legend_height: int = 0,
) -> Layout:
    """Place the three planes through a voxel, and an enlarged part where the finding is small.

    Parameters
    ----------
    affine, shape : of the volume, index (k, j, i) to LPS mm.
    center : index (k, j, i) that all three planes hold.
    finding : bounding box of what is looked at; None for none.
    legend_height : pixels that the legend needs; the rest of its place may hold the enlarged part.
    """
    spacing = np.linalg.norm(affine[:3, :3], axis=0)
    frames = {plane: frame_of(affine, plane) for plane in Plane}
    sides = [float(shape[axis] * spacing[axis]) for axis in patient_axes(affine)]
    places = _place_tall(*sides) or _place(*sides)
    panels = [
        _panel(frames[plane], box, shape=shape, spacing=spacing, center=center, scale=places.scale)
        for plane, box in zip(Plane, (places.axial, places.coronal, places.sagittal), strict=True)
    ]
    legend = places.legend
    if finding is not None:
        free = Rectangle(legend.left, legend.top + legend_height, legend.width, legend.height - legend_height)
        panels.extend(_enlarged(panels[0], finding, shape, spacing, free))
    return Layout(WIDTH, places.coronal.bottom + FOOTER, tuple(panels), legend)


@dataclass(frozen=True, slots=True)
class _Places:
    """Boxes of the planes and the legend, at a scale in pixels per mm."""

    scale: float
    axial: Rectangle
    coronal: Rectangle
    sagittal: Rectangle
    legend: Rectangle


def _place(across: float, deep: float, high: float) -> _Places:
    """Arrange the planes as in the module's drawing; mm of left to right, front to back, foot to head."""
    room = WIDTH - 2 * MARGIN - GAP
    scale = min(room / (across + deep), LARGEST_PANELS / (deep + high), (room - SMALLEST_LEGEND) / across)
    width, depth, height = (max(round(side * scale), SMALLEST_PANEL) for side in (across, deep, high))
    top, right = HEADER + CAPTION, MARGIN + width + GAP
    lower = top + depth + GAP + CAPTION
    return _Places(
        scale=scale,
        axial=Rectangle(MARGIN, top, width, depth),
        coronal=Rectangle(MARGIN, lower, width, height),
        sagittal=Rectangle(right, lower, depth, height),
        legend=Rectangle(right, HEADER, WIDTH - MARGIN - right, depth + CAPTION),
    )


def _place_tall(across: float, deep: float, high: float) -> _Places | None:
    """Arrange coronal, sagittal, and axial above the legend; None where the volume is not that tall."""
    room = WIDTH - 2 * MARGIN - 2 * GAP
    scale = min(room / (2 * across + deep), LARGEST_PANELS / high)
    width, depth, height = (max(round(side * scale), SMALLEST_PANEL) for side in (across, deep, high))
    if height - depth < LOWEST_LEGEND or room - width - depth < SMALLEST_COLUMN:
        return None
    top, middle = HEADER + CAPTION, MARGIN + width + GAP
    right = middle + depth + GAP
    below = top + depth + GAP
    return _Places(
        scale=scale,
        axial=Rectangle(right, top, width, depth),
        coronal=Rectangle(MARGIN, top, width, height),
        sagittal=Rectangle(middle, top, depth, height),
        legend=Rectangle(right, below - CAPTION, WIDTH - MARGIN - right, top + height - below + CAPTION),
    )


def _panel(
    frame: Frame, box: Rectangle, *, shape: Sequence[int], spacing: _Affine, center: Sequence[int], scale: float
) -> Panel:
    rows, columns = shape[frame.vertical], shape[frame.horizontal]
    millimetres = (float(columns * spacing[frame.horizontal]), float(rows * spacing[frame.vertical]))
    return Panel(
        frame=frame,
        index=int(center[frame.normal]),
        vertical_range=(0, rows),
        horizontal_range=(0, columns),
        area=_centered(box, millimetres, scale),
        box=box,
        millimetres=millimetres,
    )


def _centered(box: Rectangle, millimetres: tuple[float, float], scale: float) -> Rectangle:
    width = min(max(round(millimetres[0] * scale), 1), box.width)
    height = min(max(round(millimetres[1] * scale), 1), box.height)
    return Rectangle(box.left + (box.width - width) // 2, box.top + (box.height - height) // 2, width, height)


def _enlarged(
    axial: Panel, finding: Sequence[slice], shape: Sequence[int], spacing: _Affine, free: Rectangle
) -> list[Panel]:
    """Give an enlarged part of the axial panel in the free place, if that shows more than the panel does."""
    frame = axial.frame
    room = min(free.width, free.height - CAPTION)
    if room < SMALLEST_PANEL:
        return []
    sides = [
        (finding[axis].stop - finding[axis].start) * float(spacing[axis]) for axis in (frame.vertical, frame.horizontal)
    ]
    wanted = max(max(sides) + 2 * _ENLARGED_MARGIN_MM, room / (axial.pixels_per_mm * _LARGEST_ENLARGEMENT))
    ranges = [
        _range_around(finding[axis], round(wanted / float(spacing[axis])), shape[axis])
        for axis in (frame.vertical, frame.horizontal)
    ]
    millimetres = (
        (ranges[1][1] - ranges[1][0]) * float(spacing[frame.horizontal]),
        (ranges[0][1] - ranges[0][0]) * float(spacing[frame.vertical]),
    )
    scale = room / max(millimetres)
    if scale < _LEAST_ENLARGEMENT * axial.pixels_per_mm:
        return []
    box = Rectangle(free.left, free.bottom - room, room, room)
    area = _centered(box, millimetres, scale)
    return [Panel(frame, axial.index, ranges[0], ranges[1], area, box, millimetres, is_enlarged=True)]


def _range_around(side: slice, count: int, size: int) -> tuple[int, int]:
    count = min(max(count, side.stop - side.start), size)
    start = min(max((side.start + side.stop - count) // 2, 0), size - count)
    return start, start + count
