"""Scanners: each gives an image of a body on a grid, with what the header says of the way it was made."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from aimi.samples.anatomy import Anatomy
from aimi.samples.chance import Chance
from aimi.samples.mr_values import T1Style, t1_look, t2_look
from aimi.samples.pet_values import pet_look
from aimi.samples.rendering import Grid, render_ct, render_mr, render_pet
from aimi.samples.shapes import Field
from aimi.samples.tissue import Tissues
from aimi.samples.values import Phase, ct_look

__all__ = ["Ct", "Injection", "Scan", "Scanner", "scan_pet", "scan_t1", "scan_t2"]

HALF_LIFE_S = 6586.2  # fluorine-18


@dataclass(frozen=True, slots=True)
class Scan:
    """One rendered image.

    Parameters
    ----------
    role : as in the task's selection rules: ``ct``, ``pet``, ``mr``.
    image : float32, shape of the grid; HU for CT, Bq/ml for PET.
    description : Series Description.
    body_part : Body Part Examined.
    attributes : what else the header says, by DICOM keyword.
    injection : of a PET.
    """

    role: str
    grid: Grid
    image: Field
    description: str
    body_part: str
    attributes: Mapping[str, object]
    injection: "Injection | None" = None


@dataclass(frozen=True, slots=True)
class Injection:
    """The FDG that a patient got.

    Parameters
    ----------
    weight_kg : of the patient.
    dose_bq : at the time of injection.
    uptake_s : from injection to the start of the scan.
    """

    weight_kg: float
    dose_bq: float
    uptake_s: float

    @property
    def bqml_per_suv(self) -> float:
        """Bq/ml of body-weight SUV 1, decay-corrected to the start of the scan."""
        return float(self.dose_bq * 2 ** (-self.uptake_s / HALF_LIFE_S) / (self.weight_kg * 1000))


Scanner: TypeAlias = Callable[[Chance, Anatomy, Grid], tuple[Scan, Tissues]]

_PHASE_NAMES = ("native", "arterial", "portal venous", "delayed")


@dataclass(frozen=True, slots=True)
class Ct:
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


def scan_t1(chance: Chance, anatomy: Anatomy, grid: Grid) -> tuple[Scan, Tissues]:
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


def scan_t2(chance: Chance, anatomy: Anatomy, grid: Grid) -> tuple[Scan, Tissues]:
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


def scan_pet(chance: Chance, anatomy: Anatomy, grid: Grid) -> tuple[Scan, Tissues]:
    """Scan FDG uptake, corrected for attenuation."""
    image, tissues = render_pet(anatomy, grid, pet_look(chance), chance.generator)
    injection = Injection(
        weight_kg=float(chance.whole(55, 95)),
        dose_bq=float(chance.whole(240, 420)) * 1e6,
        uptake_s=float(chance.whole(55, 75)) * 60,
    )
    activity = image * np.float32(injection.bqml_per_suv)
    return Scan("pet", grid, activity, "PET WB AC", "WHOLEBODY", {}, injection), tissues
