"""The packages of an image, and whether a folder of wheels holds them: found out before anything is built.

The lock pins torch for a processor. What CUDA's torch asks for beside it (the nvidia packages) is not in the lock:
its own wheel pins them, so they are read from there and taken from the same folder.
"""

import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from packaging.markers import Marker
from packaging.metadata import Metadata
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.tags import Tag, compatible_tags, cpython_tags
from packaging.utils import InvalidWheelFilename, canonicalize_name, parse_wheel_filename
from packaging.version import Version

from aimi.errors import UsageError
from aimi.map_package.flavours import Flavour, requirements_of

__all__ = ["holds_pip", "packages_of"]

_PYTHON = (3, 11)
_ABIS = frozenset(
    (tag.interpreter, tag.abi)
    for tags in (
        cpython_tags(_PYTHON, abis=["cp311"], platforms=["linux"]),
        compatible_tags(_PYTHON, interpreter="cp311", platforms=["linux"]),
    )
    for tag in tags
)
_TORCH = "torch"
_CUDA = ("nvidia-", "cuda-")  # the rest of what CUDA's torch asks for compiles networks, which no run does
_LINUX = {
    "os_name": "posix",
    "sys_platform": "linux",
    "platform_system": "Linux",
    "platform_python_implementation": "CPython",
    "implementation_name": "cpython",
    "python_version": "3.11",
    "python_full_version": "3.11.0",
}


@dataclass(frozen=True, slots=True)
class _Wheel:
    version: Version
    path: Path


def packages_of(application: Path, lock: Path, flavour: Flavour, wheels: Path | None) -> dict[str, str]:
    """Give the packages of an image, sorted, by version; all of them are at hand where wheels are.

    Parameters
    ----------
    application, lock : as for :func:`~aimi.map_package.flavours.requirements_of`.
    wheels : a folder of them, or None where pip fetches the packages in the build.

    Raises
    ------
    UsageError
        A pin is not in the lock or has no wheel, torch is of the other kind, or is asked for without wheels; a wheel
        that says what torch needs is damaged.
    """
    wanted = requirements_of(application, lock, flavour)
    if wheels is None:
        if flavour.has_torch:
            raise UsageError(
                "An image with torch takes packages from a folder of wheels: a registry's torch may be of either kind.",
                "Give --offline WHEELHOUSE; docs/map.md says what must be in it.",
            )
        return wanted
    at_hand = _wheels_of(wheels)
    _require_all(wanted, at_hand)
    if not flavour.has_torch:
        return wanted
    return dict(sorted((wanted | _asked_by_torch(wanted, at_hand, flavour)).items()))


def holds_pip(wheels: Path | None) -> bool:
    """Tell whether pip itself is among the wheels: a base without it will do."""
    return wheels is not None and any(wheels.glob("pip-*.whl"))


def _wheels_of(folder: Path) -> Mapping[str, tuple[_Wheel, ...]]:
    """Give the wheels that the image's Python can install, by name, oldest first."""
    found: dict[str, list[_Wheel]] = {}
    for path in sorted(folder.glob("*.whl")):
        try:
            name, version, _, tags = parse_wheel_filename(path.name)
        except InvalidWheelFilename:
            continue
        if any(_fits(tag) for tag in tags):
            found.setdefault(name, []).append(_Wheel(version, path))
    return {name: tuple(sorted(wheels, key=lambda one: one.version)) for name, wheels in found.items()}


def _fits(tag: Tag) -> bool:
    return (tag.interpreter, tag.abi) in _ABIS and (tag.platform == "any" or "linux" in tag.platform)


def _chosen(at_hand: Mapping[str, tuple[_Wheel, ...]], name: str, specifier: SpecifierSet) -> _Wheel | None:
    """Give the wheel that pip takes: the newest that is allowed."""
    allowed = [one for one in at_hand.get(name, ()) if specifier.contains(one.version, prereleases=True)]
    return allowed[-1] if allowed else None


def _require_all(wanted: Mapping[str, str], at_hand: Mapping[str, tuple[_Wheel, ...]]) -> None:
    missing = [
        f"{name} {version}"
        for name, version in wanted.items()
        if _chosen(at_hand, name, SpecifierSet(f"=={version}")) is None
    ]
    if missing:
        raise UsageError(
            f"The folder of wheels lacks {', '.join(missing)}, for Python 3.11 on Linux.",
            "Fill it with `make wheels TASK=...`, as docs/map.md shows.",
        )


def _asked_by_torch(
    wanted: Mapping[str, str], at_hand: Mapping[str, tuple[_Wheel, ...]], flavour: Flavour
) -> dict[str, str]:
    """Give CUDA's packages that torch's wheel asks for, directly or not; what the lock has stays as it is there.

    Raises
    ------
    UsageError
        torch is of the other kind, or one of its packages is not at hand.
    """
    torch = _chosen(at_hand, _TORCH, SpecifierSet(f"=={wanted[_TORCH]}"))
    if torch is None:
        raise ValueError("torch is among the wheels that were required")
    waiting = list(_cuda_of(torch.path, frozenset()))
    if bool(waiting) is not (flavour is Flavour.CUDA):
        kind = "for CUDA" if waiting else "for a processor"
        raise UsageError(
            f"The torch among the wheels is one {kind}.", "Put the other kind there, or ask for that image (--cuda)."
        )
    asked: dict[str, SpecifierSet] = {}
    chosen: dict[str, _Wheel | None] = {}
    seen: set[str] = set()
    while waiting:
        requirement = waiting.pop()
        if str(requirement) in seen:
            continue
        seen.add(str(requirement))
        name = canonicalize_name(requirement.name)
        asked[name] = asked.get(name, SpecifierSet()) & requirement.specifier
        wheel = chosen[name] = _chosen(at_hand, name, SpecifierSet() if name in wanted else asked[name])
        waiting += () if wheel is None else _cuda_of(wheel.path, frozenset(requirement.extras))
    _require_chosen(chosen, asked)
    return {name: wheel.version.public for name, wheel in chosen.items() if wheel is not None and name not in wanted}


def _require_chosen(chosen: Mapping[str, _Wheel | None], asked: Mapping[str, SpecifierSet]) -> None:
    missing = sorted(f"{name} {asked[name]}" for name, wheel in chosen.items() if wheel is None)
    if missing:
        raise UsageError(
            f"The folder of wheels lacks what torch asks for: {', '.join(missing)}.",
            "Fill it with `pip download torch==...` from the registry that has CUDA's torch.",
        )


def _cuda_of(wheel: Path, extras: frozenset[str]) -> Iterator[Requirement]:
    try:
        with zipfile.ZipFile(wheel) as archive:
            name = next(name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
            metadata = Metadata.from_email(archive.read(name), validate=False)
    except (OSError, zipfile.BadZipFile, StopIteration) as err:
        raise UsageError(f"{wheel.name} is damaged, or no wheel.", "Fetch it again.") from err
    for requirement in metadata.requires_dist or ():
        is_cuda = canonicalize_name(requirement.name).startswith(_CUDA)
        if is_cuda and _applies(requirement.marker, extras):
            yield requirement


def _applies(marker: Marker | None, extras: frozenset[str]) -> bool:
    return marker is None or any(marker.evaluate({**_LINUX, "extra": extra}) for extra in ("", *extras))
