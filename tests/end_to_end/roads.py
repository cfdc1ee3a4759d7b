"""The two roads through the house: the command and the Holoscan application."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from aimi import batch, outcome, pipeline
from aimi.options import RunOptions
from aimi.output_place import OutputPlace
from aimi.run_record import RunRecord
from aimi.tasks.task import Task

ROADS = ("command", "application")


@dataclass(frozen=True)
class End:
    """How a run ended."""

    status: int
    message: str
    report: dict[str, Any] | None
    folder: Path


def fixed_clock() -> datetime:
    return datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def make_job(
    task: Task, out: Path, models: Path | None, options: RunOptions | None = None, *, demo: bool = False
) -> pipeline.Job:
    chosen = options or RunOptions()
    return pipeline.Job(
        task=task,
        options=chosen,
        place=OutputPlace(out, task.name, chosen.overwrite),
        models=models,
        demo=demo,
        clock=fixed_clock,
        record=RunRecord(),
    )


def run(
    road: str,
    task: Task,
    source: Path,
    out: Path,
    models: Path | None,
    options: RunOptions | None = None,
    *,
    demo: bool = False,
) -> End:
    """Run a case by one road, in this process, and tell how it ended.

    ``demo`` runs the task's demo models, which may be a proof's own.
    """
    job = make_job(task, out, models, options, demo=demo)
    place = OutputPlace(out, task.name, job.options.overwrite)

    def one(part: pipeline.Job) -> dict[str, Any]:
        if road == "command":
            return pipeline.segment_case(part, source)
        from operators.pet_ct import PetCtApplication
        from operators.single_series import SingleSeriesApplication

        application = SingleSeriesApplication if task.pair is None else PetCtApplication
        return application(part, source).finished_report()

    end = outcome.settle(job, lambda: batch.annotate(job, place, source, one), debug=True)
    return End(end.status, end.message, end.report, out)


def segmentations(folder: Path) -> Sequence[Path]:
    """Give every .dcm below a folder."""
    return sorted(folder.rglob("*.dcm"))
