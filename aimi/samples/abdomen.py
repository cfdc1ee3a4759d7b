"""Organs of the abdomen in the body plan, each a list of painters drawn from a stream of its own.

Coordinates as in :mod:`aimi.samples.trunk`: mm, x to the left, y to the back, z to the head, the right
dome of the diaphragm at z = 0.
"""

import numpy as np

from aimi.samples.chance import Chance
from aimi.samples.shapes import (
    Blend,
    Clip,
    Cut,
    Ellipsoid,
    Point,
    Shape,
    Tilt,
    Wobble,
    rotation,
    tube,
)
from aimi.samples.tissue import Layer, Painter, Part, Tissue
from aimi.samples.trunk import Cavity, Diaphragm, Torso

__all__ = ["back_muscles", "bowel", "liver", "pancreas", "spleen", "stomach", "vessels"]

_LIVER = (Tissue.LIVER, Tissue.HEPATIC_VEIN, Tissue.HEPATIC_PORTAL)


def under_diaphragm(torso: Torso, shape: Shape, inset: float, gap: float) -> Shape:
    """Give the part of an organ that the body wall and the diaphragm leave."""
    return Clip(Clip(shape, Diaphragm(torso, -1, gap), 6.0), Cavity(torso, inset), 6.0)


def between(first: Point, last: Point, share: float) -> Point:
    """Give the point on a line at a share of its length."""
    x, y, z = (a + share * (b - a) for a, b in zip(first, last, strict=True))
    return x, y, z


def liver(chance: Chance, torso: Torso, lesions: bool) -> list[Painter]:
    """Give the liver with its vessels, fissure, gallbladder and findings."""
    size = chance.near(1.0, 0.06)
    shape = _liver_shape(chance, torso, size)
    painters: list[Painter] = [Part(shape, (Layer(Tissue.LIVER),))]
    painters += _liver_vessels(chance)
    if lesions:
        painters += _liver_findings(chance, size)
    fissure = Ellipsoid(
        chance.point((4, -62, -92), 3), (2.2, 26, 34), rotation(z=chance.near(-14, 5), x=chance.near(0, 6))
    )
    painters.append(Part(fissure, (Layer(Tissue.FAT),), _LIVER))
    hilum = Ellipsoid(chance.point((-20, -8, -97), 3), (16, 7, 8), rotation(z=20, y=15))
    painters.append(Part(Wobble(hilum, 2.5, 17, chance.phases()), (Layer(Tissue.FAT),), _LIVER))
    if chance.happens(0.85):
        painters.append(_gallbladder(chance))
    return painters


def _liver_shape(chance: Chance, torso: Torso, size: float) -> Shape:
    right = Ellipsoid(
        chance.point((-66, 6, -66), 5), (76 * size, 84 * size, chance.near(77, 7) * size), rotation(z=chance.near(8, 8))
    )
    tip_depth = chance.near(-112, 16)
    tip = Ellipsoid(
        (chance.near(-92, 5), chance.near(4, 8), tip_depth), (40 * size, 56 * size, 52), rotation(y=chance.near(-10, 6))
    )
    reach = chance.near(44, 18)
    left = Ellipsoid(
        (chance.near(2, 5), chance.near(-42, 6), chance.near(-48, 6)),
        (62 * size + reach / 2, chance.near(34, 4) * size, chance.near(38, 5) * size),
        rotation(z=chance.near(-6, 5), y=chance.near(-12, 5)),
    )
    caudate = Ellipsoid(chance.point((-14, 10, -62), 3), (22, 16, 26))
    whole: Shape = Blend((right, tip, left, caudate), 22.0)
    visceral = Ellipsoid(
        chance.point((18, 26, -150), 6), (chance.near(74, 5), 66, chance.near(72, 6)), rotation(y=chance.near(-24, 5))
    )
    whole = Cut(whole, visceral, 20.0)
    flank = Ellipsoid(chance.point((72, 36, -58), 6), (64, 66, 80))
    whole = Cut(whole, flank, 16.0)
    groove = Ellipsoid((-6, 62, -60), (38, 47, 200))
    whole = Cut(whole, groove, 10.0)
    whole = Wobble(whole, chance.between(2.0, 5.0), chance.between(70, 110), chance.phases())
    return under_diaphragm(torso, whole, chance.between(1.5, 5.0), 2.5)


