"""Shapes in space: signed distances that any grid can sample.

A shape tells, for each point of a block, how far it is from its surface in mm: negative inside. The
distance is exact near the surface to a few per cent, which is all that partial volume needs. Blocks are
parts of a regular grid of any orientation, so a shape is evaluated only where it can be.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol, TypeAlias

import numpy as np
import numpy.typing as npt

__all__ = [
    "FAR",
    "Blend",
    "Block",
    "Box",
    "Clip",
    "Cut",
    "Ellipsoid",
    "Field",
    "Matrix",
    "Segment",
    "Shape",
    "Tilt",
    "Wobble",
    "rotation",
    "tube",
]

Field: TypeAlias = npt.NDArray[np.float32]
Matrix: TypeAlias = npt.NDArray[np.float64]
Point: TypeAlias = tuple[float, float, float]
Index: TypeAlias = tuple[slice, slice, slice]

FAR = 1e3
_REACH = 6.0  # mm beyond its surface within which a shape is evaluated


@dataclass(frozen=True, slots=True)
class Box:
    """A box with sides along x, y, z: its lowest and highest corner, mm."""

    low: Point
    high: Point

    def grown(self, margin: float) -> "Box":
        """Give the box with each side moved outwards by a margin in mm."""
        (ax, ay, az), (bx, by, bz) = self.low, self.high
        return Box((ax - margin, ay - margin, az - margin), (bx + margin, by + margin, bz + margin))


def _hull(boxes: Sequence[Box]) -> Box:
    lows, highs = zip(*(box.low for box in boxes), strict=True), zip(*(box.high for box in boxes), strict=True)
    low, high = [min(values) for values in lows], [max(values) for values in highs]
    return Box((low[0], low[1], low[2]), (high[0], high[1], high[2]))


@dataclass(frozen=True, slots=True)
class Block:
    """A block of grid points.

    Parameters
    ----------
    to_index : shape (3, 4): from the point (x, y, z, 1) in mm to the grid's index (k, j, i).
    start, shape : the block's first index and its size.
    x, y, z : coordinates of its points, shape ``shape``.
    """

    to_index: Matrix
    start: tuple[int, int, int]
    shape: tuple[int, int, int]
    x: Field
    y: Field
    z: Field

    @classmethod
    def of(cls, affine: Matrix, start: tuple[int, int, int], shape: tuple[int, int, int]) -> "Block":
        """Make the block of a grid that starts at an index."""
        axes = [np.arange(first, first + size, dtype=np.float64) for first, size in zip(start, shape, strict=True)]
        x, y, z = (
            (
                row[0] * axes[0][:, None, None]
                + row[1] * axes[1][None, :, None]
                + (row[2] * axes[2][None, None, :] + row[3])
            ).astype(np.float32)
            for row in affine[:3]
        )
        to_index = np.asarray(np.linalg.inv(affine)[:3], np.float64)
        return cls(to_index, start, shape, x, y, z)

    def index_of(self, box: Box) -> Index | None:
        """Give the part of the block that can meet a box, or None."""
        turn, shift = self.to_index[:, :3], self.to_index[:, 3] - self.start
        middle = turn @ np.add(box.low, box.high) / 2 + shift
        reach = np.abs(turn) @ np.subtract(box.high, box.low) / 2
        low = np.maximum(np.floor(middle - reach).astype(int), 0)
        high = np.minimum(np.ceil(middle + reach).astype(int) + 1, self.shape)
        if np.any(high <= low):
            return None
        return slice(low[0], high[0]), slice(low[1], high[1]), slice(low[2], high[2])

    def part(self, index: Index) -> "Block":
        """Give a part of the block as a view."""
        x, y, z = self.x[index], self.y[index], self.z[index]
        start = tuple(first + piece.start for first, piece in zip(self.start, index, strict=True))
        return Block(self.to_index, (start[0], start[1], start[2]), (x.shape[0], x.shape[1], x.shape[2]), x, y, z)


class Shape(Protocol):
    """What has an inside."""

    @property
    def box(self) -> Box:
        """A box that holds the shape."""
        ...

    def distance(self, block: Block) -> Field:
        """Give the signed distance in mm at each point of a block, negative inside."""
        ...


def rotation(x: float = 0.0, y: float = 0.0, z: float = 0.0) -> Matrix:
    """Give the matrix that turns about x, then y, then z, by degrees."""
    matrix = np.eye(3)
    for axis, degrees in enumerate((x, y, z)):
        first, second = [other for other in range(3) if other != axis]
        cosine, sine = np.cos(np.radians(degrees)), np.sin(np.radians(degrees)) * (-1 if axis == 1 else 1)
        turn = np.eye(3)
        turn[first, first] = turn[second, second] = cosine
        turn[first, second], turn[second, first] = -sine, sine
        matrix = turn @ matrix
    return matrix


@dataclass(frozen=True, slots=True)
class Ellipsoid:
    """An ellipsoid: center, half axes in mm, and the rotation of its axes."""

    center: Point
    radii: Point
    turn: Matrix | None = None

    @property
    def box(self) -> Box:
        """A box that holds the ellipsoid."""
        turn = np.eye(3) if self.turn is None else self.turn
        reach = np.sqrt(((turn * self.radii) ** 2).sum(axis=1))
        low, high = (self.center - reach).tolist(), (self.center + reach).tolist()
        return Box((low[0], low[1], low[2]), (high[0], high[1], high[2]))

    def distance(self, block: Block) -> Field:
        """Give the first-order distance: exact for a sphere."""
        x, y, z = (
            block.x - np.float32(self.center[0]),
            block.y - np.float32(self.center[1]),
            block.z - np.float32(self.center[2]),
        )
        if self.turn is not None:
            turn = self.turn.astype(np.float32)
            x, y, z = (turn[0, n] * x + turn[1, n] * y + turn[2, n] * z for n in range(3))
        rx, ry, rz = (np.float32(radius) for radius in self.radii)
        x, y, z = x / rx, y / ry, z / rz
        level = np.sqrt(x * x + y * y + z * z)
        slope = np.sqrt((x / rx) ** 2 + (y / ry) ** 2 + (z / rz) ** 2) + np.float32(1e-6)
        distance: Field = level * (level - 1) / slope
        return np.minimum(np.maximum(distance, -np.float32(min(self.radii))), np.float32(FAR))


@dataclass(frozen=True, slots=True)
class Segment:
    """A rod between two points whose radius changes from one end to the other, with round ends."""

    first: Point
    last: Point
    first_radius: float
    last_radius: float

    @property
    def box(self) -> Box:
        """A box that holds the rod."""
        ends = _hull((Box(self.first, self.first), Box(self.last, self.last)))
        return ends.grown(max(self.first_radius, self.last_radius))

    def distance(self, block: Block) -> Field:
        """Give the distance from the axis less the radius there."""
        axis = np.subtract(self.last, self.first).astype(np.float32)
        length = np.float32(max(float(axis @ axis), 1e-6))
        x, y, z = (
            block.x - np.float32(self.first[0]),
            block.y - np.float32(self.first[1]),
            block.z - np.float32(self.first[2]),
        )
        along = np.clip((x * axis[0] + y * axis[1] + z * axis[2]) / length, 0, 1)
        x, y, z = x - along * axis[0], y - along * axis[1], z - along * axis[2]
        radius = np.float32(self.first_radius) + along * np.float32(self.last_radius - self.first_radius)
        distance: Field = np.sqrt(x * x + y * y + z * z) - radius
        return distance


@dataclass(frozen=True, slots=True)
class Blend:
    """Several shapes as one; surfaces that meet flow into each other over ``smooth`` mm."""

    shapes: tuple[Shape, ...]
    smooth: float = 0.0
    box: Box = field(init=False)

    def __post_init__(self) -> None:
        box = _hull([shape.box for shape in self.shapes]).grown(self.smooth / 4)
        object.__setattr__(self, "box", box)

    def distance(self, block: Block) -> Field:
        """Give the smooth minimum of the shapes' distances."""
        distance = np.full(block.shape, FAR, np.float32)
        for shape in self.shapes:
            index = block.index_of(shape.box.grown(_REACH + self.smooth))
            if index is not None:
                distance[index] = _smooth_minimum(distance[index], shape.distance(block.part(index)), self.smooth)
        return distance


