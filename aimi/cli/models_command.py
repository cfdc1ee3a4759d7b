"""``aimi models``: which models are at hand, whether they are whole, and how to get them."""

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from aimi.cli.state import State

if TYPE_CHECKING:
    from collections.abc import Callable

    from aimi.models.acceptance import Acceptance
    from aimi.models.catalogue import ModelSpec
    from aimi.models.importing import Imported
    from aimi.pipeline import Progress

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


@app.command("fetch")
def fetch(
    context: typer.Context,
    wanted: Annotated[list[str], typer.Argument(metavar="TASK|MODEL...", help="Tasks, or names of models.")],
    models: _Models = None,
    accept_licence: Annotated[
        bool, typer.Option("--accept-licence", help="Accept the licences of the weights; remembered.")
    ] = False,
    rules: Annotated[
        str | None, typer.Option("--rules", help="For a task: what `aimi run --rules` needs; default: its own.")
    ] = None,
    fast_region: Annotated[
        bool, typer.Option("--fast-region", help="For a PET/CT task: what `aimi run --fast-region` needs.")
    ] = False,
) -> None:
    """Download published models and import them; a download that was cut off goes on.

    A mirror's address may stand in AIMI_MODELS_SOURCE. Ends with 2 where a licence was not accepted, with 6 where a
    model cannot be had or is not what it was.
    """
    from aimi.cli.console import progress
    from aimi.models import fetching, importing, places, store

    folder = store.writable_folder(models, os.environ)
    specs = _wanted(wanted, rules, fast_region)
    state: State = context.ensure_object(State)
    state.interruption.add(lambda: importing.discard_unfinished(folder))
    missing = [spec for spec in specs if not store.is_present(spec, folder)]
    for spec in missing:
        fetching.require_fetchable(spec)
    _accept_licences(missing, folder, accept_licence)
    for spec in missing:
        # all of them before the first gigabyte
        fetching.require_accepted(spec, folder)
    shop = fetching.Shop(places.cache(os.environ), os.environ.get(fetching.SOURCE, ""))
    for spec in specs:
        if spec not in missing:
            typer.echo(f"{spec.name}: at hand already.")
            continue
        with progress() as show:
            done = fetching.fetch(spec, folder, shop, progress=_in_mib(show, spec))
        _tell(done)


def _in_mib(show: "Progress", spec: "ModelSpec") -> "Callable[[int, int], None]":
    stage = f"Downloading {spec.file} (MiB)"
    return lambda done, total: show(stage, done >> 20, total >> 20)


def _wanted(names: list[str], rules: str | None, fast_region: bool) -> "tuple[ModelSpec, ...]":
    """Give the models that tasks run, and those named, each once."""
    from aimi.errors import UsageError
    from aimi.models.catalogue import CATALOGUE
    from aimi.tasks import TASKS
    from aimi.tasks.task import plan_models, rule_set_of

    specs: list[ModelSpec] = []
    for name in names:
        if name in TASKS:
            task = TASKS[name]
            rule_set = rule_set_of(task, rules)
            planned = plan_models(task, rule_set, demo=False, with_region=True, fast_region=fast_region)
            specs += [one.spec for one in planned]
        elif name in CATALOGUE:
            specs.append(CATALOGUE[name])
        else:
            raise UsageError(f"There is no task or model {name}.", "See `aimi tasks` and `aimi models list`.")
    return tuple(dict.fromkeys(specs))


def _accept_licences(specs: "list[ModelSpec]", folder: Path, accepted: bool) -> None:
    """Ask for every licence that was not accepted before: by the option, else on a terminal."""
    from aimi.models import fetching, ledger

    for spec in specs:
        licence = fetching.needed_licence(spec, folder)
        if licence is None:
            continue
        text = fetching.LICENCE_TEXTS.get(licence, "")
        question = f"The weights of {spec.name} are under {licence} ({text}). Do you accept it?"
        # without a terminal nobody can be asked: what is missing is told afterwards
        if accepted or (_is_terminal() and typer.confirm(question, err=True)):
            ledger.accept_licence(folder, licence)


@app.command("accept")
def accept(
    model: Annotated[str, typer.Argument(help="Name of the model.")],
    cases: Annotated[list[Path], typer.Argument(metavar="CASE...", help="Studies of its task, one folder each.")],
    models: _Models = None,
    task: Annotated[
        str | None, typer.Option("--task", help="Choose series as this task does; default: the first that runs it.")
    ] = None,
    max_memory: Annotated[
        str | None, typer.Option("--max-memory", envvar="AIMI_MAX_MEMORY", help="Memory to take, e.g. 8G.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one line of JSON.")] = False,
) -> None:
    """Run a model with bf16 and with f32 on cases, and record whether bf16 may be used for it.

    It may where in every case each label has a Dice of 0.999 at least and changes its volume by 0.5 % at most, and
    every label was seen. Then runs on a CPU that computes in bf16 use it. Ends with 2 where this CPU does not.
    """
    from aimi import bf16_trial
    from aimi.cli.console import print_json, progress
    from aimi.job import with_progress
    from aimi.models import acceptance, store
    from aimi.models.catalogue import CATALOGUE
    from aimi.options import clock_of_environment, memory_size

    clock = clock_of_environment(os.environ)
    memory = None if max_memory is None else memory_size(max_memory, "--max-memory (AIMI_MAX_MEMORY)")
    chosen = bf16_trial.task_of(model, task)
    _require_cases(cases)
    bf16_trial.require_bf16()
    folder, _ = store.folder_of(models, os.environ)
    found = store.find(CATALOGUE[model], folder)
    acceptance.require_room(found.folder)
    with progress() as show:
        job = with_progress(bf16_trial.job_of(chosen, folder, clock, memory), show)
        tried = bf16_trial.try_bf16(job, found, cases)
    acceptance.write(found.folder, tried)
    if as_json:
        print_json({"model": model, "accepted": tried.is_given, **acceptance.facts(tried)})
        return
    _print_trial(model, tried)


def _require_cases(cases: list[Path]) -> None:
    from aimi.errors import UsageError

    missing = next((case for case in cases if not case.exists()), None)
    if missing is not None:
        raise UsageError(f"The case {missing} does not exist.", "Name DICOM folders.")


def _print_trial(model: str, tried: "Acceptance") -> None:
    from aimi.cli.console import print_table

    rows = [
        (
            one.label,
            str(one.cases),
            "" if one.dice is None else f"{one.dice:.5f}",
            "" if one.volume_change is None else f"{100 * one.volume_change:.3f}",
            "yes" if one.suffices else "no",
        )
        for one in tried.labels
    ]
    columns = ("label", "cases", "least Dice", "greatest change of volume %", "agrees")
    print_table(f"{model}: bf16 against f32", columns, rows)
    unseen = [one.label for one in tried.labels if not one.cases]
    if tried.is_given:
        typer.echo("Accepted: runs on a CPU that computes in bf16 use it from now on.")
    elif unseen:
        typer.echo(f"Not accepted: no case shows {', '.join(unseen)}. Runs use f32.")
    else:
        typer.echo("Not accepted: bf16 changes too much. Runs use f32.")


def _is_terminal() -> bool:
    return sys.stdin.isatty() and sys.stderr.isatty()


def _tell(done: "Imported") -> None:
    folds, labels = len(done.folder.folds), len(done.folder.labels)
    known = "" if done.is_listed else " The catalogue does not know it."
    typer.echo(f"{done.name}: imported, {folds} fold(s), {labels} label(s), SHA-256 {done.folder.sha256}.{known}")
