"""Which model folders are at hand: a folder with one sub-folder per model name, or the demo models."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from aimi.engine.checkpoint import fold_file, read_weights
from aimi.engine.folder import ModelFolder, looks_like_model, open_folder
from aimi.engine.network import network_of
from aimi.errors import ModelError, OutputError, UsageError
from aimi.models import ledger
from aimi.models.catalogue import CATALOGUE, ModelSpec
from aimi.models.places import user_models

__all__ = [
    "DEMO",
    "FoundModel",
    "Verified",
    "default_folder",
    "demo_folder",
    "find",
    "folder_of",
    "is_at_hand",
    "is_present",
    "require_fit",
    "verify",
    "writable_folder",
]

DEMO = "demo"
"""The word for ``-m`` that asks for the demo models."""

_CONTAINER_FOLDER = Path("/opt/holoscan/models")


@dataclass(frozen=True, slots=True)
class FoundModel:
    """A model of the catalogue and its folder."""

    spec: ModelSpec
    folder: ModelFolder

    @property
    def is_as_listed(self) -> bool:
        """Tell whether the weights are of the generation that the catalogue lists (DECISIONS 4.2).

        The records give no checksum of the published weights: a folder of the other generation is known to be
        another model, one of the same is believed to be what its name says.
        """
        return self.folder.version == self.spec.generation

    @property
    def algorithm_name(self) -> str:
        """The catalogue's name, or that of the folder's own data set for another model in its place."""
        return self.spec.algorithm_name if self.is_as_listed else self.folder.dataset

    @property
    def version(self) -> str:
        """The catalogue's version, or the beginning of the weights' hash for another model in its place."""
        return self.spec.version if self.is_as_listed else self.folder.sha256[:12]

    @property
    def licence(self) -> str:
        """The catalogue's licence; that of another model in its place is not known."""
        return self.spec.licence if self.is_as_listed else "not known"


def default_folder(environ: Mapping[str, str]) -> Path | None:
    """Give the models folder that the environment names, or the container's, or the user's, or None."""
    for variable in ("AIMI_MODELS", "HOLOSCAN_MODEL_PATH"):
        if environ.get(variable):
            return Path(environ[variable])
    return next((folder for folder in (_CONTAINER_FOLDER, user_models(environ)) if _is_folder(folder)), None)


def writable_folder(named: str | None, environ: Mapping[str, str]) -> Path:
    """Give the folder that models are brought into: the one that a run would look into, else the user's.

    Raises
    ------
    UsageError
        It is the demo models' folder.
    """
    folder, is_demo = folder_of(named, environ)
    if is_demo:
        raise UsageError("The folder of the demo models takes no others.", "Name another one with -m (AIMI_MODELS).")
    return folder or user_models(environ)


def demo_folder() -> Path:
    """Give the folder of the demo models: beside the package in a checkout, or as AIMI_DEMO_MODELS says."""
    named = os.environ.get("AIMI_DEMO_MODELS")
    return Path(named) if named else Path(__file__).resolve().parents[2] / "demo_models"


def folder_of(named: str | None, environ: Mapping[str, str]) -> tuple[Path | None, bool]:
    """Give the models folder that was named, or the environment's, and whether it is the demo's."""
    if named == DEMO or (named is None and environ.get("AIMI_MODELS") == DEMO):
        return demo_folder(), True
    return (Path(named) if named else default_folder(environ)), False


def is_present(spec: ModelSpec, folder: Path | None) -> bool:
    """Tell whether a models folder has a sub-folder for this model."""
    return folder is not None and _is_folder(folder / spec.name)


def is_at_hand(spec: ModelSpec, folder: Path | None) -> bool:
    """Tell whether a models folder has a sub-folder for this model, with something of a model in it."""
    return folder is not None and is_present(spec, folder) and looks_like_model(folder / spec.name)


def _is_folder(path: Path) -> bool:
    # os.path says no where Path raises: a folder that may not be looked into
    return os.path.isdir(path)  # noqa: PTH112


