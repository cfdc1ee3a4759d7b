"""``aimi preview``: the picture of any segmentation."""

from pathlib import Path
from typing import Annotated

import typer

__all__ = ["preview"]


def preview(
    segmentation: Annotated[Path, typer.Argument(help="A DICOM Segmentation, ours or another's.")],
    study: Annotated[Path, typer.Argument(help="The study that holds the series it was made on.")],
    out: Annotated[Path, typer.Option("-o", "--output", help="The picture, a .png.")] = Path("preview.png"),
) -> None:
    """Draw a segmentation over its source: three planes through the largest finding."""
    from aimi import seg_picture

    typer.echo(str(seg_picture.draw(segmentation, study, out)))
