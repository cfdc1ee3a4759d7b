"""Lungs and FDG-avid tumors on PET/CT: a region model on the CT, a tumor model on both, tumors that touch the lungs.

The paper keeps tumors "in the pulmonary and pleural regions": those that touch the lungs, whole (DECISIONS 6.3); all
68 kept and 74 removed findings of the published diagnostic masks obey that. The paper's code does something else
(``published-code``): on each side it takes the other lung away and keeps the two largest pieces of lung or tumor,
so that a tumor anywhere may stay and one at the pleura may go. The port (``mhub``) keeps what hangs together with the
largest lung of a side.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType

import numpy as np

from aimi import regions
from aimi.dicom import codes, ct_criteria
from aimi.image import Image, LabelMap
from aimi.models import totalsegmentator_classes as classes
from aimi.models.catalogue import (
    DEMO_LUNG_PET_CT_REGION,
    DEMO_PET_CT_TUMOR,
    TASK762_PET_CT,
    TOTALSEGMENTATOR_3MM,
    TOTALSEGMENTATOR_PARTS,
)
from aimi.regions import Component, Mask
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
from aimi.tasks.task import REGION, Cleaned, CleanUp, Group, Labels, RegionPart, RegionPlan, Removed, Running, Task

__all__ = ["LUNG_PET_CT", "RULES", "pulmonary_region", "support"]

_LUNG, _TUMOR = 1, 2
_LEFT = (*classes.LOBES_LEFT, classes.ANATOMY["lung_left"])
_RIGHT = (*classes.LOBES_RIGHT, classes.ANATOMY["lung_right"])
_EITHER = (classes.ANATOMY["lung"],)
_ORGANS = TOTALSEGMENTATOR_PARTS[291]
_TO_A_CORNER = 3.0**0.5  # of 26-adjacent voxels, in voxels

RULES = pet_ct_rules(ct_criteria.whole_lungs())


def _lungs(region: LabelMap) -> Mask:
    """Give the lungs: per side the largest piece and further ones of at least 1 ml; else the two largest pieces."""
    spacing = spacing_of(region)
    sides = [regions.mask_of(region.labels, numbers) for numbers in (_LEFT, _RIGHT)]
    if any(side.any() for side in sides):
        return regions.substantial_part(sides[0], spacing) | regions.substantial_part(sides[1], spacing)
    return regions.keep_largest(regions.mask_of(region.labels, _EITHER), 2)


def pulmonary_region(region: LabelMap) -> Mask:
    """Give the pulmonary and pleural region: the lungs with their cavities filled (DECISIONS 6.3)."""
    return regions.fill_cavities(_lungs(region))


def support(region: LabelMap) -> Mask:
    """Give where a tumor must have a voxel to be kept: in the region, or next to it."""
    return regions.dilate(pulmonary_region(region), (1.0, 1.0, 1.0), _TO_A_CORNER)


def _paper(labels: Mapping[str, LabelMap], _images: Mapping[str, Image]) -> Cleaned:
    """Keep the lungs, and whole the tumors that touch them."""
    region = labels[REGION]
    lungs = _lungs(region)
    filled = regions.fill_cavities(lungs)
    kept, removed = [], _dropped_lungs(region, lungs)
    for tumor in regions.components(tumors_in_the_ct(labels), spacing_of(region)):
        if regions.touches(tumor, filled):
            kept.append(tumor)
        else:
            removed.append(removed_finding(tumor, region, TUMOR, "It does not touch the lungs."))
    return Cleaned(_painted(lungs, regions.paint(kept, lungs.shape)), tuple(removed))


def _dropped_lungs(region: LabelMap, lungs: Mask) -> list[Removed]:
    labelled = regions.mask_of(region.labels, (*_LEFT, *_RIGHT, *_EITHER))
    return list(account_of_parts(labelled & ~lungs, region, "Lung", "It is a small piece beside the lungs."))


_Keep = Callable[[Labels], Mask]
"""(0 background, 1 lung, 2 tumor) -> what stays."""


def _side_by_side(*, pieces: int, minimum_voxels: int, keep: _Keep, reason: str) -> CleanUp:
    """Give a published clean-up: what is foreground with either lung left out, and stays in neither case, goes.

    Parameters
    ----------
    pieces, minimum_voxels : of each lung.
    keep : applied with one lung taken away, and again with the other.
    """

    def clean_up(labels: Mapping[str, LabelMap], images: Mapping[str, Image]) -> Cleaned:
        region = labels[REGION]
        left, right = (_largest(region, numbers, pieces, minimum_voxels) for numbers in (_LEFT, _RIGHT))
        tumors, no_ct = without_ct(labels, images)
        whole = _painted(left | right, tumors)
        whole[no_ct] = 0
        without = [np.where(side, np.uint8(0), whole) for side in (left, right)]
        goes = np.logical_and.reduce([(part > 0) & ~keep(part) for part in without])
        cleaned = np.where(goes, np.uint8(0), whole)
        removed = account_of_parts(tumors & (cleaned != _TUMOR), region, TUMOR, reason)
        return Cleaned(cleaned, (*_dropped_lungs(region, cleaned == _LUNG), *removed))

    return clean_up


def _largest(region: LabelMap, numbers: tuple[int, ...], count: int, minimum_voxels: int) -> Mask:
    mask = regions.mask_of(region.labels, numbers)
    background = int(mask.size - np.count_nonzero(mask))
    found = regions.components(mask, spacing_of(region))
    return regions.paint(published_largest(found, background, count, minimum_voxels), mask.shape)


def _keep_two_of_equal_value(part: Labels) -> Mask:
    """Keep the two largest pieces of more than 20 voxels; lung and tumor are pieces of their own though they touch."""
    found = [one for value in (_LUNG, _TUMOR) for one in _pieces(part == value)]
    found.sort(key=lambda one: (-one.voxels, one.first_voxel))
    background = int(np.count_nonzero(part == 0))
    return regions.paint(published_largest(found, background, 2, MORE_THAN_20_VOXELS), part.shape)


def _keep_largest_together(part: Labels) -> Mask:
    """Keep the largest piece of lung and tumor together."""
    found = _pieces(part > 0)
    return regions.paint(published_largest(found, int(np.count_nonzero(part == 0)), 1), part.shape)


def _pieces(mask: Mask) -> tuple[Component, ...]:
    return regions.components(mask, (1.0, 1.0, 1.0))


def _painted(lungs: Mask, tumors: Mask) -> Labels:
    painted = lungs.astype(np.uint8) * np.uint8(_LUNG)
    painted[tumors] = _TUMOR
    return painted


LUNG_PET_CT = Task(
    name="lung_pet_ct",
    title="Lung FDG PET/CT",
    needs="FDG PET with attenuation correction, and its CT",
    number=1,
    body_part="LUNG",
    rules=RULES,
    reference="pet",
    units=MappingProxyType({"pet": "BQML", "ct": "HU"}),
    models=(_ORGANS, TASK762_PET_CT),
    demo_models=(DEMO_LUNG_PET_CT_REGION, DEMO_PET_CT_TUMOR),
    segments=codes.segments("lung_pet_ct"),
    clean_ups=MappingProxyType(
        {
            "paper": _paper,
            "published-code": _side_by_side(
                pieces=2,
                minimum_voxels=MORE_THAN_20_VOXELS,
                keep=_keep_two_of_equal_value,
                reason="It is none of the two largest pieces of lung or tumor on either side.",
            ),
            "mhub": _side_by_side(
                pieces=1,
                minimum_voxels=1,
                keep=_keep_largest_together,
                reason="It does not hang together with the largest lung of a side.",
            ),
        }
    ),
    running=MappingProxyType({"mhub": Running(ensemble="mean", mirroring=True, postprocessing=True)}),
    groups=(Group("Lung with tumors", (_LUNG, _TUMOR)),),
    focus=(_TUMOR, _LUNG),
    pair=PAIR,
    region=RegionPlan(
        needed=MappingProxyType(dict.fromkeys(("paper", "published-code", "mhub"), (_ORGANS.name,))),
        fast=MappingProxyType({_ORGANS.name: TOTALSEGMENTATOR_3MM}),
        support=MappingProxyType({"paper": support}),
        required=MappingProxyType(
            {
                "paper": (*_LEFT, *_RIGHT, *_EITHER),
                "published-code": (*_LEFT, *_RIGHT),
                "mhub": (*_LEFT, *_RIGHT),
            }
        ),
        parts=(
            RegionPart("left lung", (classes.ANATOMY["lung_left"],), classes.LOBES_LEFT),
            RegionPart("right lung", (classes.ANATOMY["lung_right"],), classes.LOBES_RIGHT),
        ),
    ),
    lesions=(_TUMOR,),
    algorithm_name="BAMF-Lung-FDG-PET-CT",
)
