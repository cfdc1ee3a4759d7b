"""What the tests of packages share: the checkout, its applications, small model folders, schemas."""

import json
from pathlib import Path
from typing import Any

from aimi.map_package import docker
from aimi.map_package.builder import Order
from aimi.map_package.flavours import Flavour
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
    specs = TASKS["liver_ct"].demo_models
    found = {spec: store.find(spec, models).folder for spec in specs}
    return Order("liver_ct", found, flavour, BASE.name, BASE.digest, demo=True, **changes)
