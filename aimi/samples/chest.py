"""Organs of the chest in the body plan: lungs with vessels, heart and great vessels."""

import numpy as np

from aimi.samples.abdomen import between
from aimi.samples.chance import Chance
from aimi.samples.shapes import Blend, Clip, Cut, Ellipsoid, Point, Shape, Tilt, Wobble, rotation, tube
from aimi.samples.tissue import Layer, Painter, Part, Tissue
from aimi.samples.trunk import Cavity, Diaphragm, Torso

__all__ = ["heart", "lungs"]


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
