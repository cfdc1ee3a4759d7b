"""Every series that suits, one result each: ``--all-matching``.

A study may hold several series that a task annotates; the published liver annotations have up to nine of one study. The
results are ``TASK-1``, ``TASK-2``, ... in the order in which the series were ranked, written together or not at all,
with ``TASK.report.json`` as the account of all. A series that suits but has a defect refuses the whole run, as it
would refuse a run of its own. A series that is there only for want of better ones (the attenuation CT of a PET) is
annotated only where there are none.
"""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from aimi import outputs, pipeline
from aimi.dicom import selection as selecting
from aimi.dicom.selection import Selection
from aimi.errors import AlreadyDoneError, OutputError
from aimi.image import Note
from aimi.output_place import OutputPlace, PartPlace
from aimi.pipeline import Job
from aimi.run_record import RunRecord

__all__ = ["annotate"]


def annotate(job: Job, place: OutputPlace, source: Path, one: Callable[[Job], dict[str, Any]]) -> dict[str, Any]:
    """Annotate a case, or each series of it that suits if the options say so; give the report.

    Parameters
    ----------
    job : of the whole input.
    place : where the results of all series go; the job's own.
    one : annotates one case of the input, as the job's rank says, and gives its report.

    Raises
    ------
    AlreadyDoneError
        The place holds these very results.
    AimiError
        Any other outcome but success; nothing was written.
    """
    if not job.options.all_matching or pipeline.is_nifti(source):
        return one(job)
    place.prepare()
    study = pipeline.read_study(job, source)
    selections = _wanted(job, pipeline.choose_all(job, study))
    for rank in range(len(selections)):
        selecting.require_sound(selections[rank:])
    parts, reports = [], []
    for rank in range(len(selections)):
        part = PartPlace(place, rank + 1)
        record = RunRecord(notes=list(job.record.notes))
        try:
            reports.append(one(replace(job, place=part, record=record, rank=rank, study=study)))
        except AlreadyDoneError:
            continue
        finally:
            parts.append(part)
    if len(reports) < len(parts):
        _require_all_done(place, len(parts))
    return _written(job, place, parts, reports)


def _wanted(job: Job, selections: Sequence[Selection]) -> Sequence[Selection]:
    """Give the selections, best first, without those that are there only for want of better ones."""
    deciding = [(rule.role, one.key) for rule in job.task.rules for one in rule.leading if one.decides]

    def values(selection: Selection) -> list[float]:
        return [key(selection.stacks[role]) for role, key in deciding]

    wanted = [one for one in selections if values(one) == values(selections[0])]
    left = len(selections) - len(wanted)
    if left:
        job.record.note(Note("left-out", f"{left} more series would suit if no better ones did; they were left out."))
    return wanted


def _require_all_done(place: OutputPlace, count: int) -> None:
    """End the run: some of the results are in the place already, and none of them may be replaced."""
    finished = place.finished_report() or {}
    if finished.get("results") and len(finished["results"]) == count:  # type: ignore[arg-type]  # of our own report
        raise AlreadyDoneError("Already done: the output folder holds these results.")
    raise OutputError(
        "The output folder holds results of more or fewer series than suit now.",
        "Name another folder, or give --overwrite (AIMI_OVERWRITE=1) to replace them.",
    )


def _written(
    job: Job, place: OutputPlace, parts: Sequence[PartPlace], reports: Sequence[dict[str, Any]]
) -> dict[str, Any]:
    fingerprint = hashlib.sha256(" ".join(part.fingerprint for part in parts).encode()).hexdigest()
    if place.overwrite:
        place.require_free(fingerprint)
    files = {name: content for part in parts for name, content in part.files.items()}
    encoded, summary = outputs.encode_summary(
        job.task, job.options, job.record, fingerprint=fingerprint, reports=reports, files=files
    )
    place.write({**files, "report.json": encoded})
    return summary
