"""``aimi package``: build the container of a task. ``aimi sbom``: what it is made of."""

from pathlib import Path
from typing import Annotated

import typer

__all__ = ["package", "sbom"]

_BASE = "python:3.11-slim-bookworm"

_Task = Annotated[str, typer.Argument(help="The task, as `aimi tasks` lists it.")]


def package(
    task: _Task,
    tag: Annotated[str, typer.Option("-t", "--tag", metavar="NAME:TAG", help="The image's name.")],
    models: Annotated[
        str | None,
        typer.Option(
            "-m", "--models", envvar="AIMI_MODELS", help="Models folder, or `demo`; with none an image without models."
        ),
    ] = None,
    cuda: Annotated[
        bool, typer.Option("--cuda/--cpu", help="An image for a GPU (needs --offline), or for the processor alone.")
    ] = False,
    with_torch: Annotated[
        bool,
        typer.Option(
            "--with-torch", help="Put torch into a processor's image, too (AIMI_DEVICE=cpu-torch); needs --offline."
        ),
    ] = False,
    offline: Annotated[
        Path | None,
        typer.Option(
            "--offline", metavar="WHEELHOUSE", help="Take packages from this folder of wheels, and no base from afar."
        ),
    ] = None,
    base_image: Annotated[str, typer.Option("--base-image", help="An image with Python 3.11.")] = _BASE,
    compat_monai: Annotated[
        bool, typer.Option("--compat-monai", help="Also write /etc/monai/app.json (mercure then runs it as root).")
    ] = False,
    timeout: Annotated[
        int, typer.Option("--timeout", min=0, help="Seconds a platform should wait; 0 is no limit.")
    ] = 0,
    context: Annotated[
        Path | None,
        typer.Option("--context", help="Only lay out the build context, in this new folder; no engine is needed."),
    ] = None,
) -> None:
    """Build a task's MONAI Application Package (needs a checkout and a container engine)."""
    from aimi.map_package.building import Request, lay_out, package_task
    from aimi.map_package.flavours import Flavour

    flavour = Flavour.CUDA if cuda else Flavour.TORCH if with_torch else Flavour.OPENVINO
    request = Request(
        task=task,
        models=models,
        flavour=flavour,
        base=base_image,
        wheels=offline,
        compat_monai=compat_monai,
        timeout=timeout,
    )
    if context is not None:
        lay_out(request, context)
        typer.echo(str(context))
        return
    built = package_task(request, tag)
    typer.echo(f"{tag}  {built.size / 1e6:.0f} MB  {built.image_id}")


def sbom(
    output: Annotated[Path, typer.Option("-o", "--output", help="The CycloneDX file.")] = Path("sbom.cdx.json"),
    task: Annotated[str | None, typer.Option("--task", help="Only what this task's image holds.")] = None,
    audit: Annotated[bool, typer.Option("--audit", help="Also ask pip-audit for known vulnerabilities.")] = False,
) -> None:
    """Write a software bill of materials of the pinned packages; with --audit, what is known against them."""
    from aimi.map_package.audit import write_sbom

    outcome = write_sbom(output, task=task, audit=audit)
    typer.echo(f"{outcome.components} components in {output}")
    if outcome.audit is not None:
        typer.echo(outcome.audit)
    raise typer.Exit(outcome.status)
