"""Organs of the chest in the body plan: lungs with vessels, heart and great vessels."""

from collections.abc import Iterable

import numpy as np

from aimi.samples.abdomen import between
from aimi.samples.chance import Chance
from aimi.samples.shapes import Blend, Block, Clip, Cut, Ellipsoid, Point, Shape, Tilt, Wobble, rotation, tube
from aimi.samples.tissue import Layer, Painter, Part, Tissue
from aimi.samples.trunk import Cavity, Diaphragm, Torso

__all__ = ["IN_LUNG", "airways_and_great_vessels", "heart", "lung_surface", "lungs", "nodules"]

IN_LUNG = (
    Tissue.LUNG, Tissue.LUNG_VESSEL, Tissue.PLEURA, Tissue.NODULE, Tissue.MASS, Tissue.SMALL_NODULE, Tissue.TUMOR
)  # fmt: skip
"""What a lesion of the lung may cover."""


def _mediastinum(chance: Chance) -> Shape:
    bag = Ellipsoid(chance.point((22, -24, 34), 3), (62, 52, 52), rotation(z=35, y=20))
    column = Ellipsoid((4, 10, 60), (30, 110, 230))
    return Blend((bag, column), 18.0)


def lungs(chance: Chance, torso: Torso) -> list[Painter]:
    """Give both lungs with pleura and vessels."""
    middle = _mediastinum(chance)
    space: Shape = Clip(Diaphragm(torso, 1, 1.5), Cavity(torso, 4.0), 4.0)
    space = Cut(space, middle, 8.0)
    space = Clip(space, Tilt((0, 0, 225), (0, 0, 1)), 20.0)
    painters: list[Painter] = []
    for side in (-1, 1):
        half = Clip(space, Tilt((0, 0, 0), (-side, 0, 0)))
        painters.append(Part(half, (Layer(Tissue.PLEURA, -2.2), Layer(Tissue.LUNG))))
        painters.append(_lung_vessels(chance, side))
    return painters


def _lung_vessels(chance: Chance, side: int) -> Painter:
    hilum = chance.point((side * 42, 8, 78), 3)
    shapes: list[Shape] = []
    for _ in range(16):
        x, y, z = chance.inside()
        end = (side * (82 + 40 * x), 5 + 66 * y, 55 + 120 * z)
        shapes += _twig(chance, hilum, end, chance.between(2.6, 4.2), 2)
    return Part(Blend(tuple(shapes)), (Layer(Tissue.LUNG_VESSEL),), (Tissue.LUNG,))


def _twig(chance: Chance, start: Point, end: Point, radius: float, forks: int) -> list[Shape]:
    bend = chance.point(between(start, end, 0.5), 7)
    shapes: list[Shape] = [tube((start, bend, end), (radius, 0.75 * radius, 0.5 * radius))]
    if forks == 0:
        return shapes
    for _ in range(2):
        way = np.add(np.subtract(end, bend), np.multiply(chance.inside(), 30))
        tip = np.add(end, 0.7 * way)
        shapes += _twig(chance, end, (float(tip[0]), float(tip[1]), float(tip[2])), 0.5 * radius, forks - 1)
    return shapes


def heart(chance: Chance) -> list[Painter]:
    """Give the heart in its fat: muscle, left and right blood, and the esophagus behind it."""
    turn = rotation(z=chance.near(38, 5), y=chance.near(18, 4))
    center = chance.point((26, -30, 32), 3)
    fat = Ellipsoid(center, (58, 44, 44), turn)
    muscle = Wobble(Ellipsoid(center, (52, 38, 39), turn), 2.5, 50, chance.phases())
    left = Ellipsoid((center[0] + 12, center[1] + 8, center[2] - 2), (32, 18, 19), turn)
    right = Ellipsoid((center[0] - 20, center[1] - 14, center[2] + 2), (30, 16, 24), turn)
    atrium = Ellipsoid((center[0] - 22, center[1] + 26, center[2] + 26), (30, 20, 22))
    esophagus = tube(((14, 12, -34), (6, 26, 20), (2, 30, 120), (0, 26, 220)), (8, 7, 7, 7))
    return [
        Part(fat, (Layer(Tissue.FAT),)),
        Part(muscle, (Layer(Tissue.MYOCARDIUM),)),
        Part(Blend((left, atrium)), (Layer(Tissue.LEFT_HEART),)),
        Part(right, (Layer(Tissue.RIGHT_HEART),)),
        Part(esophagus, (Layer(Tissue.ESOPHAGUS), Layer(Tissue.GAS, 5.4))),
    ]


