"""One synthetic body: the same for every modality, drawn from a seed.

The body plan (:mod:`aimi.samples.trunk`) is filled with organs and scaled to the patient. Patient
coordinates are DICOM's (LPS, mm). What a task needs beyond a healthy body with liver findings is added on
top (:class:`Finding`), so that it changes nothing else.
"""

from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from aimi.samples.abdomen import back_muscles, bowel, liver, pancreas, spleen, stomach, vessels
from aimi.samples.chance import Chance
from aimi.samples.chest import airways_and_great_vessels, heart, lungs, nodules
from aimi.samples.head_and_breasts import breast_shapes, breast_tumors, breasts, head, lung_tumors
from aimi.samples.kidneys import kidney_findings, kidneys, place_kidneys
from aimi.samples.pelvis import pelvic_bones, pelvic_organs
from aimi.samples.shapes import Matrix, Point, rotation
from aimi.samples.tissue import Painter
from aimi.samples.trunk import Spine, Table, Torso, Wall

__all__ = ["Anatomy", "Finding", "make_anatomy"]


class Finding(StrEnum):
    """What can be added to a body."""

    KIDNEY_TUMOR_AND_CYSTS = "kidney tumor and cysts"
    LUNG_NODULES = "lung nodules"
    LUNG_TUMORS = "tumors of the lung"
    BREAST_TUMORS = "tumors of the breast"


@dataclass(frozen=True, slots=True)
class Anatomy:
    """A body.

    Parameters
    ----------
    painters : what to paint, in this order.
    to_plan : shape (4, 4): patient point (x, y, z, 1) in mm to the body plan.
    half_width : from the mid-line to the skin at the side, mm in the body plan.
    """

    painters: tuple[Painter, ...]
    to_plan: Matrix
    half_width: float

    def to_patient(self, point: Point) -> Matrix:
        """Give the patient point of a point of the body plan, shape (3,), mm."""
        matrix = np.linalg.inv(self.to_plan)
        return np.asarray(matrix[:3, :3] @ point + matrix[:3, 3], np.float64)


def make_anatomy(seed: int, findings: Collection[Finding] = ()) -> Anatomy:
    """Draw a body; equal seeds give equal bodies but for the findings."""
    torso, fat = _torso(Chance.of(seed, "torso"))
    poses = place_kidneys(Chance.of(seed, "kidneys"))
    painters = head()
    shapes = breast_shapes(Chance.of(seed, "breast shapes"), torso)
    if Finding.BREAST_TUMORS in findings:
        painters += breasts(Chance.of(seed, "breasts"), shapes)
    painters.append(Wall(torso))
    painters += lungs(Chance.of(seed, "lungs"), torso)
    painters += heart(Chance.of(seed, "heart"))
    painters += airways_and_great_vessels()
    painters += back_muscles(Chance.of(seed, "muscles"))
    painters += pelvic_bones()
    painters += bowel(Chance.of(seed, "bowel"), torso)
    painters += pelvic_organs(Chance.of(seed, "pelvis"))
    painters += pancreas(Chance.of(seed, "pancreas"))
    painters += stomach(Chance.of(seed, "stomach"), torso)
    painters += spleen(Chance.of(seed, "spleen"), torso)
    painters += liver(Chance.of(seed, "liver"), torso, lesions=True)
    painters += kidneys(poses)
    if Finding.KIDNEY_TUMOR_AND_CYSTS in findings:
        painters += kidney_findings(Chance.of(seed, "kidney findings"), poses)
    painters += vessels(Chance.of(seed, "vessels"))
    if Finding.LUNG_NODULES in findings:
        painters += nodules(Chance.of(seed, "nodules"), torso)
    if Finding.LUNG_TUMORS in findings:
        painters += lung_tumors(Chance.of(seed, "lung tumors"), torso)
    if Finding.BREAST_TUMORS in findings:
        painters += breast_tumors(Chance.of(seed, "breast tumors"), shapes)
    painters += [Spine(torso), Table(79.0 + torso.muscle + 17 + 1.05 * fat)]
    half_width = 139.0 + torso.muscle + fat
    return Anatomy(tuple(painters), _to_plan(Chance.of(seed, "size")), half_width)


def _torso(chance: Chance) -> tuple[Torso, float]:
    fat = float(np.clip(np.exp(chance.near(np.log(16), 0.42)), 7, 34))
    torso = Torso(
        fat=fat,
        muscle=chance.between(12, 18),
        roundness=chance.between(2.2, 2.5),
        belly=chance.between(0, 8) + 0.35 * max(fat - 14, 0),
        left_dome=chance.between(-24, -8),
        sulcus=chance.between(84, 108),
        rib_phase=chance.between(-10, 10),
        vertebra_phase=chance.between(-16, 16),
    )
    return torso, fat


def _to_plan(chance: Chance) -> Matrix:
    """Draw size, place and a slight turn of the patient on the table."""
    tall = chance.near(1.0, 0.05)
    scale = np.array([tall * chance.near(1.0, 0.04), tall * chance.near(1.0, 0.05), tall])
    matrix = np.eye(4)
    matrix[:3, :3] = rotation(chance.near(0, 1.5), chance.near(0, 1.5), chance.near(0, 3)) @ np.diag(scale)
    matrix[:3, 3] = chance.point((0, -20, -620), (8, 8, 40))
    return np.asarray(np.linalg.inv(matrix), np.float64)
