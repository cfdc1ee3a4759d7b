"""What a task is: data that can be printed, and the few functions that only it has."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType

import numpy as np
import numpy.typing as npt

from aimi.dicom.pairing import PairRule
from aimi.dicom.selection import Rule
from aimi.errors import UsageError
from aimi.image import Image, LabelMap, Segment
from aimi.models.catalogue import ModelSpec

__all__ = [
    "OUTSIDE",
    "REGION",
    "CleanUp",
    "Cleaned",
    "Group",
    "Labels",
    "Planned",
    "RegionPart",
    "RegionPlan",
    "Removed",
    "Running",
    "Task",
    "plan_models",
    "rule_set_of",
    "rules_of",
]

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


REGION = "region"
"""What a clean-up finds the region under: labels with the numbers of ``totalsegmentator_classes.ANATOMY``."""
OUTSIDE = "outside"
"""What a clean-up finds under: 1 where an image of the task does not reach."""

CleanUp = Callable[[Mapping[str, LabelMap], Mapping[str, Image]], Cleaned]
"""(network labels by model name, images by role, all on the reference grid) -> segments.

Tasks of two roles get :data:`OUTSIDE` among the labels, those with a region plan :data:`REGION`.
"""

Support = Callable[[LabelMap], npt.NDArray[np.bool_]]
"""The region -> where a finding must have a voxel to be kept; nothing else need be looked at."""


@dataclass(frozen=True, slots=True)
class RegionPart:
    """A part of a region that a patient may lack, such as a lung: a region without it is taken, with a note.

    Parameters
    ----------
    name : as the note calls it: ``right lung``.
    whole : anatomy numbers each of which shows all of it.
    pieces : anatomy numbers that show all of it together.
    """

    name: str
    whole: tuple[int, ...]
    pieces: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class RegionPlan:
    """Where a region comes from, against which findings are judged.

    The region models are the task's models but the last, which finds what is judged.

    Parameters
    ----------
    needed : by rule set, the names of the region models that it needs.
    fast : name of a region model -> what stands in for it under ``--fast-region``.
    support : by rule set; without an entry the last model looks everywhere.
    required : by rule set, the anatomy numbers of which a region from elsewhere has at least one.
    judged : names of the last model's labels that are findings; the others are not followed beyond the support.
    parts : of a region that tells them apart; one that shows some and lacks others is taken with a note.
    """

    needed: Mapping[str, tuple[str, ...]]
    fast: Mapping[str, ModelSpec]
    support: Mapping[str, Support]
    required: Mapping[str, tuple[int, ...]]
    judged: tuple[str, ...] = ("tumor",)
    parts: tuple[RegionPart, ...] = ()


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
    needs : what a study must hold, in a few words for people; the rules say it in full.
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
    pair : how the stacks of two roles belong together; None for a task of one role.
    region : how findings are placed in the body; None where the rule sets need no region.
    lesions : segment numbers whose uptake is measured in the image of the role ``pet``.
    algorithm_name : Segment Algorithm Name of results, where the last model serves several tasks.
    """

    name: str
    title: str
    needs: str
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
    pair: PairRule | None = None
    region: RegionPlan | None = None
    lesions: tuple[int, ...] = ()
    algorithm_name: str = ""


@dataclass(frozen=True, slots=True)
class Planned:
    """A model of a run.

    Parameters
    ----------
    place : the task's model in whose place it runs; clean-ups know its labels by that one's name and numbers.
    spec : what runs: ``place`` itself, a faster one, or a demo model.
    """

    place: ModelSpec
    spec: ModelSpec

    @property
    def shown(self) -> tuple[str, ...]:
        """Names of the place's labels that can come out: all where there are as many, else those of equal name."""
        if len(self.place.labels) == len(self.spec.labels):
            return self.place.labels
        return tuple(name for name in self.place.labels if name in self.spec.labels)


def rule_set_of(task: Task, rule_set: str | None) -> str:
    """Give the rule set in force: the one asked for, or the task's first.

    Raises
    ------
    UsageError
        The task has no such rule set.
    """
    chosen = rule_set or next(iter(task.clean_ups))
    if chosen not in task.clean_ups:
        raise UsageError(f"{task.name} has no rule set {chosen}.", f"It has: {', '.join(task.clean_ups)}.")
    return chosen


def plan_models(task: Task, rule_set: str, *, demo: bool, with_region: bool, fast_region: bool) -> tuple[Planned, ...]:
    """Give the models of a run, in order.

    Parameters
    ----------
    with_region : run the region models, too.

    Raises
    ------
    UsageError
        Demo models were asked for and the task has none, or fast region models where no region model runs that could
        be faster.
    """
    if demo and not task.demo_models:
        raise UsageError(f"{task.name} has no demo model.", "Name a models folder with -m.")
    if fast_region and task.region is None:
        raise UsageError(f"{task.name} needs no region.", "Leave out --fast-region.")
    if fast_region and not with_region:
        raise UsageError("With this --region no region model runs that could be faster.", "Leave out --fast-region.")
    if fast_region and demo:
        raise UsageError("The demo models of the region have no faster ones.", "Leave out --fast-region.")
    specs = task.demo_models if demo else task.models
    planned = [Planned(place, spec) for place, spec in zip(task.models, specs, strict=True)]
    if task.region is None:
        return tuple(planned)
    *places, last = planned
    if not with_region:
        return (last,)
    needed, fast = task.region.needed[rule_set], task.region.fast if fast_region else {}
    return (*(replace(one, spec=fast.get(one.spec.name, one.spec)) for one in places if one.place.name in needed), last)


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
