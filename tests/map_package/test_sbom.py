"""The bill of materials, and what a check of vulnerabilities may claim."""

import json
from importlib import metadata
from pathlib import Path

import pytest

from aimi.map_package import audit, sbom
from aimi.map_package.audit import read_report
from aimi.map_package.flavours import pins
from tests.map_package.kit import ROOT

MODEL = {"name": "DEMO-liver-ct", "version": "1", "licence": "Apache-2.0", "sha256": "ab" * 32}


def test_every_pin_of_the_lock_is_a_component() -> None:
    locked = pins((ROOT / "requirements.lock").read_text())
    bill = sbom.bill(locked)
    assert {(one["name"], one["version"]) for one in bill["components"]} == set(locked.items())
    assert {one["purl"] for one in bill["components"]} == {f"pkg:pypi/{n}@{v}" for n, v in locked.items()}
    assert len(bill["dependencies"][0]["dependsOn"]) == len(locked)


def test_a_licence_is_that_of_the_installed_version_only() -> None:
    version = metadata.version("numpy")
    right, wrong = sbom.bill({"numpy": version})["components"][0], sbom.bill({"numpy": "0.1"})["components"][0]
    assert "BSD" in right["licenses"][0]["license"]["name"]
    assert "licenses" not in wrong


def test_a_model_is_a_component_with_its_hash() -> None:
    component = sbom.bill({}, models=[MODEL])["components"][0]
    assert component["type"] == "machine-learning-model"
    assert component["hashes"] == [{"alg": "SHA-256", "content": "ab" * 32}]


def test_the_bill_is_valid_by_the_schema_of_cyclonedx() -> None:
    from cyclonedx.schema import SchemaVersion
    from cyclonedx.validation.json import JsonStrictValidator

    locked = pins((ROOT / "requirements.lock").read_text())
    text = json.dumps(sbom.bill(locked, models=[MODEL], epoch=0))
    assert JsonStrictValidator(SchemaVersion.V1_5).validate_str(text) is None
    wrong = text.replace('"library"', '"no such type"')
    assert JsonStrictValidator(SchemaVersion.V1_5).validate_str(wrong) is not None


def test_the_same_parts_give_the_same_bill_and_others_another() -> None:
    assert sbom.bill({"a": "1"}) == sbom.bill({"a": "1"})
    assert sbom.bill({"a": "1"})["serialNumber"] != sbom.bill({"a": "2"})["serialNumber"]


REPORT = {
    "dependencies": [
        {"name": "Good", "version": "1", "vulns": []},
        {"name": "bad", "version": "2", "vulns": [{"id": "PYSEC-1", "fix_versions": []}]},
        {"name": "skipped", "skip_reason": "could not be audited"},
    ]
}


def test_a_package_that_was_not_looked_up_is_not_passed() -> None:
    found = read_report(REPORT, {"good": "1", "bad": "2", "skipped": "3", "left-out": "4"})
    assert found.vulnerable == {"bad 2": ("PYSEC-1",)}
    assert set(found.unchecked) == {"skipped 3", "left-out 4"}
    assert found.checked == 2
    assert "not checked: 2" in found.sentence


def test_without_pip_audit_everything_is_unchecked(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    outcome = audit.write_sbom(tmp_path / "bill.json", task="liver_ct", audit=True)
    assert outcome.status == 0
    assert outcome.audit is not None
    assert outcome.audit.startswith("0 packages checked")
    facts = json.loads((tmp_path / "bill.audit.json").read_bytes())
    assert len(facts["unchecked"]) == outcome.components
