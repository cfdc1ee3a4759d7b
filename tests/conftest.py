"""Shared fixtures: the real data, and values that tests are made of."""

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from pydicom.misc import is_dicom

ROOT = Path(__file__).resolve().parent.parent
# The benchmarks of the engine import the originals.
_TORCH = re.compile(r"^(import|from) (torch|nnunetv2|nnunet|benchmarks\.(engine|agreement))\b", re.MULTILINE)
# Model folders for tests of the engine are written by torch.
_ENGINE_KIT = re.compile(r"^from tests\.engine(\.| import )", re.MULTILINE)


def _needs_torch(path: Path) -> bool:
    text = path.read_text()
    return bool(_TORCH.search(text)) or (path.parent.name == "engine" and bool(_ENGINE_KIT.search(text)))


if os.environ.get("AIMI_TORCH_FREE") == "1":
    # Modules that cannot even be imported without torch; single tests are told apart by their marks.
    collect_ignore = [str(path) for path in sorted(ROOT.rglob("tests/**/test_*.py")) if _needs_torch(path)]
UNPACKED = ROOT / "build" / "test-data"


def _find_archives() -> Path | None:
    named = os.environ.get("AIMI_TEST_DATA")
    candidates = [Path(named)] if named else [ROOT.parent / "shared" / "data"]
    return next((folder for folder in candidates if (folder / "unpack.py").is_file()), None)


def _unpack(archives: Path, name: str) -> Path:
    stamp = UNPACKED / f".{name}.done"
    UNPACKED.mkdir(parents=True, exist_ok=True)
    # The workers of one run share the folder: whoever comes second waits.
    with (UNPACKED / f".{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not stamp.is_file():
            subprocess.run(
                [sys.executable, str(archives / "unpack.py"), str(UNPACKED), name], check=True, capture_output=True
            )
            stamp.touch()
    return UNPACKED / name


@pytest.fixture(scope="session")
def real_data() -> Callable[[str], Path]:
    """Give the folder of one set of real data, unpacked once below build/."""

    def folder(name: str) -> Path:
        archives = _find_archives()
        if archives is None:
            message = f"real data set {name} is absent (set AIMI_TEST_DATA)"
            if os.environ.get("CI") == "true":
                pytest.fail(message)
            pytest.skip(message)
        return _unpack(archives, name)

    return folder


def _is_segmentation(path: Path) -> bool:
    """Leave out what tests of the output place call a segmentation."""
    return path.is_file() and is_dicom(path)


@pytest.fixture(autouse=True)
def keep_segmentations(request: pytest.FixtureRequest) -> Iterator[None]:
    """Keep every segmentation that a test leaves in its folder, for a check by dciodvfy after all tests."""
    kept = os.environ.get("AIMI_KEEP_SEGMENTATIONS")
    folder: Path | None = request.getfixturevalue("tmp_path") if kept and "tmp_path" in request.fixturenames else None
    yield
    if kept is None or folder is None:
        return
    for path in filter(_is_segmentation, folder.rglob("*.seg.dcm")):
        shutil.copy(path, Path(kept) / f"{hashlib.sha256(path.read_bytes()).hexdigest()[:20]}.dcm")
