"""What a finished case becomes: the segmentation, the picture, the report, as bytes by file name."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

import numpy as np
from PIL import Image as Picture

import aimi
from aimi import measure, nifti, preview, report
from aimi.dicom import secondary_capture, segmentation
from aimi.dicom.secondary_capture import Caption
from aimi.dicom.segmentation import Algorithm, Description, SegmentationType
from aimi.dicom.selection import Selection
from aimi.errors import AimiError
from aimi.measure import SegmentMeasures
from aimi.models.catalogue import ModelSpec
from aimi.options import RunOptions
from aimi.output_place import sha256_of
from aimi.result import ModelRun, Result
from aimi.run_record import RunRecord, peak_memory_bytes
from aimi.tasks.task import Task
from aimi.uptake import CaseUptake, measure_case

__all__ = ["encode", "encode_refusal", "encode_summary"]


_SEGMENTATION_SERIES = 3000
_PICTURE_SERIES = 3100
_REMOVED_LIMIT = 100  # the largest removed findings are told one by one
_PET, _CT = "pet", "ct"
_WINDOWS = {"lung": preview.LUNG}
_MODALITIES = {"HU": "CT", "BQML": "PT"}


def encode(result: Result, record: RunRecord, clock: Callable[[], datetime]) -> tuple[dict[str, bytes], dict[str, Any]]:
    """Give the files of a case, by the last part of their names, and the report."""
    measures = measure.measure(result.labels)
    record.note(*measure.left_out(measures))
    uptake = _uptake(result)
    picture = _picture(result, measures, uptake)
    files = {"preview.png": preview.encode_png(picture)}
    if result.selection is None:
        files["seg.nii.gz"] = nifti.encode_labels(result.labels, like=result.images[result.segments.reference])
    else:
        files |= _dicom_files(result, result.selection, picture, record, clock)
    facts = _facts(result, record, measures, uptake, files)
    files["report.json"] = report.to_bytes(facts)
    return files, facts


def _uptake(result: Result) -> CaseUptake | None:
    """Measure the lesions of a task that has some, where the PET's headers are at hand."""
    if not result.task.lesions or result.selection is None:
        return None
    stack = result.selection.stacks[_PET]
    return measure_case(result.images[_PET], stack, result.measured, result.task.lesions)


def _picture(result: Result, measures: tuple[SegmentMeasures, ...], uptake: CaseUptake | None) -> Picture.Image:
    image = result.images[result.task.reference]
    modality = image.source.modality if image.source is not None else _MODALITIES.get(image.units, "MR")
    series = "" if image.source is None else f"Series {image.source.series_instance_uid}. "
    text = preview.Text(
        title=result.task.title,
        subtitle=", ".join(result.runs),
        footer=f"{series}AIMI {aimi.__version__}",
    )
    if uptake is not None:
        factors = uptake.factors.body_weight
        return preview.render_pet_ct(
            result.images[_PET],
            result.native[_CT],
            result.measured,
            measures,
            text=text,
            lesions=result.task.lesions,
            suv_per_unit=factors[0] if factors is not None and len(factors) == 1 else None,
        )
    return preview.render(
        image,
        result.labels,
        measures,
        text=text,
        modality=modality,
        window=_WINDOWS.get(result.task.window),
        focus=result.task.focus,
    )


def encode_refusal(task: Task, options: RunOptions, record: RunRecord, error: AimiError) -> bytes:
    """Give the report of a run without a result."""
    facts = report.common_facts(task.name, options, status=error.status, notes=record.notes, timings=record.timings)
    facts |= report.refusal_facts(error)
    facts["input"] = report.study_facts(record.study)
    facts["selection"] = report.selection_facts(record.selection, record.candidates)
    return report.to_bytes(facts)


def encode_summary(
    task: Task,
    options: RunOptions,
    record: RunRecord,
    *,
    fingerprint: str,
    reports: Sequence[Mapping[str, Any]],
    files: Mapping[str, bytes],
) -> tuple[bytes, dict[str, Any]]:
    """Give the account of a run with several results, as bytes and as values.

    Parameters
    ----------
    reports : of the results, in order.
    files : of all results, by the last part of their names.
    """
    facts = report.common_facts(task.name, options, status=0, notes=record.notes, timings=record.timings)
    facts["fingerprint"] = fingerprint
    facts["input"] = report.study_facts(record.study)
    facts["results"] = [
        {
            "number": number,
            "fingerprint": one["fingerprint"],
            "chosen": one["selection"]["chosen"],
            "segments": one["segments"],
            "positions": one["positions"],
            "empty": one["empty"],
        }
        for number, one in enumerate(reports, start=1)
    ]
    facts["files"] = {name: sha256_of(content) for name, content in files.items()}
    return report.to_bytes(facts), facts


