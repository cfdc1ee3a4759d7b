"""How much FDG each tissue takes up: standardized uptake values by body weight, typical of one hour after injection."""

from collections.abc import Mapping

import numpy as np

from aimi.samples.chance import Chance
from aimi.samples.tissue import Tissue
from aimi.samples.values import Look

__all__ = ["pet_look"]

_BLOOD = (Tissue.ARTERY, Tissue.VEIN, Tissue.PORTAL_VEIN, Tissue.LEFT_HEART, Tissue.RIGHT_HEART, Tissue.HEPATIC_VEIN)
_UPTAKE: Mapping[Tissue, float] = {
    Tissue.AIR: 0.0, Tissue.FOAM: 0.0, Tissue.SHELL: 0.0, Tissue.GAS: 0.0, Tissue.TRACHEA: 0.1, Tissue.SKIN: 0.5,
    Tissue.FAT: 0.3, Tissue.BREAST_FAT: 0.3, Tissue.MUSCLE: 0.7, Tissue.CORTICAL_BONE: 0.5, Tissue.MARROW: 1.3,
    Tissue.LUNG: 0.45,
    Tissue.LUNG_VESSEL: 1.2, Tissue.LIVER: 2.3, Tissue.HEPATIC_PORTAL: 2.0, Tissue.LIVER_LESION: 2.1,
    Tissue.LIVER_LESION_RIM: 2.2, Tissue.LIVER_CYST: 0.5, Tissue.GALLBLADDER: 0.8, Tissue.SPLEEN: 1.9,
    Tissue.STOMACH_WALL: 2.6, Tissue.STOMACH_CONTENT: 0.8, Tissue.BOWEL_WALL: 1.8, Tissue.BOWEL_CONTENT: 1.0,
    Tissue.STOOL: 0.9, Tissue.PANCREAS: 1.5, Tissue.RENAL_CORTEX: 3.6, Tissue.RENAL_MEDULLA: 4.2,
    Tissue.RENAL_PELVIS: 14.0, Tissue.URINE: 26.0, Tissue.BLADDER_WALL: 2.0, Tissue.BRAIN: 8.5,
    Tissue.SPINAL_FLUID: 0.5, Tissue.SPINAL_CORD: 1.6, Tissue.BREAST_GLAND: 0.9, Tissue.ESOPHAGUS: 1.5,
    Tissue.NODULE: 1.5, Tissue.RECTUM_WALL: 1.8, Tissue.MYOCARDIUM: 5.0,
}  # fmt: skip


def pet_look(chance: Chance) -> Look:
    """Draw the uptake of one patient; the heart's varies most, tumors lie between 5 and 14."""
    values = np.full(len(Tissue), 1.0, np.float32)
    for tissue, uptake in _UPTAKE.items():
        values[tissue] = uptake * chance.near(1.0, 0.12)
    for tissue in _BLOOD:
        values[tissue] = 1.6
    values[Tissue.MYOCARDIUM] = chance.between(1.8, 9.0)
    values[Tissue.BREAST_TUMOR] = chance.between(5.5, 14)
    values[Tissue.TUMOR] = chance.between(5.5, 14)
    values[Tissue.OUTER_TUMOR] = chance.between(5.5, 14)
    textures = np.zeros(len(Tissue), np.float32)
    textures[[Tissue.LIVER, Tissue.MARROW, Tissue.BOWEL_WALL, Tissue.BRAIN]] = 0.15, 0.15, 0.3, 0.8
    return Look(values, textures, chance.between(0.08, 0.14))
