"""The kidneys: cortex, pyramids, sinus; tumour and cyst where asked for."""

from aimi.samples.chance import Chance
from aimi.samples.shapes import Blend, Clip, Cut, Ellipsoid, Point, Shape, Wobble, rotation
from aimi.samples.tissue import Layer, Painter, Part, Tissue

__all__ = ["kidneys"]

_YIELDING = (Tissue.MUSCLE, Tissue.LIVER, Tissue.HEPATIC_VEIN, Tissue.HEPATIC_PORTAL, Tissue.SPLEEN)
KIDNEY = (Tissue.RENAL_CORTEX, Tissue.RENAL_MEDULLA, Tissue.RENAL_PELVIS)


def kidneys(chance: Chance) -> list[Painter]:
    """Give both kidneys in their fat."""
    painters: list[Painter] = []
    for side, center in ((-1, (-60, 42, -148)), (1, (60, 44, -132))):
        painters += _kidney(chance, side, chance.point(center, (4, 3, 7)))
    return painters


def _kidney(chance: Chance, side: int, center: Point) -> list[Painter]:
    size = chance.near(1.0, 0.09)
    turn = rotation(y=side * chance.near(9, 4), x=chance.near(8, 4), z=side * chance.near(32, 8))
    radii = (23 * size, 29 * size, 54 * size)
    body = Ellipsoid(center, radii, turn)
    inward = turn @ (-side * 20 * size, 0, 0)
    heart: Point = (center[0] + inward[0], center[1] + inward[1], center[2] + inward[2])
    sinus = Ellipsoid(heart, (17 * size, 9 * size, 24 * size), turn)
    shape = Wobble(Cut(body, sinus, 8.0), 1.6, 30, chance.phases())
    painters: list[Painter] = [
        Part(Ellipsoid(center, (radii[0] + 4, radii[1] + 4, radii[2] + 6), turn), (Layer(Tissue.FAT),), _YIELDING),
        Part(shape, (Layer(Tissue.RENAL_CORTEX),)),
    ]
    pyramids: list[Shape] = []
    for along in (-0.62, -0.33, 0.0, 0.33, 0.62):
        for across in (-0.48, 0.48):
            way = turn @ (side * 4 * size, across * radii[1], along * radii[2])
            middle = (center[0] + way[0], center[1] + way[1], center[2] + way[2])
            pyramids.append(Ellipsoid(middle, (9 * size, 7 * size, 7 * size), turn))
    inner = Ellipsoid(center, (radii[0] - 6, radii[1] - 6, radii[2] - 6), turn)
    painters.append(Part(Clip(Blend(tuple(pyramids)), inner), (Layer(Tissue.RENAL_MEDULLA),), KIDNEY))
    pelvis = Ellipsoid(heart, (9 * size, 4 * size, 13 * size), turn)
    painters.append(Part(pelvis, (Layer(Tissue.RENAL_PELVIS),)))
    return painters