def _dicom_files(
    result: Result, selection: Selection, picture: Picture.Image, record: RunRecord, clock: Callable[[], datetime]
) -> dict[str, bytes]:
    reference = selection.stacks[result.segments.reference]
    encoded = segmentation.encode(
        result.labels,
        reference,
        _description(result),
        further_sources=[stack for role, stack in selection.stacks.items() if role != result.segments.reference],
        segmentation_type=SegmentationType(result.options.segmentation_type.upper()),
        clock=clock,
    )
    record.note(*encoded.notes)
    files = {"seg.dcm": segmentation.to_bytes(encoded.dataset)}
    if result.options.secondary_capture:
        caption = Caption(
            series_description=f"{result.task.title} AI picture",
            series_number=_PICTURE_SERIES + result.task.number,
            software_version=aimi.__version__,
            segmentation=(encoded.dataset.SOPClassUID, encoded.dataset.SOPInstanceUID),
        )
        captured = secondary_capture.encode(np.asarray(picture), reference, caption, clock=clock)
        files["preview.dcm"] = segmentation.to_bytes(captured.dataset)
    return files


def _description(result: Result) -> Description:
    run = list(result.runs.values())[-1]
    spec = run.found.spec
    is_free = not spec.licence_must_be_accepted or not run.found.is_as_listed
    return Description(
        series_number=_SEGMENTATION_SERIES + result.task.number,
        series_description=f"{result.task.title} AI",
        body_part=result.task.body_part,
        algorithm=Algorithm(
            name=_algorithm_name(result.task, run),
            version=run.found.version,
            weights_sha256=run.found.folder.sha256,
            parameters={
                "device": run.prediction.device,
                "precision": run.prediction.precision,
                **{f"model {name}": one.found.folder.sha256 for name, one in _further(result).items()},
                **{name: str(value) for name, value in result.options.identity().items() if value not in (None, False)},
            },
        ),
        content_label=result.task.name.upper(),
        software_version=aimi.__version__,
        licence_note="" if is_free else f"Weights: {spec.licence}",
    )


def _algorithm_name(task: Task, run: ModelRun) -> str:
    """Give the task's name of the algorithm where its published model ran, else the model's (DECISIONS 4.2)."""
    is_published = run.found.spec == task.models[-1] and run.found.algorithm_name == run.found.spec.algorithm_name
    return task.algorithm_name if is_published and task.algorithm_name else run.found.algorithm_name


def _further(result: Result) -> dict[str, ModelRun]:
    """Give the runs of all models but the last, which names the result."""
    return dict(list(result.runs.items())[:-1])


def _facts(
    result: Result,
    record: RunRecord,
    measures: tuple[SegmentMeasures, ...],
    uptake: CaseUptake | None,
    files: Mapping[str, bytes],
) -> dict[str, Any]:
    facts = report.common_facts(result.task.name, result.options, status=0, notes=record.notes, timings=record.timings)
    facts["fingerprint"] = result.fingerprint
    facts["input"] = report.study_facts(record.study)
    facts["selection"] = report.selection_facts(record.selection, record.candidates)
    facts["models"] = [_model_facts(run) for run in result.runs.values()]
    facts["segments"] = [report.segment_facts(one) for one in measures]
    facts["groups"] = [report.group_facts(group.label, group.numbers, measures) for group in result.task.groups]
    if uptake is not None:
        facts["uptake"] = report.uptake_facts(uptake)
        facts["registration"] = report.registration_facts(result.registration)
    facts["positions"] = {
        part: _frame_facts(result, role) for part, role in _roles_of_positions(result, uptake).items()
    }
    facts["empty"] = not result.labels.labels.any()
    facts["removed"] = [
        {
            "label": one.label,
            "volume_ml": round(one.volume_ml, 4),
            "voxels": one.voxels,
            "centroid_lps_mm": [round(value, 2) for value in one.centroid],
            "reason": one.reason,
        }
        for one in sorted(result.removed, key=lambda one: -one.volume_ml)[:_REMOVED_LIMIT]
    ]
    facts["removed_count"] = len(result.removed)
    facts["peak_memory_bytes"] = peak_memory_bytes()
    facts["files"] = {name: sha256_of(content) for name, content in files.items()}
    return facts


def _roles_of_positions(result: Result, uptake: CaseUptake | None) -> dict[str, str]:
    """Give in which image's coordinates each part of the report tells positions."""
    roles = {"segments": result.segments.reference, "removed": result.task.reference}
    return roles if uptake is None else roles | {"uptake": _PET}


def _frame_facts(result: Result, role: str) -> dict[str, Any]:
    source = result.native[role].source
    return {"image": role, "frame_of_reference_uid": None if source is None else source.frame_of_reference_uid}


def _model_facts(run: ModelRun) -> dict[str, Any]:
    spec, prediction = run.found.spec, run.prediction
    disagreement = prediction.fold_disagreement
    return {
        "name": spec.name,
        "version": run.found.version,
        "licence": run.found.licence,
        "weights_sha256": run.found.folder.sha256,
        "folds": list(run.found.folder.folds),
        "device": prediction.device,
        "precision": prediction.precision,
        "fold_disagreement": None
        if disagreement is None
        else {_label_name(spec, label): round(share, 6) for label, share in disagreement.items()},
        "timings_s": {name: round(seconds, 3) for name, seconds in prediction.timings.items()},
    }


def _label_name(spec: ModelSpec, label: int) -> str:
    """Give the name of a network label, or its number where the catalogue is not certain of it."""
    return spec.labels[label - 1] if label <= len(spec.labels) else f"label {label}"