def _smooth_minimum(first: Field, second: Field, smooth: float) -> Field:
    """Give the polynomial smooth minimum; the plain one for smooth = 0."""
    if smooth == 0:
        return np.minimum(first, second)
    near = np.maximum(np.float32(smooth) - np.abs(first - second), 0) / np.float32(smooth)
    lowest: Field = np.minimum(first, second) - near * near * np.float32(smooth / 4)
    return lowest


@dataclass(frozen=True, slots=True)
class Clip:
    """A shape's part inside another one."""

    shape: Shape
    inside: Shape
    smooth: float = 0.0

    @property
    def box(self) -> Box:
        """The shape's box."""
        return self.shape.box

    def distance(self, block: Block) -> Field:
        """Give the smooth maximum of both distances."""
        return -_smooth_minimum(-self.shape.distance(block), -self.inside.distance(block), self.smooth)


@dataclass(frozen=True, slots=True)
class Cut:
    """A shape's part outside another one."""

    shape: Shape
    outside: Shape
    smooth: float = 0.0

    @property
    def box(self) -> Box:
        """The shape's box."""
        return self.shape.box

    def distance(self, block: Block) -> Field:
        """Give the smooth maximum of the distance and the other's negative distance."""
        return -_smooth_minimum(-self.shape.distance(block), self.outside.distance(block), self.smooth)


