"""``aimi convert``: a segmentation of any writer as NIfTI or NRRD."""

from pathlib import Path
from typing import Annotated

import typer

__all__ = ["convert"]


def convert(
    segmentation: Annotated[Path, typer.Argument(help="A DICOM Segmentation, ours or another's.")],
    out: Annotated[Path, typer.Argument(help="OUT.nii.gz, OUT.nii or OUT.nrrd.")],
    study: Annotated[
        Path | None, typer.Option("--study", help="The study it belongs to: the masks are put on the source's grid.")
    ] = None,
) -> None:
    """Write a segmentation as one label map, or as one file per segment where segments overlap."""
    from aimi import convert as converting

    for path in converting.convert(segmentation, out, study=study):
        typer.echo(str(path))
