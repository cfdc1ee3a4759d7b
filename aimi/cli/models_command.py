"""``aimi models``: which models are at hand, and whether they are whole."""

from pathlib import Path
from typing import Annotated

import typer

__all__ = ["app"]

app = typer.Typer(help="List and verify models.", no_args_is_help=True)

_Models = Annotated[Path | None, typer.Option("-m", "--models", envvar="AIMI_MODELS", help="Models folder.")]


@app.command("list")
def list_models(
    models: _Models = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one line of JSON.")] = False,
) -> None:
    """List the models of all tasks: licence, and whether they are at hand."""
    from aimi.cli.console import print_json, print_table
    from aimi.tasks import TASKS
    from aimi.tasks.listing import model_facts

    rows = model_facts(tuple(TASKS.values()), models)
    if as_json:
        print_json(rows)
        return
    columns = ("model", "tasks", "channels", "labels", "licence", "present")
    print_table(
        "Models",
        columns,
        [
            (
                row["name"],
                ", ".join(row["tasks"]),
                " + ".join(row["channels"]),
                ", ".join(row["labels"]),
                row["licence"],
                "yes" if row["present"] else "no",
            )
            for row in rows
        ],
    )


@app.command("verify")
def verify(
    models: _Models = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one line of JSON.")] = False,
) -> None:
    """Read every model folder at hand and hash its weights again; end with 6 where one is not whole."""
    from aimi.cli.console import print_json, print_table
    from aimi.models import store
    from aimi.tasks import TASKS
    from aimi.tasks.listing import all_model_specs

    rows = store.verify(all_model_specs(tuple(TASKS.values())), models)
    if as_json:
        print_json([{"name": row.name, "sound": row.sound, "sha256": row.sha256, "reason": row.reason} for row in rows])
    else:
        table = [(row.name, "sound" if row.sound else "not sound", row.sha256, row.reason) for row in rows]
        print_table("Models at hand", ("model", "state", "SHA-256 of weights and plans", "reason"), table)
    if any(not row.sound for row in rows):
        raise typer.Exit(6)
