"""Samples as arrays: for each task what is scanned, how, and which tissues make its labels.

A sample is one body in one or more scans. The labels lie on the grid of the reference scan. All of it is
a function of task, seed, obliqueness and spacing.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from aimi.errors import UsageError
from aimi.samples.anatomy import Anatomy, Finding, make_anatomy
from aimi.samples.chance import Chance
from aimi.samples.kidneys import KIDNEY
from aimi.samples.mr_values import T1Style, t1_look, t2_look
from aimi.samples.rendering import Grid, render_ct, render_mr
from aimi.samples.shapes import Field
from aimi.samples.tissue import Tissue, Tissues
from aimi.samples.values import Phase, ct_look
from aimi.samples.views import View, place_grid

__all__ = ["SAMPLE_TASKS", "Drawing", "Scan", "draw"]

Labels = npt.NDArray[np.uint8]
Spacing = tuple[float, float, float]
_FINEST, _COARSEST = 0.4, 12.0  # mm


@dataclass(frozen=True, slots=True)
class Scan:
    """One rendered image.

    Parameters
    ----------
    role : as in the task's selection rules: ``ct``, ``pet``, ``mr``.
    image : float32, shape of the grid; HU for CT.
    description : Series Description.
    body_part : Body Part Examined.
    attributes : what else the header says, by DICOM keyword.
    """

    role: str
    grid: Grid
    image: Field
    description: str
    body_part: str
    attributes: Mapping[str, object]


_ScanFunction = Callable[[Chance, Anatomy, Grid], tuple[Scan, Tissues]]
_PHASE_NAMES = ("native", "arterial", "portal venous", "delayed")


@dataclass(frozen=True, slots=True)
class _Ct:
    """A CT scanner's protocol.

    Parameters
    ----------
    phases : weight of each contrast phase.
    """

    phases: tuple[int, int, int, int]
    body_part: str = "ABDOMEN"
    kernel: str = "STANDARD"

    def __call__(self, chance: Chance, anatomy: Anatomy, grid: Grid) -> tuple[Scan, Tissues]:
        """Scan a body."""
        phase = Phase(chance.choose(self.phases))
        image, tissues = render_ct(anatomy, grid, ct_look(chance, phase), chance.generator)
        description = f"{self.body_part.capitalize()} {_PHASE_NAMES[phase]} {grid.spacing[0]:.1f} mm"
        attributes: dict[str, object] = {"ConvolutionKernel": self.kernel}
        if phase != Phase.NATIVE:
            attributes |= {"ContrastBolusAgent": "IOHEXOL", "ContrastBolusRoute": "IV"}
        return Scan("ct", grid, np.clip(np.round(image), -1024, 3071), description, self.body_part, attributes), tissues


def _scan_t1(chance: Chance, anatomy: Anatomy, grid: Grid) -> tuple[Scan, Tissues]:
    """Scan the upper abdomen with a spoiled gradient echo, breath held."""
    style = T1Style(chance.whole(0, len(T1Style) - 1))
    image, tissues = render_mr(anatomy, grid, t1_look(chance, style), chance.generator)
    attributes: dict[str, object] = {
        "ScanningSequence": "GR",
        "SequenceVariant": ["SP", "OSP"],
        "ScanOptions": "" if style == T1Style.NATIVE else "FS",
        "MRAcquisitionType": "3D",
        "RepetitionTime": "4.2",
        "EchoTime": "1.9",
        "FlipAngle": "10",
        "EchoTrainLength": "1",
    }
    if style == T1Style.PORTAL_FAT_SATURATED:
        attributes |= {"ContrastBolusAgent": "GADOLINIUM", "ContrastBolusRoute": "IV"}
    name = ("T1 GRE axial", "T1 GRE axial fat sat", "T1 GRE axial fat sat portal venous")[style]
    return Scan("mr", grid, np.clip(np.round(image), 0, 4095), name, "ABDOMEN", attributes), tissues


def _scan_t2(chance: Chance, anatomy: Anatomy, grid: Grid) -> tuple[Scan, Tissues]:
    """Scan the prostate with a turbo spin echo."""
    image, tissues = render_mr(anatomy, grid, t2_look(chance), chance.generator)
    attributes: dict[str, object] = {
        "ScanningSequence": "SE",
        "SequenceVariant": "SK",
        "ScanOptions": "",
        "MRAcquisitionType": "2D",
        "RepetitionTime": "4500",
        "EchoTime": "102",
        "FlipAngle": "160",
        "EchoTrainLength": "25",
    }
    return Scan("mr", grid, np.clip(np.round(image), 0, 4095), "T2 TSE axial", "PROSTATE", attributes), tissues


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
    targets: Mapping[str, Labels]


@dataclass(frozen=True, slots=True)
class _Label:
    """Tissues that make a label, and how many of its components are truth (specks of a few voxels are not)."""

    tissues: tuple[Tissue, ...]
    components: int


@dataclass(frozen=True, slots=True)
class _SampleTask:
    """How the sample of a task is drawn.

    Parameters
    ----------
    labels : the truth, by segment in order of numbers.
    targets : labels of each network where they differ from the truth, by a name of the network.
    scan : draws the image.
    """

    title: str
    view: View
    labels: tuple[_Label, ...]
    scan: _ScanFunction
    findings: tuple[Finding, ...] = ()
    targets: Mapping[str, tuple[_Label, ...]] = field(default_factory=dict)


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

SAMPLE_TASKS: Mapping[str, _SampleTask] = MappingProxyType(
    {
        "liver_ct": _SampleTask("Synthetic abdomen", View(25, -215, 4.0, 208), (_Label(_LIVER, 1),), _Ct((2, 3, 4, 3))),
        "kidney": _SampleTask(
            "Synthetic abdomen",
            View(-20, -260, 4.0, 208),
            (
                _Label(KIDNEY, 2),
                _Label((Tissue.KIDNEY_TUMOR, Tissue.KIDNEY_TUMOR_CORE), 1),
                _Label((Tissue.KIDNEY_CYST,), 3),
            ),
            _Ct((0, 3, 4, 3)),
            findings=(Finding.KIDNEY_TUMOR_AND_CYSTS,),
        ),
        "lung_ct": _SampleTask(
            "Synthetic chest",
            View(236, -112, 3.0, 200),
            (_Label(_LUNG, 2), _Label((Tissue.NODULE,), 9)),
            _Ct((5, 1, 3, 0), "CHEST", "LUNG"),
            findings=(Finding.LUNG_NODULES,),
            targets=MappingProxyType(
                {"lungs": (_Label((*_LUNG, Tissue.NODULE), 2),), "nodules": (_Label(_NODULES, 9),)}
            ),
        ),
        "prostate": _SampleTask(
            "Synthetic prostate", View(-392, -464, 3.0, 208, 190.0, 4.0), (_Label(_PROSTATE, 1),), _scan_t2
        ),
        "liver_mr": _SampleTask("Synthetic abdomen", View(20, -215, 4.0, 192), (_Label(_LIVER, 1),), _scan_t1),
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
    scan, tissues = spec.scan(Chance.of(seed, f"{task} scan"), anatomy, grid)
    targets = {name: _labels(tissues, labels) for name, labels in spec.targets.items()}
    truth = _labels(tissues, spec.labels)
    return Drawing(task, seed, spec.title, (scan,), truth, MappingProxyType(targets or {task: truth}))


def _labels(tissues: Tissues, labels: tuple[_Label, ...]) -> Labels:
    """Give the labels: the largest components of each."""
    drawn = np.zeros(tissues.shape, np.uint8)
    for number, label in enumerate(labels, start=1):
        components, count = ndimage.label(np.isin(tissues, label.tissues), np.ones((3, 3, 3)))
        if count:
            order = np.argsort(-np.bincount(components.ravel())[1:], kind="stable") + 1
            drawn[np.isin(components, order[: label.components])] = number
    return drawn
