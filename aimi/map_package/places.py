"""Where things are inside an image, as the specification's Table of Important Paths names them."""

from collections.abc import Mapping
from types import MappingProxyType

__all__ = [
    "APP",
    "APP_MANIFEST",
    "CONFIG",
    "DOCS",
    "ENTRYPOINT",
    "ENVIRONMENT",
    "LIBRARY",
    "LOGS",
    "MODELS",
    "MONAI_MANIFEST",
    "PACKAGES",
    "PKG_MANIFEST",
    "WORKDIR",
]

APP = "/opt/holoscan/app/"
LIBRARY = "/opt/holoscan/lib"
MODELS = "/opt/holoscan/models/"
DOCS = "/opt/holoscan/docs"
ENTRYPOINT = "/opt/holoscan/entrypoint"
PACKAGES = "/opt/holoscan/packages"
WORKDIR = "/var/holoscan/"
CONFIG = "/var/holoscan/app.yaml"
LOGS = "/var/holoscan/logs"
APP_MANIFEST = "/etc/holoscan/app.json"
PKG_MANIFEST = "/etc/holoscan/pkg.json"
MONAI_MANIFEST = "/etc/monai/app.json"

ENVIRONMENT: Mapping[str, str] = MappingProxyType(
    {
        "HOLOSCAN_INPUT_PATH": "/var/holoscan/input/",
        "HOLOSCAN_OUTPUT_PATH": "/var/holoscan/output/",
        "HOLOSCAN_WORKDIR": WORKDIR,
        "HOLOSCAN_MODEL_PATH": MODELS,
        "HOLOSCAN_CONFIG_PATH": CONFIG,
        "HOLOSCAN_APP_MANIFEST_PATH": APP_MANIFEST,
        "HOLOSCAN_PKG_MANIFEST_PATH": PKG_MANIFEST,
        "HOLOSCAN_DOCS": DOCS,
        "HOLOSCAN_LOGS": LOGS,
    }
)
"""The variables that a MAP must have, by the specification's Table of Environment Variables. Its defaults for the
two manifests end in ``.config``; everything else in it says ``.json``."""
