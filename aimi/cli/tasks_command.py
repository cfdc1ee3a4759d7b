"""``aimi tasks``: what can be annotated."""

import os
from typing import Annotated, Any

import typer

__all__ = ["tasks"]


def tasks(
    models: Annotated[
        str | None, typer.Option("-m", "--models", envvar="AIMI_MODELS", help="Models folder; default: yours.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one line of JSON.")] = False,
) -> None:
    """List the tasks: what each one needs, gives, and which of its models are at hand."""
    from aimi.cli.console import print_json, print_table
    from aimi.models import store
    from aimi.tasks import TASKS
    from aimi.tasks.listing import task_facts

    folder, _ = store.folder_of(models, os.environ)
    rows = [task_facts(task, folder) for task in TASKS.values()]
    if as_json:
        print_json(rows)
        return
    print_table(
        "Tasks",
        ("task", "title", "needs", "gives", "models (present, licence of weights)"),
        [
            (
                row["name"],
                row["title"],
                row["needs"],
                ", ".join(row["segments"]),
                "\n".join(_told(one) for one in (*row["models"], *row["demo_models"])),
            )
            for row in rows
        ],
    )


def _told(model: dict[str, Any]) -> str:
    return f"{model['name']} ({'yes' if model['present'] else 'no'}, {model['licence']})"
