"""How things are shown: tables on standard output, progress on a terminal's standard error."""

import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import typer

from aimi.pipeline import Progress, log_progress

__all__ = ["print_json", "print_table", "progress"]


def print_json(value: Any) -> None:  # noqa: ANN401  (anything that JSON holds)
    """Print one line of JSON on standard output."""
    typer.echo(json.dumps(value, ensure_ascii=False))


def print_table(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a table on standard output, as wide as the terminal or as its content needs."""
    from rich.console import Console
    from rich.table import Table

    table = Table(*columns, title=title, title_justify="left", header_style="bold")
    for row in rows:
        table.add_row(*row)
    width = None if sys.stdout.isatty() else 160
    Console(width=width, markup=False, highlight=False).print(table)


@contextmanager
def progress() -> Iterator[Progress]:
    """Give a progress callback: bars on a terminal, a line of log every few seconds elsewhere."""
    if not sys.stderr.isatty():
        yield log_progress()
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bars

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Bars(*columns, console=Console(stderr=True), transient=True) as bars:
        shown: dict[str, Any] = {}
        counted: dict[str, int] = {}

        def show(stage: str, done: int, total: int) -> None:
            if stage not in shown:
                shown[stage] = bars.add_task(stage, total=total)
            elif done < counted[stage]:  # another series or case: its speed is its own
                bars.reset(shown[stage])
            counted[stage] = done
            bars.update(shown[stage], completed=done, total=total)

        yield show
