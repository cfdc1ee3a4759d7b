"""The few calls to a container engine's command that building needs.

The classic builder is enough: no plugin and no registry is asked for anything but a base that is not here yet.
"""

import json
import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aimi.errors import AimiError, ResourceError, UsageError
from aimi.map_package.dockerfile import STAGE_LABEL

__all__ = ["Base", "BuildError", "build", "find_base", "require_python", "size_of"]


@dataclass(frozen=True, slots=True)
class Base:
    """A base image that is at hand.

    Parameters
    ----------
    name : what ``FROM`` says: by digest where the image came from a registry.
    digest : of its manifest where it came from a registry, otherwise its own id.
    """

    name: str
    digest: str


class BuildError(AimiError):
    """The engine could not build the image of what it was given."""

    status = 2


def find_base(name: str, *, fetch: bool) -> Base:
    """Give a base image by digest.

    Parameters
    ----------
    fetch : get it from its registry where it is not here.

    Raises
    ------
    UsageError
        There is no engine, or no such image here or, if it may be fetched, in a registry.
    """
    _require_engine()
    facts = _inspect(name)
    if facts is None and fetch:
        _docker("pull", name)
        facts = _inspect(name)
    if facts is None:
        places = "neither here nor in a registry that is reached" if fetch else "not here, and --offline fetches none"
        raise UsageError(
            f"The base image {name} is {places}.",
            "Name one that is here with --base-image; tools/make_base_image.sh makes one of Debian packages.",
        )
    digests = facts.get("RepoDigests") or []
    if digests:
        return Base(digests[0], digests[0].rpartition("@")[2])
    return Base(name, facts["Id"])


def require_python(base: Base, python: str, *, needs_pip: bool) -> None:
    """Refuse a base in which the packages cannot be installed, before anything is copied.

    Raises
    ------
    UsageError
        It has no such interpreter, or no pip where pip is needed.
    """
    start = ("run", "--rm", "--network", "none", "--entrypoint", python, base.name, "-c")
    if _docker(*start, "import sys").returncode:
        raise UsageError(f"No {python} starts in the base image {base.name}.", "Name one with it by --base-image.")
    if needs_pip and _docker(*start, "import pip").returncode:
        raise UsageError(
            f"The base image {base.name} has no pip.",
            "Name one with it by --base-image, or give --offline a folder of wheels with pip among them.",
        )


def build(context: Path, tag: str, *, network: bool) -> str:
    """Build an image, show the engine's output, give the image's id.

    Parameters
    ----------
    network : let the build reach the network.

    Raises
    ------
    BuildError
        The build failed.
    """
    command = [_program(), "build", "--network", "host" if network else "none", "--tag", tag, str(context)]
    status = subprocess.run(command, check=False, env={**os.environ, "DOCKER_BUILDKIT": "0"}).returncode  # noqa: S603
    _docker("image", "prune", "--force", "--filter", f"label={STAGE_LABEL}")  # the first stage, 0.8 GB and more
    facts = _inspect(tag)
    if status or facts is None:
        raise BuildError(f"The image was not built (status {status}).", "The engine's output above says why.")
    return str(facts["Id"])


def size_of(tag: str) -> int:
    """Give the bytes of an image.

    Raises
    ------
    ResourceError
        It is gone.
    """
    facts = _inspect(tag)
    if facts is None:
        raise ResourceError("The image is gone.", "Build it again.")
    return int(facts["Size"])


def _require_engine() -> None:
    if _docker("info").returncode:
        raise UsageError(
            "The container engine does not answer.",
            "Start it, or name it by DOCKER_HOST; tools/start_engine.sh starts one of its own.",
        )


def _inspect(name: str) -> dict[str, Any] | None:
    ended = _docker("image", "inspect", name)
    return json.loads(ended.stdout)[0] if ended.returncode == 0 else None


def _docker(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([_program(), *arguments], check=False, capture_output=True, text=True)  # noqa: S603


def _program() -> str:
    program = shutil.which("docker")
    if program is None:
        raise UsageError(
            "There is no docker command.", "Install one; tools/start_engine.sh starts an engine of its own."
        )
    return program
