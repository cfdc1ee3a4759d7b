"""The wall of the trunk: skin, fat, muscle, ribs, spine, diaphragm, and the table under it.

Coordinates are those of the standing body plan: x to the left, y to the back, z to the head, in mm; the
origin lies in the mid-line, in the middle of the trunk's depth, at the height of the right dome of the
diaphragm. A real body is this plan, scaled (:mod:`aimi.samples.anatomy`). Everything hangs on one field:
the distance to the wall of the body cavity.
"""
# ruff: noqa: PLR2004  (the numbers are measures of the body, in mm)

from dataclasses import dataclass

import numpy as np

from aimi.samples.shapes import FAR, Block, Box, Field
from aimi.samples.tissue import Canvas, Tissue

__all__ = ["Cavity", "Diaphragm", "Spine", "Table", "Torso", "Wall"]

_TRUNK = Box((-FAR, -FAR, -560.0), (FAR, FAR, 330.0))
_NECK = 330.0
_HEIGHTS = (-480.0, -380.0, -280.0, -190.0, -90.0, 0.0, 120.0, 190.0, 235.0, 260.0, 300.0)
_HALF_WIDTHS = (154.0, 150.0, 134.0, 131.0, 139.0, 138.0, 126.0, 98.0, 62.0, 40.0, 34.0)
_HALF_DEPTHS = (82.0, 80.0, 75.0, 78.0, 86.0, 88.0, 78.0, 62.0, 46.0, 36.0, 30.0)


@dataclass(frozen=True, slots=True)
class Torso:
    """The body plan's free measures, mm.

    Parameters
    ----------
    fat : thickness of the fat under the skin at the side.
    muscle : thickness of the wall without fat at the side.
    roundness : exponent of the cross-section, 2 is an ellipse.
    belly : by how much the front bulges below the ribs.
    left_dome : height of the left dome of the diaphragm; the right one is at 0.
    sulcus : depth of the lungs' lower rim below the domes.
    rib_phase : shift of the ribs along the body.
    vertebra_phase : shift of the vertebrae along the body.
    """

    fat: float = 16.0
    muscle: float = 15.0
    roundness: float = 2.35
    belly: float = 0.0
    left_dome: float = -16.0
    sulcus: float = 95.0
    rib_phase: float = 0.0
    vertebra_phase: float = 0.0

    def depth(self, block: Block) -> tuple[Field, Field]:
        """Give the distance to the cavity's wall (negative inside), and the cosine towards the back."""
        width = np.interp(block.z, _HEIGHTS, _HALF_WIDTHS).astype(np.float32)
        height = np.interp(block.z, _HEIGHTS, _HALF_DEPTHS).astype(np.float32)
        y = block.y + np.float32(5)
        if self.belly:
            below = np.exp(-(((block.z + np.float32(200)) / np.float32(110)) ** 2))
            height = np.where(y < 0, height + np.float32(self.belly) * below, height)
        radius = np.sqrt(block.x * block.x + y * y) + np.float32(1e-3)
        exponent = np.float32(self.roundness)
        level = ((np.abs(block.x) / width) ** exponent + (np.abs(y) / height) ** exponent) ** (1 / exponent)
        distance: Field = radius - radius / np.maximum(level, np.float32(0.02))
        distance = np.maximum(distance, block.z - np.float32(_NECK))  # the head ends the trunk
        return distance.astype(np.float32), (y / radius).astype(np.float32)

    def diaphragm(self, block: Block) -> Field:
        """Give the height of the diaphragm at each point."""
        depth, back = self.depth(block)
        rim = np.clip(1 + depth / np.float32(92), 0, 1) ** np.float32(2.7)
        left = 1 / (1 + np.exp(-(block.x - np.float32(4)) / np.float32(16)))
        tendon = np.float32(13) * np.exp(-(((block.x - np.float32(4)) / np.float32(28)) ** 2))
        drop = np.float32(self.sulcus) * (np.float32(0.8) + np.float32(0.25) * back) * rim
        return np.asarray(left * np.float32(self.left_dome) - tendon - drop, np.float32)


@dataclass(frozen=True, slots=True)
class Cavity:
    """The inside of the trunk's wall, ``inset`` mm away from it."""

    torso: Torso
    inset: float

    @property
    def box(self) -> Box:
        """The trunk."""
        return _TRUNK

    def distance(self, block: Block) -> Field:
        """Give the distance to the wall."""
        return self.torso.depth(block)[0] + np.float32(self.inset)