def _branches(chance: Chance, start: Point, ends: list[Point], radius: float, depth: int) -> list[Shape]:
    """Give a tree of vessels: each branch bends once and forks ``depth`` times."""
    shapes: list[Shape] = []
    for end in ends:
        bend = chance.point(between(start, end, 0.5), 5)
        thin = radius * 0.7
        shapes.append(tube((start, bend, end), (radius, 0.8 * radius, thin)))
        if depth > 0:
            reach = 0.62 * float(np.linalg.norm(np.subtract(end, start)))
            way = np.subtract(end, start) / (np.linalg.norm(np.subtract(end, start)) + 1e-6)
            forks = [np.add(end, reach * (way + np.multiply(chance.inside(), 0.95))) for _ in range(2)]
            shapes += _branches(chance, end, [(p[0], p[1], p[2]) for p in forks], thin, depth - 1)
    return shapes


def _liver_vessels(chance: Chance) -> list[Painter]:
    """Give the three hepatic veins and the portal tree; both show only inside the liver."""
    confluence = chance.point((-20, 18, -22), 2)
    veins = [chance.point((-100, 18, -62), 7), chance.point((-52, -38, -60), 7), chance.point((22, -38, -42), 6)]
    hilum = chance.point((-26, -8, -92), 3)
    right = chance.point((-66, 2, -84), 5)
    left = chance.point((6, -36, -72), 4)
    portal = _branches(chance, hilum, [right], 6.0, 0)
    portal += _branches(chance, right, [chance.point((-96, -22, -66), 7), chance.point((-96, 32, -104), 7)], 5.0, 3)
    portal += _branches(chance, hilum, [left], 4.6, 0)
    portal += _branches(chance, left, [chance.point((40, -46, -50), 6)], 3.6, 2)
    only = (Tissue.LIVER,)
    return [
        Part(Blend(tuple(_branches(chance, confluence, veins, 6.0, 3))), (Layer(Tissue.HEPATIC_VEIN),), only),
        Part(Blend(tuple(portal)), (Layer(Tissue.HEPATIC_PORTAL),), only),
    ]


def _liver_findings(chance: Chance, size: float) -> list[Painter]:
    painters: list[Painter] = []
    for _ in range(chance.choose((3, 2, 2, 1, 1, 1))):
        x, y, z = chance.inside()
        center = (-70 + 62 * x * size, 2 + 62 * y, -78 + 60 * z)
        radius = chance.between(5, 11) if chance.happens(0.7) else chance.between(11, 24)
        radii = (radius, radius * chance.between(0.8, 1.2), radius * chance.between(0.8, 1.2))
        if chance.happens(0.35):
            painters.append(Part(Ellipsoid(center, radii), (Layer(Tissue.LIVER_CYST),), _LIVER))
            continue
        lump = Wobble(Ellipsoid(center, radii), 0.15 * radius, 2.2 * radius, chance.phases())
        layers = (Layer(Tissue.LIVER_LESION_RIM), Layer(Tissue.LIVER_LESION, 0.16 * radius))
        painters.append(Part(lump, layers, _LIVER))
    return painters


def _gallbladder(chance: Chance) -> Painter:
    neck = chance.point((-28, -14, -104), 3)
    body = chance.point((-42, -38, -122), 5)
    bottom = chance.point((-52, -56, -134), 5)
    radius = chance.between(9, 15)
    bag = tube((neck, body, bottom), (3.5, 0.85 * radius, radius), 6.0)
    return Part(bag, (Layer(Tissue.STOMACH_WALL), Layer(Tissue.GALLBLADDER, 1.8)))


def spleen(chance: Chance, torso: Torso) -> list[Painter]:
    """Give the spleen with its vessels' hilum cut in."""
    size = chance.near(1.0, 0.13)
    center = chance.point((92, 34, -66), 5)
    turn = rotation(z=chance.near(24, 8), x=chance.near(-18, 8))
    body = Ellipsoid(center, (36 * size, 52 * size, 58 * size), turn)
    hollow = Ellipsoid((center[0] - 40, center[1] - 20, center[2] - 10), (30, 36, 50), turn)
    whole = Wobble(Cut(body, hollow, 9.0), 3.0, 48, chance.phases())
    return [Part(under_diaphragm(torso, whole, 3.0, 2.5), (Layer(Tissue.SPLEEN),))]


