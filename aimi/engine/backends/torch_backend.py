"""Tiles through torch: the road to CUDA, and a plain second opinion on a CPU.

On CUDA tiles run under fp16 autocast, as nnU-Net runs them.
"""

# ruff: noqa: PLC0415 - torch is imported only when it runs tiles

import functools
from typing import Any

import numpy as np
import numpy.typing as npt

from aimi.engine.backends import TileFunction, Weights
from aimi.engine.network import (
    Addition,
    AveragePool,
    Concatenation,
    Convolution,
    InstanceNorm,
    Layer,
    LeakyRectifier,
    Network,
    TransposedConvolution,
)

__all__ = ["TorchBackend"]


class TorchBackend:
    """Runs tiles through torch.

    Parameters
    ----------
    device : ``cpu`` or ``cuda``.
    precision : of a CPU run, ``f32`` or, to measure what that loses, ``f64``.
    """

    def __init__(self, device: str, precision: str = "f32") -> None:
        self._place = device
        self.device = "cuda" if device == "cuda" else "cpu-torch"
        self.precision = "f16" if device == "cuda" else precision

    def compile(self, network: Network, weights: Weights) -> TileFunction:
        """Put a fold's weights on the device and give its function."""
        import torch

        width = np.float64 if self.precision == "f64" else np.float32
        placed = {name: torch.from_numpy(np.array(weights[name], width)).to(self._place) for name in network.weights}
        return functools.partial(_run, network, placed, self._place, _last_uses(network))


def _last_uses(network: Network) -> list[list[int]]:
    """Give for each layer the values that no later layer reads."""
    last = {source: index for index, layer in enumerate(network.layers) for source in network.sources(layer)}
    return [[value for value, at in last.items() if at == index] for index in range(len(network.layers))]


def _run(
    network: Network, weights: dict[str, Any], device: str, finished: list[list[int]], tile: npt.NDArray[np.float32]
) -> npt.NDArray[np.float32]:
    import torch

    with torch.inference_mode(), torch.autocast("cuda", torch.float16, enabled=device == "cuda"):
        width = next(iter(weights.values())).dtype if weights else torch.float32
        values = {0: torch.from_numpy(np.ascontiguousarray(tile))[None].to(device, width)}
        for index, layer in enumerate(network.layers):
            values[index + 1] = _apply(layer, values, weights)
            for value in finished[index]:
                del values[value]
        result: npt.NDArray[np.float32] = values[len(network.layers)][0].to("cpu", torch.float32).numpy()
    return result


def _apply(layer: Layer, values: dict[int, Any], weights: dict[str, Any]) -> Any:  # noqa: ANN401, PLR0911 - one per layer
    import torch
    from torch.nn import functional

    def weight(name: str | None) -> Any:  # noqa: ANN401 - torch is untyped here
        return None if name is None else weights[name]

    if isinstance(layer, Convolution):
        source = values[layer.source]
        return functional.conv3d(source, weight(layer.weight), weight(layer.bias), layer.stride, layer.padding)
    if isinstance(layer, TransposedConvolution):
        source = values[layer.source]
        return functional.conv_transpose3d(source, weight(layer.weight), weight(layer.bias), layer.stride)
    if isinstance(layer, InstanceNorm):
        source = values[layer.source]
        return functional.instance_norm(source, weight=weight(layer.weight), bias=weight(layer.bias), eps=layer.epsilon)
    if isinstance(layer, LeakyRectifier):
        return functional.leaky_relu(values[layer.source], layer.slope)
    if isinstance(layer, AveragePool):
        return functional.avg_pool3d(values[layer.source], layer.stride, layer.stride)
    if isinstance(layer, Concatenation):
        return torch.cat((values[layer.first], values[layer.second]), 1)
    if isinstance(layer, Addition):
        return values[layer.first] + values[layer.second]
    return torch.softmax(values[layer.source], 1)
