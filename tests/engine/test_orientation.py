import itertools

import numpy as np
import pytest
from nibabel.orientations import io_orientation

from aimi.engine.orientation import AxisChange, Orientation, axis_change

SIGNED_AXES = [
    (order, signs) for order in itertools.permutations(range(3)) for signs in itertools.product((1.0, -1.0), repeat=3)
]


def affine_of(order: tuple[int, ...], signs: tuple[float, ...]) -> np.ndarray:
    affine = np.eye(4)
    affine[:3, :3] = 0.0
    for axis, (world, sign) in enumerate(zip(order, signs, strict=True)):
        affine[world, axis] = sign * (axis + 1.5)
    return affine


@pytest.mark.parametrize("orientation", list(Orientation))
@pytest.mark.parametrize(("order", "signs"), SIGNED_AXES)
def test_change_is_undone_exactly(orientation: Orientation, order: tuple[int, ...], signs: tuple[float, ...]) -> None:
    array = np.arange(60).reshape(3, 4, 5)
    change = axis_change(orientation, affine_of(order, signs))
    np.testing.assert_array_equal(change.revert(change.apply(array)), array)


@pytest.mark.parametrize(("order", "signs"), SIGNED_AXES)
def test_ras_axes_rise_to_superior_anterior_right(order: tuple[int, ...], signs: tuple[float, ...]) -> None:
    affine = affine_of(order, signs)
    positions = np.stack(np.meshgrid(*map(np.arange, (3, 4, 5)), indexing="ij"), -1) @ affine[:3, :3].T
    change = axis_change(Orientation.RAS, affine)
    x, y, z = (change.apply(positions[..., world]) for world in range(3))
    assert (np.diff(z, axis=0) > 0).all()
    assert (np.diff(y, axis=1) < 0).all()
    assert (np.diff(x, axis=2) < 0).all()


def test_ras_agrees_with_nibabel_on_obliques() -> None:
    rng = np.random.default_rng(3)
    for _ in range(50):
        rotation, _ = np.linalg.qr(rng.normal(size=(3, 3)))
        affine = np.eye(4)
        affine[:3, :3] = rotation * (3.0, 0.7, 0.8)
        change = axis_change(Orientation.RAS, affine)
        nifti = np.diag([-1.0, -1, 1, 1]) @ affine[:, [2, 1, 0, 3]]
        ours = np.zeros((3, 3))
        for axis, source in enumerate(change.order):
            ours[2 - source] = (2 - source, 2 - axis, -1 if axis in change.flipped else 1)
        np.testing.assert_array_equal(ours[:, 1:], io_orientation(nifti))  # type: ignore[no-untyped-call] # nibabel


def test_dcm2niix_flips_rows_only() -> None:
    change = axis_change(Orientation.DCM2NIIX, np.eye(4))
    array = np.arange(8).reshape(2, 2, 2)
    np.testing.assert_array_equal(change.apply(array), array[:, ::-1])


def test_spacing_follows_the_axes() -> None:
    assert AxisChange(order=(2, 0, 1), flipped=(1,)).spacing((5.0, 0.7, 0.8)) == (0.8, 5.0, 0.7)
