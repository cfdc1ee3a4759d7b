"""The annotation tasks, one module each, and the table of them."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import MappingProxyType

from aimi.errors import UsageError
from aimi.tasks.breast import BREAST
from aimi.tasks.kidney import KIDNEY
from aimi.tasks.liver_ct import LIVER_CT
from aimi.tasks.liver_mr import LIVER_MR
from aimi.tasks.lung_ct import LUNG_CT
from aimi.tasks.lung_pet_ct import LUNG_PET_CT
from aimi.tasks.prostate import PROSTATE
from aimi.tasks.task import Task

__all__ = ["TASKS", "get", "register"]

_TASKS = {
    task.name: task
    for task in (
        LUNG_PET_CT,
        LUNG_CT,
        BREAST,
        KIDNEY,
        PROSTATE,
        LIVER_MR,
        LIVER_CT,
    )
}

TASKS: Mapping[str, Task] = MappingProxyType(_TASKS)
"""Every task by name: a view that also shows what :func:`register` adds."""


def get(name: str) -> Task:
    """Give a task by its name.

    Raises
    ------
    UsageError : there is no such task.
    """
    if name not in TASKS:
        raise UsageError("There is no task of that name.", f"The tasks are: {', '.join(sorted(TASKS))}.")
    return TASKS[name]


@contextmanager
def register(task: Task) -> Iterator[Task]:
    """Add a task of one's own for as long as the context lasts.

    Raises
    ------
    ValueError : a task of that name is there already.

    Examples
    --------
    >>> from dataclasses import replace
    >>> with register(replace(LIVER_CT, name="liver_ct_again")) as task:
    ...     get("liver_ct_again") is task
    True
    """
    if task.name in _TASKS:
        raise ValueError(f"a task {task.name} is registered already")
    _TASKS[task.name] = task
    try:
        yield task
    finally:
        del _TASKS[task.name]
