"""The command ``aimi``: its commands, and the frame that turns errors into one sentence and a status.

Only typer is imported here; what a command needs is imported when it runs, so that ``--help`` is quick.
"""

import logging
import sys
from typing import Annotated

import typer

import aimi
from aimi import log_format
from aimi.cli import (
    convert_command,
    models_command,
    package_command,
    preview_command,
    run_command,
    sample_command,
    select_command,
    tasks_command,
)
from aimi.cli.state import State
from aimi.errors import AimiError, ResourceError
from aimi.interruption import Interruption

__all__ = ["app", "main"]

logger = logging.getLogger(__name__)

_ROOT_FLAGS = ("--debug", "--log-json")

app = typer.Typer(
    name="aimi",
    help=(
        "Annotate cancer imaging: one study in, one DICOM Segmentation out, exactly on the scanner's voxels, "
        "or no result and one sentence that says why.\n\n"
        "[bold]aimi tasks[/bold] lists what can be annotated; [bold]aimi run liver_ct STUDY -o OUT[/bold] does it; "
        "[bold]aimi select liver_ct STUDY[/bold] shows beforehand which series it would take and why.\n\n"
        "Exit status: 0 done, 1 a defect of AIMI, 2 wrong usage, 3 no suitable series, 4 damaged or inconsistent "
        "input, 5 not enough memory or disk, 6 a model is missing, 7 the output place is taken, 130/143 "
        "interrupted.\n\n"
        "Research use only. Not for diagnosis."
    ),
    rich_markup_mode="rich",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


def _version(value: bool) -> None:
    if value:
        typer.echo(f"aimi {aimi.__version__}")
        raise typer.Exit


@app.callback()
def _root(
    context: typer.Context,
    debug: Annotated[
        bool, typer.Option("--debug", envvar="AIMI_DEBUG", help="Show tracebacks and a finer log.")
    ] = False,
    log_json: Annotated[
        bool, typer.Option("--log-json", envvar="AIMI_LOG_JSON", help="Log one JSON object a line on standard error.")
    ] = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    state: State = context.ensure_object(State)
    state.debug, state.log_json = debug, log_json
    quiet = logging.INFO if log_json or not sys.stderr.isatty() else logging.WARNING
    log_format.configure(as_json=log_json, level=logging.DEBUG if debug else quiet)


app.command("tasks")(tasks_command.tasks)
app.command("select")(select_command.select)
app.command("run")(run_command.run)
app.command("convert")(convert_command.convert)
app.command("preview")(preview_command.preview)
app.command("sample")(sample_command.sample)
app.command("package")(package_command.package)
app.command("sbom")(package_command.sbom)
app.add_typer(models_command.app, name="models")


def main(interruption: Interruption | None = None) -> None:
    """Run the command and end the process with its status.

    Parameters
    ----------
    interruption : one that watches already, or None to begin watching.
    """
    watching = interruption or Interruption()
    if interruption is None:
        watching.watch()
    state = State(interruption=watching)
    log_format.configure(as_json=False, level=logging.WARNING)
    try:
        _run(state)
    except AimiError as err:
        watching.yield_to_end()
        logger.error("%s", err, exc_info=err if state.debug else None, extra={"status": err.status})  # noqa: TRY400
        sys.exit(err.status)
    except Exception as err:
        watching.yield_to_end()
        message = f"AIMI failed with a defect of its own ({type(err).__name__}); --debug shows where. Please report it."
        logger.error("%s", message, exc_info=err if state.debug else None, extra={"status": 1})  # noqa: TRY400
        sys.exit(1)


def _run(state: State) -> None:
    try:
        # typer prints wrong usage itself and ends with 2
        typer.main.get_command(app)(_root_options_first(sys.argv[1:]), prog_name="aimi", obj=state)
    except MemoryError as err:
        message = "There is not enough memory for this command."
        raise ResourceError(message, "Free memory, or use a larger machine.") from err


def _root_options_first(arguments: list[str]) -> list[str]:
    """Let ``--debug`` and ``--log-json`` stand behind the command's name, too."""
    end = arguments.index("--") if "--" in arguments else len(arguments)
    found = [argument for argument in arguments[:end] if argument in _ROOT_FLAGS]
    return found + [argument for argument in arguments[:end] if argument not in _ROOT_FLAGS] + arguments[end:]
