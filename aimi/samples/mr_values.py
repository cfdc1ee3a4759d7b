"""What each tissue looks like in MR: T1 of the abdomen in three styles, T2 of the pelvis.

Numbers are typical ratios on an arbitrary scale; every sample scales and shifts them.
"""

from collections.abc import Mapping
from enum import IntEnum

import numpy as np

from aimi.samples.chance import Chance
from aimi.samples.tissue import Tissue
from aimi.samples.values import Look

__all__ = ["T1Style", "t1_look", "t2_look"]


class T1Style(IntEnum):
    """Kind of T1-weighted image."""

    NATIVE = 0
    FAT_SATURATED = 1
    PORTAL_FAT_SATURATED = 2


_EMPTY = (Tissue.AIR, Tissue.FOAM, Tissue.SHELL, Tissue.GAS, Tissue.TRACHEA)
_T1: Mapping[Tissue, float] = {
    Tissue.SKIN: 300, Tissue.FAT: 900, Tissue.MUSCLE: 290, Tissue.CORTICAL_BONE: 25, Tissue.MARROW: 520,
    Tissue.CARTILAGE: 220, Tissue.DISC: 240, Tissue.SPINAL_FLUID: 90, Tissue.SPINAL_CORD: 310, Tissue.LUNG: 28,
    Tissue.LUNG_VESSEL: 160, Tissue.PLEURA: 240, Tissue.MYOCARDIUM: 290, Tissue.LEFT_HEART: 170,
    Tissue.RIGHT_HEART: 170, Tissue.ARTERY: 150, Tissue.VEIN: 170, Tissue.PORTAL_VEIN: 170, Tissue.LIVER: 430,
    Tissue.HEPATIC_VEIN: 190, Tissue.HEPATIC_PORTAL: 200, Tissue.LIVER_LESION: 270, Tissue.LIVER_LESION_RIM: 320,
    Tissue.LIVER_CYST: 80, Tissue.GALLBLADDER: 170, Tissue.SPLEEN: 250, Tissue.STOMACH_WALL: 280,
    Tissue.STOMACH_CONTENT: 130, Tissue.BOWEL_WALL: 270, Tissue.BOWEL_CONTENT: 150, Tissue.STOOL: 260,
    Tissue.PANCREAS: 400, Tissue.ADRENAL: 280, Tissue.RENAL_CORTEX: 330, Tissue.RENAL_MEDULLA: 230,
    Tissue.RENAL_PELVIS: 90, Tissue.ESOPHAGUS: 260,
}  # fmt: skip
_T1_FAT_SATURATED: Mapping[Tissue, float] = {
    Tissue.FAT: 130,
    Tissue.MARROW: 150,
    Tissue.SKIN: 220,
    Tissue.PANCREAS: 470,
}
_T1_PORTAL: Mapping[Tissue, float] = {
    Tissue.MUSCLE: 330, Tissue.LUNG_VESSEL: 620, Tissue.MYOCARDIUM: 560, Tissue.LEFT_HEART: 760,
    Tissue.RIGHT_HEART: 750, Tissue.ARTERY: 760, Tissue.VEIN: 730, Tissue.PORTAL_VEIN: 780, Tissue.LIVER: 560,
    Tissue.HEPATIC_VEIN: 740, Tissue.HEPATIC_PORTAL: 760, Tissue.LIVER_LESION: 340, Tissue.LIVER_LESION_RIM: 450,
    Tissue.SPLEEN: 600, Tissue.STOMACH_WALL: 520, Tissue.BOWEL_WALL: 530, Tissue.PANCREAS: 520, Tissue.ADRENAL: 480,
    Tissue.RENAL_CORTEX: 860, Tissue.RENAL_MEDULLA: 820, Tissue.PLEURA: 330,
}  # fmt: skip
_T2: Mapping[Tissue, float] = {
    Tissue.SKIN: 220, Tissue.FAT: 720, Tissue.MUSCLE: 140, Tissue.CORTICAL_BONE: 25, Tissue.MARROW: 430,
    Tissue.CARTILAGE: 230, Tissue.DISC: 260, Tissue.SPINAL_FLUID: 1000, Tissue.SPINAL_CORD: 350, Tissue.VEIN: 420,
    Tissue.ARTERY: 60, Tissue.STOOL: 260, Tissue.BOWEL_WALL: 250, Tissue.BOWEL_CONTENT: 600,
    Tissue.BLADDER_WALL: 170, Tissue.URINE: 1150, Tissue.PROSTATE_PERIPHERAL: 690, Tissue.PROSTATE_CENTRAL: 350,
    Tissue.PROSTATE_CAPSULE: 130, Tissue.SEMINAL_VESICLE: 800, Tissue.RECTUM_WALL: 230, Tissue.PORTAL_VEIN: 300,
}  # fmt: skip
_TEXTURES: Mapping[Tissue, float] = {
    Tissue.FAT: 0.06, Tissue.MUSCLE: 0.14, Tissue.MARROW: 0.12, Tissue.STOOL: 0.4, Tissue.PANCREAS: 0.12,
    Tissue.LIVER: 0.03, Tissue.SPLEEN: 0.03, Tissue.BOWEL_CONTENT: 0.3, Tissue.STOMACH_CONTENT: 0.2,
    Tissue.PROSTATE_CENTRAL: 0.22, Tissue.PROSTATE_PERIPHERAL: 0.1, Tissue.SEMINAL_VESICLE: 0.25,
    Tissue.LIVER_LESION: 0.12,
}  # fmt: skip


def t1_look(chance: Chance, style: T1Style) -> Look:
    """Draw the values of a T1-weighted abdomen; liver brighter than spleen before contrast medium."""
    values = dict(_T1)
    if style != T1Style.NATIVE:
        values |= _T1_FAT_SATURATED
    if style == T1Style.PORTAL_FAT_SATURATED:
        values |= _T1_PORTAL
    values[Tissue.GALLBLADDER] = chance.between(90, 500)
    return _look(chance, values, 22)


def t2_look(chance: Chance) -> Look:
    """Draw the values of a T2-weighted pelvis."""
    return _look(chance, dict(_T2), 26)


def _look(chance: Chance, values: Mapping[Tissue, float], noise: float) -> Look:
    table, textures = np.full(len(Tissue), 250, np.float32), np.zeros(len(Tissue), np.float32)
    for tissue in _EMPTY:
        table[tissue] = 4
    scale = chance.between(0.75, 1.4)
    for tissue, value in values.items():
        table[tissue] = value * scale * chance.near(1.0, 0.04)
    for tissue, share in _TEXTURES.items():
        textures[tissue] = share * table[tissue]
    return Look(table, textures, noise * scale * chance.between(0.7, 1.2))
