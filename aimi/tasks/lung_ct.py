"""Lungs and nodules on CT: two networks on one series, nodules of 3 to 30 mm that belong to the lungs.

The published set took lung-kernel and thin reconstructions of the chest, and the attenuation CT of a PET in 3
of 430 studies only: here it ranks behind any diagnostic one.

The paper keeps nodules "in the pulmonary and pleural regions" with diameters of 3 to 30 mm (DECISIONS 6.2, 6.3). Its
code cuts them at the lung mask, voxel by voxel, and has no rule of size (rule sets ``published-code`` and ``mhub``).
The published masks agree with the paper: all nodules touch the lungs, none is below 3 mm.
"""

from collections.abc import Mapping, Sequence
from types import MappingProxyType

import numpy as np

from aimi import measure, regions
from aimi.dicom import codes, criteria, ct_criteria
from aimi.dicom.body_parts import BodyRegion
from aimi.dicom.selection import Rule
from aimi.image import Image, LabelMap
from aimi.models.catalogue import DEMO_LUNG_CT_LUNGS, DEMO_LUNG_CT_NODULES, TASK775_LUNGS, TASK777_NODULES
from aimi.regions import Component, Mask
from aimi.tasks.clean_up import largest_as_published, removed_finding, spacing_of
from aimi.tasks.task import Cleaned, CleanUp, Group, Labels, Removed, Running, Task

__all__ = ["LARGEST_MM", "LUNG_CT", "RULES", "SMALLEST_MM"]

SMALLEST_MM, LARGEST_MM = 3.0, 30.0
"""Largest axial diameters of nodules that stay, both included."""

_ROUNDING_MM = 1e-6
_LUNG, _NODULE = 1, 2
_NODULE_LABEL = 1  # of Task777, as the published container reads it
_MORE_THAN_20_VOXELS = 21

RULES = (
    Rule(
        "ct",
        tests=(
            criteria.modality("CT"),
            criteria.original(),
            criteria.no_computed_image(),
            criteria.no_localizer(),
            criteria.axial(),
            criteria.shows_region(BodyRegion.CHEST),
            ct_criteria.no_attenuation_ct(),
            ct_criteria.whole_lungs(),
        ),
        leading=(ct_criteria.diagnostic_first(),),
        preferences=(
            ct_criteria.sharp_kernel_first(),
            criteria.gap_within(0.0, 2.5),
        ),
    ),
)


def _paper(labels: Mapping[str, LabelMap], _images: Mapping[str, Image]) -> Cleaned:
    """Keep the two lungs, and whole the nodules that touch them and are neither too small nor too large."""
    grid = labels[TASK775_LUNGS.name]
    pieces = _lung_pieces(grid)
    lungs = regions.paint(pieces[:2], grid.labels.shape)
    region = regions.fill_cavities(lungs)
    kept, removed = [], _removed_pieces(pieces[2:], grid)
    for nodule in regions.components(_nodules(labels), spacing_of(grid)):
        reason = _reason_to_remove(nodule, region, labels[TASK777_NODULES.name])
        if reason is None:
            kept.append(nodule)
        else:
            removed.append(removed_finding(nodule, grid, "Nodule", reason))
    return Cleaned(_painted(lungs, regions.paint(kept, lungs.shape)), tuple(removed))


def _reason_to_remove(nodule: Component, region: Mask, grid: LabelMap) -> str | None:
    if not regions.touches(nodule, region):
        return "It does not touch the lungs."
    diameter = measure.axial_diameter(grid, nodule)
    if diameter < SMALLEST_MM - _ROUNDING_MM:
        return f"Its largest axial diameter of {_told(diameter)} mm is below {SMALLEST_MM:g} mm."
    if diameter > LARGEST_MM + _ROUNDING_MM:
        return f"Its largest axial diameter of {_told(diameter)} mm is above {LARGEST_MM:g} mm."
    return None


def _told(diameter: float) -> str:
    """Give a diameter to 0.1 mm, or finer where that would tell a limit itself."""
    text = f"{diameter:.1f}"
    return f"{diameter:.7g}" if float(text) in {SMALLEST_MM, LARGEST_MM} else text


def _cut_at_the_lungs(*, as_published: bool) -> CleanUp:
    """Give the clean-up of the container, or of the port, which asks for no smallest lung."""

    def clean_up(labels: Mapping[str, LabelMap], _images: Mapping[str, Image]) -> Cleaned:
        grid = labels[TASK775_LUNGS.name]
        pieces = _lung_pieces(grid)
        chosen: Sequence[Component] = pieces[:2]
        if as_published:
            chosen = largest_as_published(pieces, grid.labels.shape, minimum_voxels=_MORE_THAN_20_VOXELS)
        lungs = regions.paint(chosen, grid.labels.shape)
        nodules = _nodules(labels)
        removed = _removed_pieces([one for one in pieces if one not in chosen], grid)
        for part in regions.components(nodules & ~lungs, spacing_of(grid)):
            removed.append(removed_finding(part, grid, "Nodule", "It lies outside the lungs."))
        return Cleaned(_painted(lungs, nodules & lungs), tuple(removed))

    return clean_up


def _lung_pieces(grid: LabelMap) -> tuple[Component, ...]:
    return regions.components(regions.mask_of(grid.labels), spacing_of(grid))


def _removed_pieces(pieces: Sequence[Component], grid: LabelMap) -> list[Removed]:
    reason = "It is not one of the two lungs."
    return [removed_finding(piece, grid, "Lung", reason) for piece in pieces]


def _nodules(labels: Mapping[str, LabelMap]) -> Mask:
    return regions.mask_of(labels[TASK777_NODULES.name].labels, (_NODULE_LABEL,))


def _painted(lungs: Mask, nodules: Mask) -> Labels:
    painted = lungs.astype(np.uint8) * np.uint8(_LUNG)
    painted[nodules] = _NODULE
    return painted


LUNG_CT = Task(
    name="lung_ct",
    title="Lung nodule CT",
    needs="CT of the chest, axial",
    number=2,
    body_part="LUNG",
    rules=RULES,
    reference="ct",
    units=MappingProxyType({"ct": "HU"}),
    models=(TASK775_LUNGS, TASK777_NODULES),
    demo_models=(DEMO_LUNG_CT_LUNGS, DEMO_LUNG_CT_NODULES),
    segments=codes.segments("lung_ct"),
    clean_ups=MappingProxyType(
        {
            "paper": _paper,
            "published-code": _cut_at_the_lungs(as_published=True),
            "mhub": _cut_at_the_lungs(as_published=False),
        }
    ),
    running=MappingProxyType({"mhub": Running(ensemble="mean", mirroring=True, postprocessing=True)}),
    groups=(Group("Lung with nodules", (_LUNG, _NODULE)),),
    focus=(_NODULE, _LUNG),
    window="lung",
)
