"""What each tissue looks like: CT numbers by contrast phase.

Values are typical of 120 kV abdominal CT. Each sample shifts them a little, and the liver more (fat), so
that no fixed window finds an organ.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum

import numpy as np

from aimi.samples.chance import Chance
from aimi.samples.shapes import Field
from aimi.samples.tissue import Tissue

__all__ = ["Look", "Phase", "ct_look"]


class Phase(IntEnum):
    """Contrast phase of a CT."""

    NATIVE = 0
    ARTERIAL = 1
    PORTAL = 2
    DELAYED = 3


@dataclass(frozen=True, slots=True)
class Look:
    """How tissues look in one image.

    Parameters
    ----------
    values : value of each tissue, indexed by tissue.
    textures : standard deviation of each tissue's own structure, in the same unit.
    noise : standard deviation of the scanner's noise.
    """

    values: Field
    textures: Field
    noise: float


_CT_FIXED: Mapping[Tissue, float] = {
    Tissue.AIR: -1000,
    Tissue.FOAM: -940,
    Tissue.SHELL: 10,
    Tissue.SKIN: 20,
    Tissue.FAT: -104,
    Tissue.BREAST_FAT: -104,
    Tissue.CORTICAL_BONE: 620,
    Tissue.MARROW: 210,
    Tissue.CARTILAGE: 120,
    Tissue.DISC: 78,
    Tissue.SPINAL_FLUID: 14,
    Tissue.SPINAL_CORD: 38,
    Tissue.LUNG: -855,
    Tissue.PLEURA: 35,
    Tissue.LIVER_CYST: 6,
    Tissue.GALLBLADDER: 10,
    Tissue.STOMACH_CONTENT: 28,
    Tissue.BOWEL_CONTENT: 22,
    Tissue.STOOL: -12,
    Tissue.GAS: -985,
    Tissue.KIDNEY_CYST: 8,
    Tissue.TRACHEA: -1000,
    Tissue.ESOPHAGUS: 42,
    Tissue.NODULE: 38,
    Tissue.SMALL_NODULE: 38,
    Tissue.MASS: 38,
    Tissue.OUTER_NODULE: 38,
    Tissue.BREAST_GLAND: 32,
    Tissue.TUMOR: 44,
    Tissue.BREAST_TUMOR: 44,
    Tissue.OUTER_TUMOR: 44,
    Tissue.BRAIN: 36,
    Tissue.BLADDER_WALL: 42,
    Tissue.RECTUM_WALL: 42,
    Tissue.PROSTATE_PERIPHERAL: 42,
    Tissue.PROSTATE_CENTRAL: 50,
    Tissue.PROSTATE_CAPSULE: 45,
    Tissue.SEMINAL_VESICLE: 30,
}
_CT_BY_PHASE: Mapping[Tissue, tuple[float, float, float, float]] = {
    Tissue.MUSCLE: (54, 58, 64, 62),
    Tissue.LUNG_VESSEL: (30, 170, 120, 85),
    Tissue.MYOCARDIUM: (44, 95, 112, 96),
    Tissue.LEFT_HEART: (42, 290, 152, 112),
    Tissue.RIGHT_HEART: (42, 210, 150, 112),
    Tissue.ARTERY: (42, 310, 158, 112),
    Tissue.VEIN: (40, 92, 138, 110),
    Tissue.PORTAL_VEIN: (41, 108, 172, 116),
    Tissue.LIVER: (58, 68, 110, 92),
    Tissue.HEPATIC_VEIN: (41, 58, 162, 112),
    Tissue.HEPATIC_PORTAL: (41, 96, 168, 114),
    Tissue.LIVER_LESION: (40, 44, 58, 62),
    Tissue.LIVER_LESION_RIM: (44, 66, 84, 78),
    Tissue.SPLEEN: (48, 118, 122, 98),
    Tissue.STOMACH_WALL: (40, 78, 86, 70),
    Tissue.BOWEL_WALL: (40, 76, 88, 70),
    Tissue.PANCREAS: (40, 104, 92, 76),
    Tissue.ADRENAL: (28, 66, 76, 60),
    Tissue.RENAL_CORTEX: (33, 168, 192, 152),
    Tissue.RENAL_MEDULLA: (30, 72, 168, 158),
    Tissue.RENAL_PELVIS: (8, 10, 20, 260),
    Tissue.KIDNEY_TUMOR: (38, 112, 104, 84),
    Tissue.KIDNEY_TUMOR_CORE: (26, 44, 48, 46),
    Tissue.URINE: (8, 8, 10, 90),
}
_CT_TEXTURES: Mapping[Tissue, float] = {
    Tissue.FAT: 8,
    Tissue.MUSCLE: 11,
    Tissue.CORTICAL_BONE: 90,
    Tissue.MARROW: 45,
    Tissue.LUNG: 22,
    Tissue.LIVER: 4,
    Tissue.SPLEEN: 4,
    Tissue.STOMACH_CONTENT: 7,
    Tissue.BOWEL_CONTENT: 14,
    Tissue.STOOL: 75,
    Tissue.PANCREAS: 16,
    Tissue.LIVER_LESION: 9,
    Tissue.RENAL_CORTEX: 5,
    Tissue.RENAL_MEDULLA: 6,
    Tissue.KIDNEY_TUMOR: 16,
    Tissue.KIDNEY_TUMOR_CORE: 12,
    Tissue.MYOCARDIUM: 6,
    Tissue.BREAST_GLAND: 14,
    Tissue.TUMOR: 8,
}


def ct_look(chance: Chance, phase: Phase) -> Look:
    """Draw the CT numbers of one sample in a phase."""
    values = np.zeros(len(Tissue), np.float32)
    textures = np.zeros(len(Tissue), np.float32)
    for tissue, value in _CT_FIXED.items():
        values[tissue] = value
    timing = chance.near(1.0, 0.08)
    for tissue, by_phase in _CT_BY_PHASE.items():
        native = by_phase[Phase.NATIVE]
        values[tissue] = native + timing * (by_phase[phase] - native) + chance.near(0, 2)
    fatty = chance.between(15, 55) if chance.happens(0.25) else chance.near(0, 5)
    values[Tissue.LIVER] -= fatty
    if phase == Phase.ARTERIAL and chance.happens(0.5):
        values[Tissue.LIVER_LESION] = values[Tissue.LIVER] + chance.between(25, 50)
        values[Tissue.LIVER_LESION_RIM] = values[Tissue.LIVER_LESION] - 8
    if chance.happens(0.25):
        values[Tissue.STOMACH_CONTENT] = chance.between(90, 220)
    values[Tissue.BOWEL_CONTENT] += chance.between(-10, 25)
    for tissue, deviation in _CT_TEXTURES.items():
        textures[tissue] = deviation
    if phase == Phase.ARTERIAL:
        textures[Tissue.SPLEEN] = 16
    return Look(values, textures, chance.between(9, 17))
