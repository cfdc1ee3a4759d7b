"""From a request to an image: find models and base, lay out the context, build."""

import os
import shutil
import tempfile
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

from aimi.errors import OutputError, UsageError
from aimi.map_package import docker, wheelhouse
from aimi.map_package.builder import LOCK, Order, checkout, make_context
from aimi.map_package.flavours import Flavour
from aimi.map_package.manifests import read_application
from aimi.models import store
from aimi.models.store import FoundModel
from aimi.options import clock_of_environment
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
    OutputError
        The folder cannot be made.
    """
    if folder.exists():
        raise UsageError("The folder of the context is there already.", "Name one that is not.")
    root = checkout()
    order = _order(request, root)
    try:
        folder.mkdir(parents=True)
    except OSError as err:
        raise OutputError(f"The folder of the context cannot be made ({err.strerror}).", "Name another one.") from err
    with ExitStack() as unfinished:
        unfinished.callback(shutil.rmtree, folder)
        make_context(order, folder, root)
        unfinished.pop_all()


def package_task(request: Request, tag: str) -> Built:
    """Build the image of a task.

    Raises
    ------
    UsageError
        There is no such task, base or engine, or the wheels or the base do not do.
    ModelError
        A model that the task needs is not in the models folder.
    BuildError
        The engine could not build the image.
    """
    root = checkout()
    order = _order(request, root)
    base = docker.find_base(request.base, fetch=request.wheels is None)
    docker.require_python(base, order.python, needs_pip=not wheelhouse.holds_pip(request.wheels))
    order = replace(order, base=base.name, base_digest=base.digest)
    place = root / "build"
    place.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="context-", dir=place) as parent:
        context = Path(parent) / "context"
        context.mkdir()
        make_context(order, context, root)
        image_id = docker.build(context, tag, network=request.wheels is None)
    return Built(image_id, docker.size_of(tag))


def _order(request: Request, root: Path) -> Order:
    """Give the order of what a user asks for, with the base by its name; refuse what cannot be built."""
    if request.task not in TASKS:
        raise UsageError(f"There is no task {request.task}.", f"There are: {', '.join(TASKS)}.")
    clock_of_environment(os.environ)  # refuses a SOURCE_DATE_EPOCH that is no number
    epoch = os.environ.get("SOURCE_DATE_EPOCH")
    application = read_application(root / "apps" / request.task)
    wheelhouse.packages_of(application.folder, root / LOCK, request.flavour, request.wheels)
    found, is_demo = _models(request)
    return Order(
        task=request.task,
        models=found,
        flavour=request.flavour,
        base=request.base,
        base_digest=_UNKNOWN,
        wheels=request.wheels,
        demo=is_demo,
        compat_monai=request.compat_monai,
        timeout=request.timeout,
        epoch=None if epoch is None else int(epoch),
    )


def _models(request: Request) -> tuple[tuple[FoundModel, ...], bool]:
    """Give the models of the task, each once, and those of ``--fast-region`` where they are at hand."""
    if request.models is None:
        return (), False
    folder, is_demo = store.folder_of(request.models, os.environ)
    task = TASKS[request.task]
    specs = list(task.demo_models if is_demo else task.models)
    if task.region is not None and not is_demo:
        specs += [spec for spec in task.region.fast.values() if store.is_present(spec, folder)]
    return tuple(store.find(spec, folder) for spec in dict.fromkeys(specs)), is_demo
