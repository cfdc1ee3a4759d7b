"""One function a step, from an input to files, and :func:`segment_case`, which calls them in order.

The command calls :func:`segment_case`; the operators of an application call the same steps one by one.
Every step takes the :class:`~aimi.run_record.RunRecord` in which it leaves what the report needs.
"""

import hashlib
import json
import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

import numpy as np

import aimi
from aimi import nifti, outputs
from aimi.dicom import selection as selecting
from aimi.dicom import study as studies
from aimi.dicom import volume as volumes
from aimi.dicom.header import Study
from aimi.dicom.selection import Selection
from aimi.engine import ensemble
from aimi.engine.ensemble import Model
from aimi.errors import AimiError, UsageError
from aimi.image import Image, LabelMap
from aimi.models import store
from aimi.models.store import FoundModel
from aimi.options import RunOptions
from aimi.output_place import Place
from aimi.result import ModelRun, Predictions, Result, Segments
from aimi.run_record import RunRecord
from aimi.tasks.task import Running, Task, rules_of

__all__ = [
    "Job",
    "LoadedModel",
    "Progress",
    "choose",
    "choose_all",
    "clean_up",
    "find_models",
    "fingerprint",
    "finish",
    "is_nifti",
    "load_images",
    "load_models",
    "log_progress",
    "predict",
    "predict_unless_done",
    "read_nifti",
    "read_study",
    "segment_case",
    "with_progress",
    "write_refusal",
]

logger = logging.getLogger(__name__)

_PRECISION = {"auto": "f32"}  # until a model's bf16 was accepted against f32 (DESIGN section 5)

Progress = Callable[[str, int, int], None]
"""(stage, done, of all)."""


def _silent(_stage: str, _done: int, _total: int) -> None:
    """Show no progress."""


@dataclass(frozen=True, slots=True)
class Job:
    """What stays the same in all steps of one run.

    Parameters
    ----------
    models : the folder with one sub-folder per model, or None where none was named.
    demo : run the task's demo models.
    rank : which of the selections that suit is annotated; 0 for the best.
    study : the input, where it was read already.
    """

    task: Task
    options: RunOptions
    place: Place
    models: Path | None
    demo: bool
    clock: Callable[[], datetime]
    record: RunRecord
    progress: Progress = _silent
    rank: int = 0
    study: Study | None = None


@dataclass(frozen=True, slots=True)
class LoadedModel:
    """A model of the catalogue, loaded; it stays loaded across cases."""

    found: FoundModel
    model: Model
    options: ensemble.Options


def is_nifti(source: Path) -> bool:
    """Tell by its name whether an input is a NIfTI or NRRD file."""
    return source.is_file() and source.name.lower().endswith((".nii", ".nii.gz", ".nrrd"))


def read_study(job: Job, source: Path) -> Study:
    """Read the headers of an input, unless the job holds them."""
    study = job.study
    if study is None:
        with job.record.stage("read"):
            study = studies.read(
                source,
                study_uid=job.options.study_uid,
                progress=lambda done, total: job.progress("Reading headers", done, total),
            )
    job.record.study = study
    job.record.note(*study.notes)
    return study


def choose_all(job: Job, study: Study) -> tuple[Selection, ...]:
    """Choose every selection that suits, best first; the record keeps the candidates."""
    with job.record.stage("select"):
        try:
            rules = rules_of(job.task, allow_non_contrast=job.options.allow_non_contrast)
            selections = selecting.choose(study, rules, series_uid=job.options.series_uid)
        except selecting.NothingSuitableError as err:
            job.record.candidates = err.candidates
            raise
        job.record.candidates = selections[0].candidates
    return selections


def choose(job: Job, study: Study) -> Selection:
    """Choose the stacks that the task annotates: the job's rank; refuse where one has a defect."""
    selection = selecting.require_sound(choose_all(job, study)[job.rank :])
    job.record.selection = selection
    job.record.note(*selecting.notes(selection))
    for stack in selection.stacks.values():
        job.record.note(*stack.notes)
    return selection


