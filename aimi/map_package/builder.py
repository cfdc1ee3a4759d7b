"""The build context: the stock packager's classes lay it out, with our Dockerfile, manifests and entrypoint."""

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aimi
from aimi.errors import UsageError
from aimi.map_package import inside, labels, places, sbom, staging
from aimi.map_package.dockerfile import dockerfile
from aimi.map_package.flavours import OPTIONAL_IMPORTS, Flavour, resources_for
from aimi.map_package.manifests import Application, application_manifest, package_manifest, read_application
from aimi.map_package.wheelhouse import packages_of
from aimi.models.store import FoundModel

__all__ = ["LOCK", "Order", "checkout", "make_context"]

LOCK = "requirements.lock"
_HOLOSCAN = "holoscan-cu13"
_LICENCE_TEXTS = {
    "Apache-2.0": "LICENSE",
    "CC-BY-NC-4.0": "https://creativecommons.org/licenses/by-nc/4.0/legalcode",
}
"""Where the text of a licence of weights is: beside the list of models, or its address, which the licence allows."""


@dataclass(frozen=True, slots=True)
class Order:
    """What an image is to be.

    Parameters
    ----------
    task : the application's folder below ``apps``.
    models : the models to put in.
    base, base_digest : the base image and what identifies its content.
    python : the base's interpreter.
    wheels : folder of wheels; None to let pip fetch them in the build.
    demo : the models are the demo models.
    compat_monai : also write ``/etc/monai/app.json``.
    timeout : seconds that a platform is told to wait; 0 is no limit.
    epoch : the date of the image, in seconds; None leaves it out, and every file is of 1970.
    """

    task: str
    models: tuple[FoundModel, ...]
    flavour: Flavour
    base: str
    base_digest: str
    python: str = "python3.11"
    wheels: Path | None = None
    demo: bool = False
    compat_monai: bool = False
    timeout: int = 0
    epoch: int | None = None


def checkout() -> Path:
    """Give the folder of the checkout that this package lies in.

    Raises
    ------
    UsageError
        It lies in none.
    """
    root = Path(aimi.__file__).resolve().parents[1]
    if not (root / "apps").is_dir() or not (root / LOCK).is_file():
        raise UsageError("Images are built from a checkout of the project.", "Run this command in a checkout.")
    return root


def make_context(order: Order, folder: Path, root: Path) -> Application:
    """Lay out the build context of an image in an empty folder; give the application that it holds.

    Parameters
    ----------
    root : the checkout.
    """
    application = read_application(root / "apps" / order.task)
    requirements = packages_of(application.folder, root / LOCK, order.flavour, order.wheels)
    library = folder / "lib"
    staging.stage(root, [application.folder, Path(inside.__file__).parent], library)
    application.parameters.additional_libs = [str(library)]
    application.parameters.models = {one.spec.name: one.folder.path for one in order.models}
    with tempfile.TemporaryDirectory() as docs:
        _write_docs(Path(docs), order, root, requirements)
        application.parameters.docs = Path(docs)
        _lay_out(application, folder)
    for cache in folder.rglob("__pycache__"):
        shutil.rmtree(cache)
    _write_text(folder / "pip" / "requirements.txt", "".join(f"{n}=={v}\n" for n, v in requirements.items()))
    shutil.copyfile(Path(inside.__file__).parent / "assemble.py", folder / "assemble.py")
    _write_manifests(order, application, requirements, folder)
    if order.wheels is not None:
        _link_wheels(order.wheels, folder / "wheels")
    _write_text(folder / "Dockerfile", _dockerfile(order, application, root))
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
        models=[one.spec.name for one in order.models],
        resources=resources_for(order.flavour, application.resources),
    )
    etc = folder / "etc"
    _write_json(etc / "holoscan" / "app.json", app)
    _write_json(etc / "holoscan" / "pkg.json", package)
    if order.compat_monai:
        _write_json(etc / "monai" / "app.json", app)


def _labels(order: Order, application: Application, root: Path) -> dict[str, str]:
    return {
        "org.opencontainers.image.title": application.title,
        "org.opencontainers.image.version": application.version,
        "org.opencontainers.image.description": "One DICOM study in, one DICOM Segmentation out. Research use only.",
        "org.opencontainers.image.base.name": order.base,
        "org.opencontainers.image.base.digest": order.base_digest,
        "org.monai.map.task": order.task,
        "org.monai.map.models": ",".join(f"{one.spec.name}@sha256:{one.folder.sha256}" for one in order.models),
        "org.monai.map.intended-use": "Research use only. Not for diagnosis.",
        **labels.of_checkout(root),
        **labels.of_licences(one.licence if one.is_as_listed else None for one in order.models),
        **labels.of_date(order.epoch),
    }


def _dockerfile(order: Order, application: Application, root: Path) -> str:
    packages = f"{places.LIBRARY}:{places.PACKAGES}"
    return dockerfile(
        base=order.base,
        python=order.python,
        labels=_labels(order, application, root),
        environment={
            **places.ENVIRONMENT,
            **_environment(order),
            "PYTHONPATH": packages,
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTHONUNBUFFERED": "1",
        },
        may_lack=OPTIONAL_IMPORTS[order.flavour],
        has_wheels=order.wheels is not None,
        epoch=order.epoch or 0,
    )


def _write_docs(docs: Path, order: Order, root: Path, requirements: Mapping[str, str]) -> None:
    for name in ("LICENSE", "README.md", "CHANGELOG.md"):
        if (root / name).is_file():
            shutil.copyfile(root / name, docs / name)
    models = [_model_facts(one) for one in order.models]
    _write_json(docs / "models.json", models)
    _write_json(docs / "sbom.cdx.json", sbom.bill(requirements, models=models, epoch=order.epoch))


def _model_facts(one: FoundModel) -> dict[str, Any]:
    """Give what is known of a model: of another one in a published one's place no more than a run tells."""
    place = one.folder.path
    files = sorted(path for path in place.rglob("*") if path.is_file())
    return {
        "name": one.spec.name,
        "version": one.version,
        "licence": one.licence,
        "licence_text": _LICENCE_TEXTS.get(one.licence, ""),
        "doi": one.spec.doi if one.is_as_listed else "",
        "sha256": one.folder.sha256,
        "files": {str(path.relative_to(place)): _sha256(path) for path in files},
    }


def _sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _link_wheels(wheels: Path, target: Path) -> None:
    """Put wheels into the context, linked where that is possible: they take no space twice."""
    target.mkdir()
    for wheel in sorted(wheels.glob("*.whl")):
        try:
            os.link(wheel, target / wheel.name)
        except OSError:
            shutil.copyfile(wheel, target / wheel.name)


def _write_text(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def _write_json(path: Path, content: object) -> None:
    _write_text(path, json.dumps(content, indent=2) + "\n")
