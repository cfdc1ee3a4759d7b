"""Which model folders are at hand: a folder with one sub-folder per model name, or the demo models."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from aimi.engine.folder import ModelFolder, open_folder
from aimi.errors import ModelError
from aimi.models.catalogue import ModelSpec

__all__ = ["DEMO", "FoundModel", "default_folder", "demo_folder", "find", "folder_of", "is_present"]

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
    """Give the models folder that the environment names, or the container's, or None."""
    for variable in ("AIMI_MODELS", "HOLOSCAN_MODEL_PATH"):
        if environ.get(variable):
            return Path(environ[variable])
    return _CONTAINER_FOLDER if _CONTAINER_FOLDER.is_dir() else None


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
    # os.path says no where Path raises: a folder that may not be looked into
    return folder is not None and os.path.isdir(folder / spec.name)  # noqa: PTH112


def find(spec: ModelSpec, folder: Path | None) -> FoundModel:
    """Open the folder of a model and hold it against the catalogue.

    Raises
    ------
    ModelError
        There is no such folder, it is not whole, or it is a model of other channels or labels.
    """
    if folder is None or not is_present(spec, folder):
        raise ModelError(f"The model {spec.name} is missing.", _how_to_get(spec))
    try:
        found = open_folder(folder / spec.name)
    except OSError as err:
        reason = os.strerror(err.errno) if err.errno else type(err).__name__
        raise ModelError(f"The folder of model {spec.name} cannot be read ({reason}).", "Let it be read.") from err
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
    return FoundModel(spec, found)


def _how_to_get(spec: ModelSpec) -> str:
    if spec.name.startswith("DEMO-"):
        return "The demo models come with a checkout of the project: run from there, or set AIMI_DEMO_MODELS."
    return (
        f"Get it with `aimi models fetch {spec.name}`, or name the folder that holds it with -m MODELS (AIMI_MODELS); "
        "`-m demo` runs the demo model where the task has one."
    )


@dataclass(frozen=True, slots=True)
class Verified:
    """Whether the folder of a model is whole."""

    name: str
    sound: bool
    sha256: str
    reason: str


def verify(specs: tuple[ModelSpec, ...], folder: Path | None) -> tuple[Verified, ...]:
    """Open every model at hand again and hash it.

    Raises
    ------
    ModelError
        No models folder was named, or it holds none of the models.
    """
    present = [spec for spec in specs if is_present(spec, folder)]
    if not present:
        raise ModelError("No model is at hand.", "Name a models folder with -m MODELS (AIMI_MODELS).")
    return tuple(_verified(spec, folder) for spec in present)


def _verified(spec: ModelSpec, folder: Path | None) -> Verified:
    try:
        return Verified(spec.name, sound=True, sha256=find(spec, folder).folder.sha256, reason="")
    except ModelError as err:
        return Verified(spec.name, sound=False, sha256="", reason=str(err))
