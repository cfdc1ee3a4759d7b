"""What every application shares: its command line, its outcome, its exit status.

Holoscan reports success when an operator did not emit, and puts its own signal handlers in place
(so :mod:`aimi.interruption` takes the signals first). The status of the process is therefore decided here:
0 only when the last operator has left its report.

The command line has the paths alone, as the platform gives them (``-i -o -m -w -l``); every other option
is an ``AIMI_*`` variable.
"""

import argparse
import logging
import os
import sys
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from aimi import log_format
from aimi.errors import AimiError, UsageError
from aimi.interruption import Interruption
from aimi.options import RunOptions, clock_of_environment
from aimi.tasks.task import Task

os.environ.setdefault("HOLOSCAN_LOG_LEVEL", "OFF")
with warnings.catch_warnings():
    warnings.simplefilter("ignore", RuntimeWarning)  # holoscan would like a larger stack; it needs none here
    from holoscan.core import Application

from aimi import outcome, pipeline
from aimi.models import store
from aimi.output_place import OutputPlace
from aimi.run_record import RunRecord
from operators.dicom_seg_writer import DicomSegWriterOperator

__all__ = ["TaskApplication", "main"]

logger = logging.getLogger(__name__)

_INPUT_VARIABLES = ("HOLOSCAN_INPUT_PATH", "MONAI_INPUTPATH", "MERCURE_IN_DIR")
_OUTPUT_VARIABLES = ("HOLOSCAN_OUTPUT_PATH", "MONAI_OUTPUTPATH", "MERCURE_OUT_DIR")
_LEVELS = {"DEBUG": logging.DEBUG, "INFO": logging.INFO, "WARN": logging.WARNING, "ERROR": logging.ERROR}


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


def main(
    application: type[TaskApplication],
    task: Task,
    arguments: Sequence[str] | None = None,
    environ: Mapping[str, str] = os.environ,
) -> int:
    """Run an application from its command line and environment; give the exit status."""
    parsed = _parse(task, sys.argv[1:] if arguments is None else arguments, environ)
    log_format.configure(as_json=bool(environ.get("AIMI_LOG_JSON")), level=_LEVELS[parsed.log_level])
    try:
        job, source = _job(task, parsed, environ)
    except AimiError as err:
        logger.error("%s", err, extra={"status": err.status})  # noqa: TRY400  (one sentence)
        return err.status
    interruption = Interruption()
    interruption.add(job.place.discard)
    interruption.watch()
    logger.info("Start of %s", task.name)
    running = application(job, source)
    return outcome.settle(job, running.finished_report, debug=bool(environ.get("AIMI_DEBUG"))).status


def _job(task: Task, parsed: argparse.Namespace, environ: Mapping[str, str]) -> tuple[pipeline.Job, Path]:
    options = RunOptions.from_environment(environ)
    source = _path(parsed.input, _INPUT_VARIABLES, environ, "input (-i)")
    if not source.exists():
        raise UsageError("The input does not exist.", "Name a folder or file with -i.")
    folder = _path(parsed.output, _OUTPUT_VARIABLES, environ, "output (-o)")
    models, is_demo = store.folder_of(parsed.model, environ)
    job = pipeline.Job(
        task=task,
        options=options,
        place=OutputPlace(folder, task.name, options.overwrite),
        models=models,
        demo=is_demo,
        clock=clock_of_environment(),
        record=RunRecord(),
        progress=pipeline.log_progress(),
    )
    return job, source


def _path(named: str | None, variables: Sequence[str], environ: Mapping[str, str], what: str) -> Path:
    found = named or next((environ[variable] for variable in variables if environ.get(variable)), None)
    if found is None:
        raise UsageError(f"No {what} was named.", f"Give it, or set {variables[0]}.")
    return Path(found)


def _parse(task: Task, arguments: Sequence[str], environ: Mapping[str, str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog=task.name,
        description=f"{task.title}: one DICOM study in, one DICOM Segmentation out. Research use only.",
        epilog="Other options are environment variables (AIMI_SERIES, AIMI_DEVICE, ...): see `aimi run --help`.",
    )
    parser.add_argument("-i", "--input", help="the study: a folder or file")
    parser.add_argument("-o", "--output", help="where the result goes; made when it does not exist")
    parser.add_argument("-m", "--model", "--models", dest="model", help="folder with the models, or `demo`")
    parser.add_argument("-w", "--workdir", help="accepted for the platform's sake; nothing is written there")
    level = environ.get("AIMI_LOG_LEVEL", "INFO").upper()
    parser.add_argument("-l", "--log-level", choices=sorted(_LEVELS), default=level if level in _LEVELS else "INFO")
    return parser.parse_args(arguments)
