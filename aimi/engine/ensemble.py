"""One call from images to labels: the folds of a model over the tiles of a case.

:func:`load` makes a :class:`Model` that stays loaded across cases; :func:`predict` gives the labels of one case on the
grid of its images. Several images are the channels of one grid.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from aimi.engine._stock import load_stock, predict_stock
from aimi.engine.folder import ModelFolder
from aimi.engine.orientation import Orientation, axis_change
from aimi.errors import InputError, ModelError
from aimi.image import Image, Note

__all__ = ["Model", "Options", "Prediction", "Progress", "load", "predict"]

Progress = Callable[[int, int], None]
"""Called with tiles done and tiles in all."""


@dataclass(frozen=True, slots=True)
class Options:
    """How a model is to be run.

    Parameters
    ----------
    orientation : the axes that the model was trained on.
    folds : numbers of the folds to use; None means all that the folder has.
    mirroring : also predict mirrored tiles, as the training allows, and average.
    device : ``auto``, ``cpu`` or ``cuda``.
    precision : ``f32`` or ``bf16``.
    ensemble : ``mean`` of the folds, or ``vote``: at least 60 % of the folds give the label.
    step : distance of tiles as a share of the patch.
    max_memory : bytes that the run may take; None is unlimited.
    """

    orientation: Orientation
    folds: tuple[int, ...] | None = None
    mirroring: bool = False
    device: str = "auto"
    precision: str = "f32"
    ensemble: str = "mean"
    step: float = 0.5
    max_memory: int | None = None


@dataclass(frozen=True, slots=True)
class Model:
    """A model in memory.

    Parameters
    ----------
    folds : the folds in use.
    device, precision : what runs it.
    """

    folder: ModelFolder
    folds: tuple[int, ...]
    device: str
    precision: str
    engine: Any = field(repr=False)


@dataclass(frozen=True, slots=True)
class Prediction:
    """The labels of one case.

    Parameters
    ----------
    labels : (k, j, i) on the grid of the images; 0 is background.
    fold_disagreement : by label, the share of the voxels that any fold gives it and not all do; None with one fold.
    near_tie_share : share of voxels whose two best classes are within 1e-3; None where it was not counted.
    timings : seconds by stage.
    """

    labels: npt.NDArray[np.uint8]
    fold_disagreement: Mapping[int, float] | None
    near_tie_share: float | None
    notes: tuple[Note, ...]
    timings: Mapping[str, float]
    device: str
    precision: str


def load(folder: ModelFolder, options: Options) -> Model:
    """Load a model's folds.

    Raises
    ------
    ModelError
        A fold that was asked for is not there, or a file cannot be read as what it should be.
    """
    folds = folder.folds if options.folds is None else options.folds
    missing = [number for number in folds if number not in folder.folds]
    if missing:
        message = f"Fold {missing[0]} was asked for; the model has {', '.join(map(str, folder.folds))}."
        raise ModelError(message, "Ask for folds that it has.")
    engine = load_stock(folder, folds, mirroring=options.mirroring, step=options.step)
    return Model(folder=folder, folds=folds, device="cpu", precision="f32", engine=engine)


def predict(images: Sequence[Image], model: Model, options: Options, progress: Progress | None = None) -> Prediction:
    """Label one case.

    Parameters
    ----------
    images : one per channel, in the model's order, all on one grid.
    progress : called after each tile.

    Raises
    ------
    ModelError
        The number of images is not the model's number of channels.
    InputError
        The images do not share a grid.
    """
    _check(images, model)
    started = time.perf_counter()
    volume = images[0].volume
    change = axis_change(options.orientation, volume.affine)
    channels = np.stack([np.asarray(change.apply(image.volume.array), dtype=np.float32) for image in images])
    labels = predict_stock(model.engine, channels, change.spacing(_spacing(images[0])), progress)
    return Prediction(
        labels=np.ascontiguousarray(change.revert(labels)),
        fold_disagreement=None,
        near_tie_share=None,
        notes=(),
        timings={"total": time.perf_counter() - started},
        device=model.device,
        precision=model.precision,
    )


def _check(images: Sequence[Image], model: Model) -> None:
    if len(images) != model.folder.channels:
        message = f"The model takes {model.folder.channels} image(s); {len(images)} were given."
        raise ModelError(message, "Use the model of this task.")
    first = images[0].volume
    for image in images[1:]:
        if image.volume.array.shape != first.array.shape or not np.allclose(image.volume.affine, first.affine):
            raise InputError("The channels lie on different grids.", "Resample them onto one grid first.")


def _spacing(image: Image) -> tuple[float, float, float]:
    along_k, along_j, along_i = (float(step) for step in image.volume.spacing)
    return along_k, along_j, along_i
