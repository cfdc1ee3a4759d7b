"""What the tests of packages share: the checkout, its applications, small model folders, empty wheels, schemas."""

import json
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from aimi.map_package import docker
from aimi.map_package.builder import Order
from aimi.map_package.flavours import Flavour, requirements_of
from aimi.models import store
from aimi.tasks import TASKS
from tests.engine.threshold_model import make_threshold_model

ROOT = Path(__file__).resolve().parents[2]
APPLICATIONS = sorted(path.parent.name for path in ROOT.glob("apps/*/app.yaml"))
BASE = docker.Base("base:1", "sha256:00")


def schema(name: str) -> dict[str, Any]:
    """Read one of the two schemas."""
    content: dict[str, Any] = json.loads((ROOT / f"aimi/map_package/schemas/{name}.schema.json").read_bytes())
    return content


def make_models(folder: Path) -> Path:
    """Write the demo model of liver_ct, in its place a threshold, and a stray file beside it."""
    make_threshold_model(folder / "DEMO-liver-ct", (5.0, 2.0, 2.0), 100.0)
    (folder / "README.md").write_text("not a model\n")
    return folder


def liver_order(models: Path, flavour: Flavour = Flavour.OPENVINO, **changes: Any) -> Order:
    """Order an image of liver_ct with the demo model."""
    found = tuple(store.find(spec, models) for spec in TASKS["liver_ct"].demo_models)
    return Order("liver_ct", found, flavour, BASE.name, BASE.digest, demo=True, **changes)


def make_wheel(folder: Path, name: str, version: str, requires: Sequence[str] = (), tags: str = "py3-none-any") -> Path:
    """Write a wheel that holds nothing but what it says of itself."""
    folder.mkdir(exist_ok=True)
    path = folder / f"{name.replace('-', '_')}-{version}-{tags}.whl"
    lines = [
        "Metadata-Version: 2.4",
        f"Name: {name}",
        f"Version: {version}",
        *(f"Requires-Dist: {r}" for r in requires),
    ]
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(f"{name.replace('-', '_')}-{version}.dist-info/METADATA", "\n".join(lines) + "\n\n")
    return path


def make_wheels(folder: Path, task: str = "liver_ct", flavour: Flavour = Flavour.OPENVINO) -> Path:
    """Write a wheel of every package that an image of a task holds by the lock; torch is a processor's."""
    wanted = requirements_of(ROOT / "apps" / task, ROOT / "requirements.lock", flavour)
    for name, version in wanted.items():
        make_wheel(folder, name, f"{version}+cpu" if name == "torch" else version)
    return folder


# What torch 2.13.0 of the public registry asks for on Linux, and CUDA's own list of packages in its form.
CUDA: Mapping[tuple[str, str], Sequence[str]] = {
    ("torch", "2.13.0"): (
        "filelock",
        'cuda-toolkit[cublas,cudart]==13.0.3; platform_system == "Linux"',
        'cuda-bindings<14,>=13.0.3; platform_system == "Linux" and python_version < "3.15"',
        'nvidia-cudnn-cu13==9.20.0.48; platform_system == "Linux"',
        'triton==3.7.1; platform_system == "Linux" and python_version < "3.15"',
        'nvidia-of-windows==1; platform_system == "Windows"',
    ),
    ("cuda-toolkit", "13.0.3"): (
        'nvidia-cublas==13.1.1.3; extra == "cublas" or extra == "all"',
        'nvidia-cuda-runtime==13.0.96; extra == "cudart" or extra == "all"',
        'nvidia-npp==13.0.1.2; extra == "npp" or extra == "all"',
    ),
    ("cuda-bindings", "13.1.0"): (),
    ("nvidia-cudnn-cu13", "9.20.0.48"): ("nvidia-cublas",),
    ("nvidia-cublas", "13.1.1.3"): (),
}


def make_cuda_wheels(folder: Path) -> Path:
    """Write the wheels of an image of liver_ct with CUDA's torch."""
    make_wheels(folder, flavour=Flavour.CUDA)
    (folder / "torch-2.13.0+cpu-py3-none-any.whl").unlink()
    for (name, version), requires in CUDA.items():
        make_wheel(folder, name, version, requires)
    return folder
