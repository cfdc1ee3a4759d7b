"""Liver on T1-weighted MR: one network, its single largest component.

The published set has all T1-weighted series of a study, axial and coronal, before and after contrast: that is what
``--all-matching`` gives. Published code and port keep every component, and 28 of 67 published masks have several.
"""

from types import MappingProxyType

from aimi.dicom import codes, criteria, mr_criteria
from aimi.dicom.body_parts import BodyRegion
from aimi.dicom.criteria import PatientAxis
from aimi.dicom.mr_criteria import Weighting
from aimi.dicom.selection import Rule
from aimi.models.catalogue import DEMO_LIVER_MR, TASK822_LIVER
from aimi.tasks.clean_up import keep_as_predicted, keep_single_largest
from aimi.tasks.task import Running, Task

__all__ = ["LIVER_MR", "RULES"]

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
            criteria.no_computed_image(),
            mr_criteria.no_measurement(),
        ),
        leading=(criteria.plane_order(PatientAxis.AXIAL, PatientAxis.CORONAL),),
        preferences=(mr_criteria.water_first(),),
    ),
)

LIVER_MR = Task(
    name="liver_mr",
    title="Liver MR",
    needs="T1-weighted MR of the liver, axial or coronal",
    number=6,
    body_part="LIVER",
    rules=RULES,
    reference="mr",
    units=MappingProxyType({"mr": "arbitrary"}),
    models=(TASK822_LIVER,),
    demo_models=(DEMO_LIVER_MR,),
    segments=codes.segments("liver_mr"),
    clean_ups=MappingProxyType(
        {
            "paper": keep_single_largest(TASK822_LIVER.name, "Liver"),
            "published-code": keep_as_predicted(TASK822_LIVER.name),
            "mhub": keep_as_predicted(TASK822_LIVER.name),
        }
    ),
    running=MappingProxyType({"published-code": Running(postprocessing=True), "mhub": Running(postprocessing=True)}),
)
