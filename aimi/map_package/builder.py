"""The build context: the stock packager's classes lay it out, with our Dockerfile, manifests and entrypoint."""

import hashlib
import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aimi
from aimi.engine.folder import ModelFolder
from aimi.errors import UsageError
from aimi.map_package import inside, places, sbom, staging
from aimi.map_package.dockerfile import dockerfile
from aimi.map_package.flavours import OPTIONAL_IMPORTS, Flavour, requirements_of, resources_for
from aimi.map_package.manifests import Application, application_manifest, package_manifest, read_application
from aimi.models.catalogue import ModelSpec

__all__ = ["Order", "checkout", "make_context"]

_HOLOSCAN = "holoscan-cu13"
_LICENCE = "Apache-2.0"


@dataclass(frozen=True, slots=True)
class Order:
    """What an image is to be.

    Parameters
    ----------
    task : the application's folder below ``apps``.
    models : the models to put in, by catalogue record.
    base, base_digest : the base image and what identifies its content.
    python : the base's interpreter.
    wheels : folder of wheels; None to let pip fetch them in the build.
    demo : the models are the demo models.
    compat_monai : also write ``/etc/monai/app.json``.
    timeout : seconds that a platform is told to wait; 0 is no limit.
    epoch : the date of every file, in seconds.
    """

    task: str
    models: Mapping[ModelSpec, ModelFolder]
    flavour: Flavour
    base: str
    base_digest: str
    python: str = "python3.11"
    wheels: Path | None = None
    demo: bool = False
    compat_monai: bool = False
    timeout: int = 0
    epoch: int = 0


def checkout() -> Path:
    """Give the folder of the checkout that this package lies in.

    Raises
    ------
    UsageError
        It lies in none.
    """
    root = Path(aimi.__file__).resolve().parents[1]
    if not (root / "apps").is_dir() or not (root / "requirements.lock").is_file():
        raise UsageError("Images are built from a checkout of the project.", "Run this command in a checkout.")
    return root


def make_context(order: Order, folder: Path, root: Path) -> Application:
    """Lay out the build context of an image in an empty folder; give the application that it holds.

    Parameters
    ----------
    root : the checkout.
    """
    application = read_application(root / "apps" / order.task)
    requirements = requirements_of(application.folder, root / "requirements.lock", order.flavour)
    library = folder / "lib"
    staging.stage(root, [application.folder, Path(inside.__file__).parent], library)
    docs = folder.parent / f"{folder.name}-docs"
    _write_docs(docs, order, root, requirements)
    application.parameters.additional_libs = [str(library)]
    application.parameters.docs = docs
    application.parameters.models = {spec.name: found.path for spec, found in order.models.items()}
    _lay_out(application, folder)
    shutil.rmtree(docs)
    for cache in folder.rglob("__pycache__"):
        shutil.rmtree(cache)
    _write_text(folder / "pip" / "requirements.txt", "".join(f"{n}=={v}\n" for n, v in requirements.items()))
    shutil.copyfile(Path(inside.__file__).parent / "assemble.py", folder / "assemble.py")
    _write_manifests(order, application, requirements, folder)
    if order.wheels is not None:
        _link_wheels(order.wheels, folder / "wheels")
    _write_text(folder / "Dockerfile", _dockerfile(order, application))
    return application


def _lay_out(application: Application, folder: Path) -> None:
    """Have the stock packager copy the application, its models, documents and libraries."""
    from holoscan_cli.packager.container_builder import PythonAppBuilder  # noqa: PLC0415 (packaging only)

    class Builder(PythonAppBuilder):  # type: ignore[misc]  # untyped base
        """The stock builder with our entrypoint; what it stages below ``lib`` is there already."""

        def _copy_script(self) -> str:
            target = folder / "tools"
            shutil.copyfile(Path(inside.__file__).parent / "entrypoint.py", target)
            return str(target)

        def _copy_libs(self) -> None:
            """Leave what was staged."""

        def _write_dockerignore(self) -> str:
            return ""

    Builder(application.parameters, str(folder))
    (folder / "models").mkdir(exist_ok=True)


