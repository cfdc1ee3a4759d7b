"""What a task is: data that can be printed, and the few functions that only it has."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

import numpy as np
import numpy.typing as npt

from aimi.dicom.selection import Rule
from aimi.errors import UsageError
from aimi.image import Image, LabelMap, Segment
from aimi.models.catalogue import ModelSpec

__all__ = ["CleanUp", "Cleaned", "Group", "Labels", "Removed", "Running", "Task", "rules_of"]

Labels = npt.NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Removed:
    """A finding that the clean-up took away.

    Parameters
    ----------
    label : what the network called it.
    volume_ml : its volume.
    voxels : its size.
    centroid : mm, LPS.
    reason : one sentence.
    """

    label: str
    volume_ml: float
    voxels: int
    centroid: tuple[float, float, float]
    reason: str


@dataclass(frozen=True, slots=True)
class Cleaned:
    """What a clean-up gives: labels by segment number on the reference grid, and what it removed."""

    labels: Labels
    removed: tuple[Removed, ...]


CleanUp = Callable[[Mapping[str, LabelMap], Mapping[str, Image]], Cleaned]
"""(network labels by model name, images by role, all on the reference grid) -> segments."""


@dataclass(frozen=True, slots=True)
class Running:
    """How the networks run under a rule set, where that differs from the catalogue.

    Parameters
    ----------
    ensemble, mirroring : None is the model's own.
    postprocessing : keep the largest component of the labels that the model's postprocessing.json names, as
        nnUNet_predict of v1 does where the file is there.
    """

    ensemble: str | None = None
    mirroring: bool | None = None
    postprocessing: bool = False


@dataclass(frozen=True, slots=True)
class Group:
    """Segments that are also measured together: an organ with its lesions."""

    label: str
    numbers: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Task:
    """One annotation task.

    Parameters
    ----------
    name : as typed: ``liver_ct``.
    number : 1 to 7 for the published ones; Series Number is 3000 + number.
    rules : selection rules, one a role.
    reference : the role on whose grid the result lies.
    models : in the order in which they run.
    clean_ups : by rule set; the first is the default.
    demo_models : stand in for ``models``, one for one in the same order, when the demo models are asked for.
    running : by rule set; without an entry the models run as the catalogue says.
    rules_with_non_contrast : the rules under ``--allow-non-contrast``; empty where contrast is not asked for.
    groups : what is measured together besides the segments.
    focus : segment numbers; the picture shows the first of them that was found.
    window : ``lung`` for a picture in the window of the lungs; empty for the modality's own.
    """

    name: str
    title: str
    number: int
    body_part: str
    rules: tuple[Rule, ...]
    reference: str
    units: Mapping[str, str]
    models: tuple[ModelSpec, ...]
    segments: tuple[Segment, ...]
    clean_ups: Mapping[str, CleanUp]
    demo_models: tuple[ModelSpec, ...] = ()
    running: Mapping[str, Running] = field(default_factory=lambda: MappingProxyType({}))
    rules_with_non_contrast: tuple[Rule, ...] = ()
    groups: tuple[Group, ...] = ()
    focus: tuple[int, ...] = ()
    window: str = ""


def rules_of(task: Task, *, allow_non_contrast: bool) -> tuple[Rule, ...]:
    """Give the selection rules in force.

    Raises
    ------
    UsageError
        Series without contrast are allowed for a task that asks for none.
    """
    if not allow_non_contrast:
        return task.rules
    if not task.rules_with_non_contrast:
        raise UsageError(f"{task.name} does not ask for contrast.", "Leave out --allow-non-contrast.")
    return task.rules_with_non_contrast
