import json
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from aimi import tasks
from aimi.cli.main import app
from aimi.tasks.listing import model_facts, task_facts
from aimi.tasks.task import Task

ALL = pytest.mark.parametrize("task", tasks.TASKS.values(), ids=lambda task: task.name)


@ALL
def test_task_tells_what_it_needs_gives_and_which_models_are_at_hand(task: Task, tmp_path: Path) -> None:
    plans = tmp_path / task.models[0].name / "nnUNetTrainerV2__nnUNetPlansv2.1" / "plans.pkl"
    plans.parent.mkdir(parents=True)
    plans.touch()
    if len(task.models) > 1:
        (tmp_path / task.models[1].name).mkdir()  # an empty folder is no model
    facts = task_facts(task, tmp_path)
    assert facts["needs"] == task.needs
    assert facts["roles"] == [rule.role for rule in task.rules]
    assert facts["segments"] == [segment.label for segment in task.segments]
    present = [model["present"] for model in facts["models"]]
    assert present == [True, *[False] * (len(task.models) - 1)]


@ALL
def test_task_tells_the_licence_of_each_model(task: Task) -> None:
    assert [model["licence"] for model in task_facts(task, None)["models"]] == [one.licence for one in task.models]


@ALL
def test_each_model_of_a_task_is_told_once(task: Task) -> None:
    facts = task_facts(task, None)
    for told, specs in ((facts["models"], task.models), (facts["demo_models"], task.demo_models)):
        assert [model["name"] for model in told] == list(dict.fromkeys(spec.name for spec in specs))


def test_a_demo_model_tells_what_it_stands_for() -> None:
    region, tumor = task_facts(tasks.get("breast"), None)["demo_models"]
    names = [spec.name for spec in tasks.get("breast").models]
    assert (region["name"], region["use"], region["stands_for"]) == ("DEMO-breast-region", "region", names[:-1])
    assert (tumor["name"], tumor["use"], tumor["stands_for"]) == ("DEMO-pet-ct-tumor", "segments", names[-1:])


def test_a_region_model_tells_the_rule_sets_that_run_it() -> None:
    facts = task_facts(tasks.get("breast"), None)["models"]
    used = {model["name"]: (model["use"], model["in_rule_sets"]) for model in facts}
    assert used["Dataset527_breasts_1559subj"] == ("region", ["paper"])
    assert used["Dataset292_TotalSegmentator_part2_vertebrae_1532subj"] == ("region", ["published-code", "mhub"])
    assert used["Task762_PET_CT_Breast"] == ("segments", ["paper", "published-code", "mhub"])


@ALL
def test_words_for_the_need_name_what_the_rules_ask_for(task: Task) -> None:
    """The modality of each role, and contrast exactly where a series without it can be let in by an option."""
    for role in task.units:
        assert {"ct": "CT", "pet": "PET", "mr": "MR"}[role] in task.needs
    assert ("contrast" in task.needs) == bool(task.rules_with_non_contrast)


def test_text_shows_what_each_task_needs() -> None:
    told = CliRunner().invoke(app, ["tasks"], env={"COLUMNS": "400"}).output
    assert all(task.needs in told for task in tasks.TASKS.values())


def test_text_shows_which_demo_models_are_there() -> None:
    told = CliRunner().invoke(app, ["tasks"], env={"COLUMNS": "400"}).output
    assert told.count("DEMO-breast-region (yes, Apache-2.0)") == 1
    assert "DEMO-liver-ct (yes, Apache-2.0)" in told


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
