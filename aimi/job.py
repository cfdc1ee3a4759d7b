"""What stays the same in all steps of one run."""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from aimi.dicom.header import Study
from aimi.options import RunOptions
from aimi.output_place import Place
from aimi.run_record import RunRecord
from aimi.tasks.task import Task, rule_set_of

__all__ = ["Job", "Progress", "log_progress", "with_progress"]

logger = logging.getLogger(__name__)

Progress = Callable[[str, int, int], None]
"""(stage, done, of all)."""


_MINUTE = 60


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

    @property
    def rule_set(self) -> str:
        """The rule set in force."""
        return rule_set_of(self.task, self.options.rule_set)


def with_progress(job: Job, progress: Progress) -> Job:
    """Give the same job with another way of showing progress."""
    return replace(job, progress=progress)


def log_progress(interval_s: float = 10.0, clock: Callable[[], float] = time.monotonic) -> Progress:
    """Give a progress callback that logs at most one line every few seconds, with the time left.

    The time left is what the rest takes at the speed since the stage was first heard of; with one call of it there is
    no speed, and nothing is said.

    Parameters
    ----------
    clock : seconds from any beginning.
    """
    logged = clock()
    begun: tuple[str, int, float] | None = None  # stage, done, seconds at its first call
    before = 0

    def log(stage: str, done: int, total: int) -> None:
        nonlocal logged, begun, before
        now = clock()
        if begun is None or begun[0] != stage or done < before:
            begun = (stage, done, now)
        before = done
        if now - logged < interval_s:
            return
        logged = now
        facts, text = {"done": done, "total": total}, ""
        if done > begun[1]:
            facts["seconds_left"] = round((now - begun[2]) / (done - begun[1]) * (total - done))
            text = f", about {_spoken(facts['seconds_left'])} left"
        logger.info("%s: %d of %d%s", stage, done, total, text, extra=facts)

    return log


def _spoken(seconds: int) -> str:
    if seconds < _MINUTE:
        return f"{seconds} s"
    hours, minutes = divmod(round(seconds / _MINUTE), _MINUTE)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min"
