"""Zips of models as publishers make them, and as nobody should."""

import zipfile
from pathlib import Path

from tests.engine.threshold_model import make_threshold_model

__all__ = ["make_model", "zip_folder", "zip_of"]


def make_model(folder: Path, *, folds: int = 1, further: tuple[float, ...] = ()) -> Path:
    """Write a small v2 model folder and give its path."""
    return make_threshold_model(folder, (2.5, 0.9, 0.7), 100.0, folds=folds, patch=(8, 8, 8), further=further)


def zip_folder(folder: Path, archive: Path, below: str = "") -> Path:
    """Pack a folder's files below a folder of the zip, and give the zip's path."""
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as packed:
        for path in sorted(folder.rglob("*")):
            packed.write(path, f"{below}{path.relative_to(folder).as_posix()}")
    return archive


def zip_of(archive: Path, *entries: tuple[str | zipfile.ZipInfo, bytes]) -> Path:
    """Write a zip with entries, and give its path."""
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as packed:
        for name, content in entries:
            packed.writestr(name, content)
    return archive
