from dataclasses import replace

import pytest

from aimi import tasks
from aimi.errors import UsageError
from aimi.models.catalogue import CATALOGUE
from aimi.tasks.liver_ct import LIVER_CT
from aimi.tasks.task import Task


def test_task_is_found_by_name() -> None:
    assert tasks.get("liver_ct") is LIVER_CT


def test_unknown_task_is_wrong_usage_and_names_the_known_ones() -> None:
    with pytest.raises(UsageError, match="liver_ct"):
        tasks.get("spleen")


def test_registered_task_is_known_only_within_its_context() -> None:
    with tasks.register(replace(LIVER_CT, name="threshold")) as threshold:
        assert tasks.get("threshold") is threshold
        assert "threshold" in tasks.TASKS
    assert "threshold" not in tasks.TASKS


def test_registered_task_is_gone_after_an_error() -> None:
    with pytest.raises(KeyError), tasks.register(replace(LIVER_CT, name="threshold")):
        raise KeyError
    assert "threshold" not in tasks.TASKS


def test_name_is_not_taken_twice() -> None:
    with pytest.raises(ValueError, match="liver_ct"), tasks.register(LIVER_CT):
        pass
    assert tasks.get("liver_ct") is LIVER_CT


@pytest.mark.parametrize("task", tasks.TASKS.values(), ids=lambda task: task.name)
def test_task_is_consistent(task: Task) -> None:
    roles = {rule.role for rule in task.rules}
    assert task.reference in roles and set(task.units) == roles
    assert [segment.number for segment in task.segments] == list(range(1, len(task.segments) + 1))
    assert next(iter(task.clean_ups)) == "paper"
    models = (*task.models, *task.demo_models)
    assert all(CATALOGUE[model.name] is model and set(model.channels) <= roles for model in models)
