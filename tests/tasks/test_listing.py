import json
import subprocess
import sys
from pathlib import Path

import pytest

from aimi import tasks
from aimi.tasks.listing import model_facts, task_facts
from aimi.tasks.task import Task

ALL = pytest.mark.parametrize("task", tasks.TASKS.values(), ids=lambda task: task.name)


@ALL
def test_task_tells_what_it_needs_gives_and_which_models_are_at_hand(task: Task, tmp_path: Path) -> None:
    (tmp_path / task.models[0].name).mkdir()
    facts = task_facts(task, tmp_path)
    assert facts["roles"] == [rule.role for rule in task.rules]
    assert facts["segments"] == [segment.label for segment in task.segments]
    present = [model["present"] for model in facts["models"]]
    assert present == [True, *[False] * (len(task.models) - 1)]


@ALL
def test_task_tells_the_licence_of_each_model(task: Task) -> None:
    assert [model["licence"] for model in task_facts(task, None)["models"]] == [one.licence for one in task.models]


def test_lungs_and_nodules_are_two_models_of_one_task() -> None:
    users = {model["name"]: model["tasks"] for model in model_facts(tuple(tasks.TASKS.values()), None)}
    assert users["Task775_CT_NSCLC_RG"] == users["Task777_CT_Nodules"] == ["lung_ct"]


def test_json_names_every_task_without_torch_or_openvino() -> None:
    script = (
        "import sys; from typer.testing import CliRunner; from aimi.cli.main import app; "
        "print(CliRunner().invoke(app, ['tasks', '--json']).output); "
        "assert not {'torch', 'openvino', 'nnunetv2', 'matplotlib'} & set(sys.modules)"
    )
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert {task["name"] for task in json.loads(ended.stdout)} == set(tasks.TASKS)
