"""One function a step, from an input to files, and :func:`segment_case`, which calls them in order.

The command calls :func:`segment_case`; the operators of an application call the same steps one by one.
Every step takes the :class:`~aimi.run_record.RunRecord` in which it leaves what the report needs.
"""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np

import aimi
from aimi import nifti, outputs, paired, resample
from aimi.dicom import pairing
from aimi.dicom import selection as selecting
from aimi.dicom import study as studies
from aimi.dicom import volume as volumes
from aimi.dicom.header import Stack, Study
from aimi.dicom.selection import Selection
from aimi.dicom.suv import suv_factors
from aimi.errors import AimiError, UsageError
from aimi.image import Image, LabelMap, Note
from aimi.job import Job, Progress, log_progress, with_progress
from aimi.model_runs import (
    LoadedModel,
    find_models,
    labels_by_place,
    load_models,
    plan_of,
    require_memory,
    run_models,
)
from aimi.models.store import FoundModel
from aimi.result import Aligned, Predictions, Region, Result, Segments
from aimi.tasks.task import OUTSIDE, REGION, rules_of

__all__ = [
    "Job",
    "LoadedModel",
    "Progress",
    "align",
    "choose",
    "choose_all",
    "clean_up",
    "find_models",
    "find_region_unless_done",
    "fingerprint",
    "finish",
    "is_nifti",
    "load_images",
    "load_models",
    "log_progress",
    "predict_in_region",
    "predict_unless_done",
    "prepare",
    "read_nifti",
    "read_study",
    "segment_case",
    "with_progress",
    "write_refusal",
]

_LOOKED_AT_REGION = Note(
    "looked-at-region", "The last network looked at the region and its surroundings; what lies elsewhere is not listed."
)
_PET_UNITS = frozenset({"BQML", "GML", "CM2ML", "CNTS", "PROPCPS", "CPS", "PCNT"})


def is_nifti(source: Path) -> bool:
    """Tell by its name whether an input is a NIfTI or NRRD file."""
    return source.is_file() and source.name.lower().endswith((".nii", ".nii.gz", ".nrrd"))


def prepare(job: Job) -> None:
    """Refuse at once what cannot end well: options that do not fit the task, a place that cannot be written."""
    paired.require_fitting_options(job)
    job.place.prepare()


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
            selections = pairing.choose(
                study,
                rules,
                job.task.pair,
                series_uid=job.options.series_uid,
                allow_partial=job.options.allow_partial_ct,
                register=job.options.register,
            )
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
                units=_units(job, role, stack),
                progress=lambda done, total: job.progress("Loading pixels", done, total),
            )
            job.record.note(*images[role].notes)
    return images


def _units(job: Job, role: str, stack: Stack) -> str:
    """Give the units of a stack's values: the PET's own where they are known, else the task's."""
    return stack.header.units if stack.header.units in _PET_UNITS else job.task.units[role]


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


def clean_up(
    job: Job,
    images: Mapping[str, Image],
    predictions: Predictions,
    *,
    region: Region | None = None,
    aligned: Aligned | None = None,
) -> Segments:
    """Apply the task's rule set; give the segments on the grid of the result and what was removed.

    Parameters
    ----------
    images : by role, on the task's reference grid.
    region, aligned : of a task of two roles.
    """
    with job.record.stage("clean up"):
        labels = labels_by_place(job, predictions.runs)
        if aligned is not None:
            labels |= _further_labels(job, aligned, region, labels)
        cleaned = job.task.clean_ups[job.rule_set](labels, images)
    reference = images[job.task.reference]
    volume = reference.volume.with_array(cleaned.labels.astype(np.uint8, copy=False))
    segments = LabelMap(volume, job.task.segments, reference.source)
    grid = job.options.grid or job.task.reference
    if aligned is None or grid == job.task.reference:
        return Segments(segments, cleaned.removed, job.task.reference)
    moved, own = resample.labels_onto(segments, aligned.native[grid]).labels, aligned.as_read[grid]
    written = LabelMap(own.volume.with_array(moved.labels), job.task.segments, own.source)
    job.record.note(*paired.lesions_not_shown(job, segments, aligned.native[grid]))
    return Segments(written, cleaned.removed, grid, measured=segments)


def _further_labels(
    job: Job, aligned: Aligned, region: Region | None, labels: Mapping[str, LabelMap]
) -> dict[str, LabelMap]:
    found = None if region is None else paired.region_on(job, aligned, region, labels)
    further = {OUTSIDE: aligned.outside, REGION: found}
    return {name: one for name, one in further.items() if one is not None}


