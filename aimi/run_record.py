"""What is known of a run so far: told to the report, whichever way the run ends.

A run passes from step to step, in one process by the command and through operators by the application.
Each step notes here what the report needs even when a later step refuses: the study, the candidates, how
long each stage took.
"""

import logging
import resource
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from aimi.dicom.header import Study
from aimi.dicom.selection import Candidate, Selection
from aimi.image import Note

__all__ = ["RunRecord"]

logger = logging.getLogger(__name__)


@dataclass(slots=True)
class RunRecord:
    """The state of one run.

    Parameters
    ----------
    timings : seconds by stage, in order of their end.
    """

    study: Study | None = None
    selection: Selection | None = None
    candidates: tuple[Candidate, ...] = ()
    notes: list[Note] = field(default_factory=list)
    timings: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Time a stage and log one line when it is done."""
        start = time.monotonic()
        yield
        self.timings[name] = round(time.monotonic() - start, 3)
        logger.info("%s done in %.1f s", name, self.timings[name], extra={"stage": name})

    def note(self, *notes: Note) -> None:
        """Keep notes for the report, each once."""
        self.notes.extend(note for note in notes if note not in self.notes)


def peak_memory_bytes() -> int:
    """Give the peak resident memory of this process in bytes (Linux counts it in KiB)."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