@dataclass(frozen=True, slots=True)
class Diaphragm:
    """The space above the diaphragm (sign = 1) or below it (sign = -1), ``gap`` mm away from it."""

    torso: Torso
    sign: int
    gap: float

    @property
    def box(self) -> Box:
        """The trunk."""
        return _TRUNK

    def distance(self, block: Block) -> Field:
        """Give the vertical distance, shortened for the slope of the domes."""
        height = self.torso.diaphragm(block)
        distance: Field = np.float32(0.75 * self.sign) * (height - block.z) + np.float32(self.gap)
        return distance


@dataclass(frozen=True, slots=True)
class Wall:
    """Skin, fat, muscle layers, ribs and the fat of the cavity."""

    torso: Torso

    def paint(self, canvas: Canvas) -> None:
        """Paint the trunk from the skin inwards."""
        block = canvas.block
        depth, back = self.torso.depth(block)
        muscle, fat = self._thickness(block, back)
        skin = depth - muscle - fat
        canvas.lay(skin, Tissue.SKIN)
        canvas.lay(skin + np.float32(2.3), Tissue.FAT)
        outer = depth - muscle
        canvas.lay(outer, Tissue.MUSCLE)
        self._paint_septa(canvas, depth, back, muscle)
        self._paint_ribs(canvas, depth, back)
        self._paint_sternum(canvas, depth)
        canvas.lay(depth, Tissue.FAT)

    def _thickness(self, block: Block, back: Field) -> tuple[Field, Field]:
        behind = np.maximum(back, 0)
        front = np.maximum(-back, 0)
        groove = np.exp(-((block.x / np.float32(20)) ** 2)) * (back > 0)
        muscle = np.float32(self.torso.muscle) * (1 - np.float32(0.35) * front**3) + np.float32(17) * behind**2
        fat = np.float32(self.torso.fat) * (
            np.float32(0.85) + np.float32(0.35) * behind**3 + np.float32(0.15) * front - np.float32(0.5) * groove
        )
        fat = fat + np.float32(2) * np.sin(block.z / np.float32(60))
        return muscle.astype(np.float32), fat.astype(np.float32)

    def _paint_septa(self, canvas: Canvas, depth: Field, back: Field, muscle: Field) -> None:
        """Paint the fat between the flat muscles of the side and beside the straight one in front."""
        x, z = canvas.block.x, canvas.block.z
        for share, low in ((0.36, -0.72), (0.68, -0.8)):
            sheet = np.abs(depth - np.float32(share) * muscle) - np.float32(0.55)
            canvas.lay(np.where((back > low) & (back < 0.55), sheet, np.float32(FAR)), Tissue.FAT, (Tissue.MUSCLE,))
        line = np.where(back < -0.5, np.minimum(np.abs(x) - 3, np.abs(np.abs(x) - 62) - 2), np.float32(FAR))
        canvas.lay(np.where(z < -30, line, np.float32(FAR)), Tissue.FAT, (Tissue.MUSCLE,))
        latissimus = np.abs(depth - np.float32(14) - np.float32(6) * back) - np.float32(1)
        canvas.lay(np.where(back > 0.25, latissimus, np.float32(FAR)), Tissue.FAT, (Tissue.MUSCLE,))
        erector = np.abs(np.abs(x) - np.float32(38) - np.float32(0.25) * (canvas.block.y - 90)) - np.float32(1)
        canvas.lay(np.where(back > 0.6, erector, np.float32(FAR)), Tissue.FAT, (Tissue.MUSCLE,))

    def _paint_ribs(self, canvas: Canvas, depth: Field, back: Field) -> None:
        """Paint ribs that sink towards the front; the lowest two end early, cartilage ends the others."""
        block = canvas.block
        step = np.float32(27)
        turns = (block.z + np.float32(60) * (1 - back) + np.float32(self.torso.rib_phase)) / step
        number = np.round(turns)
        along = (turns - number) * step
        level = np.sqrt(((depth - np.float32(6)) / 4) ** 2 + (along / np.float32(5.8)) ** 2)
        rib = (level - 1) * np.float32(4.4)
        end = np.where(number <= -4, np.float32(0.35), np.where(number == -3, np.float32(-0.25), np.float32(-0.985)))
        rib = np.where((number >= -4) & (back > end) & (block.z < 230), rib, np.float32(FAR))
        bony = back > np.float32(-0.72)
        canvas.lay(np.where(bony, rib, np.float32(FAR)), Tissue.CORTICAL_BONE)
        canvas.lay(np.where(bony, rib + np.float32(1.7), np.float32(FAR)), Tissue.MARROW)
        canvas.lay(np.where(bony, np.float32(FAR), rib), Tissue.CARTILAGE)

    def _paint_sternum(self, canvas: Canvas, depth: Field) -> None:
        block = canvas.block
        half = np.interp(block.z, (-35, 0, 140, 190), (5, 16, 17, 26)).astype(np.float32)
        plate = np.maximum(np.abs(block.x) - half, np.abs(depth - np.float32(5)) - np.float32(5))
        plate = np.where((block.y < 0) & (block.z > -35) & (block.z < 190), plate, np.float32(FAR))
        canvas.lay(plate, Tissue.CORTICAL_BONE)
        canvas.lay(plate + np.float32(2), Tissue.MARROW)


