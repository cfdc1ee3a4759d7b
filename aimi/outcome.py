"""How a run ends: one frame around the work that turns every end into a status and a sentence."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from aimi import pipeline
from aimi.dicom.selection import describe
from aimi.errors import AimiError, ResourceError, SelectionError
from aimi.pipeline import Job

__all__ = ["Outcome", "settle"]

logger = logging.getLogger(__name__)

_DEFECT = 1


@dataclass(frozen=True, slots=True)
class Outcome:
    """The end of a run.

    Parameters
    ----------
    status : the exit status of the process.
    message : the sentence for a person; empty on success.
    report : the report of a success; None otherwise.
    """

    status: int
    message: str
    report: dict[str, Any] | None


def settle(job: Job, work: Callable[[], dict[str, Any]], *, debug: bool = False) -> Outcome:
    """Do the work of a run and give its outcome; leave a report of a refusal.

    Parameters
    ----------
    work : gives the report of the finished result.
    debug : log the traceback of whatever ended the run.
    """
    try:
        report = work()
    except MemoryError as err:
        needed = ResourceError("There is not enough memory for this case.", "Free memory, or give --max-memory.")
        return _refuse(job, needed, err, debug=debug)
    except AimiError as err:
        return _refuse(job, err, err, debug=debug)
    except Exception as err:
        job.place.discard()
        message = f"AIMI failed with a defect of its own ({type(err).__name__}). Please report it with the log."
        logger.error("%s", message, exc_info=err if debug else None, extra={"status": _DEFECT})  # noqa: TRY400
        return Outcome(_DEFECT, message, None)
    logger.info("Finished", extra={"status": 0})
    return Outcome(0, "", report)


def _refuse(job: Job, error: AimiError, cause: BaseException, *, debug: bool) -> Outcome:
    job.place.discard()
    if isinstance(error, SelectionError):
        for candidate in job.record.candidates:
            logger.warning("%s", describe(candidate))
    level = logging.INFO if error.status == 0 else logging.ERROR
    logger.log(level, "%s", error, exc_info=cause if debug else None, extra={"status": error.status})
    try:
        pipeline.write_refusal(job, error)
    except AimiError as err:
        logger.warning("The report of the refusal could not be written: %s", err)
    return Outcome(error.status, str(error), None)
