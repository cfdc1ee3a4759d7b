"""The uptake of every lesion of a case, and of the patient; or why it cannot be told.

Definitions: DECISIONS 6.7. A lesion is a component that was kept, measured on the PET's own grid. Without an SUV its
volume and place are told all the same.
"""

from dataclasses import dataclass

from aimi import regions
from aimi.dicom.header import Stack
from aimi.dicom.suv import SuvFactors, suv_factors, to_suv
from aimi.image import Image, LabelMap, Vector
from aimi.measure import Uptake, measure_uptake

__all__ = ["CaseUptake", "LesionUptake", "measure_case"]

_MM3_PER_ML = 1000.0


@dataclass(frozen=True, slots=True)
class LesionUptake:
    """One lesion.

    Parameters
    ----------
    centroid : mean of the voxels' centers, LPS mm.
    uptake : None where there is no SUV.
    """

    segment: int
    voxels: int
    mtv_ml: float
    centroid: Vector
    uptake: Uptake | None


@dataclass(frozen=True, slots=True)
class CaseUptake:
    """All lesions of a case, largest first within each segment."""

    factors: SuvFactors
    lesions: tuple[LesionUptake, ...]

    @property
    def mtv_ml(self) -> float:
        """The metabolic tumor volume of all lesions."""
        return sum(lesion.mtv_ml for lesion in self.lesions)

    @property
    def tlg(self) -> float | None:
        """The total lesion glycolysis; None where there is no SUV."""
        if self.factors.body_weight is None:
            return None
        return sum(lesion.uptake.tlg for lesion in self.lesions if lesion.uptake is not None)

    @property
    def suv_max(self) -> float | None:
        """The highest SUV of any lesion; None without lesions or SUV."""
        return max((lesion.uptake.suv_max for lesion in self.lesions if lesion.uptake is not None), default=None)


def measure_case(pet: Image, stack: Stack, labels: LabelMap, segments: tuple[int, ...]) -> CaseUptake:
    """Measure the uptake of all lesions.

    Parameters
    ----------
    pet, stack : the image and what it was loaded from.
    labels : on the image's grid.
    segments : the numbers whose components are lesions.
    """
    factors = suv_factors(stack)
    in_suv = None if factors.body_weight is None else to_suv(pet, factors.body_weight)
    lesions = [
        _measured(number, one, labels, in_suv)
        for number in segments
        for one in regions.components(regions.mask_of(labels.labels, (number,)), labels.volume.spacing)
    ]
    return CaseUptake(factors, tuple(lesions))


def _measured(segment: int, lesion: regions.Component, labels: LabelMap, in_suv: Image | None) -> LesionUptake:
    affine = labels.volume.affine
    x, y, z = affine[:3, :3] @ lesion.centroid + affine[:3, 3]
    return LesionUptake(
        segment=segment,
        voxels=lesion.voxels,
        mtv_ml=lesion.voxels * labels.volume.voxel_volume / _MM3_PER_ML,
        centroid=(float(x), float(y), float(z)),
        uptake=None if in_suv is None else measure_uptake(in_suv, lesion, 1.0),
    )
