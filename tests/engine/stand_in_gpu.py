"""A GPU's memory, played on the processor: what torch allocates is counted, and what does not fit is refused.

Every value that torch makes counts until torch frees it; arrays of numpy that torch looks at do not.
"""

# torch's modes and weak references have no types
# mypy: disable-error-code="no-untyped-call"

from collections.abc import Callable
from typing import Any

import torch
from torch.multiprocessing.reductions import StorageWeakRef
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from aimi.engine.backends.torch_backend import Gpu

__all__ = ["StandInGpu"]


class StandInGpu(Gpu, TorchDispatchMode):
    """Memory of a size, while it is entered.

    Parameters
    ----------
    size : bytes; another program may take of it at any time.
    refuse : of each allocation by number: says whether it is refused, whatever its size.
    """

    def __init__(self, size: int = 1 << 40, refuse: Callable[[int], bool] = lambda number: False) -> None:
        TorchDispatchMode.__init__(self)
        self.size = size
        self.refuse = refuse
        self.allocations = 0
        self.peak = 0
        self.held_when_freed: list[int] = []
        self._live: dict[int, tuple[StorageWeakRef, int]] = {}

    def freed(self) -> int:
        """Give what is free, and keep what was held."""
        self.held_when_freed.append(self._held())
        return self.size - self._held()

    def _held(self) -> int:
        self._live = {key: one for key, one in self._live.items() if not one[0].expired()}
        return sum(count for _, count in self._live.values())

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        given = {value.untyped_storage()._cdata for value in tree_leaves((args, kwargs)) if torch.is_tensor(value)}
        held = self._held()
        made = func(*args, **(kwargs or {}))
        for value in tree_leaves(made):
            storage = value.untyped_storage() if torch.is_tensor(value) else None
            if storage is None or storage._cdata in given | set(self._live):
                continue
            self.allocations += 1
            held += storage.nbytes()
            if held > self.size or self.refuse(self.allocations):
                raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate too much.")
            self._live[storage._cdata] = (StorageWeakRef(storage), storage.nbytes())
        self.peak = max(self.peak, held)
        return made