def stomach(chance: Chance, torso: Torso) -> list[Painter]:
    """Give the stomach with wall, fluid and the gas that lies in front of it."""
    wide = chance.near(1.0, 0.16)
    points = [
        chance.point((52, 16, -38), 4),
        chance.point((64, -8, -66), 4),
        chance.point((56, -30, -100), 6),
        chance.point((28, -40, -134), 7),
        chance.point((-6, -34, -136), 5),
        chance.point((-30, -22, -126), 4),
    ]
    radii = (31 * wide, 33 * wide, 29 * wide, 22 * wide, 16 * wide, 11)
    bag = Wobble(tube(points, radii, 8.0), 3.0, 38, chance.phases())
    whole = under_diaphragm(torso, bag, 8.0, 5.0)
    level = chance.between(-40, 0)
    gas = Tilt((0, level, 0), (0, 1, 0))
    wall = chance.between(3.2, 5.0)
    layers = (Layer(Tissue.STOMACH_WALL), Layer(Tissue.STOMACH_CONTENT, wall), Layer(Tissue.GAS, wall + 0.3, gas))
    return [Part(whole, layers)]


def pancreas(chance: Chance) -> list[Painter]:
    """Give the pancreas: head in the duodenum's arch, tail at the spleen."""
    points = [
        chance.point((-24, -6, -146), 3),
        chance.point((-18, -12, -126), 3),
        chance.point((8, -22, -118), 3),
        chance.point((40, -6, -106), 4),
        chance.point((70, 16, -92), 4),
    ]
    size = chance.near(1.0, 0.12)
    shape = Wobble(tube(points, [r * size for r in (13, 12, 9, 9.5, 8)], 4.0), 3.6, 16, chance.phases())
    return [Part(shape, (Layer(Tissue.PANCREAS),))]


def _adrenals(chance: Chance) -> list[Painter]:
    painters: list[Painter] = []
    for side, x in ((-1, -34), (1, 36)):
        root = chance.point((x, 28, -88), 2)
        for way in ((-9 * side, 14, -12), (8 * side, 16, -14)):
            end = (root[0] + way[0], root[1] + way[1], root[2] + way[2])
            painters.append(Part(tube((root, end), (2.6, 1.8)), (Layer(Tissue.ADRENAL),)))
    return painters


def vessels(chance: Chance) -> list[Painter]:
    """Give aorta, inferior vena cava, the portal system outside the liver, renal vessels and adrenals."""
    wide = chance.between(9.5, 12.5)
    aorta = tube(
        (
            chance.point((10, 16, -330), 1),
            chance.point((10, 13, -200), 2),
            chance.point((12, 16, -100), 2),
            (16, 22, -20),
            (22, 30, 60),
            (24, 32, 150),
        ),
        (8, 0.9 * wide, wide, 1.08 * wide, 1.12 * wide, 1.15 * wide),
    )
    cava = tube(
        (
            (-18, 18, -330),
            chance.point((-20, 16, -190), 2),
            chance.point((-22, 12, -110), 2),
            chance.point((-22, 17, -40), 2),
            (-18, 8, 4),
            (-14, 0, 26),
        ),
        (9, 10.5, 11.5, 13, 12.5, 12),
    )
    fork = chance.point((-8, -8, -118), 2)
    portal = tube((chance.point((-6, -22, -240), 4), fork, (-26, -8, -92)), (4.5, 6.5, 6.2))
    splenic = tube((fork, (30, 2, -112), (62, 18, -88), (80, 26, -74)), (4.8, 4.4, 4.0, 3.2))
    celiac = tube(((12, 6, -96), (10, -8, -98), (-14, -12, -96)), (3.6, 3.0, 2.4))
    superior = tube(((10, 6, -112), (8, -10, -128), (2, -20, -240)), (3.6, 3.4, 2.6))
    painters: list[Painter] = _adrenals(chance)
    painters += [
        Part(tube(((-20, 14, -134), (-48, 34, -138)), (5, 3.8)), (Layer(Tissue.VEIN),)),
        Part(tube(((-16, 2, -128), (14, -2, -126), (46, 34, -124)), (4.5, 4.5, 4.0)), (Layer(Tissue.VEIN),)),
        Part(tube(((10, 14, -130), (-22, 26, -136), (-48, 36, -140)), (3, 2.6, 2.2)), (Layer(Tissue.ARTERY),)),
        Part(tube(((12, 14, -126), (48, 36, -126)), (3, 2.2)), (Layer(Tissue.ARTERY),)),
        Part(cava, (Layer(Tissue.VEIN),)),
        Part(Blend((portal, splenic)), (Layer(Tissue.PORTAL_VEIN),)),
        Part(Blend((celiac, superior)), (Layer(Tissue.ARTERY),)),
        Part(aorta, (Layer(Tissue.ARTERY),)),
    ]
    return painters


