"""What a run will need, known before it starts.

The estimate adds the arrays that a run holds and the largest set of values that are live at once in the network. It was
checked against the peaks of whole applications through OpenVINO (``tools/measure_resources.py``): it must be what they
took, or up to a fifth more.
"""

from dataclasses import dataclass
from pathlib import Path

from aimi.engine.network import (
    AveragePool,
    Concatenation,
    Convolution,
    Network,
    TransposedConvolution,
)
from aimi.engine.resampling import Shape
from aimi.errors import ResourceError

__all__ = ["Need", "Voxels", "available_memory", "check_memory", "live_values", "need_of"]

_BASE = 300 << 20
"""Bytes of the interpreter with its libraries."""

_RUNTIME = 100 << 20
"""What OpenVINO takes beside weights and values: 80 to 105 MiB were measured for networks of 31 and 45 M parameters."""

_FLOAT = 4


@dataclass(frozen=True, slots=True)
class Need:
    """Bytes that a run takes at its peak.

    Parameters
    ----------
    image : the channels as given and as the network sees them, and the labels given back.
    network : weights of one fold as mapped and as packed, live values, and what surrounds a tile.
    sums : of the outputs, and the labels of each fold.
    preparing : what preprocessing takes beside the images; it is gone before the network runs.
    exporting : outputs and what picking labels of them takes; the network is gone by then.
    cleaning : what a model's own postprocessing takes beside the labels; the outputs are gone by then.
    """

    image: int
    network: int
    sums: int
    preparing: int = 0
    exporting: int = 0
    cleaning: int = 0

    @property
    def total(self) -> int:
        """All together, with the program itself."""
        return _BASE + self.image + max(self.network + self.sums, self.preparing, self.exporting, self.cleaning)


def live_values(network: Network) -> int:
    """Give the largest number of values that are live at once while a tile runs."""
    last = {source: index for index, layer in enumerate(network.layers) for source in network.sources(layer)}
    shapes: dict[int, tuple[int, Shape]] = {0: (network.channels, network.patch)}
    largest = 0
    for index, layer in enumerate(network.layers):
        features, shape = shapes[network.sources(layer)[0]]
        if isinstance(layer, Convolution):
            features, shape = network.weights[layer.weight][0], _shrunk(shape, layer.stride)
        elif isinstance(layer, TransposedConvolution):
            features, shape = network.weights[layer.weight][1], _grown(shape, layer.stride)
        elif isinstance(layer, Concatenation):
            features += shapes[layer.second][0]
        elif isinstance(layer, AveragePool):
            shape = _shrunk(shape, layer.stride)
        shapes[index + 1] = (features, shape)
        largest = max(largest, sum(count * _product(size) for count, size in shapes.values()))
        for value in [value for value in shapes if last.get(value, len(network.layers)) <= index]:
            del shapes[value]
    return largest


def _shrunk(shape: Shape, stride: Shape) -> Shape:
    return -(-shape[0] // stride[0]), -(-shape[1] // stride[1]), -(-shape[2] // stride[2])


def _grown(shape: Shape, stride: Shape) -> Shape:
    return shape[0] * stride[0], shape[1] * stride[1], shape[2] * stride[2]


def _product(shape: tuple[int, ...]) -> int:
    result = 1
    for length in shape:
        result *= length
    return result


@dataclass(frozen=True, slots=True)
class Voxels:
    """How many voxels a run has to do with.

    Parameters
    ----------
    image : of one channel as given.
    resampled : of one channel when it comes to the plans: the same, or at the one spacing of TotalSegmentator.
    network : of the network's grid, padded to a tile.
    """

    image: int
    resampled: int
    network: int


def need_of(
    network: Network,
    voxels: Voxels,
    *,
    bytes_per_value: int,
    sums: int,
    kept_labels: int,
    preparing: int = 0,
    exporting: int = 0,
    cleaning: int = 0,
) -> Need:
    """Estimate a run.

    Parameters
    ----------
    bytes_per_value : of the network's values, 4 or 2.
    sums : number of sums of all outputs that are held at once.
    kept_labels : labels of folds that are kept, in voxels.
    preparing : bytes that preprocessing takes beside the image and what the network sees.
    exporting : bytes that picking labels takes beside the outputs of one sum.
    cleaning : bytes that postprocessing takes beside the labels.
    """
    weights = sum(_product(shape) for shape in network.weights.values()) * _FLOAT
    tile = _product(network.patch) * _FLOAT
    around = tile * (network.channels + 2 * network.heads + 1)  # tile, outputs, weighted outputs, weights of its voxels
    seen = voxels.network * network.channels * _FLOAT
    return Need(
        image=voxels.image * (network.channels * _FLOAT + 1) + seen,
        network=2 * weights + live_values(network) * bytes_per_value + around + _RUNTIME,
        sums=voxels.network * _FLOAT * network.heads * sums + kept_labels,
        preparing=voxels.resampled * network.channels * _FLOAT + preparing,
        exporting=voxels.network * _FLOAT * network.heads + kept_labels + exporting,
        cleaning=cleaning,
    )


def available_memory() -> int | None:
    """Give the bytes that this process may still take, of the machine and of its control group; None if unknown."""
    found = [value for value in (_machine(), _control_group()) if value is not None]
    return min(found, default=None)


def _machine() -> int | None:
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) << 10 for line in lines if line.startswith("MemAvailable:")), None)


def _control_group(root: Path = Path("/sys/fs/cgroup")) -> int | None:
    """Give what a control group leaves, of version 2 or 1: a container engine sets its memory limit through it."""
    left = _left(root, limit="memory.max", used="memory.current", cached="inactive_file")
    if left is None:
        names = {"limit": "memory.limit_in_bytes", "used": "memory.usage_in_bytes", "cached": "total_inactive_file"}
        left = _left(root / "memory", **names)
    return left


def _left(group: Path, *, limit: str, used: str, cached: str) -> int | None:
    """Give limit less use of a group; cached files are given back when needed, so they are no use."""
    try:
        allowed = (group / limit).read_text(encoding="ascii").strip()
        taken = int((group / used).read_text(encoding="ascii"))
        statistics = (group / "memory.stat").read_text(encoding="ascii").split()
        taken -= int(statistics[statistics.index(cached) + 1])
    except (OSError, ValueError):
        return None
    return int(allowed) - taken if allowed.isdigit() else None


def check_memory(need: Need, limit: int | None) -> None:
    """Refuse a run that will not fit.

    Parameters
    ----------
    limit : bytes that the user allows; None means what the machine has.

    Raises
    ------
    ResourceError
        With what is needed and what there is.
    """
    if limit is not None and need.total > limit:
        message = f"The run needs about {_gigabytes(need.total)}, more than the {_gigabytes(limit)} that are allowed."
        raise ResourceError(message, "Raise --max-memory, or use a region or a smaller image.")
    free = available_memory()
    if free is not None and need.total - _BASE > free:
        message = f"The run needs about {_gigabytes(need.total)}; {_gigabytes(free)} of memory are available."
        raise ResourceError(message, "Free memory, or run it on a larger machine.")


def _gigabytes(count: int) -> str:
    return f"{count / (1 << 30):.2f} GiB"
