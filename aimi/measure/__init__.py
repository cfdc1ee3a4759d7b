"""What a label map holds: volumes, counts, diameters, places (:mod:`aimi.measure.size`), uptake in PET."""

from aimi.measure.size import Finding, SegmentMeasures, Spread, axial_diameter, diameter, findings, measure
from aimi.measure.uptake import PEAK_RADIUS_MM, Uptake, measure_uptake, sphere_fractions

__all__ = [
    "PEAK_RADIUS_MM",
    "Finding",
    "SegmentMeasures",
    "Spread",
    "Uptake",
    "axial_diameter",
    "diameter",
    "findings",
    "measure",
    "measure_uptake",
    "sphere_fractions",
]
