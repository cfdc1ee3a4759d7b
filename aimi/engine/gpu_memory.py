"""What a network will need of a GPU's memory, known before it runs.

One fold is live at a time. While a tile runs there are the fold's weights in float32, the copies in half precision that
autocast makes of them, the values that later layers still read, and the workspace of cuDNN. Afterwards there are the
tile's outputs, turned back and weighted. The sums of all tiles come on top where they are kept on the GPU.

Nothing of this was measured on a GPU. The values follow from the order of the layers, and a test holds them to what
torch allocates on a CPU; workspace and CUDA itself are allowances.
"""

import math
from dataclasses import dataclass

from aimi.engine.memory import live_values
from aimi.engine.network import Network

__all__ = ["MOST", "GpuNeed", "gpu_need"]

MOST = 8_000_000_000
"""Bytes of a GPU that a run takes at most while it has a choice; the applications ask for a little more (8Gi)."""

_CUDA = 512 << 20
"""What CUDA and its libraries take beside weights and values."""

_FLOAT, _HALF = 4, 2


@dataclass(frozen=True, slots=True)
class GpuNeed:
    """Bytes of GPU memory that a network takes at its peak, without the sums of its outputs.

    Parameters
    ----------
    weights : of one fold, float32.
    tile : what comes on top while a tile runs.
    """

    weights: int
    tile: int

    @property
    def total(self) -> int:
        """All together, with CUDA itself."""
        return _CUDA + self.weights + self.tile

    def leaves_room(self, sums: int, free: int) -> bool:
        """Say whether sums fit beside a tile.

        Parameters
        ----------
        sums, free : bytes; what is free with the weights loaded.
        """
        return self.tile + sums <= free and self.total + sums <= MOST


def gpu_need(network: Network, bytes_per_value: int = _HALF) -> GpuNeed:
    """Estimate one fold with one tile.

    cuDNN's kernels for tensor cores want channels last, so its workspace holds a layer's inputs and outputs once more:
    as much again as the live values is allowed for it.
    """
    parameters = sum(math.prod(shape) for shape in network.weights.values())
    voxels = math.prod(network.patch)
    values = live_values(network) * bytes_per_value
    outputs = voxels * network.heads * _FLOAT * 2  # turned back, beside as they came or weighted
    given = voxels * (network.channels + 1) * _FLOAT  # the tile, the weights of its voxels
    return GpuNeed(weights=parameters * _FLOAT, tile=parameters * _HALF + given + max(2 * values, outputs))
