"""A software bill of materials: CycloneDX 1.5, made of installed metadata and the lock.

Written here and not by a tool, because the tools at hand leave out what they cannot look up.

References
----------
https://cyclonedx.org/docs/1.5/json/
"""

import uuid
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib import metadata
from typing import Any

import aimi

__all__ = ["bill"]

_NAMESPACE = uuid.uuid5(uuid.NAMESPACE_OID, "aimi sbom")
_NOT_KNOWN = "not known"  # aimi.models.store.FoundModel.licence


def bill(
    requirements: Mapping[str, str], *, models: Sequence[Mapping[str, Any]] = (), epoch: int | None = None
) -> dict[str, Any]:
    """Give the bill.

    Parameters
    ----------
    requirements : versions by package.
    models : ``name``, ``version``, ``licence``, ``sha256`` of each model.
    epoch : seconds, for the date; None leaves it out.
    """
    components = [_package(name, version) for name, version in sorted(requirements.items())]
    components += [_model(one) for one in models]
    serial = uuid.uuid5(_NAMESPACE, repr([(one["name"], one["version"], one.get("hashes")) for one in components]))
    about: dict[str, Any] = {
        "component": {
            "type": "application",
            "name": "aimi",
            "version": aimi.__version__,
            "bom-ref": "aimi",
            "licenses": [{"license": {"id": "Apache-2.0"}}],
        }
    }
    if epoch is not None:
        about["timestamp"] = datetime.fromtimestamp(epoch, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "serialNumber": f"urn:uuid:{serial}",
        "version": 1,
        "metadata": about,
        "components": components,
        "dependencies": [{"ref": "aimi", "dependsOn": [one["bom-ref"] for one in components]}],
    }


def _package(name: str, version: str) -> dict[str, Any]:
    reference = f"pkg:pypi/{name}@{version}"
    component = {"type": "library", "name": name, "version": version, "purl": reference, "bom-ref": reference}
    licence = _licence(name, version)
    return component | ({"licenses": [{"license": {"name": licence}}]} if licence else {})


def _licence(name: str, version: str) -> str:
    """Give the licence that the installed package of this version names, in one line; empty where none does."""
    try:
        found = metadata.metadata(name)
    except metadata.PackageNotFoundError:
        return ""
    if _first(found, "Version").partition("+")[0] != version:
        return ""
    if expression := _first(found, "License-Expression"):
        return expression
    classifiers = [text for text in found.get_all("Classifier") or () if text.startswith("License ::")]
    if classifiers:
        return str(classifiers[0]).rpartition(" :: ")[2]
    return _first(found, "License").strip().partition("\n")[0]


def _first(found: metadata.PackageMetadata, key: str) -> str:
    return str((found.get_all(key) or [""])[0])


def _model(facts: Mapping[str, Any]) -> dict[str, Any]:
    component = {
        "type": "machine-learning-model",
        "name": facts["name"],
        "version": facts["version"],
        "bom-ref": f"model:{facts['name']}",
        "hashes": [{"alg": "SHA-256", "content": facts["sha256"]}],
    }
    is_known = facts["licence"] != _NOT_KNOWN
    return component | ({"licenses": [{"license": {"name": facts["licence"]}}]} if is_known else {})
