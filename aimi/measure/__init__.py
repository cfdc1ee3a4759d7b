"""What a label map holds: volumes, counts, diameters, places (:mod:`aimi.measure.size`), uptake in PET."""

from aimi.measure.size import (
    FINDING_LIMIT,
    Finding,
    SegmentMeasures,
    Spread,
    axial_diameter,
    diameter,
    findings,
    left_out,
    measure,
)
from aimi.measure.uptake import PEAK_RADIUS_MM, Uptake, measure_uptake, sphere_fractions

__all__ = [
    "FINDING_LIMIT",
    "PEAK_RADIUS_MM",
    "Finding",
    "SegmentMeasures",
    "Spread",
    "Uptake",
    "axial_diameter",
    "diameter",
    "findings",
    "left_out",
    "measure",
    "measure_uptake",
    "sphere_fractions",
]
