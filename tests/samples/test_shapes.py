"""Shapes against formulas."""

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aimi.samples.shapes import Blend, Block, Box, Clip, Cut, Ellipsoid, Segment, Shape, Tilt, rotation, tube

ANGLES = st.floats(-60, 60)


def grid(step: float = 2.0, count: int = 40, turn: npt.NDArray[np.float64] | None = None) -> Block:
    """Give a cube of points around the origin."""
    affine = np.eye(4)
    affine[:3, :3] = (np.eye(3) if turn is None else turn)[:, ::-1] * step
    affine[:3, 3] = -affine[:3, :3].sum(axis=1) * (count - 1) / 2
    return Block.of(affine, (0, 0, 0), (count, count, count))


def volume(shape: Shape, block: Block, step: float = 2.0) -> float:
    return float((shape.distance(block) < 0).sum()) * step**3


def test_sphere_distance_is_exact() -> None:
    block = grid()
    expected = np.sqrt((block.x - 3) ** 2 + (block.y + 5) ** 2 + block.z**2) - 20
    assert np.abs(Ellipsoid((3, -5, 0), (20, 20, 20)).distance(block) - expected).max() < 0.01


@settings(max_examples=10, deadline=None)
@given(x=ANGLES, y=ANGLES, z=ANGLES)
def test_ellipsoid_keeps_its_volume_however_it_and_the_grid_are_turned(x: float, y: float, z: float) -> None:
    shape = Ellipsoid((1, 2, -3), (15, 22, 30), rotation(x, y, z))
    assert volume(shape, grid(turn=rotation(z, x, y))) == pytest.approx(4 / 3 * np.pi * 15 * 22 * 30, rel=0.02)


def test_ellipsoid_surface_is_where_the_formula_says() -> None:
    block = grid()
    inside = (block.x / 12) ** 2 + (block.y / 20) ** 2 + (block.z / 30) ** 2 < 1
    assert np.array_equal(Ellipsoid((0, 0, 0), (12, 20, 30)).distance(block) < 0, inside)


def test_rod_of_equal_radii_has_the_volume_of_cylinder_and_sphere() -> None:
    rod = Segment((-15, 0, 0), (15, 0, 0), 12, 12)
    assert volume(rod, grid()) == pytest.approx(np.pi * 144 * 30 + 4 / 3 * np.pi * 1728, rel=0.02)


def test_tube_joins_its_rods() -> None:
    bent = tube(((-20, 0, 0), (0, 0, 0), (0, 20, 0)), (5, 5, 5))
    joint = Block.of(np.eye(4), (0, 0, 0), (1, 1, 1))
    assert bent.distance(joint)[0, 0, 0] == pytest.approx(-5)


def test_blend_swells_where_shapes_meet_and_only_there() -> None:
    pair = (Ellipsoid((-12, 0, 0), (12, 12, 12)), Ellipsoid((12, 0, 0), (12, 12, 12)))
    block = grid(count=60)
    plain, smooth = Blend(pair).distance(block), Blend(pair, 8.0).distance(block)
    assert (smooth <= plain).all()
    assert np.allclose(smooth[plain < -10], plain[plain < -10])
    assert ((smooth < 0) & (plain > 0)).any()


def test_clip_and_cut_share_a_shape_out() -> None:
    ball, half, block = Ellipsoid((0, 0, 0), (20, 20, 20)), Tilt((0, 4, 0), (0, 1, 0)), grid()
    kept, removed = Clip(ball, half).distance(block) < 0, Cut(ball, half).distance(block) < 0
    assert not (kept & removed).any()
    assert np.array_equal(kept | removed, ball.distance(block) < 0)


@settings(max_examples=15, deadline=None)
@given(x=ANGLES, y=ANGLES, z=ANGLES, side=st.floats(2, 30))
def test_part_for_a_box_holds_every_point_of_the_box(x: float, y: float, z: float, side: float) -> None:
    block = grid(step=3.0, count=20, turn=rotation(x, y, z))
    box = Box((-side, -5, -2), (4, side, side))
    inside = np.ones(block.shape, bool)
    for axis, values in enumerate((block.x, block.y, block.z)):
        inside &= (values >= box.low[axis]) & (values <= box.high[axis])
    index = block.index_of(box)
    assert index is not None
    inside[index] = False
    assert not inside.any()


def test_box_beyond_the_grid_has_no_part() -> None:
    assert grid().index_of(Box((200, 200, 200), (210, 210, 210))) is None


def test_rotation_turns_x_to_y_about_z() -> None:
    assert np.allclose(rotation(z=90) @ (1, 0, 0), (0, 1, 0))
    assert np.allclose(rotation(y=90) @ (0, 0, 1), (1, 0, 0))
    assert np.allclose(rotation(x=90) @ (0, 1, 0), (0, 0, 1))
