"""Samples as arrays: for each task what is scanned, how, and which tissues make its labels.

A sample is one body in one or more scans. The labels lie on the grid of the reference scan. All of it is
a function of task, seed, obliqueness and spacing.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from aimi.errors import UsageError
from aimi.samples.anatomy import Anatomy, make_anatomy
from aimi.samples.chance import Chance
from aimi.samples.rendering import Grid, render
from aimi.samples.shapes import Field
from aimi.samples.tissue import Tissue, Tissues
from aimi.samples.values import Look, Phase, ct_look
from aimi.samples.views import View, place_grid

__all__ = ["SAMPLE_TASKS", "Drawing", "Scan", "draw"]

Labels = npt.NDArray[np.uint8]
Spacing = tuple[float, float, float]
_FINEST, _COARSEST = 0.4, 12.0  # mm

_LIVER = (
    Tissue.LIVER,
    Tissue.HEPATIC_VEIN,
    Tissue.HEPATIC_PORTAL,
    Tissue.LIVER_LESION,
    Tissue.LIVER_LESION_RIM,
    Tissue.LIVER_CYST,
)


@dataclass(frozen=True, slots=True)
class Scan:
    """One rendered image.

    Parameters
    ----------
    role : as in the task's selection rules: ``ct``, ``pet``, ``mr``.
    image : float32, shape of the grid; HU for CT.
    description : Series Description.
    phase : of a CT.
    """

    role: str
    grid: Grid
    image: Field
    description: str
    phase: Phase | None = None


@dataclass(frozen=True, slots=True)
class Drawing:
    """A sample before it is written.

    Parameters
    ----------
    scans : the first one is the reference.
    labels : uint8 on the grid of the reference; 0 is background.
    label_names : name of label n at n - 1.
    """

    task: str
    seed: int
    scans: tuple[Scan, ...]
    labels: Labels
    label_names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _SampleTask:
    view: View
    labels: Mapping[str, tuple[Tissue, ...]]


SAMPLE_TASKS: Mapping[str, _SampleTask] = {
    "liver_ct": _SampleTask(View(25.0, -215.0, 4.0, 208), {"liver": _LIVER}),
}
_PHASE_NAMES = ("native", "arterial", "portal venous", "delayed")


def draw(task: str, *, seed: int = 0, oblique: bool = False, spacing: Spacing | None = None) -> Drawing:
    """Draw the sample of a task.

    Raises
    ------
    UsageError : if no sample of that name is known, or the spacing is not usable.
    """
    if task not in SAMPLE_TASKS:
        raise UsageError(f"There is no sample for {task!r}.", f"Known samples: {', '.join(SAMPLE_TASKS)}.")
    if spacing is not None and not all(_FINEST <= step <= _COARSEST for step in spacing):
        raise UsageError(
            f"The spacing of a sample must lie between {_FINEST} and {_COARSEST} mm.",
            "Give slices, rows and columns in mm.",
        )
    spec = SAMPLE_TASKS[task]
    anatomy = make_anatomy(seed)
    grid = place_grid(anatomy, spec.view, Chance.of(seed, f"{task} view"), oblique=oblique, spacing=spacing)
    scan, tissues = _scan_ct(task, seed, anatomy, grid)
    return Drawing(task, seed, (scan,), _labels(tissues, spec.labels), tuple(spec.labels))


def _scan_ct(task: str, seed: int, anatomy: Anatomy, grid: Grid) -> tuple[Scan, Tissues]:
    chance = Chance.of(seed, f"{task} scan")
    phase = Phase(chance.choose((2, 3, 4, 3)))
    look: Look = ct_look(chance, phase)
    image, tissues = render(anatomy, grid, look, chance.generator)
    description = f"Abdomen {_PHASE_NAMES[phase]} {grid.spacing[0]:.1f} mm"
    return Scan("ct", grid, np.clip(np.round(image), -1024, 3071), description, phase), tissues


def _labels(tissues: Tissues, names: Mapping[str, tuple[Tissue, ...]]) -> Labels:
    """Give the labels: the largest component of each, so that no speck of one voxel is truth."""
    labels = np.zeros(tissues.shape, np.uint8)
    for number, kinds in enumerate(names.values(), start=1):
        components, count = ndimage.label(np.isin(tissues, kinds), np.ones((3, 3, 3)))
        if count:
            largest = 1 + int(np.argmax(np.bincount(components.ravel())[1:]))
            labels[components == largest] = number
    return labels
