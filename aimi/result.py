"""What a case is made of between the steps: predictions, segments, the finished result."""

from collections.abc import Mapping
from dataclasses import dataclass

from aimi.dicom.selection import Selection
from aimi.engine.ensemble import Prediction
from aimi.image import Image, LabelMap
from aimi.models.store import FoundModel
from aimi.options import RunOptions
from aimi.registration import Registration
from aimi.tasks.task import Removed, Task

__all__ = ["Aligned", "ModelRun", "Predictions", "Region", "Result", "Segments"]


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
class Region:
    """Where findings are looked for.

    Parameters
    ----------
    fingerprint : of the run.
    labels : with the numbers of ``totalsegmentator_classes.ANATOMY``, on a grid of its own; None where the region
        is taken from the labels of the last model.
    runs : what the region models gave, by model name.
    """

    fingerprint: str
    labels: LabelMap | None
    runs: Mapping[str, ModelRun]


@dataclass(frozen=True, slots=True)
class Aligned:
    """The images of a case on the task's reference grid.

    Parameters
    ----------
    images : by role, on the reference grid.
    native : by role, each on its own grid, registered where that was asked for.
    as_read : by role, each on its own grid and where its series says that it lies.
    outside : 1 where an image does not reach; None where all lie on one grid.
    registration : how the second image was moved onto the first; None where it was not.
    """

    images: Mapping[str, Image]
    native: Mapping[str, Image]
    as_read: Mapping[str, Image]
    outside: LabelMap | None
    registration: Registration | None = None


@dataclass(frozen=True, slots=True)
class Segments:
    """The annotation, and the findings that the clean-up took away.

    Parameters
    ----------
    labels : where the series of ``reference`` says that it lies, whatever was registered.
    reference : the role on whose grid the labels lie; the task's unless another was asked for.
    measured : the labels on the task's reference grid, where that is another.
    """

    labels: LabelMap
    removed: tuple[Removed, ...]
    reference: str
    measured: LabelMap | None = None


@dataclass(frozen=True, slots=True)
class Result:
    """A finished case.

    Parameters
    ----------
    images : by role, on the task's reference grid.
    native : by role, each on its own grid; the same images for a task of one role.
    selection : absent for NIfTI.
    runs : what each model gave, by model name; the last one names the result.
    segments : the annotation.
    registration : how the second image was moved onto the first; None where it was not.
    """

    task: Task
    options: RunOptions
    images: Mapping[str, Image]
    native: Mapping[str, Image]
    selection: Selection | None
    runs: Mapping[str, ModelRun]
    segments: Segments
    fingerprint: str
    registration: Registration | None = None

    @property
    def labels(self) -> LabelMap:
        """The segments as written."""
        return self.segments.labels

    @property
    def measured(self) -> LabelMap:
        """The segments on the task's reference grid."""
        return self.segments.labels if self.segments.measured is None else self.segments.measured

    @property
    def removed(self) -> tuple[Removed, ...]:
        """What the clean-up took away."""
        return self.segments.removed
