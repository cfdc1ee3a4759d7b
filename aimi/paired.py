"""The steps that only tasks of two roles have: the region, and the images on one grid.

The region model runs first, on its image's own grid (a CT's), so that the network that finds what is judged looks
only where a finding can be kept. Then the other images are brought to the task's reference grid.
"""

import hashlib
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from aimi import regions, registration, resample
from aimi.dicom import seg_reading
from aimi.dicom.selection import Selection
from aimi.errors import InputError, SelectionError, UsageError
from aimi.image import Image, LabelMap, Note
from aimi.job import Job
from aimi.model_runs import LoadedModel, find_models, load_models, plan_of, run_models
from aimi.models import totalsegmentator_classes as classes
from aimi.options import REGION_SOURCES
from aimi.registration import Registration
from aimi.resample import ResampledLabels
from aimi.result import Aligned, ModelRun, Region
from aimi.tasks.task import RegionPart, RegionPlan

__all__ = [
    "align",
    "find_region",
    "lesions_not_shown",
    "region_digest",
    "region_on",
    "require_fitting_options",
    "support_of",
]

_OUTSIDE = {"HU": resample.AIR_HU}
_OWN = REGION_SOURCES[1]
_MOST_NAMED = 10
_HIGHEST_LABEL = 255
_SHARE_OF_A_CUT = 0.25
"""Of an organ's largest area in a slice: lungs and breasts end in less."""
_PARTS = {classes.ANATOMY[name]: len(parts) for name, parts in classes.UNIONS.items()}
_Numbers = npt.NDArray[np.uint8]


def require_fitting_options(job: Job) -> None:
    """Refuse options of two-role tasks for a task of one role, and a grid or region that the task has not.

    Raises
    ------
    UsageError
    """
    task, options = job.task, job.options
    roles = [rule.role for rule in task.rules]
    if options.grid is not None and options.grid not in roles:
        raise UsageError(f"{task.name} has no grid {options.grid}.", f"It has: {', '.join(roles)}.")
    if options.region is not None and task.region is None:
        raise UsageError(f"{task.name} needs no region.", "Leave out --region.")
    if options.region == _OWN and task.region is not None:
        last = plan_of(job)[-1]
        own = {classes.ANATOMY.get(name, 0) for name in last.shown}
        if not own & set(task.region.required[job.rule_set]):
            raise UsageError(
                f"The labels of {last.spec.name} do not show what {job.rule_set} of {task.name} needs.", _named(job)
            )
    if task.pair is None and (options.register or options.allow_partial_ct):
        raise UsageError(f"{task.name} takes one series.", "Leave out --register and --allow-partial-ct.")
    if options.region not in {None, *REGION_SOURCES} and not Path(options.region or "").is_file():
        raise UsageError(
            "The region is neither totalsegmentator nor own, and no file of that name exists.",
            "Name a DICOM segmentation with --region FILE.dcm.",
        )


def _named(job: Job) -> str:
    """Tell what a region must show."""
    required = () if job.task.region is None else job.task.region.required[job.rule_set]
    names = [name.replace("_", " ") for name, number in classes.ANATOMY.items() if number in required]
    shown = names if len(names) <= _MOST_NAMED else [*names[:_MOST_NAMED], "..."]
    return f"It needs one of: {', '.join(shown)}."


def region_digest(job: Job) -> str:
    """Give a digest of the region's file, for the fingerprint; empty where the region comes from a model."""
    if job.options.region in {None, *REGION_SOURCES}:
        return ""
    return hashlib.sha256(Path(job.options.region or "").read_bytes()).hexdigest()


def find_region(
    job: Job, images: Mapping[str, Image], fingerprint: str, models: Sequence[LoadedModel] | None = None
) -> Region:
    """Find the region: by its models on their image's own grid, from a file, or later from the last model's labels.

    Parameters
    ----------
    images : each on its own grid.
    models : loaded models of an earlier case, or None to load them.
    """
    if job.task.region is None or job.options.region == _OWN:
        return Region(fingerprint, None, {})
    if job.options.region not in {None, *REGION_SOURCES}:
        found = _read_region(job, Path(job.options.region or ""))
        job.record.note(*_parts_not_shown(job.task.region, found))
        return Region(fingerprint, found, {})
    last = plan_of(job)[-1].spec
    if models is None:
        models = load_models(job, [one for one in find_models(job) if one.spec != last])
    runs = run_models(job, images, [one for one in models if one.found.spec != last])
    labels = _composed(runs)
    if labels is not None:
        job.record.note(*_parts_not_shown(job.task.region, labels))
    return Region(fingerprint, labels, runs)


