"""Tiles through OpenVINO: a CPU run that needs no torch.

The graph is built from OpenVINO's own operators. Its instance norm sums a whole tile in one float32 sum and is off by
5e-5 at 128^3, which grows to 6e-3 through a network; here large tiles are averaged in two stages of average pooling,
which keeps the logits within 5e-5 (figures: 31 M parameters, random weights, avx512).

Where the package openvino_telemetry is installed, importing OpenVINO writes an identifier into the home folder and
reports the import over the network. Nothing may leave a machine that holds patients' images: the package is kept out,
and OpenVINO takes its own stub for it (OpenVINO 2026.4.1, ``tools/ovc/telemetry_utils.py``).
"""

# ruff: noqa: PLC0415 - OpenVINO is imported only when it runs tiles

import contextlib
import functools
import sys
from collections.abc import Callable, Iterator
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
from aimi.engine.resampling import Shape
from aimi.errors import ResourceError

__all__ = ["OpenVinoBackend", "has_bf16"]

_LARGE = 8**3
_POOL = 8
_NO_MEMORY = ("Failed to allocate", "bad_alloc", "out of memory")

sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]  # None: it cannot be imported


@functools.cache
def _core() -> Any:  # noqa: ANN401 - openvino is untyped here
    import openvino

    return openvino.Core()


def has_bf16() -> bool:
    """Say whether this CPU computes in bfloat16."""
    return "BF16" in _core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")


class OpenVinoBackend:
    """Runs tiles on the CPU.

    Parameters
    ----------
    precision : ``f32`` or ``bf16``.
    """

    def __init__(self, precision: str) -> None:
        self.device = "cpu"
        self.precision = precision

    def compile(self, network: Network, weights: Weights) -> TileFunction:
        """Build the graph of a fold, compile it and give its function."""
        settings = {"INFERENCE_PRECISION_HINT": self.precision, "PERFORMANCE_HINT": "LATENCY"}
        with _told_memory():
            compiled = _core().compile_model(_graph(network, weights), "CPU", settings)
            return functools.partial(_run, compiled.create_infer_request())


@contextlib.contextmanager
def _told_memory() -> Iterator[None]:
    """Tell that memory did not suffice as that; OpenVINO has one kind of error for everything."""
    try:
        yield
    except RuntimeError as error:
        if not any(words in str(error) for words in _NO_MEMORY):
            raise
        raise ResourceError(
            "There is not enough memory for the network.", "Free memory, or run it on a larger machine."
        ) from error


def _run(request: Any, tile: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:  # noqa: ANN401 - openvino is untyped
    with _told_memory():
        request.infer([np.ascontiguousarray(tile)[None]], share_inputs=True)
    result: npt.NDArray[np.float32] = request.get_output_tensor(0).data[0]
    return result


def _graph(network: Network, weights: Weights) -> Any:  # noqa: ANN401
    import openvino
    from openvino import opset15

    tile = opset15.parameter([1, network.channels, *network.patch], np.float32)
    values = [tile]
    for layer in network.layers:
        values.append(_node(layer, values, weights))
    return openvino.Model([opset15.result(values[-1])], [tile], "network")


def _node(layer: Layer, values: list[Any], weights: Weights) -> Any:  # noqa: ANN401, PLR0911 - one per layer
    from openvino import opset15

    if isinstance(layer, Convolution):
        node = opset15.convolution(
            values[layer.source],
            _constant(weights[layer.weight]),
            layer.stride,
            layer.padding,
            layer.padding,
            (1, 1, 1),
        )
        return _plus(node, layer.bias, weights)
    if isinstance(layer, TransposedConvolution):
        kernel = _constant(weights[layer.weight])
        return _plus(opset15.convolution_backprop_data(values[layer.source], kernel, layer.stride), layer.bias, weights)
    if isinstance(layer, InstanceNorm):
        return _norm(values[layer.source], layer, weights)
    if isinstance(layer, LeakyRectifier):
        return opset15.prelu(values[layer.source], np.array([layer.slope], np.float32))
    if isinstance(layer, AveragePool):
        return _pool(values[layer.source], layer.stride)
    if isinstance(layer, Concatenation):
        return opset15.concat([values[layer.first], values[layer.second]], 1)
    if isinstance(layer, Addition):
        return opset15.add(values[layer.first], values[layer.second])
    return opset15.softmax(values[layer.source], 1)


def _constant(array: npt.NDArray[Any]) -> Any:  # noqa: ANN401
    import openvino

    # shared: the graph reads the mapped file, compilation makes its own packed copy
    return openvino.op.Constant(np.require(array, np.float32, ("C", "W")), shared_memory=True)


def _per_channel(array: npt.NDArray[Any]) -> Any:  # noqa: ANN401
    return _constant(np.asarray(array, np.float32).reshape(1, -1, 1, 1, 1))


def _plus(node: Any, bias: str | None, weights: Weights) -> Any:  # noqa: ANN401
    from openvino import opset15

    return node if bias is None else opset15.add(node, _per_channel(weights[bias]))


def _pool(node: Any, window: Shape) -> Any:  # noqa: ANN401
    from openvino import opset15

    return opset15.avg_pool(node, window, (0, 0, 0), (0, 0, 0), window, exclude_pad=True)


def _norm(node: Any, layer: InstanceNorm, weights: Weights) -> Any:  # noqa: ANN401
    from openvino import opset15

    size = tuple(int(length) for length in node.output(0).get_shape()[2:])
    if np.prod(size) < _LARGE:
        normal = opset15.mvn(node, np.array([2, 3, 4]), True, layer.epsilon, "inside_sqrt")
    else:
        average = _two_stage_average((size[0], size[1], size[2]))
        centred = opset15.subtract(node, average(node))
        variance = average(opset15.multiply(centred, centred))
        deviation = opset15.sqrt(opset15.add(variance, np.float32(layer.epsilon)))
        normal = opset15.divide(centred, deviation)
    if layer.weight is not None:
        normal = opset15.multiply(normal, _per_channel(weights[layer.weight]))
    return _plus(normal, layer.bias, weights)


def _two_stage_average(size: Shape) -> Callable[[Any], Any]:
    """Give the mean over a tile as the mean of block means; all blocks are equal, so it is exact."""
    first, second, third = (max(step for step in range(1, _POOL + 1) if length % step == 0) for length in size)
    blocks = (first, second, third)
    rest = (size[0] // first, size[1] // second, size[2] // third)
    return lambda node: _pool(_pool(node, blocks), rest)
