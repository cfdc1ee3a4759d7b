"""What can go wrong for a user, and the exit status that tells it.

::

    AimiError
    |-- UsageError       2   wrong usage: an option, a task or a file that is not there
    |-- SelectionError   3   no suitable series
    |-- InputError       4   the input is inconsistent or damaged
    |   `-- GeometryError    4   its geometry breaks a rule
    |-- ResourceError    5   not enough memory, GPU memory or disk
    |-- ModelError       6   a model is missing, altered, or of the wrong task
    |-- OutputError      7   the output place is taken or not writable
    |-- InterruptedRunError  143   ended by a signal (130 for SIGINT)
    `-- AlreadyDoneError 0   nothing to do: the output folder holds this very result

Status 0 is success and 1 a defect of ours (any other exception). A message has three parts: what was
found, which rule it breaks, what to do (``remedy``). It never holds a patient's name, identifier, date,
free text of a header, or a path.
"""

from typing import ClassVar

__all__ = [
    "AimiError",
    "AlreadyDoneError",
    "GeometryError",
    "InputError",
    "InterruptedRunError",
    "ModelError",
    "OutputError",
    "ResourceError",
    "SelectionError",
    "UsageError",
]


class AimiError(Exception):
    """An outcome that a person is told in one sentence.

    Parameters
    ----------
    message : what was found and which rule it breaks.
    remedy : what to do about it; may be empty.
    """

    status: ClassVar[int] = 1

    def __init__(self, message: str, remedy: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy

    def __str__(self) -> str:
        return f"{self.message} {self.remedy}".strip()


class UsageError(AimiError):
    """Something was asked for that does not exist."""

    status = 2


class SelectionError(AimiError):
    """No series of the input suits the task."""

    status = 3


class InputError(AimiError):
    """The input is inconsistent or damaged."""

    status = 4


class GeometryError(InputError):
    """The geometry of a stack breaks a rule."""


class ResourceError(AimiError):
    """Memory, GPU memory or disk does not suffice."""

    status = 5


class ModelError(AimiError):
    """A model is missing, altered, or of the wrong task."""

    status = 6


class OutputError(AimiError):
    """The output place holds another result or cannot be written."""

    status = 7


class InterruptedRunError(AimiError):
    """The run was ended by a signal."""

    status = 143


class AlreadyDoneError(AimiError):
    """The output place holds this very result; the run is a success without work."""

    status = 0
