"""``aimi preview``: the picture of any segmentation."""

import os
from pathlib import Path
from typing import Annotated

import typer

from aimi.options import clock_of_environment

__all__ = ["preview"]


def preview(
    segmentation: Annotated[Path, typer.Argument(help="A DICOM Segmentation, ours or another's.")],
    study: Annotated[Path, typer.Argument(help="The study that holds the series it was made on.")],
    out: Annotated[Path, typer.Option("-o", "--output", help="The picture, a .png.")] = Path("preview.png"),
    secondary_capture: Annotated[
        bool, typer.Option("--secondary-capture", help="Also write the picture as DICOM beside it (.dcm).")
    ] = False,
) -> None:
    """Draw a segmentation over its source: three planes through the largest finding."""
    clock = clock_of_environment(os.environ)
    from aimi import seg_picture

    for path in seg_picture.draw(segmentation, study, out, secondary_capture=secondary_capture, clock=clock):
        typer.echo(str(path))
