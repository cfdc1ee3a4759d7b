"""``aimi sample``: a synthetic study with known truth."""

from pathlib import Path
from typing import Annotated

import typer

__all__ = ["sample"]


def sample(
    task: Annotated[str, typer.Argument(help="The task, as `aimi tasks` lists it.")],
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Where to write; made when it does not exist.")],
    seed: Annotated[int, typer.Option("--seed", min=0, help="Another seed is another patient.")] = 0,
    oblique: Annotated[bool, typer.Option("--oblique", help="Turn the slices out of the patient's axes.")] = False,
    spacing: Annotated[
        tuple[float, float, float] | None,
        typer.Option("--spacing", metavar="SLICES ROWS COLUMNS", help="Voxel spacing in mm."),
    ] = None,
) -> None:
    """Write DIR/study, a synthetic study as real DICOM, and DIR/truth.seg.dcm, its truth."""
    from aimi.samples.sample import make_sample

    paths = make_sample(task, folder, seed=seed, oblique=oblique, spacing=spacing)
    typer.echo(str(paths.study))
    typer.echo(str(paths.truth))
