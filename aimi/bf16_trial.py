"""Running a model with bf16 and with f32 on the same cases, to find out whether bf16 may be used for it.

Each case is selected, loaded and brought to its grid as a run of the task does it. The network looks at all of it, not
at the region alone that a run would look at.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from aimi import pipeline
from aimi.engine import ensemble
from aimi.engine.backends import computes_in_bf16
from aimi.errors import UsageError
from aimi.image import Image
from aimi.job import Job, Progress
from aimi.model_runs import LoadedModel, load_with
from aimi.models import acceptance
from aimi.models.acceptance import Acceptance, Agreement
from aimi.models.catalogue import ModelSpec
from aimi.models.store import FoundModel
from aimi.options import RunOptions
from aimi.run_record import RunRecord
from aimi.tasks import TASKS
from aimi.tasks.task import Task

__all__ = ["job_of", "require_bf16", "task_of", "try_bf16"]

_PRECISIONS = ("f32", "bf16")
_DEVICE = "cpu"


class _Nowhere:
    """The place of a run that leaves nothing."""

    def prepare(self) -> None:
        """Nothing need be written."""

    def require_free(self, fingerprint: str) -> None:
        """Nothing is in the way."""

    def holds_result(self) -> bool:
        """Nothing is here."""
        return False

    def write(self, files: Mapping[str, bytes]) -> None:
        """Nothing is kept."""

    def discard(self) -> None:
        """Nothing was begun."""


def require_bf16() -> None:
    """Refuse a trial where nothing can be learned from it.

    Raises
    ------
    UsageError
        This CPU does not compute in bf16.
    """
    if not computes_in_bf16(_DEVICE):
        raise UsageError(
            "This CPU does not compute in bf16: here every run uses f32, and there is nothing to compare.",
            "Try it on one with AVX-512 BF16 or AMX; what it records lies in the model's folder and goes with it.",
        )


def task_of(name: str, chosen: str | None = None) -> Task:
    """Give the task whose series a model is tried on: the one that was chosen, else the first that runs the model.

    Raises
    ------
    UsageError
        No task runs the model, or the chosen one does not.
    """
    users = {task.name: task for task in TASKS.values() if any(spec.name == name for spec in _models_of(task))}
    if not users:
        raise UsageError(f"No task runs a model {name}.", "See `aimi models list`.")
    if chosen is not None and chosen not in users:
        raise UsageError(f"The task {chosen} does not run {name}.", f"These do: {', '.join(users)}.")
    return users[chosen or next(iter(users))]


def job_of(task: Task, models: Path | None, clock: Callable[[], datetime], max_memory: int | None = None) -> Job:
    """Give a job that leaves nothing anywhere."""
    return Job(
        task=task,
        options=RunOptions(device=_DEVICE, max_memory=max_memory),
        place=_Nowhere(),
        models=models,
        demo=False,
        clock=clock,
        record=RunRecord(),
    )


def try_bf16(job: Job, found: FoundModel, cases: Sequence[Path]) -> Acceptance:
    """Run a model with both precisions on cases; give how well they agree.

    Parameters
    ----------
    cases : DICOM studies, or NIfTI or NRRD files for a task of one series.

    Raises
    ------
    AimiError
        A case cannot be annotated: there is no acceptance.
    """
    loaded = {precision: load_with(job, found, precision) for precision in _PRECISIONS}
    compared = [_try_case(replace(job, record=RunRecord()), loaded, case) for case in cases]
    return Acceptance(
        model_sha256=found.folder.sha256,
        cases=len(compared),
        device=loaded["bf16"].model.device,
        labels=acceptance.summed_up(compared),
    )


def _try_case(job: Job, loaded: Mapping[str, LoadedModel], case: Path) -> tuple[Agreement, ...]:
    found = loaded["f32"].found
    images = _images(job, found, case)
    labels = [
        ensemble.predict(
            [images[role] for role in found.spec.channels],
            one.model,
            one.options,
            progress=_named(job.progress, f"Predicting with {precision}"),
        ).labels
        for precision, one in loaded.items()
    ]
    names, in_folder = found.spec.labels, found.folder.labels
    # v1 folders have numbers in place of names
    return acceptance.agreements(names if len(names) == len(in_folder) else in_folder, *labels)


def _named(progress: Progress, stage: str) -> Callable[[int, int], None]:
    return lambda done, total: progress(stage, done, total)


def _images(job: Job, found: FoundModel, case: Path) -> Mapping[str, Image]:
    """Give the images of a case on the grid on which a run gives them to the model."""
    if pipeline.is_nifti(case):
        return pipeline.read_nifti(job, case)
    selection = pipeline.choose(job, pipeline.read_study(job, case))
    images = pipeline.load_images(job, selection)
    is_last = any(found.spec.name == specs[-1].name for specs in (job.task.models, job.task.demo_models) if specs)
    if job.task.pair is None or not is_last:
        return images
    return pipeline.align(job, selection, images).images


def _models_of(task: Task) -> tuple[ModelSpec, ...]:
    return (*task.models, *task.demo_models, *(() if task.region is None else task.region.fast.values()))
