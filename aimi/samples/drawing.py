"""Samples as arrays: for each task what is scanned, how, and which tissues make its labels.

A sample is one body in one or more scans. The labels lie on the grid of the reference scan. All of it is
a function of task, seed, obliqueness and spacing.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from aimi.errors import UsageError
from aimi.samples.anatomy import Anatomy, Finding, make_anatomy
from aimi.samples.chance import Chance
from aimi.samples.kidneys import KIDNEY
from aimi.samples.rendering import Grid
from aimi.samples.scans import Ct, Scan, Scanner, scan_pet, scan_t1, scan_t2
from aimi.samples.shapes import Block
from aimi.samples.tissue import Tissue, Tissues
from aimi.samples.views import View, place_grid

__all__ = ["SAMPLE_TASKS", "Drawing", "Target", "draw"]

Labels = npt.NDArray[np.uint8]
Spacing = tuple[float, float, float]
_FINEST, _COARSEST = 0.4, 12.0  # mm
_OBLIQUE_ENDS = 120.0  # mm: how far further scans go beyond their ends to cover tilted slices


@dataclass(frozen=True, slots=True)
class Drawing:
    """A sample before it is written.

    Parameters
    ----------
    scans : the first one is the reference.
    labels : the truth: uint8 on the grid of the reference, by segment number; 0 is background.
    targets : what each network of the task should give, before any clean-up, by a name of the network.
    """

    task: str
    seed: int
    title: str
    scans: tuple[Scan, ...]
    labels: Labels
    targets: Mapping[str, "Target"]


@dataclass(frozen=True, slots=True)
class Target:
    """What a network should give, on the grid of the scan of a role."""

    role: str
    labels: Labels


@dataclass(frozen=True, slots=True)
class _Label:
    """Tissues that make a label.

    Parameters
    ----------
    components : how many of the largest are truth (specks of a few voxels are not).
    side : 1 for the patient's left half of the body only, -1 for the right half, 0 for both.
    """

    tissues: tuple[Tissue, ...]
    components: int
    side: int = 0


@dataclass(frozen=True, slots=True)
class _SampleTask:
    """How the sample of a task is drawn.

    Parameters
    ----------
    labels : the truth, by segment in order of numbers.
    targets : role of the scan and labels, of each network where they differ from the truth, by a name of the network.
    scanner : draws the reference image.
    further : other scans of the same body; never oblique, and finer by a fifth where the caller names a spacing.
    """

    title: str
    view: View
    labels: tuple[_Label, ...]
    scanner: Scanner
    findings: tuple[Finding, ...] = ()
    targets: Mapping[str, tuple[str, tuple[_Label, ...]]] = field(default_factory=dict)
    further: tuple[tuple[View, Scanner], ...] = ()


_LIVER = (
    Tissue.LIVER,
    Tissue.HEPATIC_VEIN,
    Tissue.HEPATIC_PORTAL,
    Tissue.LIVER_LESION,
    Tissue.LIVER_LESION_RIM,
    Tissue.LIVER_CYST,
)
_LUNG = (Tissue.LUNG, Tissue.LUNG_VESSEL, Tissue.SMALL_NODULE, Tissue.MASS)
_PROSTATE = (Tissue.PROSTATE_PERIPHERAL, Tissue.PROSTATE_CENTRAL, Tissue.PROSTATE_CAPSULE)
_NODULES = (Tissue.NODULE, Tissue.SMALL_NODULE, Tissue.MASS, Tissue.OUTER_NODULE)
_HEART = (Tissue.MYOCARDIUM, Tissue.LEFT_HEART, Tissue.RIGHT_HEART)
_BREAST = (Tissue.BREAST_GLAND, Tissue.BREAST_FAT, Tissue.BREAST_TUMOR)
_LUNG_WITH_TUMOR = (*_LUNG, Tissue.TUMOR)
_HOT = (_Label((Tissue.TUMOR, Tissue.OUTER_TUMOR, Tissue.BREAST_TUMOR), 9),)
_LUNG_REGION = (_Label(_LUNG_WITH_TUMOR, 1, side=1), _Label(_LUNG_WITH_TUMOR, 1, side=-1))
_BREAST_REGION = (
    _Label(_BREAST, 2),
    _Label(_LUNG_WITH_TUMOR, 2),
    _Label(_HEART, 1),
    _Label(_LIVER, 1),
    _Label((Tissue.SPLEEN,), 1),
)
_PET_VIEW = View(512, -510, 4.0, 112, 500.0, 0.0)
_PET_CT_VIEW = View(520, -520, 5.0, 200, 480.0, 4.0)

SAMPLE_TASKS: Mapping[str, _SampleTask] = MappingProxyType(
    {
        "liver_ct": _SampleTask("Synthetic abdomen", View(25, -215, 4.0, 208), (_Label(_LIVER, 1),), Ct((2, 3, 4, 3))),
        "kidney": _SampleTask(
            "Synthetic abdomen",
            View(-20, -260, 4.0, 208),
            (
                _Label(KIDNEY, 2),
                _Label((Tissue.KIDNEY_TUMOR, Tissue.KIDNEY_TUMOR_CORE), 1),
                _Label((Tissue.KIDNEY_CYST,), 3),
            ),
            Ct((0, 3, 4, 3)),
            findings=(Finding.KIDNEY_TUMOR_AND_CYSTS,),
        ),
        "lung_ct": _SampleTask(
            "Synthetic chest",
            View(236, -112, 3.0, 200),
            (_Label(_LUNG, 2), _Label((Tissue.NODULE,), 9)),
            Ct((5, 1, 3, 0), "CHEST", "LUNG"),
            findings=(Finding.LUNG_NODULES,),
            targets=MappingProxyType(
                {
                    "lungs": ("ct", (_Label((*_LUNG, Tissue.NODULE), 2),)),
                    "nodules": ("ct", (_Label(_NODULES, 9),)),
                }
            ),
        ),
        "prostate": _SampleTask(
            "Synthetic prostate", View(-392, -464, 3.0, 208, 190.0, 4.0), (_Label(_PROSTATE, 1),), scan_t2
        ),
        "liver_mr": _SampleTask("Synthetic abdomen", View(20, -215, 4.0, 192), (_Label(_LIVER, 1),), scan_t1),
        "lung_pet_ct": _SampleTask(
            "Synthetic whole body",
            _PET_VIEW,
            (_Label(_LUNG, 2), _Label((Tissue.TUMOR,), 9)),
            scan_pet,
            (Finding.LUNG_TUMORS,),
            MappingProxyType({"tumor": ("pet", _HOT), "region": ("ct", _LUNG_REGION)}),
            ((_PET_CT_VIEW, Ct((1, 0, 0, 0), "WHOLEBODY")),),
        ),
        "breast": _SampleTask(
            "Synthetic whole body",
            _PET_VIEW,
            (_Label((Tissue.BREAST_TUMOR,), 9),),
            scan_pet,
            (Finding.BREAST_TUMORS,),
            MappingProxyType({"tumor": ("pet", _HOT), "region": ("ct", _BREAST_REGION)}),
            ((_PET_CT_VIEW, Ct((1, 0, 0, 0), "WHOLEBODY")),),
        ),
    }
)


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
            "Give the distances between slices, rows and columns in mm.",
        )
    spec = SAMPLE_TASKS[task]
    anatomy = make_anatomy(seed, spec.findings)
    grid = place_grid(anatomy, spec.view, Chance.of(seed, f"{task} view"), oblique=oblique, spacing=spacing)
    scan, tissues = spec.scanner(Chance.of(seed, f"{task} scan"), anatomy, grid)
    scanned = {scan.role: (scan, tissues)}
    for view, scanner in spec.further:
        ends = _OBLIQUE_ENDS if oblique else 0.0
        longer = replace(view, top=view.top + ends, bottom=view.bottom - ends)
        steps = spacing and (0.8 * spacing[0], 0.8 * spacing[1], 0.8 * spacing[2])
        grid = place_grid(anatomy, longer, Chance.of(seed, f"{task} further view"), oblique=False, spacing=steps)
        other = scanner(Chance.of(seed, f"{task} further scan"), anatomy, grid)
        scanned[other[0].role] = other
    truth = _labels(anatomy, scan.grid, tissues, spec.labels)
    targets = {
        name: Target(role, _labels(anatomy, scanned[role][0].grid, scanned[role][1], labels))
        for name, (role, labels) in spec.targets.items()
    }
    if not targets:
        targets[task] = Target(scan.role, truth)
    scans = tuple(one for one, _ in scanned.values())
    return Drawing(task, seed, spec.title, scans, truth, MappingProxyType(targets))


def _labels(anatomy: Anatomy, grid: Grid, tissues: Tissues, labels: tuple[_Label, ...]) -> Labels:
    """Give the labels: the largest components of each."""
    drawn = np.zeros(tissues.shape, np.uint8)
    for number, label in enumerate(labels, start=1):
        mask = np.isin(tissues, label.tissues)
        if label.side:
            mask &= label.side * Block.of(anatomy.to_plan @ grid.affine, (0, 0, 0), grid.shape).x > 0
        components, count = ndimage.label(mask, np.ones((3, 3, 3)))
        if count:
            order = np.argsort(-np.bincount(components.ravel())[1:], kind="stable") + 1
            drawn[np.isin(components, order[: label.components])] = number
    return drawn
