"""Liver on T1-weighted MR: which series of a study are looked at.

The published set has all T1-weighted series of a study, axial and coronal, before and after contrast.
"""

from aimi.dicom import criteria, mr_criteria
from aimi.dicom.body_parts import BodyRegion
from aimi.dicom.criteria import PatientAxis
from aimi.dicom.mr_criteria import Weighting
from aimi.dicom.selection import Rule

__all__ = ["RULES"]

RULES = (
    Rule(
        "mr",
        tests=(
            criteria.modality("MR"),
            criteria.original(),
            criteria.no_localizer(),
            criteria.plane(PatientAxis.AXIAL, PatientAxis.CORONAL),
            criteria.shows_region(BodyRegion.ABDOMEN),
            mr_criteria.weighted(Weighting.T1),
            mr_criteria.no_fat_image(),
        ),
        preferences=(
            criteria.plane_order(PatientAxis.AXIAL, PatientAxis.CORONAL),
            mr_criteria.water_first(),
        ),
    ),
)
