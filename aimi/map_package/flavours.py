"""Which packages an image holds: only what a run imports, at the versions of the lock.

The list is kept by hand and proved twice: the image is built without any dependency resolution, and the build
imports every module that the staged code names, so a missing package fails it. What is not needed stays out:
importing monai alone takes 7 s of processor time and 0.67 GB.
"""

import re
from collections.abc import Iterable, Mapping
from enum import StrEnum
from pathlib import Path
from types import MappingProxyType

from aimi.errors import UsageError

__all__ = ["OPTIONAL_IMPORTS", "TORCH", "Flavour", "in_every_image", "pins", "requirements_of", "resources_for"]


class Flavour(StrEnum):
    """What runs the networks in an image."""

    OPENVINO = "openvino"
    """Processor only, without torch: the smallest."""
    TORCH = "torch"
    """Processor only, with torch as well (``AIMI_DEVICE=cpu-torch``)."""
    CUDA = "cuda"
    """A GPU where there is one, the processor otherwise."""

    @property
    def has_torch(self) -> bool:
        """Tell whether the image holds torch."""
        return self is not Flavour.OPENVINO


TORCH = ("torch", "filelock", "fsspec", "Jinja2", "MarkupSafe", "mpmath", "networkx", "sympy")
"""torch, and what it asks for."""

OPTIONAL_IMPORTS: Mapping[Flavour, frozenset[str]] = MappingProxyType(
    {
        Flavour.OPENVINO: frozenset({"torch", "SimpleITK", "nnunetv2"}),
        Flavour.TORCH: frozenset({"SimpleITK", "nnunetv2"}),
        Flavour.CUDA: frozenset({"SimpleITK", "nnunetv2"}),
    }
)
"""What the code imports only on a road that an image of this kind does not go."""

_LINE = re.compile(r"^([A-Za-z0-9][A-Za-z0-9._-]*)==([^\s;#]+)$")
_GPU_KEYS = frozenset({"gpu", "gpuLimit", "gpuMemory", "gpuMemoryLimit"})


def pins(text: str) -> dict[str, str]:
    """Read ``name==version`` lines; give versions by normalised name.

    Raises
    ------
    UsageError
        A line is no pin.
    """
    found = {}
    for line in text.splitlines():
        stripped = line.strip()
        if not stripped or stripped.startswith("#"):
            continue
        match = _LINE.match(stripped)
        if match is None:
            raise UsageError("A line of the requirements is no pin.", "Write every line as name==version.")
        found[_normal(match[1])] = match[2]
    return found


def requirements_of(application: Path, lock: Path, flavour: Flavour) -> dict[str, str]:
    """Give the packages of an image: those of the application's own file, and torch's where it is asked for.

    Raises
    ------
    UsageError
        A package has another version than in the lock, or is not in it.
    """
    locked = pins(lock.read_text(encoding="utf-8"))
    wanted = pins((application / "requirements.txt").read_text(encoding="utf-8"))
    for name, version in wanted.items():
        if locked.get(name) != version:
            raise UsageError(
                f"The application asks for {name} {version}, the lock has {locked.get(name, 'none')}.",
                "Give both the same version.",
            )
    if flavour.has_torch:
        wanted |= {_normal(name): locked[_normal(name)] for name in TORCH}
    return dict(sorted(wanted.items()))


def in_every_image(files: Iterable[Path]) -> dict[str, str]:
    """Give the packages that all of several requirement files name."""
    read = [pins(file.read_text(encoding="utf-8")) for file in files]
    return {name: version for name, version in read[0].items() if all(name in other for other in read)}


def resources_for(flavour: Flavour, resources: Mapping[str, object]) -> dict[str, object]:
    """Give the resources of an application as an image of this kind needs them: no GPU where it cannot use one."""
    if flavour is Flavour.CUDA:
        return dict(resources)
    return {"gpu": 0} | {key: value for key, value in resources.items() if key not in _GPU_KEYS}


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