def load_images(job: Job, selection: Selection) -> dict[str, Image]:
    """Load the chosen stacks, by role."""
    images = {}
    with job.record.stage("load"):
        for role, stack in selection.stacks.items():
            images[role] = volumes.load(
                stack,
                units=job.task.units[role],
                progress=lambda done, total: job.progress("Loading pixels", done, total),
            )
            job.record.note(*images[role].notes)
    return images


def read_nifti(job: Job, source: Path) -> dict[str, Image]:
    """Read a NIfTI or NRRD image as the task's only role (DECISIONS 1.8).

    Raises
    ------
    UsageError
        The task needs several images.
    """
    roles = [rule.role for rule in job.task.rules]
    if len(roles) != 1:
        raise UsageError(
            f"{job.task.name} needs {' and '.join(roles)}: one file cannot hold both.", "Give a DICOM study."
        )
    with job.record.stage("load"):
        image = nifti.read_image(source, units=job.task.units[roles[0]])
    job.record.note(*image.notes)
    return {roles[0]: image}


def find_models(job: Job) -> tuple[FoundModel, ...]:
    """Find the task's models, or its demo models, among the folders at hand."""
    specs = job.task.demo_models if job.demo else job.task.models
    if not specs:
        raise UsageError(f"{job.task.name} has no demo model.", "Name a models folder with -m.")
    return tuple(store.find(spec, job.models) for spec in specs)


def load_models(job: Job, found: tuple[FoundModel, ...]) -> tuple[LoadedModel, ...]:
    """Load models for prediction with the run's options."""
    with job.record.stage("load models"):
        running = job.task.running.get(_rule_set(job), Running())
        return tuple(_load_model(job.options, running, one) for one in found)


def _load_model(options: RunOptions, running: Running, found: FoundModel) -> LoadedModel:
    mirroring = (options.mirroring, running.mirroring, found.spec.mirroring)
    engine_options = ensemble.Options(
        orientation=found.spec.orientation,
        mirroring=next(value for value in mirroring if value is not None),
        ensemble=options.ensemble or running.ensemble or found.spec.ensemble,
        postprocessing=running.postprocessing,
        device=options.device,
        precision=_PRECISION.get(options.precision, options.precision),
        max_memory=options.max_memory,
    )
    return LoadedModel(found, ensemble.load(found.folder, engine_options), engine_options)


def predict(job: Job, images: Mapping[str, Image], models: tuple[LoadedModel, ...]) -> dict[str, ModelRun]:
    """Run every model on its channels; give network labels on the reference grid, by model name."""
    runs = {}
    for loaded in models:
        spec = loaded.found.spec
        with job.record.stage(f"predict {spec.name}"):
            prediction = ensemble.predict(
                [images[role] for role in spec.channels],
                loaded.model,
                loaded.options,
                progress=lambda done, total: job.progress("Predicting", done, total),
            )
        job.record.note(*prediction.notes)
        reference = images[spec.channels[0]]
        labels = LabelMap(reference.volume.with_array(prediction.labels), (), reference.source)
        runs[spec.name] = ModelRun(loaded.found, prediction, labels)
    return runs


def _rule_set(job: Job) -> str:
    """Give the rule set in force.

    Raises
    ------
    UsageError
        The task has no such rule set.
    """
    rule_set = job.options.rule_set or next(iter(job.task.clean_ups))
    if rule_set not in job.task.clean_ups:
        raise UsageError(f"{job.task.name} has no rule set {rule_set}.", f"It has: {', '.join(job.task.clean_ups)}.")
    return rule_set


def clean_up(job: Job, images: Mapping[str, Image], predictions: Predictions) -> Segments:
    """Apply the task's rule set; give the segments on the reference grid and what was removed."""
    rule_set = _rule_set(job)
    with job.record.stage("clean up"):
        # Demo models stand in for published ones, in the same order.
        names = [spec.name for spec in job.task.models]
        labels = {name: one.labels for name, one in zip(names, predictions.runs.values(), strict=True)}
        cleaned = job.task.clean_ups[rule_set](labels, images)
    reference = images[job.task.reference]
    volume = reference.volume.with_array(cleaned.labels.astype(np.uint8, copy=False))
    return Segments(LabelMap(volume, job.task.segments, reference.source), cleaned.removed)


