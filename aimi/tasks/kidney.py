"""Kidneys, tumors and cysts on CT: which series of a study are looked at.

The network was trained on enhanced scans, so intravenous contrast must be stated; contrast by mouth is none.
"""

from dataclasses import replace

from aimi.dicom import criteria, ct_criteria
from aimi.dicom.body_parts import BodyRegion
from aimi.dicom.selection import Rule

__all__ = ["RULES", "RULES_WITH_NON_CONTRAST"]

_GAP = (1.0, 5.0)
_CONTRAST = ct_criteria.contrast_enhanced()

RULES = (
    Rule(
        "ct",
        tests=(
            criteria.modality("CT"),
            criteria.original(),
            criteria.no_localizer(),
            criteria.axial(),
            criteria.shows_region(BodyRegion.ABDOMEN),
            _CONTRAST,
        ),
        preferences=(
            ct_criteria.soft_kernel_first(),
            criteria.gap_within(*_GAP),
        ),
        target_gap=_GAP,
    ),
)

RULES_WITH_NON_CONTRAST = tuple(
    replace(
        rule,
        tests=tuple(test for test in rule.tests if test is not _CONTRAST),
        preferences=(ct_criteria.contrast_first(), *rule.preferences),
    )
    for rule in RULES
)
"""With --allow-non-contrast: enhanced series still go first."""
