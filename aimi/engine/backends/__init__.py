"""What runs a network: each backend turns a fold's weights into a function from a tile to its outputs.

The function takes (channels, z, y, x) and gives (heads, z, y, x), float32; what it gives may be overwritten by its next
call. One that runs where memory is its own may also keep the sums of its outputs there: a :class:`SummingFunction`.
"""

# ruff: noqa: PLC0415 - backends are imported only where they run

import importlib.util
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol, TypeAlias, runtime_checkable

import numpy as np
import numpy.typing as npt

from aimi.engine.network import Network
from aimi.errors import UsageError
from aimi.image import Note

__all__ = [
    "DEVICES",
    "PRECISIONS",
    "Backend",
    "DeviceSums",
    "Place",
    "SummingFunction",
    "TileFunction",
    "Weights",
    "computes_in_bf16",
    "open_backend",
]

Weights: TypeAlias = Mapping[str, npt.NDArray[Any]]
Array = npt.NDArray[np.float32]
TileFunction: TypeAlias = Callable[[Array], Array]
Place: TypeAlias = tuple[slice, ...]
"""Of a tile in the sums: (heads, z, y, x)."""

DEVICES = ("auto", "cpu", "cuda", "cpu-torch")
PRECISIONS = ("f32", "bf16")

_GPU_FILES = (Path("/dev/nvidiactl"), Path("/dev/dxg"))


class DeviceSums(Protocol):
    """Sums of weighted outputs on the device that runs the tiles."""

    def add(self, tile: Array, along: tuple[int, ...], place: Place) -> bool:
        """Run a tile and add its outputs, turned back along axes; say whether memory sufficed.

        If not, nothing of the tile was added and the sums were brought to the processor's memory as by :meth:`close`.
        """

    def close(self) -> None:
        """Bring the sums to the processor's memory."""


@runtime_checkable
class SummingFunction(Protocol):
    """A tile function that can keep the sums of its outputs on its device."""

    def open_sums(self, into: Array, weight: Array, tell: Callable[[Note], None]) -> DeviceSums | None:
        """Give sums on the device, which go on from those in the processor's memory; None if they belong there.

        Parameters
        ----------
        into : (heads, z, y, x): what the sums begin with, and where they are brought.
        weight : (z, y, x), of a tile's voxels.
        tell : called with what a reader should know of where the sums are kept.
        """


class Backend(Protocol):
    """Runs tiles on a device with a precision."""

    @property
    def device(self) -> str:
        """Where tiles run: ``cpu``, ``cuda`` or ``cpu-torch``."""

    @property
    def precision(self) -> str:
        """What values have there: ``f32``, ``bf16`` or ``f16``."""

    def compile(self, network: Network, weights: Weights) -> TileFunction:
        """Give the function of one fold."""


def open_backend(device: str, precision: str) -> tuple[Backend, tuple[Note, ...]]:
    """Give what runs tiles, and what a reader should know of the choice.

    Parameters
    ----------
    device : ``auto`` takes a GPU that torch can use, else the CPU through OpenVINO.

    Raises
    ------
    UsageError
        The device or precision is unknown, or the device is not there.
    """
    if device not in DEVICES or precision not in PRECISIONS:
        known = f"devices {', '.join(DEVICES)}; precisions {', '.join(PRECISIONS)}"
        raise UsageError(f"There is no device {device} with precision {precision}.", f"Known are: {known}.")
    if device == "cuda" and not _has_cuda():
        raise UsageError("No GPU can be used: none is there, or torch lacks CUDA.", "Use --device cpu.")
    if device == "cpu-torch" and importlib.util.find_spec("torch") is None:
        raise UsageError("torch is not installed.", "Use --device cpu, or install aimi[torch].")
    if device in ("cuda", "cpu-torch") or (device == "auto" and _has_cuda()):
        from aimi.engine.backends.torch_backend import TorchBackend

        backend = TorchBackend("cpu" if device == "cpu-torch" else "cuda")
        if precision != "bf16":
            return backend, ()
        used = backend.precision
        sentence = f"bf16 was asked for, but only the CPU through OpenVINO computes in bf16; the run used {used}."
        return backend, (Note(f"precision-{used}", sentence),)
    from aimi.engine.backends.openvino_backend import OpenVinoBackend, has_bf16

    if precision == "bf16" and not has_bf16():
        sentence = "bf16 was asked for, but this CPU does not compute in bf16; the run used f32."
        return OpenVinoBackend("f32"), (Note("precision-f32", sentence),)
    return OpenVinoBackend(precision), ()


def computes_in_bf16(device: str) -> bool:
    """Say whether a device computes in bfloat16 here: this CPU, through OpenVINO, does or does not; others never."""
    if device not in ("auto", "cpu") or (device == "auto" and _has_cuda()):
        return False
    from aimi.engine.backends.openvino_backend import has_bf16

    return has_bf16()


def _has_cuda() -> bool:
    # torch takes seconds to import: look for a GPU first
    if not any(path.exists() for path in _GPU_FILES) or importlib.util.find_spec("torch") is None:
        return False
    import torch

    return bool(torch.cuda.is_available())
