"""Segmentations of test data: what is meant, and what is written."""

import subprocess
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from aimi.dicom.codes import segments
from aimi.dicom.header import Stack
from aimi.dicom.segmentation import Algorithm, Description, Encoded, encode, to_bytes
from tests.dicom.stacks import label_map
from tests.made import Made

ALGORITHM = Algorithm("DEMO-Kidney", "1.0", "ab" * 32, {"device": "cpu", "precision": "f32"})
DESCRIPTION = Description(3004, "Kidney AI", "KIDNEY", ALGORITHM, "KIDNEY", "0.1.0", "Weights CC BY-NC 4.0.")
MORNING = datetime(2026, 1, 2, 3, 4, 5)
TILTED = (0.9, 0.3, -0.316227766, -0.316227766, 0.948683298, 0.0)
SAGITTAL = (0.0, 1.0, 0.0, 0.0, 0.0, -1.0)
KIDNEY = segments("kidney")

MADE = {
    "axial": Made(np.zeros((10, 9, 7), np.int16)),
    "descending coronal": Made(np.zeros((9, 8, 6), np.int16), orientation=(1, 0, 0, 0, 0, -1), modality="MR"),
    "sagittal": Made(np.zeros((10, 6, 11), np.int16), orientation=SAGITTAL, modality="MR"),
    "oblique, pixels not square": Made(np.zeros((12, 5, 9), np.int16), orientation=TILTED, origin=(1.25, -7.5, 33.3)),
    "made PET": Made(np.zeros((11, 8, 8), np.int16), modality="PT", slope=1.5),
}


def scattered(stack: Stack) -> npt.NDArray[np.uint8]:
    """Give labels 0 to 3 at random on two planes of three, with the first plane full and the last empty."""
    pixels = stack.instances[0].pixels
    labels = np.random.default_rng(7).integers(0, 4, (len(stack.planes), pixels.rows, pixels.columns), np.uint8)
    labels[1::3] = 0
    labels[-1] = 0
    return labels


def written(stack: Stack, labels: npt.NDArray[np.uint8], **options: Any) -> Encoded:
    return encode(label_map(stack, labels, KIDNEY), stack, DESCRIPTION, clock=lambda: MORNING, **options)


def file_of(encoded: Encoded, folder: Path) -> Path:
    path = folder / "segmentation.dcm"
    path.write_bytes(to_bytes(encoded.dataset))
    return path


def verdict_of(path: Path, kind: str) -> list[str]:
    """Give the lines of one kind, ``Error`` or ``Warning``, of what dciodvfy says of a file."""
    found = subprocess.run(["dciodvfy", "-new", str(path)], check=False, capture_output=True, encoding="latin-1")
    lines = found.stderr.splitlines()
    assert "Segmentation" in lines or found.returncode != 0
    return [line for line in lines if line.startswith(kind)]


def errors_of(path: Path) -> list[str]:
    return verdict_of(path, "Error")
