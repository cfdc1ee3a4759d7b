"""Manifests follow the specification's tables; the stock packager's do not, and the schemas tell."""

import copy
import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

import aimi
from aimi.map_package.manifests import application_manifest, package_manifest, read_application
from tests.map_package.kit import APPLICATIONS, ROOT, schema

pytestmark = pytest.mark.holoscan


def manifests(task: str) -> dict[str, dict[str, Any]]:
    application = read_application(ROOT / "apps" / task)
    app = application_manifest(application, extra_environment={}, timeout=0, sdk_version="4.2.0")
    pkg = package_manifest(application, models=["M1"], resources=application.resources)
    written: dict[str, dict[str, Any]] = json.loads(json.dumps({"app": app, "pkg": pkg}))
    return written


@pytest.mark.parametrize("task", APPLICATIONS)
@pytest.mark.parametrize("name", ["app", "pkg"])
def test_the_manifests_of_every_application_are_valid(task: str, name: str) -> None:
    jsonschema.Draft202012Validator(schema(name)).validate(manifests(task)[name])


@pytest.mark.parametrize("name", ["app", "pkg"])
def test_what_the_stock_packager_writes_is_not_valid(name: str) -> None:
    application = read_application(ROOT / "apps" / "liver_ct")
    stock = {"app": application.manifest, "pkg": application.package}[name]
    assert not jsonschema.Draft202012Validator(schema(name)).is_valid(json.loads(json.dumps(stock)))


def _keys(node: dict[str, Any], path: str = "") -> list[tuple[str, dict[str, Any]]]:
    found = []
    for key, value in node.get("properties", {}).items():
        found += [(f"{path}{key}", value), *_keys(value, f"{path}{key}.")]
    return found + (_keys(node["items"], path) if "items" in node else [])


@pytest.mark.parametrize("name", ["app", "pkg"])
def test_every_key_of_a_schema_cites_its_row(name: str) -> None:
    found = _keys(schema(name))
    assert len(found) > 15
    for path, rule in found:
        row = path.rpartition(".")[2]
        assert row in rule["$comment"] or "No row" in rule["$comment"], path


REQUIRED = {
    "app": ["type", "command", "input", "output", "input.formats", "output.format", "environment.HOLOSCAN_DOCS"],
    "pkg": ["applicationRoot"],
}


@pytest.mark.parametrize(("name", "key"), [(name, key) for name, keys in REQUIRED.items() for key in keys])
def test_a_required_key_that_is_missing_is_refused(name: str, key: str) -> None:
    manifest = copy.deepcopy(manifests("liver_ct")[name])
    *folders, last = key.split(".")
    place = manifest
    for folder in folders:
        place = place[folder]
    del place[last]
    assert not jsonschema.Draft202012Validator(schema(name)).is_valid(manifest)


WRONG: list[tuple[str, str, object]] = [
    ("app", "command", '["python3", "/opt/holoscan/app"]'),
    ("app", "version", "1.0"),
    ("app", "readiness", None),
    ("app", "liveness", {"type": "http-get", "port": 80}),
    ("app", "readiness", {"type": "tcp", "port": 65536}),
    ("app", "workingDirectory", "var/holoscan"),
    ("app", "timeout", 1.5),
    ("app", "input", {"formats": None}),
    ("app", "input", {"formats": ["file"]}),
    ("app", "input", {"formats": [{"contents": ["DICOM study"]}]}),
    ("app", "output", {"formats": ["file"]}),
    ("app", "output", {"format": {}}),
    ("pkg", "models", {"M1": "/opt/holoscan/models/M1"}),
    ("pkg", "models", [{"name": "with space"}]),
    ("pkg", "models", [{"name": "M1", "path": "/absolute"}]),
    ("pkg", "resources", {"memory": "8GB"}),
    ("pkg", "resources", {"memory": "1.25Gi"}),
    ("pkg", "platformConfig", "dgpu"),
]


@pytest.mark.parametrize(("name", "key", "value"), WRONG)
def test_a_value_against_its_row_is_refused(name: str, key: str, value: object) -> None:
    manifest = manifests("liver_ct")[name] | {key: value}
    assert not jsonschema.Draft202012Validator(schema(name)).is_valid(manifest)


def test_a_probe_that_its_rows_allow_is_taken() -> None:
    probe = {"type": "command", "command": ["true"], "initialDelaySeconds": 0, "periodSeconds": 10}
    manifest = manifests("liver_ct")["app"] | {"readiness": probe}
    jsonschema.Draft202012Validator(schema("app")).validate(manifest)


@pytest.mark.parametrize("task", APPLICATIONS)
def test_the_version_is_the_projects_and_resources_ask_for_a_gpu(task: str) -> None:
    written = yaml.safe_load(Path(ROOT / "apps" / task / "app.yaml").read_text())
    assert written["application"]["version"] == aimi.__version__
    assert {"cpu", "gpu", "memory", "gpuMemory", "sharedMemory"} <= set(written["resources"])
    assert written["resources"]["gpu"] == 1
