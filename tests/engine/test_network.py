"""Both backends run the layers that the plans describe, with the numbers of torch's own modules."""

import subprocess
import sys

import numpy as np
import numpy.typing as npt
import pytest
import torch

from aimi.engine.backends import Backend
from aimi.engine.backends.openvino_backend import OpenVinoBackend
from aimi.engine.backends.torch_backend import TorchBackend
from aimi.engine.network import (
    Addition,
    AveragePool,
    Concatenation,
    Convolution,
    InstanceNorm,
    Layer,
    LeakyRectifier,
    Network,
    Softmax,
    TransposedConvolution,
)
from tests.engine.test_memory import make_network

BACKENDS = [OpenVinoBackend("f32"), TorchBackend("cpu")]
SHAPE = (6, 8, 10)


def run(
    backend: Backend,
    layers: tuple[Layer, ...],
    weights: dict[str, npt.NDArray[np.float32]],
    shape: tuple[int, int, int],
) -> tuple[npt.NDArray[np.float32], torch.Tensor]:
    """Give what a backend makes of a random tile of two channels, and the tile."""
    tile = np.random.default_rng(0).normal(size=(2, *shape)).astype(np.float32)
    network = Network(layers, {name: array.shape for name, array in weights.items()}, 2, 2, shape)
    return backend.compile(network, weights)(tile).copy(), torch.from_numpy(tile)[None]


def make_weights(**shapes: tuple[int, ...]) -> dict[str, npt.NDArray[np.float32]]:
    rng = np.random.default_rng(1)
    return {name: rng.normal(size=shape).astype(np.float32) for name, shape in shapes.items()}


@pytest.mark.parametrize("backend", BACKENDS)
def test_convolution_with_stride_and_unequal_kernel(backend: Backend) -> None:
    weights = make_weights(w=(4, 2, 1, 3, 3), b=(4,))
    ours, tile = run(backend, (Convolution(0, "w", "b", (1, 2, 2), (0, 1, 1)),), weights, SHAPE)
    kernel, bias = torch.from_numpy(weights["w"]), torch.from_numpy(weights["b"])
    theirs = torch.nn.functional.conv3d(tile, kernel, bias, (1, 2, 2), (0, 1, 1))
    np.testing.assert_allclose(ours, theirs[0], atol=1e-5)


@pytest.mark.parametrize("backend", BACKENDS)
def test_transposed_convolution(backend: Backend) -> None:
    weights = make_weights(w=(2, 3, 1, 2, 2), b=(3,))
    ours, tile = run(backend, (TransposedConvolution(0, "w", "b", (1, 2, 2)),), weights, SHAPE)
    kernel, bias = torch.from_numpy(weights["w"]), torch.from_numpy(weights["b"])
    theirs = torch.nn.functional.conv_transpose3d(tile, kernel, bias, (1, 2, 2))
    np.testing.assert_allclose(ours, theirs[0], atol=1e-5)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("shape", [(2, 3, 2), (6, 8, 10), (16, 16, 16), (13, 16, 11)])
def test_instance_norm(backend: Backend, shape: tuple[int, int, int]) -> None:
    weights = make_weights(w=(2,), b=(2,))
    ours, tile = run(backend, (InstanceNorm(0, "w", "b", 1e-5),), weights, shape)
    scale, shift = torch.from_numpy(weights["w"]), torch.from_numpy(weights["b"])
    theirs = torch.nn.functional.instance_norm(tile, weight=scale, bias=shift)
    np.testing.assert_allclose(ours, theirs[0], atol=1e-5)


@pytest.mark.parametrize("backend", BACKENDS)
def test_branches_are_joined_and_added(backend: Backend) -> None:
    layers = (
        LeakyRectifier(0, 0.01),
        Addition(0, 1),
        AveragePool(2, (2, 2, 1)),
        Concatenation(3, 3),
        Softmax(4),
    )
    ours, tile = run(backend, layers, {}, SHAPE)
    pooled = torch.nn.functional.avg_pool3d(tile + torch.nn.functional.leaky_relu(tile, 0.01), (2, 2, 1), (2, 2, 1))
    np.testing.assert_allclose(ours, torch.softmax(torch.cat((pooled, pooled), 1), 1)[0], atol=1e-6)


def test_norm_of_a_large_tile_keeps_single_precision() -> None:
    # one float32 sum over two million values is off by 5e-5 (OpenVINO's own norm)
    ours, tile = run(OpenVinoBackend("f32"), (InstanceNorm(0, None, None, 1e-5),), {}, (128, 128, 128))
    exact = torch.nn.functional.instance_norm(tile.double())
    assert np.abs(ours - exact[0].numpy()).max() < 4e-6  # 8 units in the last place at 4


def test_large_tile_through_a_network_is_within_1e_4_of_double_precision() -> None:
    network = make_network(128, (2, 4))
    rng = np.random.default_rng(2)
    weights = {name: rng.normal(scale=0.5, size=shape).astype(np.float32) for name, shape in network.weights.items()}
    tile = rng.normal(size=(1, 128, 128, 128)).astype(np.float32)
    ours = OpenVinoBackend("f32").compile(network, weights)(tile)
    exact = TorchBackend("cpu", "f64").compile(network, weights)(tile)
    assert np.abs(ours - exact).max() < 1e-4


def test_only_the_finest_head_and_one_name_per_storage_are_read() -> None:
    names = make_network(16, (2, 4, 8)).weights
    assert "decoder.seg_layers.1.weight" in names
    assert not [name for name in names if "seg_layers.0" in name or "all_modules" in name or "decoder.encoder" in name]


def test_memory_that_does_not_suffice_is_told_as_that() -> None:
    command = [sys.executable, "-m", "tests.engine.little_memory"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.stdout.startswith("told: There is not enough memory for the network."), done.stderr[-500:]
