"""What the tasks and their models are, as facts that can be printed."""

from pathlib import Path
from typing import Any

from aimi.models import store
from aimi.models.catalogue import ModelSpec
from aimi.tasks.task import Task

__all__ = ["all_model_specs", "model_facts", "task_facts"]


def task_facts(task: Task, models: Path | None) -> dict[str, Any]:
    """Give what a task needs and gives, and which of its models are at hand."""
    return {
        "name": task.name,
        "title": task.title,
        "needs": task.needs,
        "roles": [rule.role for rule in task.rules],
        "segments": [segment.label for segment in task.segments],
        "rule_sets": list(task.clean_ups),
        "models": [{**_facts(spec, models), **_use(task, (spec,))} for spec in task.models],
        "demo_models": [
            {**_facts(spec, store.demo_folder()), **_use(task, places), "stands_for": [place.name for place in places]}
            for spec, places in _demo_places(task).items()
        ],
    }


def _demo_places(task: Task) -> dict[ModelSpec, tuple[ModelSpec, ...]]:
    """Give each demo model once, with the models that it stands for."""
    pairs = list(zip(task.demo_models, task.models, strict=True)) if task.demo_models else []
    return {demo: tuple(place for one, place in pairs if one == demo) for demo, _ in pairs}


def _use(task: Task, places: tuple[ModelSpec, ...]) -> dict[str, Any]:
    """Give what a model is for, ``region`` or ``segments``, and the rule sets that run it, by the places it takes."""
    if task.region is None or task.models[-1] in places:
        return {"use": "segments", "in_rule_sets": list(task.clean_ups)}
    needed, names = task.region.needed, {place.name for place in places}
    return {"use": "region", "in_rule_sets": [name for name in task.clean_ups if names & set(needed[name])]}


def model_facts(tasks: tuple[Task, ...], models: Path | None) -> list[dict[str, Any]]:
    """Give every model once, with the tasks that use it."""
    users: dict[str, list[str]] = {}
    for task in tasks:
        for spec in dict.fromkeys((*_published(task), *task.demo_models)):
            users.setdefault(spec.name, []).append(task.name)
    return [{**_facts(spec, _folder(spec, models)), "tasks": users[spec.name]} for spec in all_model_specs(tasks)]


def all_model_specs(tasks: tuple[Task, ...]) -> tuple[ModelSpec, ...]:
    """Give the models of tasks, each once, demo models last."""
    published = [spec for task in tasks for spec in _published(task)]
    demo = [spec for task in tasks for spec in task.demo_models]
    return tuple(dict.fromkeys([*published, *demo]))


def _published(task: Task) -> tuple[ModelSpec, ...]:
    """Give what a task runs, and what stands in for it under ``--fast-region``."""
    return (*task.models, *(() if task.region is None else task.region.fast.values()))


def _folder(spec: ModelSpec, models: Path | None) -> Path | None:
    return store.demo_folder() if spec.name.startswith("DEMO-") else models


def _facts(spec: ModelSpec, folder: Path | None) -> dict[str, Any]:
    return {
        "name": spec.name,
        "version": spec.version,
        "channels": list(spec.channels),
        "labels": list(spec.labels),
        "licence": spec.licence,
        "doi": spec.doi,
        "file": spec.file,
        "address": spec.address,
        "present": store.is_at_hand(spec, folder),
    }
