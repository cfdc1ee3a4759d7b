from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nnunetv2.inference.sliding_window_prediction import compute_gaussian, compute_steps_for_sliding_window
from torch import device, float32

from aimi.engine.backends import TileFunction
from aimi.engine.folds import mirrorings_of
from aimi.engine.sliding_window import Tiling, accumulate, make_tiling, normalize

LENGTHS = st.integers(3, 40)
SHAPES = st.tuples(LENGTHS, LENGTHS, LENGTHS)
PATCHES = st.tuples(*[st.integers(2, 12)] * 3)


def run(
    tiling: Tiling,
    image: npt.NDArray[np.float32],
    function: TileFunction,
    mirrorings: Sequence[tuple[int, ...]] = ((),),
) -> npt.NDArray[np.float32]:
    total = np.zeros((1, *tiling.shape), np.float32)
    padded = tiling.pad(image)
    accumulate(function, padded, tiling, total, mirrorings=mirrorings, done=lambda: None, tell=lambda _: None)
    normalize(total, tiling, 1)
    return total[(slice(None), *tiling.inside)]


@given(SHAPES, PATCHES, st.sampled_from([0.3, 0.5, 0.8, 1.0]))
def test_tiles_lie_where_nnunet_lays_them(
    shape: tuple[int, int, int], patch: tuple[int, int, int], step: float
) -> None:
    padded = tuple(map(max, shape, patch))
    rows = compute_steps_for_sliding_window(padded, patch, step)
    expected = {(a, b, c) for a in rows[0] for b in rows[1] for c in rows[2]}
    assert set(make_tiling(shape, patch, step).starts) == expected


@given(PATCHES)
def test_weights_are_those_of_nnunet(patch: tuple[int, int, int]) -> None:
    theirs = compute_gaussian(patch, 1 / 8, dtype=float32, device=device("cpu")).numpy()
    first, second, third = make_tiling(patch, patch, 0.5).weight
    np.testing.assert_allclose(first[:, None, None] * second[:, None] * third, theirs, rtol=1e-5, atol=1e-12)


@settings(deadline=None)
@given(SHAPES, PATCHES)
def test_a_function_of_single_voxels_comes_back_unchanged(
    shape: tuple[int, int, int], patch: tuple[int, int, int]
) -> None:
    image = np.random.default_rng(0).normal(size=(1, *shape)).astype(np.float32)
    result = run(make_tiling(shape, patch, 0.5), image, lambda tile: tile * 2 + 1)
    np.testing.assert_allclose(result, image * 2 + 1, rtol=1e-5, atol=1e-5)


def test_total_of_weights_is_the_sum_over_tiles() -> None:
    tiling = make_tiling((20, 17, 9), (8, 8, 8), 0.5)
    expected = np.zeros(tiling.shape)
    first, second, third = tiling.weight
    for start in tiling.starts:
        box = tuple(slice(low, low + 8) for low in start)
        expected[box] += first[:, None, None] * second[:, None] * third
    first, second, third = tiling.total
    np.testing.assert_allclose(first[:, None, None] * second[:, None] * third, expected, rtol=1e-5)


@settings(deadline=None, max_examples=40)
@given(SHAPES, PATCHES, st.integers(0, 1000))
def test_region_has_the_same_bits_when_other_tiles_are_skipped(
    shape: tuple[int, int, int], patch: tuple[int, int, int], seed: int
) -> None:
    rng = np.random.default_rng(seed)
    image = rng.normal(size=(1, *shape)).astype(np.float32)
    region = rng.random(shape) < 0.01

    def network(tile: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        return np.asarray((tile - tile.mean()) * tile.std())

    whole = run(make_tiling(shape, patch, 0.5), image, network)
    part = run(make_tiling(shape, patch, 0.5, region), image, network)
    np.testing.assert_array_equal(part[0][region], whole[0][region])


def test_tiles_far_from_a_region_are_not_run() -> None:
    region = np.zeros((64, 64, 64), np.bool_)
    region[5, 5, 5] = True
    assert len(make_tiling((64, 64, 64), (16, 16, 16), 0.5, region).starts) == 1


@pytest.mark.parametrize(("axes", "count"), [((), 1), ((2,), 2), ((0, 1), 4), ((0, 1, 2), 8)])
def test_every_set_of_axes_is_mirrored_once(axes: tuple[int, ...], count: int) -> None:
    assert len(set(mirrorings_of(axes))) == count


def test_mirrored_passes_are_averaged_in_place() -> None:
    image = np.arange(8, dtype=np.float32).reshape(1, 2, 2, 2)
    ramp = np.arange(8, dtype=np.float32).reshape(1, 2, 2, 2)
    result = run(make_tiling((2, 2, 2), (2, 2, 2), 0.5), image, lambda tile: tile * 0 + ramp, mirrorings_of((2,)))
    np.testing.assert_allclose(result, (ramp + ramp[..., ::-1]) / 2, rtol=1e-6)