@dataclass(frozen=True, slots=True)
class Wobble:
    """A shape with a lumpy surface.

    Parameters
    ----------
    amplitude : mm by which the surface moves at most.
    wavelength : mm from lump to lump.
    phases : radians, three for the long wave and three for one of half its length.
    """

    shape: Shape
    amplitude: float
    wavelength: float
    phases: tuple[float, ...]

    @property
    def box(self) -> Box:
        """A box that holds the lumps."""
        return self.shape.box.grown(self.amplitude)

    def distance(self, block: Block) -> Field:
        """Give the shape's distance plus two waves."""
        wave = np.float32(2 * np.pi / self.wavelength)
        a, b, c, d, e, f = (np.float32(phase) for phase in self.phases)
        long = np.sin(wave * block.x + a) + np.sin(wave * block.y + b) + np.sin(wave * block.z + c)
        short = np.sin(2 * wave * (block.x + block.y) + d) * np.sin(2 * wave * (block.z - block.y) + e + f)
        distance: Field = self.shape.distance(block) + np.float32(self.amplitude / 4) * (long + short)
        return distance


@dataclass(frozen=True, slots=True)
class Tilt:
    """A half space: everything behind a plane through a point, seen along the plane's unit normal."""

    point: Point
    normal: Point

    @property
    def box(self) -> Box:
        """All of space."""
        return Box((-FAR, -FAR, -FAR), (FAR, FAR, FAR))

    def distance(self, block: Block) -> Field:
        """Give the exact distance from the plane."""
        nx, ny, nz = (np.float32(value) for value in self.normal)
        offset = np.float32(np.dot(self.point, self.normal))
        distance: Field = nx * block.x + ny * block.y + nz * block.z - offset
        return distance


def tube(points: Sequence[Point], radii: Sequence[float], smooth: float = 0.0) -> Blend:
    """Give a tube along a line of points with a radius at each."""
    return Blend(
        tuple(Segment(points[n], points[n + 1], radii[n], radii[n + 1]) for n in range(len(points) - 1)),
        smooth,
    )
