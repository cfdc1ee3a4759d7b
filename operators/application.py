"""What every application shares: the job, the outcome, the exit status.

Holoscan reports success when an operator did not emit. The status of the process is therefore decided here:
0 only when the last operator has left its report.
"""

import logging
import os
import warnings
from pathlib import Path
from typing import Any

from aimi import batch, outcome, pipeline
from aimi.errors import AimiError
from aimi.models import store
from aimi.output_place import OutputPlace
from aimi.run_record import RunRecord
from aimi.tasks.task import Task
from operators.launch import Launched

os.environ.setdefault("HOLOSCAN_LOG_LEVEL", "OFF")
with warnings.catch_warnings():
    warnings.simplefilter("ignore", RuntimeWarning)  # holoscan would like a larger stack; it needs none here
    from holoscan.core import Application

from operators.dicom_seg_writer import DicomSegWriterOperator

__all__ = ["TaskApplication", "conduct"]

logger = logging.getLogger(__name__)


class TaskApplication(Application):
    """An application that annotates one study; a subclass connects its operators in ``compose``.

    Parameters
    ----------
    job : the task, its options and the place of its result.
    source : the input.
    """

    def __init__(self, job: pipeline.Job, source: Path) -> None:
        self.job = job
        self.source = source
        self.writer: DicomSegWriterOperator | None = None
        super().__init__()

    def finished_report(self) -> dict[str, Any]:
        """Run the operators and give the report that the last one left.

        Raises
        ------
        AimiError
            As an operator raised it.
        RuntimeError
            The last operator never finished.
        """
        self.run()
        if self.writer is None or self.writer.report is None:
            raise RuntimeError("the last operator did not finish")
        return self.writer.report


def conduct(application: type[TaskApplication], task: Task, launched: Launched) -> int:
    """Run an application as it was launched; give the exit status."""
    place = OutputPlace(launched.folder, task.name, launched.options.overwrite)
    try:
        job = _job(task, launched, place)
    except AimiError as err:
        logger.error("%s", err, extra={"status": err.status})  # noqa: TRY400  (one sentence)
        return err.status
    launched.interruption.add(place.discard)

    def work() -> dict[str, Any]:
        return batch.annotate(
            job, place, launched.source, lambda one: application(one, launched.source).finished_report()
        )

    return outcome.settle(job, work, debug=launched.debug).status


def _job(task: Task, launched: Launched, place: OutputPlace) -> pipeline.Job:
    models, is_demo = store.folder_of(launched.models, os.environ)
    return pipeline.Job(
        task=task,
        options=launched.options,
        place=place,
        models=models,
        demo=is_demo,
        clock=launched.clock,
        record=RunRecord(),
        progress=pipeline.log_progress(),
    )