def _composed(runs: Mapping[str, ModelRun]) -> LabelMap | None:
    """Give one label map of several region models of one image; an earlier model's labels stay."""
    composed: LabelMap | None = None
    for run in runs.values():
        numbers = _numbers_of(run.found.spec.labels)[run.labels.labels]
        if composed is None:
            composed = run.labels.with_labels(numbers)
        else:
            composed = composed.with_labels(np.where(composed.labels > 0, composed.labels, numbers))
    return composed


def _numbers_of(labels: Sequence[str]) -> _Numbers:
    """Give the anatomy number of each network label."""
    numbers = np.zeros(256, np.uint8)
    for label, name in enumerate(labels, start=1):
        numbers[label] = classes.ANATOMY.get(name, 0)
    return numbers


def _read_region(job: Job, path: Path) -> LabelMap:
    """Read a region from a segmentation object of any writer; where segments overlap, the finer class holds.

    Raises
    ------
    InputError
        It lies in no frame of reference of the images, or shows nothing that is known.
    """
    with job.record.stage("read region"):
        found = seg_reading.read(path, study=job.record.study)
    job.record.note(*found.notes)
    selection = job.record.selection
    frames = set() if selection is None else {one.header.frame_of_reference_uid for one in selection.stacks.values()}
    if found.geometry.frame_of_reference_uid not in frames:
        raise InputError(
            "The segmentation of the region lies in another frame of reference than PET and CT.",
            "Name one that was made from this study.",
        )
    numbers = [classes.anatomy_of(mask.segment) for mask in found.masks]
    shown = {number for number, one in zip(numbers, found.masks, strict=True) if one.mask.any()}
    if job.task.region is not None and not shown & set(job.task.region.required[job.rule_set]):
        raise InputError("The segmentation shows none of what findings are judged against.", _named(job))
    unknown = sum(number == 0 for number in numbers)
    if unknown:
        sentence = f"{unknown} of {len(numbers)} segments of the region's file are no organ that is known."
        job.record.note(Note("region-unknown-segments", sentence))
    labels = np.zeros(found.geometry.spatial_shape, np.uint8)
    finest_first = sorted(zip(numbers, found.masks, strict=True), key=lambda pair: _PARTS.get(pair[0], 1))
    for number, one in finest_first:
        labels[one.mask & (labels == 0)] = number
    return LabelMap(found.to_volume(labels), (), found.source)


def _parts_not_shown(plan: RegionPlan, region: LabelMap) -> tuple[Note, ...]:
    """Tell which parts a region lacks that shows others: a patient may lack them, a segmentation may, too."""
    numbers = [number for part in plan.parts for number in (*part.whole, *part.pieces)]
    shown = {number for number in numbers if np.any(region.labels == number)}
    if not shown:
        return ()
    names = [name for part in plan.parts for name in _not_shown(part, shown)]
    sentence = "The region does not show the {}: findings there count as outside of it and may be taken away."
    return tuple(Note("region-part-missing", sentence.format(name)) for name in names)


def _not_shown(part: RegionPart, shown: Collection[int]) -> list[str]:
    """Name what of a part is not shown: nothing, all of it, or some of its pieces."""
    if any(number in shown for number in part.whole):
        return []
    absent = [number for number in part.pieces if number not in shown]
    if len(absent) == len(part.pieces):
        return [part.name]
    return [name.replace("_", " ") for name, number in classes.ANATOMY.items() if number in absent]


def align(job: Job, selection: Selection, images: Mapping[str, Image]) -> Aligned:
    """Bring all images to the task's reference grid, registered first where their frames of reference differ.

    Raises
    ------
    SelectionError
        After the registration an image covers less of the other than the task asks for.
    """
    reference = images[job.task.reference]
    native = dict(images)
    result: Registration | None = None
    if job.task.pair is not None and _frames_differ(job, selection):
        moving = job.task.pair.second
        with job.record.stage("register"):
            result = registration.register(images[job.task.pair.first], images[moving])
        native[moving] = registration.move(images[moving], result.translation)
        shift = ", ".join(f"{value:.1f}" for value in result.translation)
        job.record.note(Note("registered", f"The CT was moved by ({shift}) mm (x, y, z) onto the PET."))
        job.record.note(*registration.doubts(result))
    aligned, outside = {}, np.zeros(reference.volume.spatial_shape, np.bool_)
    with job.record.stage("resample"):
        for role, image in native.items():
            found = resample.image_onto(image, reference, outside=_OUTSIDE.get(image.units, 0.0))
            same = role == job.task.reference
            aligned[role] = image if same else found.image
            outside |= ~found.inside
    if result is not None:
        _require_coverage(job, outside)
    mask = LabelMap(reference.volume.with_array(outside.astype(np.uint8)), (), reference.source)
    return Aligned(aligned, native, images, mask, result)


def _frames_differ(job: Job, selection: Selection) -> bool:
    frames = {stack.header.frame_of_reference_uid for stack in selection.stacks.values()}
    return job.options.register and (len(frames) > 1 or None in frames)


