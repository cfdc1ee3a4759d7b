"""``aimi select``: which series a task would take, and why; no pixels are read."""

import logging
import sys
from pathlib import Path
from typing import Annotated

import typer

from aimi.cli.state import State

__all__ = ["select"]

logger = logging.getLogger(__name__)


def select(
    context: typer.Context,
    task: Annotated[str, typer.Argument(help="The task, as `aimi tasks` lists it.")],
    study: Annotated[Path, typer.Argument(help="The study: a folder of any depth, or a file.")],
    series: Annotated[
        str | None, typer.Option("--series", envvar="AIMI_SERIES", help="Force this series UID (or stack name).")
    ] = None,
    study_uid: Annotated[
        str | None, typer.Option("--study", envvar="AIMI_STUDY", help="The study to take where there are several.")
    ] = None,
    allow_non_contrast: Annotated[
        bool,
        typer.Option(
            "--allow-non-contrast", envvar="AIMI_ALLOW_NON_CONTRAST", help="Kidney: also series without contrast."
        ),
    ] = False,
    allow_partial_ct: Annotated[
        bool,
        typer.Option(
            "--allow-partial-ct", envvar="AIMI_ALLOW_PARTIAL_CT", help="PET/CT: also a CT of a part of the PET."
        ),
    ] = False,
    register: Annotated[
        bool,
        typer.Option("--register", envvar="AIMI_REGISTER", help="PET/CT: register different frames of reference."),
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one line of JSON.")] = False,
    show_descriptions: Annotated[
        bool, typer.Option("--show-descriptions", help="Show series descriptions (free text) off a terminal, too.")
    ] = False,
) -> None:
    """Show every series with what it passed and failed, the chosen one, and why.

    Ends with 3 where nothing suits and with 4 where the best one has a defect, as `aimi run` would.
    """
    from aimi import selection_view
    from aimi.cli.console import print_json, print_table, progress
    from aimi.dicom import study as studies
    from aimi.tasks import get

    state: State = context.obj
    chosen_task = get(task)
    with progress() as show:
        found = studies.read(study, study_uid=study_uid, progress=lambda done, of: show("Reading headers", done, of))
    view = selection_view.view(
        found,
        chosen_task,
        series,
        allow_non_contrast=allow_non_contrast,
        allow_partial_ct=allow_partial_ct,
        register=register,
    )
    with_text = show_descriptions or (sys.stdout.isatty() and not as_json)
    if as_json:
        print_json(view.as_json(show_descriptions=with_text))
    else:
        print_table(f"{chosen_task.title}: candidates", view.columns(with_text), view.rows(with_text))
        typer.echo(view.conclusion)
    if view.error is not None:
        if state.debug:
            raise view.error
        logger.error("%s", view.error, extra={"status": view.error.status})
        raise typer.Exit(view.error.status)
