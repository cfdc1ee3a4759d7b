"""The male pelvis in the body plan: bones, muscles, bladder, prostate, seminal vesicles, rectum.

Coordinates as in :mod:`aimi.samples.trunk`; the prostate lies some 430 mm below the dome of the diaphragm.
"""

from aimi.samples.chance import Chance
from aimi.samples.shapes import Blend, Cut, Ellipsoid, Shape, Tilt, Wobble, rotation, tube
from aimi.samples.tissue import Layer, Painter, Part, Tissue

__all__ = ["pelvic_bones", "pelvic_organs"]

_BONE = (Layer(Tissue.CORTICAL_BONE), Layer(Tissue.MARROW, 2.2))
_MUSCLE = (Layer(Tissue.MUSCLE),)


def pelvic_bones() -> list[Painter]:
    """Give hip bones, femurs, sacrum, and the muscles that lie on them."""
    painters: list[Painter] = []
    for side in (-1, 1):
        gluteus = Ellipsoid((side * 72, 70, -425), (56, 26, 90), rotation(z=side * -18))
        hip_muscle = Ellipsoid((side * 112, 26, -400), (26, 42, 70))
        front = Ellipsoid((side * 92, -46, -430), (34, 22, 80), rotation(z=side * 24))
        obturator = Ellipsoid((side * 50, 6, -432), (9, 36, 36), rotation(z=side * -14))
        levator = Ellipsoid((side * 27, 20, -448), (3.5, 26, 22), rotation(z=side * -10, y=side * 18))
        painters += [Part(shape, _MUSCLE) for shape in (gluteus, hip_muscle, front, obturator, levator)]
        head = Ellipsoid((side * 89, -2, -425), (23, 23, 23))
        cup = Cut(Ellipsoid((side * 75, 2, -416), (27, 32, 38)), Ellipsoid(head.center, (25.5, 25.5, 25.5)), 3.0)
        ilium = tube(((side * 78, 4, -395), (side * 92, 22, -340), (side * 104, 30, -280)), (16, 13, 9))
        pubis = tube(((side * 66, -26, -428), (side * 34, -48, -434), (side * 10, -52, -444)), (11, 8.5, 11))
        ischium = tube(((side * 72, 22, -430), (side * 58, 30, -478)), (14, 13))
        shaft = tube(((side * 89, -2, -425), (side * 122, 6, -446), (side * 134, 8, -560)), (14, 17, 15))
        painters += [Part(shape, _BONE) for shape in (cup, ilium, pubis, ischium, Blend((head, shaft), 6.0))]
        painters.append(Part(tube(((side * 46, -52, -350), (side * 60, -58, -500)), (6, 6)), (Layer(Tissue.VEIN),)))
    painters.append(Part(Ellipsoid((0, -52, -444), (3, 11, 15)), (Layer(Tissue.CARTILAGE),)))
    sacrum = tube(((0, 58, -335), (0, 84, -385), (0, 82, -430), (0, 68, -452)), (22, 16, 9, 4), 6.0)
    painters.append(Part(sacrum, _BONE))
    return painters


def pelvic_organs(chance: Chance) -> list[Painter]:
    """Give bladder, seminal vesicles, prostate with its zones, and rectum."""
    size = chance.between(0.86, 1.18)
    radii = (24 * size, chance.between(16, 19) * size, chance.between(19, 23) * size)
    center = chance.point((0, 0, -432), (2, 3, 2))
    top = center[2] + radii[2]
    outline = Wobble(Ellipsoid(center, radii), 1.6, 26, chance.phases())
    inner = Ellipsoid(
        (center[0], center[1] - 0.2 * radii[1], center[2] + 2),
        (radii[0] * chance.between(0.6, 0.78), radii[1] * chance.between(0.58, 0.74), radii[2] * 0.74),
    )
    painters: list[Painter] = [_rectum(chance), _bladder(chance, top)]
    for side in (-1, 1):
        vesicle = Ellipsoid(
            (center[0] + side * 17, center[1] + 17, top - 1),
            (chance.between(13, 18), 5.5, chance.between(5, 7.5)),
            rotation(z=side * 14, y=side * -16),
        )
        painters.append(Part(Wobble(vesicle, 2.4, 9, chance.phases()), (Layer(Tissue.SEMINAL_VESICLE),)))
    capsule = (Layer(Tissue.PROSTATE_CAPSULE), Layer(Tissue.PROSTATE_PERIPHERAL, 1.0))
    zone = (Layer(Tissue.PROSTATE_CAPSULE), Layer(Tissue.PROSTATE_CENTRAL, 0.9))
    within = (Tissue.PROSTATE_PERIPHERAL, Tissue.PROSTATE_CAPSULE)
    painters += [
        Part(outline, capsule),
        Part(Wobble(inner, 1.5, 18, chance.phases()), zone, within),
    ]
    return painters


def _bladder(chance: Chance, prostate_top: float) -> Painter:
    """Give a bladder that rests on the prostate, full to a varying degree."""
    full = chance.between(0.75, 1.15)
    height = 27 * full
    bag = Ellipsoid((chance.near(0, 3), -16, prostate_top + 0.84 * height), (40 * full, 32 * full, height))
    shape = Wobble(bag, 2.0, 60, chance.phases())
    return Part(shape, (Layer(Tissue.BLADDER_WALL), Layer(Tissue.URINE, chance.between(2.5, 4.5))))


def _rectum(chance: Chance) -> Painter:
    radius = chance.between(11, 17)
    line = (chance.point((4, 52, -370), 3), chance.point((0, 36, -425), 2), (0, 38, -455), (0, 52, -485))
    shape: Shape = Wobble(tube(line, (radius, radius, 0.8 * radius, 9), 5.0), 2.0, 24, chance.phases())
    gas = Tilt((0, chance.between(24, 44), 0), (0, 1, 0))
    return Part(shape, (Layer(Tissue.RECTUM_WALL), Layer(Tissue.STOOL, 3.4), Layer(Tissue.GAS, 3.6, gas)))