def airways_and_great_vessels() -> list[Painter]:
    """Give trachea and main bronchi, the aorta's arch, the superior vena cava and the pulmonary arteries."""
    ascending = ((6, -18, 62), (2, -26, 92), (4, -14, 128), (14, 12, 142), (23, 31, 122))
    pulmonary = ((20, -34, 66), (16, -22, 92), (12, -6, 96))
    arteries: list[Shape] = [tube(pulmonary, (13, 13, 11))]
    bronchi: list[Shape] = [tube(((1, 8, 260), (1, 10, 180), (0, 14, 104)), (8.5, 8.5, 8))]
    for side in (-1, 1):
        arteries.append(tube(((12, -6, 96), (side * 22, 0, 90), (side * 44, 6, 80)), (10, 8.5, 6)))
        bronchi.append(tube(((0, 14, 104), (side * 22, 14, 88), (side * 44, 14, 74)), (7, 6, 5)))
    cava = tube(((-20, -8, 40), (-22, -12, 90), (-20, -14, 190)), (10, 9, 8))
    return [
        Part(Blend(tuple(arteries), 3.0), (Layer(Tissue.RIGHT_HEART),)),
        Part(cava, (Layer(Tissue.RIGHT_HEART),)),
        Part(tube(ascending, (15, 15, 14, 13, 12)), (Layer(Tissue.LEFT_HEART),)),
        Part(Blend(tuple(bronchi)), (Layer(Tissue.PLEURA), Layer(Tissue.TRACHEA, 1.4))),
    ]


def nodules(chance: Chance, torso: Torso) -> list[Painter]:
    """Give nodules: two or three within the lung, one at the pleura, specks below 3 mm, a mass, one outside.

    Those that count measure about 11 to 27 mm, the mass more than 30 mm. The three specks are 1.9 mm wide, about a
    pixel, and longer than slices are apart: most cover a voxel's center, and at most one pixel of a slice. None touches
    another: two that do are one finding, and of another size.
    """
    inner: list[Painter] = []
    taken: list[tuple[Point, float]] = []
    for number in range(chance.whole(2, 3)):
        side = -1 if number % 2 else 1
        center = chance.point((side * 88, 12, 42 + 45 * number), (12, 20, 12))
        radius = chance.between(5.5, 10.5)
        inner.append(_nodule(chance, center, radius, Tissue.NODULE))
        taken.append((center, radius))
    side = 1 if chance.happens(0.5) else -1
    angle, height = chance.near(0.2 if side > 0 else np.pi - 0.2, 0.35), chance.between(60, 110)
    radius = chance.between(6, 10)
    heights = (height + way * step for step in range(0, 60, 3) for way in (1, -1))
    at_wall = _first_apart((lung_surface(torso, angle, one, 9.0) for one in heights), radius, taken)
    inner.append(_nodule(chance, at_wall, radius, Tissue.NODULE))
    taken.append((at_wall, radius))
    x, y, z = chance.point((-side * 78, 30, 10), (6, 8, 10))
    radius = chance.between(18, 22)
    places = ((turned * x, y, z + step) for step in range(0, 160, 4) for turned in (1, -1))
    middle = _first_apart(places, radius, taken)
    inner.append(_nodule(chance, middle, radius, Tissue.MASS))
    taken.append((middle, radius))
    for number in range(3):
        x, y, z = chance.point((side * 72, -12, 60 + 35 * number), (12, 15, 10))
        places = ((turned * x, y, z + step) for step in range(0, 160, 4) for turned in (-1, 1))
        speck = _first_apart(places, 1.0, taken)
        inner.append(Part(Ellipsoid(speck, (0.95, 0.95, 2.4)), (Layer(Tissue.SMALL_NODULE),), IN_LUNG))
        taken.append((speck, 1.0))
    outer = lung_surface(torso, np.pi - angle, chance.between(70, 120), -13.0)
    inner.append(Part(Ellipsoid(outer, (8, 9, 8)), (Layer(Tissue.OUTER_NODULE),), (Tissue.FAT, Tissue.MUSCLE)))
    return inner


def _first_apart(places: Iterable[Point], radius: float, taken: Iterable[tuple[Point, float]]) -> Point:
    """Give the first place where a lump touches none that is there, with room for a voxel between."""
    for place in places:
        if all(np.linalg.norm(np.subtract(place, center)) > 1.32 * (radius + other) + 3.0 for center, other in taken):
            return place
    raise ValueError("there is no place for the lump")


def _nodule(chance: Chance, center: Point, radius: float, tissue: Tissue) -> Painter:
    radii = (radius, radius * chance.between(0.85, 1.15), radius * chance.between(0.85, 1.15))
    lump = Wobble(Ellipsoid(center, radii), 0.15 * radius, 2.0 * radius, chance.phases())
    return Part(lump, (Layer(tissue),), IN_LUNG)


def lung_surface(torso: Torso, angle: float, height: float, inset: float) -> Point:
    """Give the point some mm inside the chest wall in a direction: 0 is left, half a pi the back.

    Parameters
    ----------
    angle : radians in the axial plane.
    height, inset : mm; a negative inset leads into the wall.
    """
    way = np.array([np.cos(angle), np.sin(angle)])
    steps = np.linspace(20, 150, 261)
    affine = np.zeros((4, 4))
    affine[0, 2], affine[1, 2] = way * (steps[1] - steps[0])
    affine[:3, 3] = (*(way * steps[0]), height)
    affine[0, 0], affine[2, 0], affine[1, 1], affine[3, 3] = way[1], 1.0, 1.0, 1.0
    depth = torso.depth(Block.of(affine, (0, 0, 0), (1, 1, len(steps))))[0][0, 0]
    x, y = (way * steps[int(np.argmin(np.abs(depth + inset)))]).tolist()
    return x, y, height
