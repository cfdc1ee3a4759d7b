"""Liver on CT: the axial originals of the abdomen, one network, its single largest component.

The paper keeps the single largest component; its code kept all (rule set ``published-code``), and a fifth of
the reviewers' comments are about specks in spleen, kidney and muscle, which the rule removes.
"""

from types import MappingProxyType

from aimi.dicom import codes, criteria, ct_contrast, ct_criteria
from aimi.dicom.body_parts import BodyRegion
from aimi.dicom.selection import Rule
from aimi.models.catalogue import DEMO_LIVER_CT, TASK773_LIVER
from aimi.tasks.clean_up import keep_as_predicted, keep_single_largest
from aimi.tasks.task import Running, Task

__all__ = ["LIVER_CT", "RULES"]

_GAP = (1.0, 5.0)

RULES = (
    Rule(
        "ct",
        tests=(
            criteria.modality("CT"),
            criteria.original(),
            criteria.no_computed_image(),
            criteria.no_localizer(),
            criteria.axial(),
            criteria.shows_region(BodyRegion.ABDOMEN),
        ),
        preferences=(
            ct_criteria.soft_kernel_first(),
            ct_contrast.contrast_first(),
            criteria.gap_within(*_GAP),
        ),
        target_gap=_GAP,
    ),
)
"""DECISIONS 2.6. No preference among phases: the published set has arterial and delayed ones."""

LIVER_CT = Task(
    name="liver_ct",
    title="Liver CT",
    needs="CT of the abdomen, axial",
    number=7,
    body_part="LIVER",
    rules=RULES,
    reference="ct",
    units=MappingProxyType({"ct": "HU"}),
    models=(TASK773_LIVER,),
    demo_models=(DEMO_LIVER_CT,),
    segments=codes.segments("liver_ct"),
    clean_ups=MappingProxyType(
        {
            "paper": keep_single_largest(TASK773_LIVER.name, "Liver"),
            "published-code": keep_as_predicted(TASK773_LIVER.name),
            "mhub": keep_as_predicted(TASK773_LIVER.name),
        }
    ),
    running=MappingProxyType({"published-code": Running(postprocessing=True), "mhub": Running(postprocessing=True)}),
)