def _environment(order: Order) -> dict[str, str]:
    """Give the variables of an image beside those of the specification."""
    extra = {"AIMI_LOG_JSON": "1"}
    if order.demo:
        extra |= {"AIMI_MODELS": "demo", "AIMI_DEMO_MODELS": places.MODELS}
    return extra


def _write_manifests(order: Order, application: Application, requirements: Mapping[str, str], folder: Path) -> None:
    app = application_manifest(
        application,
        extra_environment=_environment(order),
        timeout=order.timeout,
        sdk_version=requirements[_HOLOSCAN],
    )
    package = package_manifest(
        application,
        models=[spec.name for spec in order.models],
        resources=resources_for(order.flavour, application.resources),
    )
    etc = folder / "etc"
    _write_json(etc / "holoscan" / "app.json", app)
    _write_json(etc / "holoscan" / "pkg.json", package)
    if order.compat_monai:
        _write_json(etc / "monai" / "app.json", app)


def _dockerfile(order: Order, application: Application) -> str:
    labels = {
        "org.opencontainers.image.title": application.title,
        "org.opencontainers.image.version": application.version,
        "org.opencontainers.image.description": "One DICOM study in, one DICOM Segmentation out. Research use only.",
        "org.opencontainers.image.licenses": _LICENCE,
        "org.opencontainers.image.base.name": order.base,
        "org.opencontainers.image.base.digest": order.base_digest,
        "org.monai.map.task": order.task,
        "org.monai.map.models": ",".join(f"{one.name}@sha256:{f.sha256}" for one, f in order.models.items()),
        "org.monai.map.intended-use": "Research use only. Not for diagnosis.",
    }
    packages = f"{places.LIBRARY}:{places.PACKAGES}"
    return dockerfile(
        base=order.base,
        python=order.python,
        labels=labels,
        environment={
            **places.ENVIRONMENT,
            **_environment(order),
            "PYTHONPATH": packages,
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTHONUNBUFFERED": "1",
        },
        may_lack=OPTIONAL_IMPORTS[order.flavour],
        has_wheels=order.wheels is not None,
        epoch=order.epoch,
    )


def _write_docs(docs: Path, order: Order, root: Path, requirements: Mapping[str, str]) -> None:
    docs.mkdir(parents=True)
    for name in ("LICENSE", "README.md", "CHANGELOG.md"):
        if (root / name).is_file():
            shutil.copyfile(root / name, docs / name)
    models = [_model_facts(spec, found) for spec, found in order.models.items()]
    _write_json(docs / "models.json", models)
    _write_json(docs / "sbom.cdx.json", sbom.bill(requirements, models=models, epoch=order.epoch))


def _model_facts(spec: ModelSpec, found: ModelFolder) -> dict[str, Any]:
    files = sorted(path for path in found.path.rglob("*") if path.is_file())
    return {
        "name": spec.name,
        "version": spec.version,
        "licence": spec.licence,
        "doi": spec.doi,
        "sha256": found.sha256,
        "files": {str(path.relative_to(found.path)): _sha256(path) for path in files},
    }


def _sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _link_wheels(wheels: Path, target: Path) -> None:
    """Put wheels into the context, linked where that is possible: they take no space twice."""
    target.mkdir()
    found = sorted(wheels.glob("*.whl"))
    if not found:
        raise UsageError("The folder of wheels holds none.", "Fill it with `pip download`, as docs/map.md shows.")
    for wheel in found:
        try:
            os.link(wheel, target / wheel.name)
        except OSError:
            shutil.copyfile(wheel, target / wheel.name)


def _write_text(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def _write_json(path: Path, content: object) -> None:
    _write_text(path, json.dumps(content, indent=2) + "\n")