def fingerprint(job: Job, images: Mapping[str, Image], found: tuple[FoundModel, ...]) -> str:
    """Give a digest of all that decides the result: software, task, options, models, input voxels and planes."""
    facts = {
        "software": aimi.__version__,
        "task": job.task.name,
        "options": job.options.identity(),
        "models": [[one.spec.name, one.folder.sha256] for one in found],
    }
    digest = hashlib.sha256(json.dumps(facts, sort_keys=True).encode())
    for role in sorted(images):
        image = images[role]
        digest.update(role.encode())
        digest.update(np.ascontiguousarray(image.volume.affine).tobytes())
        digest.update(str((image.volume.array.dtype, image.volume.array.shape)).encode())
        digest.update(np.ascontiguousarray(image.volume.array).data)
        if image.source is not None:
            digest.update("".join(plane.sop_instance_uid for plane in image.source.slices).encode())
    return digest.hexdigest()


def predict_unless_done(
    job: Job, images: Mapping[str, Image], models: tuple[LoadedModel, ...] | None = None
) -> Predictions:
    """Predict, unless the output place holds this very result or another one.

    Parameters
    ----------
    models : loaded models of an earlier case, or None to load them.

    Raises
    ------
    AlreadyDoneError, OutputError
        The output place is taken.
    """
    found = tuple(one.found for one in models) if models else find_models(job)
    identity = fingerprint(job, images, found)
    job.place.require_free(identity)
    return Predictions(identity, predict(job, images, models or load_models(job, found)))


def finish(
    job: Job,
    *,
    selection: Selection | None,
    images: Mapping[str, Image],
    predictions: Predictions,
    segments: Segments,
) -> dict[str, object]:
    """Measure, encode and write the result, all files or none; give the report."""
    result = Result(
        task=job.task,
        options=job.options,
        images=images,
        selection=selection,
        runs=predictions.runs,
        labels=segments.labels,
        removed=segments.removed,
        fingerprint=predictions.fingerprint,
    )
    with job.record.stage("write"):
        files, report = outputs.encode(result, job.record, job.clock)
        job.place.write(files)
    return report


def write_refusal(job: Job, error: AimiError) -> None:
    """Leave a report of why there is no result; nothing for status 7 or where a finished result lies."""
    if error.status in {0, 2, 7} or job.place.holds_result():
        return
    job.place.write({"report.json": outputs.encode_refusal(job.task, job.options, job.record, error)})


def segment_case(job: Job, source: Path, models: tuple[LoadedModel, ...] | None = None) -> dict[str, object]:
    """Annotate one case: from an input to the files in the output place.

    Parameters
    ----------
    source : a DICOM folder or file, or a NIfTI or NRRD file.
    models : loaded models of an earlier case, or None to load them.

    Returns
    -------
    The report.

    Raises
    ------
    AimiError
        Any outcome but success; nothing was written.
    """
    job.place.prepare()
    if models is None:
        find_models(job)
    selection = None
    if is_nifti(source):
        images = read_nifti(job, source)
    else:
        selection = choose(job, read_study(job, source))
        images = load_images(job, selection)
    predictions = predict_unless_done(job, images, models)
    segments = clean_up(job, images, predictions)
    return finish(job, selection=selection, images=images, predictions=predictions, segments=segments)


def with_progress(job: Job, progress: Progress) -> Job:
    """Give the same job with another way of showing progress."""
    return replace(job, progress=progress)


def log_progress(interval_s: float = 10.0) -> Progress:
    """Give a progress callback that logs at most one line every few seconds."""
    last = time.monotonic()

    def log(stage: str, done: int, total: int) -> None:
        nonlocal last
        now = time.monotonic()
        if now - last >= interval_s:
            last = now
            logger.info("%s: %d of %d", stage, done, total, extra={"done": done, "total": total})

    return log
