"""Prostate on T2-weighted MR: which series of a study are looked at.

Of several repeats the last was annotated in 80 of 81 published studies.
"""

from aimi.dicom import criteria, mr_criteria
from aimi.dicom.body_parts import BodyRegion
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
            criteria.axial(),
            criteria.shows_region(BodyRegion.PROSTATE, BodyRegion.PELVIS),
            mr_criteria.weighted(Weighting.T2),
        ),
        preferences=(
            mr_criteria.field_of_view_at_most(260.0),
            criteria.gap_within(2.0, 5.0),
            criteria.last_repeat_first(),
        ),
    ),
)
