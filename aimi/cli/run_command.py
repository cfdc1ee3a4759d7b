"""``aimi run``: annotate one case."""

import os
from collections.abc import Callable
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from aimi.cli.state import State
from aimi.options import CHOICES, ENVIRONMENT, RunOptions, choice, clock_of_environment, memory_size

if TYPE_CHECKING:
    from aimi.output_place import OutputPlace
    from aimi.pipeline import Job

__all__ = ["run"]


def _one_of(name: str) -> str:
    return "One of: " + ", ".join(CHOICES[name]) + "."


def run(
    context: typer.Context,
    task: Annotated[str, typer.Argument(help="The task, as `aimi tasks` lists it.")],
    source: Annotated[Path, typer.Argument(metavar="INPUT", help="A DICOM folder or file, or a NIfTI file.")],
    out: Annotated[Path, typer.Option("-o", "--output", help="Output folder; made when it does not exist.")],
    models: Annotated[
        str | None,
        typer.Option("-m", "--models", envvar="AIMI_MODELS", help="Folder with one sub-folder per model, or `demo`."),
    ] = None,
    series: Annotated[
        str | None,
        typer.Option("--series", envvar=ENVIRONMENT["series_uid"], help="Force this series UID (or stack name)."),
    ] = None,
    study: Annotated[
        str | None, typer.Option("--study", envvar=ENVIRONMENT["study_uid"], help="The study to take of several.")
    ] = None,
    rules: Annotated[
        str | None, typer.Option("--rules", envvar=ENVIRONMENT["rule_set"], help="Clean-up. " + _one_of("rule_set"))
    ] = None,
    allow_non_contrast: Annotated[
        bool,
        typer.Option(
            "--allow-non-contrast", envvar=ENVIRONMENT["allow_non_contrast"], help="Kidney: also without contrast."
        ),
    ] = False,
    all_matching: Annotated[
        bool,
        typer.Option(
            "--all-matching", envvar=ENVIRONMENT["all_matching"], help="Annotate every series that suits: TASK-1, ..."
        ),
    ] = False,
    allow_partial_ct: Annotated[
        bool,
        typer.Option(
            "--allow-partial-ct", envvar=ENVIRONMENT["allow_partial_ct"], help="PET/CT: also a CT of a part of the PET."
        ),
    ] = False,
    register: Annotated[
        bool,
        typer.Option(
            "--register", envvar=ENVIRONMENT["register"], help="PET/CT: register different frames of reference."
        ),
    ] = False,
    grid: Annotated[
        str | None, typer.Option("--grid", envvar=ENVIRONMENT["grid"], help="Grid of the result. " + _one_of("grid"))
    ] = None,
    region: Annotated[
        str | None,
        typer.Option(
            "--region",
            envvar=ENVIRONMENT["region"],
            help="PET/CT: region from `totalsegmentator` (default), the model's `own` organs, or a segmentation FILE.",
        ),
    ] = None,
    fast_region: Annotated[
        bool, typer.Option("--fast-region", envvar=ENVIRONMENT["fast_region"], help="PET/CT: region model of 3 mm.")
    ] = False,
    seg_type: Annotated[
        str,
        typer.Option("--seg-type", envvar=ENVIRONMENT["segmentation_type"], help=_one_of("segmentation_type")),
    ] = "binary",
    device: Annotated[str, typer.Option("--device", envvar=ENVIRONMENT["device"], help=_one_of("device"))] = "auto",
    precision: Annotated[
        str, typer.Option("--precision", envvar=ENVIRONMENT["precision"], help=_one_of("precision"))
    ] = "auto",
    ensemble: Annotated[
        str | None, typer.Option("--ensemble", envvar=ENVIRONMENT["ensemble"], help=_one_of("ensemble"))
    ] = None,
    mirror: Annotated[
        bool | None,
        typer.Option("--mirror/--no-mirror", envvar=ENVIRONMENT["mirroring"], help="Average over mirrored passes."),
    ] = None,
    max_memory: Annotated[
        str | None,
        typer.Option("--max-memory", envvar=ENVIRONMENT["max_memory"], help="Memory that the run may take, e.g. 8G."),
    ] = None,
    secondary_capture: Annotated[
        bool,
        typer.Option(
            "--secondary-capture", envvar=ENVIRONMENT["secondary_capture"], help="Also write the picture as DICOM."
        ),
    ] = False,
    overwrite: Annotated[
        bool,
        typer.Option("--overwrite", envvar=ENVIRONMENT["overwrite"], help="Replace a result of another run."),
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the report as one line of JSON.")] = False,
) -> None:
    """Annotate one case: OUT/TASK.seg.dcm, OUT/TASK.report.json and OUT/TASK.preview.png, all or none.

    A repeated run into the same folder answers "already done". NIfTI in gives NIfTI out on the same voxels.
    """
    clock = clock_of_environment(os.environ)
    from aimi import batch, outcome, pipeline
    from aimi.cli.console import print_json, progress
    from aimi.errors import UsageError
    from aimi.output_place import OutputPlace
    from aimi.tasks import get

    state: State = context.obj
    options = RunOptions(
        study_uid=study,
        series_uid=series,
        rule_set=None if rules is None else choice(rules, "rule_set", "--rules (AIMI_RULE_SET)"),
        allow_non_contrast=allow_non_contrast,
        all_matching=all_matching,
        allow_partial_ct=allow_partial_ct,
        register=register,
        grid=None if grid is None else choice(grid, "grid", "--grid (AIMI_GRID)"),
        region=region,
        fast_region=fast_region,
        segmentation_type=choice(seg_type, "segmentation_type", "--seg-type (AIMI_SEG_TYPE)"),
        device=choice(device, "device", "--device (AIMI_DEVICE)"),
        precision=choice(precision, "precision", "--precision (AIMI_PRECISION)"),
        ensemble=None if ensemble is None else choice(ensemble, "ensemble", "--ensemble (AIMI_ENSEMBLE)"),
        mirroring=mirror,
        max_memory=None if max_memory is None else memory_size(max_memory, "--max-memory (AIMI_MAX_MEMORY)"),
        secondary_capture=secondary_capture,
        overwrite=overwrite,
    )
    if not source.exists():
        raise UsageError(f"The input {source} does not exist.", "Name a DICOM folder or file, or a NIfTI file.")
    place = OutputPlace(out, get(task).name, options.overwrite)
    job = _job(task, options, place, models, clock)
    state.interruption.add(place.discard)
    with progress() as show:
        shown = pipeline.with_progress(job, show)
        one_case = partial(pipeline.segment_case, source=source)
        end = outcome.settle(shown, lambda: batch.annotate(shown, place, source, one_case), debug=state.debug)
    if as_json:
        print_json(end.report or {"task": task, "status": end.status, "message": end.message})
    elif end.report is not None:
        _print_result(end.report, out)
    elif end.status == 0:
        typer.echo(end.message)
    raise typer.Exit(end.status)


def _job(
    task: str, options: RunOptions, place: "OutputPlace", models: str | None, clock: Callable[[], datetime]
) -> "Job":
    from aimi.models import store
    from aimi.pipeline import Job
    from aimi.run_record import RunRecord
    from aimi.tasks import get

    chosen = get(task)
    folder, is_demo = store.folder_of(models, os.environ)
    return Job(
        task=chosen,
        options=options,
        place=place,
        models=folder,
        demo=is_demo,
        clock=clock,
        record=RunRecord(),
    )


def _print_result(report: dict[str, Any], out: Path) -> None:
    from aimi.cli.console import print_table

    for result in report.get("results", [report]):
        number = f"-{result['number']}" if "number" in result else ""
        rows = [
            (
                str(one["number"]),
                one["label"],
                f"{one['volume_ml']:.1f}",
                str(one["components"]),
                f"{one['largest_axial_diameter_mm']:.1f}",
                "yes" if one["truncated"] else "no",
            )
            for one in result["segments"]
        ]
        print_table(
            f"{report['task']}{number}: AI, not reviewed. Research use only.",
            ("no", "segment", "volume ml", "components", "largest axial diameter mm", "truncated"),
            rows,
        )
    for note in report["notes"]:
        typer.echo(f"note: {note['sentence']}")
    for name in [*report["files"], "report.json"]:
        typer.echo(str(out / (f"{report['task']}{'' if name.startswith('-') else '.'}{name}")))
