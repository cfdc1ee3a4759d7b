"""The two manifests of a package, as the specification's tables ask.

The stock packager's are the start; what it writes against the specification is replaced: no ``type``, the command
as a JSON array inside a string, strings for the objects of ``input.formats``, ``output.formats`` for
``output.format``, null probes, a mapping for the array of models, a key of its own, two misnamed variables.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from aimi.errors import UsageError
from aimi.map_package import places

__all__ = ["Application", "application_manifest", "package_manifest", "read_application"]

_API_VERSION = "1.0.0"


class Application:
    """What an application's ``app.yaml`` says.

    Attributes
    ----------
    folder, title, version : of the application.
    resources : as written.
    manifest, package : the stock packager's manifests.
    parameters : the stock packager's build parameters.
    """

    def __init__(self, folder: Path) -> None:
        from holoscan_cli.packager.config_reader import ApplicationConfiguration  # noqa: PLC0415 (packaging only)
        from holoscan_cli.packager.parameters import PackageBuildParameters  # noqa: PLC0415 (packaging only)

        self.folder = folder
        self.parameters = PackageBuildParameters()
        self.parameters.application = folder
        self.parameters.app_config_file_path = folder / "app.yaml"
        configuration = ApplicationConfiguration()
        configuration.read(folder / "app.yaml")
        self.title: str = configuration.title()
        self.parameters.title = self.title
        self.manifest: dict[str, Any] = configuration.populate_app_manifest(self.parameters).data
        self.package: dict[str, Any] = configuration.populate_package_manifest(self.parameters).data
        self.version: str = self.manifest["version"]
        self.parameters.version = self.version
        self.resources: Mapping[str, object] = self.package["resources"]


def read_application(folder: Path) -> Application:
    """Read an application folder.

    Raises
    ------
    UsageError
        It is none: it lacks ``__main__.py``, ``app.yaml`` or ``requirements.txt``. Or the packager is not installed.
    """
    for name in ("__main__.py", "app.yaml", "requirements.txt"):
        if not (folder / name).is_file():
            raise UsageError(f"The application folder lacks {name}.", "Run from a checkout, with a task that it has.")
    try:
        return Application(folder)
    except ModuleNotFoundError as err:
        raise UsageError("The packager holoscan-cli is not installed.", "Install the extra: aimi[map].") from err


def application_manifest(
    application: Application, *, extra_environment: Mapping[str, str], timeout: int, sdk_version: str
) -> dict[str, object]:
    """Give ``app.json``.

    Parameters
    ----------
    extra_environment : variables beside those of the specification.
    timeout : seconds; 0 is none.
    """
    stock = application.manifest
    return {
        "type": "application",
        "apiVersion": _API_VERSION,
        "command": places.ENTRYPOINT,
        "environment": {**places.ENVIRONMENT, **extra_environment},
        "input": {"path": stock["input"]["path"], "formats": _formats(stock["input"]["formats"])},
        "output": {"path": stock["output"]["path"], "format": _format(stock["output"]["formats"])},
        "sdk": "holoscan",
        "sdkVersion": sdk_version,
        "timeout": timeout,
        "version": application.version,
        "workingDirectory": places.WORKDIR,
    }


def package_manifest(
    application: Application, *, models: Iterable[str], resources: Mapping[str, object]
) -> dict[str, object]:
    """Give ``pkg.json``.

    Parameters
    ----------
    models : names; each model's folder has its name.
    """
    return {
        "apiVersion": _API_VERSION,
        "applicationRoot": places.APP,
        "modelRoot": places.MODELS,
        "models": [{"name": name, "path": f"{name}/"} for name in models],
        "resources": dict(resources),
        "version": application.version,
    }


def _formats(formats: list[str]) -> list[dict[str, object]]:
    return [{"type": name, "contents": ["DICOM study"]} for name in formats]


def _format(formats: list[str]) -> dict[str, object]:
    return {"type": formats[0], "contents": ["DICOM Segmentation", "JSON report", "PNG picture"]}