def fingerprint(job: Job, images: Mapping[str, Image], found: tuple[FoundModel, ...]) -> str:
    """Give a digest of all that decides the result: software, task, options, models, calibration, voxels, planes."""
    facts = {
        "software": aimi.__version__,
        "task": job.task.name,
        "options": job.options.identity(),
        "models": [[one.spec.name, one.folder.sha256] for one in found],
    }
    region = paired.region_digest(job)
    if region:
        facts["region"] = region
    if job.task.lesions and job.record.selection is not None:
        facts["calibration"] = repr(suv_factors(job.record.selection.stacks[job.task.reference]))
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
    ResourceError
        Memory will not suffice for one of the models; said before the first one runs.
    """
    found = tuple(one.found for one in models) if models else find_models(job)
    identity = _begin(job, images, found)
    return Predictions(identity, run_models(job, images, models or load_models(job, found)))


def _begin(job: Job, images: Mapping[str, Image], found: tuple[FoundModel, ...]) -> str:
    """Refuse what is done already or cannot be done; give the fingerprint."""
    identity = fingerprint(job, images, found)
    job.place.require_free(identity)
    require_memory(job, images, found)
    return identity


def find_region_unless_done(
    job: Job, images: Mapping[str, Image], models: tuple[LoadedModel, ...] | None = None
) -> Region:
    """Find the region of a task of two roles, unless the output place holds this very result or another one.

    Parameters
    ----------
    images : by role, each on its own grid.
    models : loaded models of an earlier case, or None to load them.

    Raises
    ------
    AlreadyDoneError, OutputError
        The output place is taken.
    ResourceError
        Memory will not suffice for one of the models; said before the first one runs.
    """
    found = tuple(one.found for one in models) if models else find_models(job)
    identity = _begin(job, images, found)
    return paired.find_region(job, images, identity, models)


def align(job: Job, selection: Selection, images: Mapping[str, Image]) -> Aligned:
    """Bring the images of a task of two roles to its reference grid."""
    return paired.align(job, selection, images)


def predict_in_region(
    job: Job, aligned: Aligned, region: Region, models: tuple[LoadedModel, ...] | None = None
) -> Predictions:
    """Run the last model of a task of two roles, where the region says that its findings can matter."""
    last = plan_of(job)[-1].spec
    if models is None:
        models = load_models(job, [one for one in find_models(job) if one.spec == last])
    chosen = [one for one in models if one.found.spec == last]
    where = paired.support_of(job, paired.region_on(job, aligned, region))
    if where is not None:
        job.record.note(_LOOKED_AT_REGION)
    sought = () if job.task.region is None else job.task.region.judged
    runs = run_models(job, aligned.images, chosen, where=where, sought=sought)
    return Predictions(region.fingerprint, {**region.runs, **runs})


def finish(
    job: Job,
    *,
    selection: Selection | None,
    images: Mapping[str, Image],
    predictions: Predictions,
    segments: Segments,
    aligned: Aligned | None = None,
) -> dict[str, object]:
    """Measure, encode and write the result, all files or none; give the report.

    Parameters
    ----------
    aligned : of a task of two roles.
    """
    result = Result(
        task=job.task,
        options=job.options,
        images=images,
        native=images if aligned is None else aligned.native,
        selection=selection,
        runs=predictions.runs,
        segments=segments,
        fingerprint=predictions.fingerprint,
        registration=None if aligned is None else aligned.registration,
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
    prepare(job)
    if models is None:
        find_models(job)
    selection = None
    if is_nifti(source):
        images = read_nifti(job, source)
    else:
        selection = choose(job, read_study(job, source))
        images = load_images(job, selection)
    if selection is not None and job.task.pair is not None:
        return _segment_pair(job, selection, images, models)
    predictions = predict_unless_done(job, images, models)
    segments = clean_up(job, images, predictions)
    return finish(job, selection=selection, images=images, predictions=predictions, segments=segments)


def _segment_pair(
    job: Job, selection: Selection, images: Mapping[str, Image], models: tuple[LoadedModel, ...] | None
) -> dict[str, object]:
    region = find_region_unless_done(job, images, models)
    aligned = align(job, selection, images)
    predictions = predict_in_region(job, aligned, region, models)
    segments = clean_up(job, aligned.images, predictions, region=region, aligned=aligned)
    return finish(
        job,
        selection=selection,
        images=aligned.images,
        predictions=predictions,
        segments=segments,
        aligned=aligned,
    )
