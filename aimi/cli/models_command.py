"""``aimi models``: which models are at hand, whether they are whole, and how to get them."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from aimi.cli.state import State

if TYPE_CHECKING:
    from aimi.models.importing import Imported

__all__ = ["app"]

app = typer.Typer(help="List, fetch, import, verify and accept models.", no_args_is_help=True)

_Models = Annotated[
    str | None, typer.Option("-m", "--models", envvar="AIMI_MODELS", help="Models folder, or `demo`; default: yours.")
]


@app.command("list")
def list_models(
    models: _Models = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one line of JSON.")] = False,
) -> None:
    """List the models of all tasks: licence, and whether they are at hand."""
    from aimi.cli.console import print_json, print_table
    from aimi.models import store
    from aimi.tasks import TASKS
    from aimi.tasks.listing import model_facts

    rows = model_facts(tuple(TASKS.values()), store.folder_of(models, os.environ)[0])
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
    """Read every model at hand, hash it and compare with what was recorded; end with 6 where one is not whole.

    What was not imported is recorded the first time, in .hashes.json of the models folder.
    """
    from aimi.cli.console import print_json, print_table
    from aimi.models import store
    from aimi.tasks import TASKS
    from aimi.tasks.listing import all_model_specs

    folder, is_demo = store.folder_of(models, os.environ)
    rows = store.verify(all_model_specs(tuple(TASKS.values())), folder, record=not is_demo)
    if as_json:
        print_json([{"name": row.name, "sound": row.sound, "sha256": row.sha256, "reason": row.reason} for row in rows])
    else:
        table = [(row.name, "sound" if row.sound else "not sound", row.sha256, row.reason) for row in rows]
        print_table("Models at hand", ("model", "state", "SHA-256 of weights and plans", "remark"), table)
    if any(not row.sound for row in rows):
        raise typer.Exit(6)


@app.command("import")
def import_model(
    context: typer.Context,
    source: Annotated[Path, typer.Argument(help="Folder or zip of an nnU-Net model, v1 or v2.")],
    models: _Models = None,
    name: Annotated[
        str | None,
        typer.Option("--name", help="Name of its sub-folder; default: the catalogue's, else the data set's."),
    ] = None,
    licence: Annotated[
        str, typer.Option("--licence", help="Licence of a model that the catalogue does not know.")
    ] = "",
    origin: Annotated[str, typer.Option("--source", help="Where such a model comes from, e.g. a DOI.")] = "",
) -> None:
    """Copy a model into the models folder: its weights and plans, nothing that could be run.

    Ends with 6 where it is damaged, dangerous or another task's, with 7 where the name is taken.
    """
    from aimi.models import importing, store

    folder = store.writable_folder(models, os.environ)
    state: State = context.ensure_object(State)
    state.interruption.add(lambda: importing.discard_unfinished(folder))
    done = importing.import_model(source, folder, name=name, licence=licence, origin=origin)
    _tell(done)


def _tell(done: "Imported") -> None:
    folds, labels = len(done.folder.folds), len(done.folder.labels)
    known = "" if done.is_listed else " The catalogue does not know it."
    typer.echo(f"{done.name}: imported, {folds} fold(s), {labels} label(s), SHA-256 {done.folder.sha256}.{known}")
