"""The kidneys: cortex, pyramids, sinus; tumors and cysts for the samples that need them."""

from dataclasses import dataclass

import numpy as np

from aimi.samples.chance import Chance
from aimi.samples.shapes import Blend, Clip, Cut, Ellipsoid, Matrix, Point, Shape, Wobble, rotation
from aimi.samples.tissue import Layer, Painter, Part, Tissue

__all__ = ["KIDNEY", "KidneyPose", "kidney_findings", "kidneys", "place_kidneys"]

KIDNEY = (Tissue.RENAL_CORTEX, Tissue.RENAL_MEDULLA, Tissue.RENAL_PELVIS)
_YIELDING = (Tissue.MUSCLE, Tissue.LIVER, Tissue.HEPATIC_VEIN, Tissue.HEPATIC_PORTAL, Tissue.SPLEEN)
_FINDING = (
    *KIDNEY, *_YIELDING, Tissue.FAT, Tissue.KIDNEY_TUMOR, Tissue.KIDNEY_TUMOR_CORE, Tissue.KIDNEY_CYST,
    Tissue.LIVER_LESION, Tissue.LIVER_LESION_RIM, Tissue.LIVER_CYST, Tissue.GALLBLADDER, Tissue.STOMACH_WALL,
    Tissue.STOMACH_CONTENT, Tissue.BOWEL_WALL, Tissue.BOWEL_CONTENT, Tissue.STOOL, Tissue.GAS, Tissue.PANCREAS,
    Tissue.ADRENAL,
)  # fmt: skip
"""What a tumor or a cyst covers: it grows against the organs beside the kidney, and they make room."""


@dataclass(frozen=True, slots=True)
class KidneyPose:
    """Where a kidney lies.

    Parameters
    ----------
    side : -1 right, 1 left.
    size : 1 is the body plan's own.
    phases : of the lumps of its surface.
    """

    side: int
    center: Point
    size: float
    turn: Matrix
    phases: tuple[float, ...]

    @property
    def radii(self) -> Point:
        """Half axes, mm."""
        return 23 * self.size, 29 * self.size, 54 * self.size

    def point(self, out: float, back: float, up: float) -> Point:
        """Give the point at some mm from the center, along the kidney's axes; ``out`` leads away from the spine."""
        x, y, z = np.add(self.center, self.turn @ (self.side * out, back, up)).tolist()
        return x, y, z


def place_kidneys(chance: Chance) -> tuple[KidneyPose, KidneyPose]:
    """Draw the right and the left kidney's place."""
    right, left = (
        _pose(chance, side, center) for side, center in ((-1, (-60.0, 42.0, -148.0)), (1, (60.0, 44.0, -132.0)))
    )
    return right, left


def _pose(chance: Chance, side: int, middle: Point) -> KidneyPose:
    center = chance.point(middle, (4, 3, 7))
    size = chance.near(1.0, 0.09)
    turn = rotation(y=side * chance.near(9, 4), x=chance.near(8, 4), z=side * chance.near(32, 8))
    return KidneyPose(side, center, size, turn, chance.phases())


def kidneys(poses: tuple[KidneyPose, ...]) -> list[Painter]:
    """Give kidneys in their fat."""
    return [painter for pose in poses for painter in _kidney(pose)]


def _kidney(pose: KidneyPose) -> list[Painter]:
    size, turn, (rx, ry, rz) = pose.size, pose.turn, pose.radii
    body = Ellipsoid(pose.center, pose.radii, turn)
    hilum = pose.point(-20 * size, 0, 0)
    sinus = Ellipsoid(hilum, (17 * size, 9 * size, 24 * size), turn)
    shape = Wobble(Cut(body, sinus, 8.0), 1.6, 30, pose.phases)
    pyramids: list[Shape] = []
    for along in (-0.62, -0.33, 0.0, 0.33, 0.62):
        for across in (-0.48, 0.48):
            middle = pose.point(4 * size, across * ry, along * rz)
            pyramids.append(Ellipsoid(middle, (9 * size, 7 * size, 7 * size), turn))
    inner = Ellipsoid(pose.center, (rx - 6, ry - 6, rz - 6), turn)
    pelvis = Ellipsoid(hilum, (9 * size, 4 * size, 13 * size), turn)
    return [
        Part(Ellipsoid(pose.center, (rx + 4, ry + 4, rz + 6), turn), (Layer(Tissue.FAT),), _YIELDING),
        Part(shape, (Layer(Tissue.RENAL_CORTEX),)),
        Part(Clip(Blend(tuple(pyramids)), inner), (Layer(Tissue.RENAL_MEDULLA),), KIDNEY),
        Part(pelvis, (Layer(Tissue.RENAL_PELVIS),)),
    ]


def kidney_findings(chance: Chance, poses: tuple[KidneyPose, KidneyPose]) -> list[Painter]:
    """Give one tumor in one kidney and one to three cysts, on either side, none where the tumor grows.

    The tumor's radius is 15 to 30 mm. In the 21 published AI masks of the review (bamf-health/aimi-kidney-ct,
    qa-results/ai-segmentations-dcm) the largest tumor has the volume of a ball whose radius is 15 mm at the tenth
    percentile, 31 mm at the median.
    """
    sick = chance.whole(0, 1)
    upper = 1 if chance.happens(0.5) else -1
    radius = chance.between(15, 30)
    center = _at_surface(poses[sick], chance.between(0.2, 0.9), chance.between(-0.6, 0.6), 0.5 * upper, radius)
    lump = Wobble(Ellipsoid(center, (radius, radius, radius)), 0.12 * radius, 2.0 * radius, chance.phases())
    core = chance.between(0.45, 0.9) * radius
    painters: list[Painter] = []
    for number in range(chance.whole(1, 3)):
        pose = poses[sick] if number == 1 else poses[1 - sick]
        pole = -0.55 * upper if number == 1 else (0.6 if number == 0 else -0.6)
        size = chance.between(9.5, 18)
        middle = _at_surface(pose, chance.between(0.3, 1.0), chance.between(-0.5, 0.5), pole, size)
        ball = Ellipsoid(middle, (size, size * chance.between(0.9, 1.1), size * chance.between(0.9, 1.1)))
        painters.append(Part(ball, (Layer(Tissue.KIDNEY_CYST),), _FINDING))
    layers = (Layer(Tissue.KIDNEY_TUMOR), Layer(Tissue.KIDNEY_TUMOR_CORE, radius - 0.5 * core))
    return [*painters, Part(lump, layers, _FINDING)]


def _at_surface(pose: KidneyPose, out: float, back: float, up: float, radius: float) -> Point:
    """Give a center such that a ball lies half in the kidney, in a direction of its own axes."""
    way = np.array([out, back, up]) / np.linalg.norm([out, back, up])
    surface = 1 / np.linalg.norm(way / pose.radii)
    x, y, z = (way * (surface - 0.25 * radius)).tolist()
    return pose.point(x, y, z)
