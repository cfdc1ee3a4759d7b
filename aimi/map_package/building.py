"""From a request to an image: find models and base, lay out the context, build."""

import os
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from aimi.engine.folder import ModelFolder
from aimi.errors import AimiError, UsageError
from aimi.map_package import docker
from aimi.map_package.builder import Order, checkout, make_context
from aimi.map_package.flavours import Flavour
from aimi.models import store
from aimi.models.catalogue import ModelSpec
from aimi.tasks import TASKS

__all__ = ["Built", "Request", "lay_out", "package_task"]

_UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Request:
    """What a user asks for.

    Parameters
    ----------
    models : folder, ``demo``, or None for an image without models.
    base : a base image's name.
    wheels : folder of wheels, or None.
    """

    task: str
    models: str | None
    flavour: Flavour
    base: str
    wheels: Path | None = None
    compat_monai: bool = False
    timeout: int = 0


@dataclass(frozen=True, slots=True)
class Built:
    """An image that was built."""

    image_id: str
    size: int


def lay_out(request: Request, folder: Path) -> None:
    """Lay out the build context in a new folder, without an engine; the base is taken by its name.

    Raises
    ------
    UsageError
        The folder is there already, or there is no such task.
    """
    if folder.exists():
        raise UsageError("The folder of the context is there already.", "Name one that is not.")
    folder.mkdir(parents=True)
    try:
        make_context(_order(request, docker.Base(request.base, _UNKNOWN)), folder, checkout())
    except AimiError:
        shutil.rmtree(folder)
        raise


def package_task(request: Request, tag: str) -> Built:
    """Build the image of a task.

    Raises
    ------
    UsageError
        There is no such task, base or engine.
    ModelError
        A model that the task needs is not in the models folder.
    """
    root = checkout()
    order = _order(request, docker.find_base(request.base))
    place = root / "build"
    place.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="context-", dir=place) as parent:
        context = Path(parent) / "context"
        context.mkdir()
        make_context(order, context, root)
        image_id = docker.build(context, tag, network=request.wheels is None)
    return Built(image_id, docker.size_of(tag))


def _order(request: Request, base: docker.Base) -> Order:
    if request.task not in TASKS:
        raise UsageError(f"There is no task {request.task}.", f"There are: {', '.join(TASKS)}.")
    found, is_demo = _models(request)
    return Order(
        task=request.task,
        models=found,
        flavour=request.flavour,
        base=base.name,
        base_digest=base.digest,
        wheels=request.wheels,
        demo=is_demo,
        compat_monai=request.compat_monai,
        timeout=request.timeout,
        epoch=int(os.environ.get("SOURCE_DATE_EPOCH", "0")),
    )


def _models(request: Request) -> tuple[Mapping[ModelSpec, ModelFolder], bool]:
    if request.models is None:
        return {}, False
    folder, is_demo = store.folder_of(request.models, os.environ)
    task = TASKS[request.task]
    specs = task.demo_models if is_demo else task.models
    return {spec: store.find(spec, folder).folder for spec in specs}, is_demo
