"""Kidneys, tumors and cysts on CT: one network, the two largest components of all its labels together.

The network was trained on enhanced scans, so intravenous contrast must be stated; contrast by mouth is none.

Paper and published script keep the same two components (the script loses a component larger than the background, and
votes label by label); the port keeps all.
"""

from dataclasses import replace
from types import MappingProxyType

from aimi.dicom import codes, criteria, ct_contrast, ct_criteria
from aimi.dicom.body_parts import BodyRegion
from aimi.dicom.selection import Rule
from aimi.models.catalogue import DEMO_KIDNEY, TASK779_KIDNEYS
from aimi.tasks.clean_up import keep_as_predicted, keep_of_union, largest_as_published
from aimi.tasks.task import Group, Running, Task

__all__ = ["KIDNEY", "RULES", "RULES_WITH_NON_CONTRAST"]

_GAP = (1.0, 5.0)
_CONTRAST = ct_contrast.contrast_enhanced()

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
            _CONTRAST,
        ),
        leading=(ct_contrast.contrast_first(),),
        preferences=(
            ct_criteria.soft_kernel_first(),
            criteria.gap_within(*_GAP),
        ),
        target_gap=_GAP,
    ),
)

RULES_WITH_NON_CONTRAST = tuple(
    replace(rule, tests=tuple(test for test in rule.tests if test is not _CONTRAST)) for rule in RULES
)
"""With --allow-non-contrast: enhanced series still go first."""

_MODEL = TASK779_KIDNEYS.name
_LABELS = ("Kidney", "Tumor", "Cyst")
_REASON = "It is not one of the two largest components of kidney, tumor and cyst together."

KIDNEY = Task(
    name="kidney",
    title="Kidney CT",
    needs="CT of the abdomen, axial, contrast by vein",
    number=4,
    body_part="KIDNEY",
    rules=RULES,
    rules_with_non_contrast=RULES_WITH_NON_CONTRAST,
    reference="ct",
    units=MappingProxyType({"ct": "HU"}),
    models=(TASK779_KIDNEYS,),
    demo_models=(DEMO_KIDNEY,),
    segments=codes.segments("kidney"),
    clean_ups=MappingProxyType(
        {
            "paper": keep_of_union(_MODEL, _LABELS, lambda found, _: found[:2], _REASON),
            "published-code": keep_of_union(_MODEL, _LABELS, largest_as_published, _REASON),
            "mhub": keep_as_predicted(_MODEL),
        }
    ),
    running=MappingProxyType(
        {"published-code": Running(ensemble="vote", postprocessing=True), "mhub": Running(postprocessing=True)}
    ),
    groups=(Group("Kidney with tumor and cyst", (1, 2, 3)), Group("Tumor and cyst", (2, 3))),
    focus=(2, 3, 1),
)