def find(spec: ModelSpec, folder: Path | None) -> FoundModel:
    """Open the folder of a model and hold it against the catalogue.

    Raises
    ------
    ModelError
        There is no such folder, it is not whole, or it is a model of other channels or labels.
    """
    if folder is None or not is_present(spec, folder):
        raise ModelError(f"The model {spec.name} is missing.", _how_to_get(spec))
    found = _opened(spec.name, folder)
    require_fit(spec, found)
    return FoundModel(spec, found)


def _opened(name: str, folder: Path) -> ModelFolder:
    try:
        found = open_folder(folder / name)
    except OSError as err:
        reason = os.strerror(err.errno) if err.errno else type(err).__name__
        raise ModelError(f"The folder of model {name} cannot be read ({reason}).", "Let it be read.") from err
    ledger.require_same(folder, name, found.sha256)
    return found


def require_fit(spec: ModelSpec, found: ModelFolder) -> None:
    """Hold a model's data set, channels and labels against the catalogue.

    A data set that the catalogue does not know is taken: a model of one's own may stand in the place of any.

    Raises
    ------
    ModelError
        It is a model of another task.
    """
    if found.dataset != spec.name and found.dataset in CATALOGUE:
        raise ModelError(
            f"The folder of model {spec.name} holds {found.dataset}.",
            f"It is a model of another task. {_how_to_get(spec)}",
        )
    if found.channels != len(spec.channels):
        raise ModelError(
            f"The folder of model {spec.name} has {found.channels} input channels, not {len(spec.channels)}.",
            f"It is a model of another task. {_how_to_get(spec)}",
        )
    if spec.labels_are_certain and len(found.labels) != len(spec.labels):
        raise ModelError(
            f"The folder of model {spec.name} has {len(found.labels)} labels, not {len(spec.labels)}.",
            f"It is a model of another task. {_how_to_get(spec)}",
        )


def _how_to_get(spec: ModelSpec) -> str:
    if spec.name.startswith("DEMO-"):
        if _is_folder(demo_folder()):
            return "The folder of the demo models holds none of this name: get it from a whole checkout of the project."
        return "The demo models come with a checkout of the project: run from there, or set AIMI_DEMO_MODELS."
    return (
        f"Get it with `aimi models fetch {spec.name}`, or name the folder that holds it with -m MODELS (AIMI_MODELS); "
        "`-m demo` runs the demo model where the task has one."
    )


@dataclass(frozen=True, slots=True)
class Verified:
    """Whether the folder of a model is whole.

    Parameters
    ----------
    held : its digest is the one that was recorded when it was imported or first verified.
    """

    name: str
    sound: bool
    sha256: str
    reason: str
    held: bool = False


def verify(specs: tuple[ModelSpec, ...], folder: Path | None, *, record: bool = True) -> tuple[Verified, ...]:
    """Open every model at hand again, hash it and read its weights.

    Parameters
    ----------
    specs : models to look for; those that were imported under other names are verified, too.
    record : hold the digest of a model that is seen first from now on.

    Raises
    ------
    ModelError
        No models folder was named, or it holds none of the models.
    """
    known = {spec.name: spec for spec in specs}
    held = () if folder is None else ledger.held_models(folder)
    names = [name for name in dict.fromkeys((*known, *held)) if folder is not None and _is_folder(folder / name)]
    if folder is None or not names:
        raise ModelError("No model is at hand.", "Name a models folder with -m MODELS (AIMI_MODELS).")
    return tuple(_verified(name, known.get(name), folder, record) for name in names)


def _verified(name: str, spec: ModelSpec | None, folder: Path, record: bool) -> Verified:
    try:
        found = _opened(name, folder)
        if spec is not None:
            require_fit(spec, found)
        network = network_of(found.plans)
        for fold in found.folds:
            read_weights(fold_file(found.path, found.layout, fold), found.layout, network)
    except ModelError as err:
        return Verified(name, sound=False, sha256="", reason=str(err))
    held = ledger.model_sha256(folder, name) is not None
    remark = _recorded(name, folder, found) if record and not held else ""
    return Verified(name, sound=True, sha256=found.sha256, reason=remark, held=held)


def _recorded(name: str, folder: Path, found: ModelFolder) -> str:
    try:
        ledger.hold_model(folder, name, found.sha256)
    except OutputError:
        return "Seen first; its hash could not be recorded, because the models folder is read-only."
    return "Seen first: its hash is recorded and held from now on."
