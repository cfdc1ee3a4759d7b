"""Getting a published model: its licence, its archive, its hash, and then the same way as any archive.

No checksum of the published archives was published. Where the catalogue has none, the archive's SHA-256 is written
down after the first download that gave a whole model, and a later download that differs is refused.
"""

import urllib.parse
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from aimi.engine.checkpoint import file_sha256
from aimi.errors import ModelError, UsageError
from aimi.models import ledger
from aimi.models.catalogue import ModelSpec
from aimi.models.download import Patience, Progress, discard, download
from aimi.models.importing import Imported, import_model, require_place

__all__ = [
    "LICENCE_TEXTS",
    "SOURCE",
    "Shop",
    "address_of",
    "fetch",
    "needed_licence",
    "require_accepted",
    "require_fetchable",
]

SOURCE = "AIMI_MODELS_SOURCE"
"""The variable that names a mirror: the address of a folder that holds the archives under their own names."""

LICENCE_TEXTS: Mapping[str, str] = {
    "CC-BY-NC-4.0": "https://creativecommons.org/licenses/by-nc/4.0/legalcode",
    "Apache-2.0": "https://www.apache.org/licenses/LICENSE-2.0",
}
"""Where licences can be read, by SPDX identifier."""


@dataclass(frozen=True, slots=True)
class Shop:
    """Where archives come from and where they lie meanwhile.

    Parameters
    ----------
    cache : folder of unfinished downloads.
    mirror : the address of a folder that holds the archives; empty for the publishers' own places.
    """

    cache: Path
    mirror: str = ""
    patience: Patience | None = None


def needed_licence(spec: ModelSpec, models: Path) -> str | None:
    """Give the licence that must still be accepted for a model, or None."""
    if not spec.licence_must_be_accepted or spec.licence in ledger.accepted_licences(models):
        return None
    return spec.licence


def require_fetchable(spec: ModelSpec) -> None:
    """Refuse a model that no publisher has.

    Raises
    ------
    UsageError
    """
    if not spec.address:
        raise UsageError(
            f"The model {spec.name} is published nowhere.",
            "Demo models come with a checkout of the project (`-m demo`); bring in one of your own with "
            "`aimi models import`.",
        )


def require_accepted(spec: ModelSpec, models: Path) -> None:
    """Refuse a model whose licence must still be accepted.

    Raises
    ------
    UsageError
    """
    licence = needed_licence(spec, models)
    if licence is not None:
        text = LICENCE_TEXTS.get(licence, "")
        raise UsageError(
            f"The licence {licence} of {spec.name} was not accepted.", f"Read it ({text}); then add --accept-licence."
        )


def address_of(spec: ModelSpec, mirror: str = "") -> str:
    """Give the address of a model's archive.

    Raises
    ------
    UsageError
        The mirror's address is neither http nor https.
    """
    if not mirror:
        return spec.address
    parts = urllib.parse.urlsplit(mirror)
    if parts.scheme not in ("http", "https") or not parts.netloc:
        raise UsageError(f"{SOURCE} is no address of http or https.", "Write it like https://mirror.example/models.")
    return f"{mirror.rstrip('/')}/{spec.file}"


def fetch(spec: ModelSpec, models: Path, shop: Shop, *, progress: Progress = lambda _done, _total: None) -> Imported:
    """Download a published model and import it into a models folder.

    What has arrived stays in the cache until the model is imported: the same call goes on there.

    Raises
    ------
    UsageError
        Its licence was not accepted, or nobody publishes it.
    ModelError
        It cannot be downloaded, differs from what it was, or is damaged.
    ResourceError
        A disk is full.
    OutputError
        The name is taken, or a folder cannot be written.
    """
    require_fetchable(spec)
    require_accepted(spec, models)
    address = address_of(spec, shop.mirror)
    require_place(models, spec.name)
    place = shop.cache / "downloads" / f"{spec.version}-{spec.file}.partial"
    known = spec.sha256 or ledger.archive_sha256(models, _key(spec)) or ""
    try:
        download(address, place, progress=progress, digest_is_held=known != "", patience=shop.patience)
    except ModelError as err:
        raise ModelError(err.message, _elsewhere(spec, place)) from err
    found = file_sha256(place)
    if known not in ("", found):
        discard(place)
        raise ModelError(
            f"The archive {spec.file} is not what it was: its SHA-256 begins with {found[:12]}, not with {known[:12]}.",
            "Do not use it; ask its publisher, or the keeper of your mirror. It was removed.",
        )
    imported = _import(spec, models, place)
    ledger.hold_archive(models, _key(spec), found)
    discard(place)
    return imported


def _import(spec: ModelSpec, models: Path, place: Path) -> Imported:
    try:
        return import_model(place, models, name=spec.name)
    except ModelError:
        # another try must not meet the same bytes; a full disk may free itself, and the archive is kept
        discard(place)
        raise


def _elsewhere(spec: ModelSpec, place: Path) -> str:
    kept = " What arrived is kept: the same command goes on there." if _has_bytes(place) else ""
    return (
        f"Without a network: download {spec.address} on another machine and bring it in with "
        f"`aimi models import {spec.file}`.{kept}"
    )


def _has_bytes(place: Path) -> bool:
    return place.is_file() and place.stat().st_size > 0


def _key(spec: ModelSpec) -> str:
    return f"{spec.version}/{spec.file}"
