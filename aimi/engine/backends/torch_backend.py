"""Tiles through torch: the road to CUDA, and a plain second opinion on a CPU.

On CUDA tiles run under fp16 autocast, as nnU-Net runs them, and the float32 sums of their outputs are kept on the GPU
where an estimate says that they fit. Where memory runs out all the same, the sums go to the processor's memory and the
tile is run again; both ways add the same numbers in the same order.
"""

# ruff: noqa: PLC0415 - torch is imported only when it runs tiles

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from aimi.engine.backends import Place, TileFunction, Weights
from aimi.engine.gpu_memory import gpu_need
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
from aimi.errors import ResourceError
from aimi.image import Note

__all__ = ["SUMS_ON_HOST", "Gpu", "TorchBackend"]

Array = npt.NDArray[np.float32]

SUMS_ON_HOST = Note(
    "gpu-memory",
    "GPU memory did not hold the sums of the network's outputs; they were kept in the processor's memory, which takes "
    "longer and gives the same labels.",
)

_NO_MEMORY = ("out of memory", "ALLOC_FAILED", "can't allocate memory")


class Gpu:
    """The memory of the GPU that torch uses."""

    def freed(self) -> int:
        """Give back what torch holds in its cache, and then the number of bytes that are free."""
        import torch

        with _out_of_memory_ignored():
            torch.cuda.empty_cache()
            return int(torch.cuda.mem_get_info()[0])
        return 0  # not even CUDA itself fits


@contextlib.contextmanager
def _out_of_memory_ignored() -> Iterator[None]:
    """End the block where memory runs out; go on behind it, where the error holds no values any more.

    torch has an error for its own allocations; libraries and CUDA itself tell theirs as any other.
    """
    import torch

    try:
        yield
    except RuntimeError as error:
        if not isinstance(error, torch.OutOfMemoryError) and not any(words in str(error) for words in _NO_MEMORY):
            raise


class TorchBackend:
    """Runs tiles through torch.

    Parameters
    ----------
    device : ``cpu`` or ``cuda``.
    precision : of a CPU run, ``f32`` or, to measure what that loses, ``f64``.
    gpu : whose memory counts; None is CUDA's, of a CPU run none.
    """

    def __init__(self, device: str, precision: str = "f32", gpu: Gpu | None = None) -> None:
        self._place = device
        self._gpu = Gpu() if gpu is None and device == "cuda" else gpu
        self.device = "cuda" if device == "cuda" else "cpu-torch"
        self.precision = "f16" if device == "cuda" else precision

    def compile(self, network: Network, weights: Weights) -> TileFunction:
        """Put a fold's weights on the device and give its function.

        Raises
        ------
        ResourceError
            Memory does not suffice.
        """
        import torch

        width = torch.float64 if self.precision == "f64" else torch.float32
        with _out_of_memory_ignored():
            placed = {name: torch.tensor(weights[name], dtype=width, device=self._place) for name in network.weights}
            return _Fold(network, placed, self._place, self._gpu)
        raise _too_large(network, self._gpu)


def _too_large(network: Network, gpu: Gpu | None, held: int = 0) -> ResourceError:
    """Give the error that says what is needed, and what is free or held already."""
    if gpu is None:
        return ResourceError(
            "There is not enough memory for the network.", "Free memory, or run it on a larger machine."
        )
    needed, left = (f"{count / (1 << 30):.2f} GiB" for count in (gpu_need(network).total, gpu.freed() + held))
    message = f"The GPU's memory does not hold the network: about {needed} are needed, {left} are free."
    return ResourceError(message, "Free memory on the GPU, or use --device cpu.")


class _Fold:
    """The function of a fold, whose weights are on the device."""

    def __init__(self, network: Network, weights: dict[str, Any], device: str, gpu: Gpu | None) -> None:
        self._network = network
        self._weights = weights
        self._finished = _last_uses(network)
        self.device = device
        self.gpu = gpu

    def __call__(self, tile: Array) -> Array:
        """Run a tile; where a GPU's memory runs out, again without torch's cache.

        Raises
        ------
        ResourceError
            Memory does not suffice.
        """
        with _out_of_memory_ignored():
            return self._on_host(tile)
        if self.gpu is not None:
            self.gpu.freed()
            with _out_of_memory_ignored():
                return self._on_host(tile)
        raise _too_large(self._network, self.gpu, held=gpu_need(self._network).weights)

    def _on_host(self, tile: Array) -> Array:
        import torch

        outputs: Array = self.run(tile).to("cpu", torch.float32).numpy()
        return outputs

    def open_sums(self, into: Array, weight: Array, tell: Callable[[Note], None]) -> "_Sums | None":
        """Give sums on the GPU if they fit there beside a tile."""
        if self.gpu is None:
            return None
        if gpu_need(self._network).leaves_room(into.nbytes, self.gpu.freed()):
            with _out_of_memory_ignored():
                return _Sums(self, into, weight, tell)
        tell(SUMS_ON_HOST)
        return None

    def run(self, tile: Array) -> Any:  # noqa: ANN401 - torch is untyped here
        """Give the outputs of a tile on the device, (heads, z, y, x)."""
        import torch

        network, weights = self._network, self._weights
        with torch.inference_mode(), torch.autocast("cuda", torch.float16, enabled=self.device == "cuda"):
            width = next(iter(weights.values())).dtype if weights else torch.float32
            values = {0: torch.from_numpy(np.ascontiguousarray(tile))[None].to(self.device, width)}
            for index, layer in enumerate(network.layers):
                values[index + 1] = _apply(layer, values, weights)
                for value in self._finished[index]:
                    del values[value]
            return values[len(network.layers)][0]


class _Sums:
    """Sums on the GPU."""

    def __init__(self, fold: _Fold, into: Array, weight: Array, tell: Callable[[Note], None]) -> None:
        import torch

        self._fold = fold
        self._into = into
        self._tell = tell
        self._weight = torch.from_numpy(weight).to(fold.device)
        self._sums = torch.from_numpy(into).to(fold.device, copy=True)

    def add(self, tile: Array, along: tuple[int, ...], place: Place) -> bool:
        """Run a tile and add its outputs."""
        import torch

        with _out_of_memory_ignored(), torch.inference_mode():
            # no names, which would hold the values; only the sum itself changes anything, and it takes no memory
            self._sums[place].add_(torch.flip(self._fold.run(tile), along) * self._weight)
            return True
        self.close()
        self._tell(SUMS_ON_HOST)
        return False

    def close(self) -> None:
        """Bring the sums to the processor's memory."""
        import torch

        torch.from_numpy(self._into).copy_(self._sums)
        del self._sums


def _last_uses(network: Network) -> list[list[int]]:
    """Give for each layer the values that no later layer reads."""
    last = {source: index for index, layer in enumerate(network.layers) for source in network.sources(layer)}
    return [[value for value, at in last.items() if at == index] for index in range(len(network.layers))]


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