@dataclass(frozen=True, slots=True)
class Spine:
    """Vertebrae with discs, arches and processes, and the canal with the cord."""

    torso: Torso

    def paint(self, canvas: Canvas) -> None:
        """Paint the vertebral column."""
        box = Box((-48.0, 10.0, -352.0), (48.0, 125.0, 330.0))
        index = canvas.block.index_of(box)
        if index is None:
            return
        area = Canvas(canvas.block.part(index), canvas.values, canvas.tissues[index], canvas.image[index], canvas.blur)
        x = np.abs(area.block.x)
        y = area.block.y - np.float32(7) * np.sin((area.block.z + np.float32(60)) / np.float32(105))
        step = np.float32(33)
        along = area.block.z + np.float32(self.torso.vertebra_phase)
        along = (along - np.round(along / step) * step).astype(np.float32)
        self._paint_bodies(area, x, y, along)
        self._paint_arches(area, x, y, along)

    def _paint_bodies(self, area: Canvas, x: Field, y: Field, along: Field) -> None:
        waist = np.float32(1) - np.float32(0.08) * np.cos(along * np.float32(np.pi / 16))
        level = np.sqrt((x / (np.float32(22.5) * waist)) ** 2 + ((y - 44) / (np.float32(16.5) * waist)) ** 2)
        column = (level - 1) * np.float32(17)
        area.lay(column, Tissue.DISC)
        body = np.maximum(column, np.abs(along) - np.float32(12.8))
        area.lay(body, Tissue.CORTICAL_BONE)
        area.lay(body + np.float32(1.5), Tissue.MARROW)

    def _paint_arches(self, area: Canvas, x: Field, y: Field, along: Field) -> None:
        far = np.float32(FAR)
        canal = np.sqrt(x * x + ((y - 69) * np.float32(1.1)) ** 2) - np.float32(9.5)
        arch = np.where(np.abs(along + 2) < 11, canal - np.float32(5.5), far)
        arch = np.maximum(arch, np.where(y < 58, np.abs(along - 4) - np.float32(7), -far))
        wing = np.maximum(np.abs(y - 67 - x / 8) - np.float32(4), np.abs(along - 3) - np.float32(5.5))
        wing = np.maximum(wing, x - np.float32(38))
        slope = along + np.float32(0.35) * (y - 80) + 3
        spinous = np.maximum(np.maximum(x - np.float32(3.6), np.abs(slope) - np.float32(9)), y - np.float32(108))
        spinous = np.maximum(spinous, np.float32(76) - y)
        bone = np.minimum(np.minimum(arch, wing), spinous)
        area.lay(bone, Tissue.CORTICAL_BONE)
        area.lay(bone + np.float32(1.8), Tissue.MARROW)
        area.lay(canal, Tissue.FAT)
        area.lay(canal + np.float32(1.2), Tissue.SPINAL_FLUID)
        cord = np.where(area.block.z > -130, canal + np.float32(4.2), far)
        area.lay(cord, Tissue.SPINAL_CORD)


@dataclass(frozen=True, slots=True)
class Table:
    """A curved couch: mattress, thin shell, foam; ``top`` is where its middle lies along y."""

    top: float

    def paint(self, canvas: Canvas) -> None:
        """Paint the couch over air only."""
        block = canvas.block
        surface = np.float32(self.top) - (block.x / np.float32(56)) ** 2
        side = np.abs(block.x) - np.float32(212)
        thick = block.y - surface
        slab = np.maximum(np.maximum(-thick, thick - np.float32(44) + (block.x / np.float32(60)) ** 2), side)
        free = (Tissue.AIR,)
        shell = np.maximum(slab, np.float32(9) - thick)
        canvas.lay(np.maximum(slab, thick - np.float32(9)), Tissue.FOAM, free)
        canvas.lay(shell, Tissue.SHELL, free)
        canvas.lay(shell + np.float32(3.2), Tissue.FOAM, (Tissue.SHELL,))
