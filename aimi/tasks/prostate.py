"""Prostate on T2-weighted MR: one network, its largest centermost component.

Of several repeats the last was annotated in 80 of 81 published studies: of series alike, for a later one with fat
suppressed or over a part of the gland is no repeat.

"Largest centermost" (paper) is read as DECISIONS 6.4 says; published code and port keep all.
"""

from types import MappingProxyType

from aimi.dicom import codes, criteria, mr_criteria
from aimi.dicom.body_parts import BodyRegion
from aimi.dicom.mr_criteria import Weighting
from aimi.dicom.selection import Rule
from aimi.models.catalogue import DEMO_PROSTATE, TASK788_PROSTATE
from aimi.tasks.clean_up import keep_as_predicted, keep_largest_centermost
from aimi.tasks.task import Running, Task

__all__ = ["PROSTATE", "RULES"]

RULES = (
    Rule(
        "mr",
        tests=(
            criteria.modality("MR"),
            criteria.original(),
            criteria.no_localizer(),
            criteria.axial(),
            criteria.shows_region(BodyRegion.PROSTATE, BodyRegion.PELVIS),
            criteria.male_pelvis(),
            mr_criteria.weighted(Weighting.T2),
            mr_criteria.no_fat_image(),
            criteria.no_computed_image(),
            mr_criteria.no_measurement(),
        ),
        preferences=(
            criteria.extent_at_least(50.0, "a whole prostate"),
            mr_criteria.field_of_view_at_most(260.0),
            criteria.gap_within(2.0, 5.0),
            mr_criteria.plain_before_fat_suppressed(),
            mr_criteria.water_first(),
            criteria.last_repeat_first(),
        ),
    ),
)

PROSTATE = Task(
    name="prostate",
    title="Prostate MR",
    needs="T2-weighted MR of the prostate, axial",
    number=5,
    body_part="PROSTATE",
    rules=RULES,
    reference="mr",
    units=MappingProxyType({"mr": "arbitrary"}),
    models=(TASK788_PROSTATE,),
    demo_models=(DEMO_PROSTATE,),
    segments=codes.segments("prostate"),
    clean_ups=MappingProxyType(
        {
            "paper": keep_largest_centermost(TASK788_PROSTATE.name, "Prostate"),
            "published-code": keep_as_predicted(TASK788_PROSTATE.name),
            "mhub": keep_as_predicted(TASK788_PROSTATE.name),
        }
    ),
    running=MappingProxyType({"published-code": Running(postprocessing=True), "mhub": Running(postprocessing=True)}),
)
