"""What both PET/CT tasks share: which PET and CT, and what of the tumor model's labels is a tumor."""

from collections.abc import Mapping, Sequence

import numpy as np

from aimi import regions
from aimi.dicom import criteria, ct_criteria, pet_criteria
from aimi.dicom.pairing import PairRule
from aimi.dicom.selection import Rule, Test
from aimi.image import Image, LabelMap
from aimi.models.catalogue import TASK762_PET_CT
from aimi.regions import Component, Mask
from aimi.tasks.clean_up import removed_finding, spacing_of
from aimi.tasks.task import OUTSIDE, Removed

__all__ = [
    "MORE_THAN_20_VOXELS",
    "PAIR",
    "TUMOR",
    "account_of_parts",
    "pet_ct_rules",
    "published_largest",
    "tumors_in_the_ct",
    "without_ct",
]

MORE_THAN_20_VOXELS = 21
TUMOR = "FDG-avid tumor"
_TUMOR_LABEL = TASK762_PET_CT.labels.index("tumor") + 1

PAIR = PairRule("pet", "ct", sharpness=lambda stack: ct_criteria.kernel_of(stack.header))


def pet_ct_rules(*further_of_pet: Test) -> tuple[Rule, ...]:
    """Give the rules of both roles: an attenuation-corrected FDG PET, and the CT that belongs to it."""
    return (
        Rule(
            "pet",
            tests=(
                criteria.modality("PT"),
                criteria.original(),
                criteria.axial(),
                pet_criteria.attenuation_corrected(),
                pet_criteria.fdg(),
                pet_criteria.static(),
                *further_of_pet,
            ),
        ),
        Rule(
            "ct",
            tests=(criteria.modality("CT"), criteria.original(), criteria.no_localizer(), criteria.axial()),
            preferences=(ct_criteria.soft_kernel_first(),),
        ),
    )


def tumors_in_the_ct(labels: Mapping[str, LabelMap]) -> Mask:
    """Give the tumor's voxels where there is a CT: where there is none nothing is annotated (DECISIONS 2.3)."""
    tumors = regions.mask_of(labels[TASK762_PET_CT.name].labels, (_TUMOR_LABEL,))
    return tumors & (labels[OUTSIDE].labels == 0) if OUTSIDE in labels else tumors


def without_ct(labels: Mapping[str, LabelMap], images: Mapping[str, Image]) -> tuple[Mask, Mask]:
    """Give the tumor's voxels, and what the published code takes for outside the CT: its smallest value."""
    tumors = regions.mask_of(labels[TASK762_PET_CT.name].labels, (_TUMOR_LABEL,))
    ct = images["ct"].volume.array
    return tumors, np.asarray(ct == ct.min())


def published_largest(
    found: Sequence[Component], background: int, count: int, minimum_voxels: int = 1
) -> tuple[Component, ...]:
    """Give the largest components as the published code chooses them.

    It sorts the sizes of components and background together, takes the first for background, and keeps the next
    ``count`` of at least so many voxels. So the largest component is lost where it is larger than the background.

    References
    ----------
    bamf-health/aimi-lung-pet-ct dd61774, lung_processor.py, n_connected; the breast container has the same.
    """
    larger = sum(one.voxels > background for one in found)
    ranked = [*found[:larger], None, *found[larger:]]
    return tuple(one for one in ranked[1 : count + 1] if one is not None and one.voxels >= minimum_voxels)


def account_of_parts(parts: Mask, grid: LabelMap, label: str, reason: str) -> tuple[Removed, ...]:
    """Give an account of each component of what was taken away."""
    found = regions.components(parts, spacing_of(grid))
    return tuple(removed_finding(one, grid, label, reason) for one in found)