def _require_coverage(job: Job, outside: npt.NDArray[np.bool_]) -> None:
    if job.task.pair is None or job.options.allow_partial_ct:
        return
    share = float(np.mean(~outside.all(axis=(1, 2))))
    if share < job.task.pair.least_coverage:
        raise SelectionError(
            f"After the registration the CT covers {100 * share:.0f} % of the PET's slices; "
            f"{100 * job.task.pair.least_coverage:.0f} % are needed.",
            "Annotate what is covered with --allow-partial-ct, or send the CT of the whole PET.",
        )


def region_on(
    job: Job, aligned: Aligned, region: Region, labels: Mapping[str, LabelMap] | None = None
) -> LabelMap | None:
    """Give the region on the reference grid; None where the task has none.

    Parameters
    ----------
    labels : of the last model, by the name of its place; needed where the region is taken from them.
    """
    if job.task.region is None:
        return None
    if region.labels is not None:
        moved = region.labels
        if aligned.registration is not None and (region.runs or not _lies_on_first(job, region.labels)):
            moved = _moved(region.labels, aligned.registration)
        found = resample.labels_onto(moved, aligned.images[job.task.reference])
        if not region.runs:
            job.record.note(*_notes_on_coverage(found, job.task.region.required[job.rule_set]))
        return found.labels
    if labels is None:
        return None
    last = job.task.models[-1]
    own = labels[last.name]
    return own.with_labels(_numbers_of(last.labels)[own.labels])


def _notes_on_coverage(found: ResampledLabels, required: Collection[int]) -> tuple[Note, ...]:
    """Tell what share of the slices the region's file covers, where that is not all of them or it seems cut.

    A file may leave out frames without voxels, and a grid says nothing of them. So a region is taken to be cut where
    what findings are judged against ends in much of its full width, and not at the image's end.
    """
    covered = found.inside.any(axis=(1, 2))
    manner = "covers"
    if covered.all():
        areas = np.count_nonzero(regions.mask_of(found.labels.labels, required), axis=(1, 2))
        shown = np.flatnonzero(areas)
        ends = [k for k in shown[[0, -1]] if 0 < k < len(areas) - 1] if shown.size else []
        if not any(areas[k] > _SHARE_OF_A_CUT * areas.max() for k in ends):
            return ()
        covered, manner = areas > 0, "seems to be cut and shows organs on"
    sentence = (
        f"The region's file {manner} {100 * int(covered.sum()) // covered.size} % of the PET's slices: "
        "findings elsewhere count as outside of it and may be taken away."
    )
    return (Note("region-covers-part", sentence),)


def _lies_on_first(job: Job, labels: LabelMap) -> bool:
    """Tell whether a region lies in the frame of reference of the image that was not moved."""
    if job.task.pair is None or job.record.selection is None:
        return False
    first = job.record.selection.stacks[job.task.pair.first].header.frame_of_reference_uid
    return bool(labels.volume.frame_of_reference_uid == first)


def _moved(labels: LabelMap, found: Registration) -> LabelMap:
    affine = labels.volume.affine.copy()
    affine[:3, 3] += found.translation
    volume = type(labels.volume)(labels.labels, affine, coordinate_system="PATIENT")
    return LabelMap(volume, labels.segments, labels.source)


def support_of(job: Job, region: LabelMap | None) -> npt.NDArray[np.bool_] | None:
    """Give where the last model must look under the rule set in force; None for everywhere."""
    if job.task.region is None or region is None or job.rule_set not in job.task.region.support:
        return None
    return job.task.region.support[job.rule_set](region)


def lesions_not_shown(job: Job, segments: LabelMap, target: Image) -> tuple[Note, ...]:
    """Tell how many lesions have no voxel on a coarser grid than their own.

    Parameters
    ----------
    segments : on the task's reference grid.
    target : an image on the grid of the result.
    """
    lesions = [
        one
        for number in job.task.lesions
        for one in regions.components(regions.mask_of(segments.labels, (number,)), segments.volume.spacing)
    ]
    shown = 0
    for start in range(0, len(lesions), _HIGHEST_LABEL):
        numbered = np.zeros(segments.labels.shape, np.uint8)
        for number, one in enumerate(lesions[start : start + _HIGHEST_LABEL], start=1):
            numbered[one.box][one.mask] = number
        found = resample.labels_onto(segments.with_labels(numbered), target).labels
        shown += int(np.count_nonzero(np.unique(found.labels)))
    if shown == len(lesions):
        return ()
    sentence = (
        f"{len(lesions) - shown} of {len(lesions)} lesions lie between the slices of the grid that was asked for: "
        "the segmentation does not show them, and the uptake lists them."
    )
    return (Note("lesions-not-shown", sentence),)
