"""Tissues, and the canvas on which anatomy is painted.

Anatomy is a list of painters. Each lays tissues over what lies there already, at the distances of a
shape; a voxel that a surface crosses gets a mixture of values (partial volume), while its tissue is the
one at its center. The same anatomy gives a CT, an MR or a PET: only the table of values differs.
"""

from dataclasses import dataclass
from enum import IntEnum, auto
from typing import Protocol

import numpy as np
import numpy.typing as npt

from aimi.samples.shapes import Block, Field, Shape

__all__ = ["Canvas", "Layer", "Painter", "Part", "Tissue", "Tissues"]

Tissues = npt.NDArray[np.uint8]
_HALF = 0.5  # share at a surface


class Tissue(IntEnum):
    """What a point of space is made of."""

    AIR = 0
    FOAM = auto()
    SHELL = auto()
    SKIN = auto()
    FAT = auto()
    MUSCLE = auto()
    CORTICAL_BONE = auto()
    MARROW = auto()
    CARTILAGE = auto()
    DISC = auto()
    SPINAL_FLUID = auto()
    SPINAL_CORD = auto()
    LUNG = auto()
    LUNG_VESSEL = auto()
    PLEURA = auto()
    MYOCARDIUM = auto()
    LEFT_HEART = auto()
    RIGHT_HEART = auto()
    ARTERY = auto()
    VEIN = auto()
    PORTAL_VEIN = auto()
    LIVER = auto()
    HEPATIC_VEIN = auto()
    HEPATIC_PORTAL = auto()
    LIVER_LESION = auto()
    LIVER_LESION_RIM = auto()
    LIVER_CYST = auto()
    GALLBLADDER = auto()
    SPLEEN = auto()
    STOMACH_WALL = auto()
    STOMACH_CONTENT = auto()
    BOWEL_WALL = auto()
    BOWEL_CONTENT = auto()
    STOOL = auto()
    GAS = auto()
    PANCREAS = auto()
    ADRENAL = auto()
    RENAL_CORTEX = auto()
    RENAL_MEDULLA = auto()
    RENAL_PELVIS = auto()
    KIDNEY_TUMOR = auto()
    KIDNEY_TUMOR_CORE = auto()
    KIDNEY_CYST = auto()
    TRACHEA = auto()
    ESOPHAGUS = auto()
    NODULE = auto()
    BREAST_GLAND = auto()
    TUMOR = auto()
    BLADDER_WALL = auto()
    URINE = auto()
    PROSTATE_PERIPHERAL = auto()
    PROSTATE_CENTRAL = auto()
    PROSTATE_CAPSULE = auto()
    RECTUM_WALL = auto()
    SEMINAL_VESICLE = auto()
    SMALL_NODULE = auto()
    MASS = auto()
    OUTER_NODULE = auto()
    BRAIN = auto()
    OUTER_TUMOR = auto()
    BREAST_FAT = auto()
    BREAST_TUMOR = auto()


@dataclass(frozen=True, slots=True)
class Canvas:
    """A block of a grid that is being painted.

    Parameters
    ----------
    values : value of each tissue, indexed by tissue.
    tissues, image : what was painted so far, shape of the block; changed in place.
    blur : mm over which a surface is spread.
    """

    block: Block
    values: Field
    tissues: Tissues
    image: Field
    blur: float

    @classmethod
    def of(cls, block: Block, values: Field, blur: float) -> "Canvas":
        """Give a canvas full of air."""
        air = np.full(block.shape, values[Tissue.AIR], np.float32)
        return cls(block, values, np.zeros(block.shape, np.uint8), air, blur)

    def part(self, shape: Shape) -> "Canvas | None":
        """Give the part of the canvas that a shape can touch, as views."""
        index = self.block.index_of(shape.box.grown(self.blur))
        if index is None:
            return None
        return Canvas(self.block.part(index), self.values, self.tissues[index], self.image[index], self.blur)

    def lay(self, distance: Field, tissue: Tissue, only: tuple[Tissue, ...] = ()) -> None:
        """Paint a tissue where a distance is negative; ``only`` names the tissues that it may cover."""
        share = np.clip(np.float32(0.5) - distance / np.float32(self.blur), 0, 1)
        if only:
            share *= np.isin(self.tissues, only)
        np.add(self.image, share * (self.values[tissue] - self.image), out=self.image)
        self.tissues[share > _HALF] = tissue


class Painter(Protocol):
    """What can be painted."""

    def paint(self, canvas: Canvas) -> None:
        """Paint on a canvas."""
        ...


@dataclass(frozen=True, slots=True)
class Layer:
    """A tissue that fills a shape from a depth below its surface on, where ``clip`` allows."""

    tissue: Tissue
    depth: float = 0.0
    clip: Shape | None = None


@dataclass(frozen=True, slots=True)
class Part:
    """A shape with its tissues from the outside in."""

    shape: Shape
    layers: tuple[Layer, ...]
    only: tuple[Tissue, ...] = ()

    def paint(self, canvas: Canvas) -> None:
        """Paint the layers one over the other."""
        area = canvas.part(self.shape)
        if area is None:
            return
        distance = self.shape.distance(area.block)
        if distance.min() > canvas.blur:
            return
        for layer in self.layers:
            depth = distance + np.float32(layer.depth)
            if layer.clip is not None:
                depth = np.maximum(depth, layer.clip.distance(area.block))
            area.lay(depth, layer.tissue, self.only)
