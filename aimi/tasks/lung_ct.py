"""Lungs and nodules on CT: which series of a study are looked at.

The published set took lung-kernel and thin reconstructions of the chest, and the attenuation CT of a PET in 3
of 430 studies only: here it ranks behind any diagnostic one.
"""

from aimi.dicom import criteria, ct_criteria
from aimi.dicom.body_parts import BodyRegion
from aimi.dicom.selection import Rule

__all__ = ["RULES"]

RULES = (
    Rule(
        "ct",
        tests=(
            criteria.modality("CT"),
            criteria.original(),
            criteria.no_localizer(),
            criteria.axial(),
            criteria.shows_region(BodyRegion.CHEST),
            ct_criteria.no_attenuation_ct(),
            ct_criteria.whole_lungs(),
        ),
        preferences=(
            ct_criteria.diagnostic_first(),
            ct_criteria.sharp_kernel_first(),
            criteria.gap_within(0.0, 2.5),
        ),
    ),
)