def back_muscles(chance: Chance) -> list[Painter]:
    """Give psoas, quadratus lumborum and the crura of the diaphragm."""
    size = chance.near(1.0, 0.12)
    painters: list[Painter] = []
    for side in (-1, 1):
        psoas = tube(
            ((24 * side, 46, -100), (32 * side, 42, -180), (44 * side, 34, -260), (62 * side, 20, -360)),
            (6 * size, 17 * size, 21 * size, 18 * size),
        )
        square = Ellipsoid((62 * side, 66, -200), (26 * size, 10 * size, 70))
        crus = tube(((13 * side, 26, -170), (15 * side, 24, -90), (14 * side, 10, -40)), (4.5, 6.0, 4.0))
        painters += [Part(shape, (Layer(Tissue.MUSCLE),)) for shape in (psoas, square, crus)]
    return painters


def _loop(chance: Chance, points: list[Point], radius: float, lumps: float) -> Shape:
    radii = [radius * chance.between(0.8, 1.25) for _ in points]
    return Wobble(tube(points, radii, 5.0), lumps, 26, chance.phases())


def _colon_part(chance: Chance, torso: Torso, points: list[Point]) -> Painter:
    radius = chance.between(15, 22)
    shape = under_diaphragm(torso, _loop(chance, points, radius, 5.0), 3.0, 4.0)
    level = float(np.mean([point[1] for point in points])) + chance.between(-16, 12)
    layers = [Layer(Tissue.BOWEL_WALL), Layer(Tissue.STOOL, 2.4)]
    layers.append(Layer(Tissue.GAS, 2.6, Tilt((0, level, 0), (0, 1, 0))))
    return Part(shape, tuple(layers))


def _mesentery(chance: Chance) -> Painter:
    """Give thin vessels that fan out through the fat."""
    twigs: list[Shape] = []
    for _ in range(26):
        root = chance.point((4, -14, -165), (5, 5, 24))
        x, y, z = chance.inside()
        end = (root[0] + 80 * x, root[1] - 18 + 38 * y, root[2] - 20 + 55 * z)
        bend = chance.point(between(root, end, 0.5), 7)
        twigs.append(tube((root, bend, end), (2.0, 1.5, 0.9)))
    return Part(Blend(tuple(twigs)), (Layer(Tissue.PORTAL_VEIN),), (Tissue.FAT,))


def bowel(chance: Chance, torso: Torso) -> list[Painter]:
    """Give duodenum, small bowel and colon."""
    painters: list[Painter] = []
    for number in range(16):
        middle = (52, -16, -172) if number % 3 == 0 else (0, -24, -232)
        here = chance.point(middle, (22, 20, 18) if number % 3 == 0 else (56, 26, 34))
        way = np.multiply(chance.inside(), (1.0, 0.8, 0.5))
        points = [here]
        for _ in range(5):
            way = way + np.multiply(chance.inside(), 0.9)
            here = tuple(np.add(points[-1], 17 * way / np.linalg.norm(way)))
            points.append((float(here[0]), float(here[1]), min(float(here[2]), -142.0)))
        radius = chance.between(9, 13)
        layers = (Layer(Tissue.BOWEL_WALL), Layer(Tissue.BOWEL_CONTENT, chance.between(2.5, 6)))
        painters.append(Part(Clip(_loop(chance, points, radius, 2.0), Cavity(torso, 6.0), 4.0), layers))
    duodenum = [(-32, -22, -126), chance.point((-46, -4, -140), 3), chance.point((-40, 4, -172), 4), (4, -2, -184)]
    layers = (Layer(Tissue.BOWEL_WALL), Layer(Tissue.BOWEL_CONTENT, 3.5))
    painters.append(Part(_loop(chance, duodenum, 12, 2.0), layers))
    drop = chance.near(0, 8)
    ascending: list[Point] = [(-96, 26, -290), (-98, 22, -220 + drop), chance.point((-84, -10, -178 + drop), 4)]
    crossing: list[Point] = [
        (-84, -10, -178 + drop),
        chance.point((-52, -56, -186), 6),
        chance.point((4, -66, -176), 8),
        chance.point((56, -56, -158), 8),
        chance.point((92, -6, -118), 4),
    ]
    descending: list[Point] = [(92, -6, -118), (106, 22, -160), (104, 30, -230), (98, 26, -310)]
    painters.append(_mesentery(chance))
    painters += [_colon_part(chance, torso, points) for points in (ascending, crossing, descending)]
    return painters
