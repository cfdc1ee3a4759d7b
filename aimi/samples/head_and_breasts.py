"""What whole-body scans need besides the trunk's organs: head with brain, breasts, and tumors that take up FDG.

Coordinates as in :mod:`aimi.samples.trunk`.
"""

import numpy as np

from aimi.samples.chance import Chance
from aimi.samples.chest import IN_LUNG, lung_surface
from aimi.samples.shapes import Blend, Ellipsoid, Point, Shape, Wobble, rotation
from aimi.samples.tissue import Layer, Painter, Part, Tissue
from aimi.samples.trunk import Torso

__all__ = ["breast_shapes", "breast_tumors", "breasts", "head", "lung_tumors"]

_SOFT = (
    Tissue.FAT, Tissue.MUSCLE, Tissue.BREAST_GLAND, Tissue.LIVER, Tissue.HEPATIC_VEIN, Tissue.HEPATIC_PORTAL,
    Tissue.MARROW, Tissue.CORTICAL_BONE, Tissue.TUMOR,
)  # fmt: skip
_IN_BREAST = (Tissue.BREAST_FAT, Tissue.BREAST_GLAND, Tissue.SKIN)


def head() -> list[Painter]:
    """Give scalp, skull, brain and face."""
    skull = Ellipsoid((0, -2, 402), (76, 96, 94))
    face = Ellipsoid((0, -46, 338), (54, 56, 66))
    air = Blend((Ellipsoid((0, -84, 352), (14, 20, 22)), Ellipsoid((0, -62, 322), (10, 14, 8))), 4.0)
    return [
        Part(Blend((skull, face), 20.0), (Layer(Tissue.SKIN), Layer(Tissue.FAT, 2.3), Layer(Tissue.MUSCLE, 5.5))),
        Part(air, (Layer(Tissue.TRACHEA),)),
        Part(Ellipsoid((0, -2, 402), (70, 90, 88)), (Layer(Tissue.CORTICAL_BONE), Layer(Tissue.SPINAL_FLUID, 6.5))),
        Part(Wobble(Ellipsoid((0, -2, 404), (61, 81, 78)), 2.0, 24, (0, 1, 2, 3, 4, 5)), (Layer(Tissue.BRAIN),)),
    ]


def breast_shapes(chance: Chance, torso: Torso) -> tuple[Shape, Shape]:
    """Draw the right and the left breast, each a dome on the chest wall."""
    size = chance.between(0.85, 1.25)
    right, left = (
        Ellipsoid(
            (side * 74, -88 - torso.fat, 62 + chance.near(0, 4)),
            (56 * size, 44 * size, 50 * size),
            rotation(z=side * 24),
        )
        for side in (-1, 1)
    )
    return right, left


def _middle(shape: Shape) -> Point:
    x, y, z = ((low + high) / 2 for low, high in zip(shape.box.low, shape.box.high, strict=True))
    return x, y, z


def breasts(chance: Chance, shapes: tuple[Shape, Shape]) -> list[Painter]:
    """Give both breasts with gland; to be painted before the wall, which covers their depth."""
    painters: list[Painter] = []
    for shape in shapes:
        painters.append(Part(shape, (Layer(Tissue.SKIN), Layer(Tissue.BREAST_FAT, 2.3))))
        middle = _middle(shape)
        gland = Ellipsoid((middle[0], middle[1] - 8, middle[2]), (34, 28, 32))
        painters.append(
            Part(Wobble(gland, 7.0, 24, chance.phases()), (Layer(Tissue.BREAST_GLAND),), (Tissue.BREAST_FAT,))
        )
    return painters


def lung_tumors(chance: Chance, torso: Torso) -> list[Painter]:
    """Give one or two tumors within the lungs and one at the pleura, and two that have nothing to do with them."""
    side = 1 if chance.happens(0.5) else -1
    painters = [
        _lump(chance, chance.point((side * 82, 4, 96), (14, 22, 14)), chance.between(9, 17), Tissue.TUMOR, IN_LUNG)
    ]
    if chance.happens(0.5):
        center = chance.point((-side * 84, 6, 40), (12, 20, 10))
        painters.append(_lump(chance, center, chance.between(8, 13), Tissue.TUMOR, IN_LUNG))
    angle = chance.near(0.25 if side < 0 else np.pi - 0.25, 0.3)
    at_wall = lung_surface(torso, angle, chance.between(95, 140), 6.0)
    painters.append(_lump(chance, at_wall, chance.between(9, 13), Tissue.TUMOR, IN_LUNG))
    return painters + _elsewhere(chance)


def _elsewhere(chance: Chance) -> list[Painter]:
    """Give a node beside the aorta and a metastasis in the liver or the hip bone."""
    node = chance.point((26, 8, -205), (6, 5, 8))
    far = chance.point((-74, -4, -86), 8) if chance.happens(0.5) else chance.point((96, 26, -322), 3)
    return [
        _lump(chance, node, chance.between(8, 12), Tissue.OUTER_TUMOR, _SOFT),
        _lump(chance, far, chance.between(10, 14), Tissue.OUTER_TUMOR, _SOFT),
    ]


def breast_tumors(chance: Chance, shapes: tuple[Shape, Shape]) -> list[Painter]:
    """Give a tumor in one breast, at times one in the other, and nodes outside: armpit and chest."""
    painters: list[Painter] = []
    sick = chance.whole(0, 1)
    for number, shape in enumerate((shapes[sick], shapes[1 - sick])):
        if number and not chance.happens(0.35):
            continue
        middle = chance.point(_middle(shape), (9, 3, 9))
        center = (middle[0], middle[1] - 12, middle[2])
        painters.append(_lump(chance, center, chance.between(9, 14), Tissue.BREAST_TUMOR, _IN_BREAST))
    side = -1 if sick == 0 else 1
    armpit = chance.point((side * 136, 18, 165), (3, 6, 8))
    painters.append(_lump(chance, armpit, chance.between(8, 11), Tissue.OUTER_TUMOR, _SOFT))
    return painters + _elsewhere(chance)


def _lump(chance: Chance, center: Point, radius: float, tissue: Tissue, only: tuple[Tissue, ...]) -> Painter:
    radii = (radius, radius * chance.between(0.88, 1.15), radius * chance.between(0.88, 1.15))
    return Part(Wobble(Ellipsoid(center, radii), 0.12 * radius, 2.2 * radius, chance.phases()), (Layer(tissue),), only)
