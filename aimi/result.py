"""What a case is made of between the steps: predictions, segments, the finished result."""

from collections.abc import Mapping
from dataclasses import dataclass

from aimi.dicom.selection import Selection
from aimi.engine.ensemble import Prediction
from aimi.image import Image, LabelMap
from aimi.models.store import FoundModel
from aimi.options import RunOptions
from aimi.tasks.task import Removed, Task

__all__ = ["ModelRun", "Predictions", "Result", "Segments"]


@dataclass(frozen=True, slots=True)
class ModelRun:
    """What one model gave for one case."""

    found: FoundModel
    prediction: Prediction
    labels: LabelMap


@dataclass(frozen=True, slots=True)
class Predictions:
    """What the models gave for one case, by model name, and the fingerprint of the run."""

    fingerprint: str
    runs: Mapping[str, ModelRun]


@dataclass(frozen=True, slots=True)
class Segments:
    """The annotation, and the findings that the clean-up took away."""

    labels: LabelMap
    removed: tuple[Removed, ...]


@dataclass(frozen=True, slots=True)
class Result:
    """A finished case.

    Parameters
    ----------
    images : by role, on the reference grid.
    selection : absent for NIfTI.
    runs : what each model gave, by model name; the last one names the result.
    labels : the segments.
    """

    task: Task
    options: RunOptions
    images: Mapping[str, Image]
    selection: Selection | None
    runs: Mapping[str, ModelRun]
    labels: LabelMap
    removed: tuple[Removed, ...]
    fingerprint: str
