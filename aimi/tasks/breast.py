"""FDG-avid tumors of the breast on PET/CT: a region of breasts and organs on the CT, a tumor model on both.

The paper keeps tumors "in the breast regions": those of which at least half lies within 5 mm of the breasts, and not
inside another organ (DECISIONS 6.3). Its code knows no breast: it removes what lies in or between the organs, behind
the front of spleen and kidneys, or in the three lowest slices, and keeps the two largest pieces of the rest.
"""

from collections.abc import Mapping
from types import MappingProxyType

import numpy as np
from scipy import ndimage

from aimi import regions
from aimi.dicom import codes, pet_criteria
from aimi.image import Image, LabelMap
from aimi.models import totalsegmentator_classes as classes
from aimi.models.catalogue import (
    DEMO_BREAST_REGION,
    DEMO_PET_CT_TUMOR,
    TASK762_PET_CT,
    TOTALSEGMENTATOR_3MM,
    TOTALSEGMENTATOR_BREASTS,
    TOTALSEGMENTATOR_PARTS,
)
from aimi.regions import Mask
from aimi.tasks.clean_up import removed_finding, spacing_of
from aimi.tasks.pet_ct import (
    MORE_THAN_20_VOXELS,
    PAIR,
    TUMOR,
    account_of_parts,
    pet_ct_rules,
    published_largest,
    tumors_in_the_ct,
    without_ct,
)
from aimi.tasks.task import REGION, Cleaned, RegionPlan, Running, Task

__all__ = ["BREAST", "MARGIN_MM", "RULES", "breast_region", "closed_in_sagittal_planes"]

MARGIN_MM = 5.0
"""What the breast region reaches beyond the breasts."""

_BREAST = classes.ANATOMY["breast"]
_CLOSING = 11  # five passes of a 3 x 3 square
_BODY = classes.with_unions(classes.V1)
_BELLY = classes.with_unions(("spleen", "kidney_right", "kidney_left", "gallbladder"))
_CUT_SLICES = 3
_PARTS = tuple(TOTALSEGMENTATOR_PARTS.values())

RULES = pet_ct_rules(pet_criteria.names_the_breast())


def breast_region(region: LabelMap) -> Mask:
    """Give the breasts, cavities filled, dilated by 5 mm."""
    breasts = regions.fill_cavities(regions.mask_of(region.labels, (_BREAST,)))
    return regions.dilate(breasts, spacing_of(region), MARGIN_MM)


def _paper(labels: Mapping[str, LabelMap], _images: Mapping[str, Image]) -> Cleaned:
    """Keep, whole, the tumors that lie inside the breast region and not inside an organ."""
    region = labels[REGION]
    breasts = breast_region(region)
    organs = regions.fill_cavities((region.labels > 0) & (region.labels != _BREAST))
    kept, removed = [], []
    for tumor in regions.components(tumors_in_the_ct(labels), spacing_of(region)):
        if not regions.is_inside(tumor, breasts):
            removed.append(removed_finding(tumor, region, TUMOR, "Less than half of it lies in the breast region."))
        elif regions.is_inside(tumor, organs):
            removed.append(removed_finding(tumor, region, TUMOR, "It lies inside another organ."))
        else:
            kept.append(tumor)
    return Cleaned(regions.paint(kept, breasts.shape).astype(np.uint8), tuple(removed))


def _published(labels: Mapping[str, LabelMap], images: Mapping[str, Image]) -> Cleaned:
    """Keep the two largest pieces of what lies neither in or between organs nor behind spleen and kidneys.

    References
    ----------
    bamf-health/aimi-breast-pet-ct 87f6de0, breast_processor.py; the port has the same code.
    """
    region = labels[REGION]
    tumors, no_ct = without_ct(labels, images)
    remaining = tumors & ~no_ct & ~closed_in_sagittal_planes(_body(region))
    _cut_behind_the_belly(remaining, regions.mask_of(region.labels, _BELLY))
    remaining[:_CUT_SLICES] = False
    found = regions.components(remaining, spacing_of(region))
    background = int(remaining.size - np.count_nonzero(remaining))
    kept = regions.paint(published_largest(found, background, 2, MORE_THAN_20_VOXELS), remaining.shape)
    reason = "It lies in or between organs or behind the belly's, or it is not one of the two largest pieces."
    return Cleaned(kept.astype(np.uint8), account_of_parts(tumors & ~kept, region, TUMOR, reason))


def _body(region: LabelMap) -> Mask:
    """Give all classes of TotalSegmentator's version 1, and unions of them; not those that only version 2 has."""
    is_body = np.zeros(256, np.bool_)
    is_body[list(_BODY)] = True
    body: Mask = is_body[region.labels]
    return body


def closed_in_sagittal_planes(body: Mask) -> Mask:
    """Close a mask in each sagittal plane, as OpenCV does that takes the last axis for channels."""
    closed = body.view(np.uint8)
    for axis in (0, 1):
        closed = ndimage.maximum_filter1d(closed, _CLOSING, axis=axis, mode="constant", cval=0)
    for axis in (0, 1):
        closed = ndimage.minimum_filter1d(closed, _CLOSING, axis=axis, mode="constant", cval=1)
    mask: Mask = closed.view(np.bool_)
    return mask


def _cut_behind_the_belly(remaining: Mask, belly: Mask) -> None:
    """Clear, in the belly's slices but the last, everything from its front edge to the back."""
    box = regions.bounding_box(belly)
    if box is not None:
        remaining[box[0].start : box[0].stop - 1, box[1].start :] = False


BREAST = Task(
    name="breast",
    title="Breast FDG PET/CT",
    needs="FDG PET with attenuation correction, and its CT",
    number=3,
    body_part="BREAST",
    rules=RULES,
    reference="pet",
    units=MappingProxyType({"pet": "BQML", "ct": "HU"}),
    models=(*_PARTS, TOTALSEGMENTATOR_BREASTS, TASK762_PET_CT),
    demo_models=(*(DEMO_BREAST_REGION for _ in (*_PARTS, TOTALSEGMENTATOR_BREASTS)), DEMO_PET_CT_TUMOR),
    segments=codes.segments("breast"),
    clean_ups=MappingProxyType({"paper": _paper, "published-code": _published, "mhub": _published}),
    running=MappingProxyType({"mhub": Running(ensemble="mean", mirroring=True, postprocessing=True)}),
    focus=(1,),
    pair=PAIR,
    region=RegionPlan(
        needed=MappingProxyType(
            {
                "paper": (_PARTS[0].name, TOTALSEGMENTATOR_BREASTS.name),
                "published-code": tuple(part.name for part in _PARTS),
                "mhub": tuple(part.name for part in _PARTS),
            }
        ),
        fast=MappingProxyType({part.name: TOTALSEGMENTATOR_3MM for part in _PARTS}),
        support=MappingProxyType({"paper": breast_region}),
        required=MappingProxyType(
            {
                "paper": (_BREAST,),
                "published-code": _BODY,
                "mhub": _BODY,
            }
        ),
    ),
    lesions=(1,),
    algorithm_name="BAMF-Breast-FDG-PET-CT",
)
