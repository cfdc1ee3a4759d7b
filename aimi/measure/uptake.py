"""The uptake of lesions in PET: SUVmax, SUVmean, SUVpeak, metabolic tumor volume, total lesion glycolysis.

A lesion is a component that was kept (DECISIONS 6.7). SUVpeak is the highest mean over a sphere of 1 ml around the
center of any voxel of the lesion; a voxel counts with the fraction of it that lies in the sphere. Where that sphere
leaves the volume there is no SUVpeak.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from aimi.image import Image, Vector
from aimi.regions import Component

__all__ = ["PEAK_RADIUS_MM", "Uptake", "measure_uptake", "sphere_fractions"]

PEAK_RADIUS_MM = float(np.cbrt(3000.0 / (4.0 * np.pi)))
"""Of a sphere of 1 ml: 6.204 mm."""

_SAMPLE_MM = 0.15
_FEWEST_SAMPLES = 4
_MM3_PER_ML = 1000.0


@dataclass(frozen=True, slots=True)
class Uptake:
    """What a lesion takes up.

    Parameters
    ----------
    suv_peak : None where its sphere leaves the volume.
    mtv_ml : metabolic tumor volume.
    tlg : total lesion glycolysis, SUVmean x MTV.
    centroid : mean of the voxels' centers, LPS mm.
    """

    suv_max: float
    suv_mean: float
    suv_peak: float | None
    mtv_ml: float
    tlg: float
    centroid: Vector


def measure_uptake(image: Image, lesion: Component, suv_per_unit: float) -> Uptake:
    """Measure one lesion.

    Parameters
    ----------
    image : the PET, on the grid of the lesion.
    suv_per_unit : the factor from the image's values to SUV.
    """
    values = image.volume.array[lesion.box][lesion.mask].astype(np.float64) * suv_per_unit
    mtv_ml = lesion.voxels * image.volume.voxel_volume / _MM3_PER_ML
    mean = float(values.mean())
    affine = image.volume.affine
    x, y, z = affine[:3, :3] @ np.array(lesion.centroid) + affine[:3, 3]
    peak = _peak(image, lesion)
    return Uptake(
        suv_max=float(values.max()),
        suv_mean=mean,
        suv_peak=None if peak is None else peak * suv_per_unit,
        mtv_ml=mtv_ml,
        tlg=mean * mtv_ml,
        centroid=(float(x), float(y), float(z)),
    )


def sphere_fractions(spacing: Vector, radius_mm: float = PEAK_RADIUS_MM) -> npt.NDArray[np.float64]:
    """Give the fraction of each voxel that lies in a sphere around the center of the middle one.

    Shape (2a + 1, 2b + 1, 2c + 1), as small as holds the sphere. Fractions are counted on samples at most 0.15 mm
    apart: the whole is within 0.5 % of the sphere's volume.
    """
    squares, counts = [], []
    for step in spacing:
        samples = max(_FEWEST_SAMPLES, int(np.ceil(step / _SAMPLE_MM)))
        reach = max(0, int(np.ceil(radius_mm / step - 0.5)))
        places = (np.arange((2 * reach + 1) * samples) + 0.5) / samples - reach - 0.5
        squares.append(np.square(places * step))
        counts += [2 * reach + 1, samples]
    is_inside = squares[0][:, np.newaxis, np.newaxis] + squares[1][:, np.newaxis] + squares[2] <= radius_mm**2
    fractions: npt.NDArray[np.float64] = is_inside.reshape(counts).mean(axis=(1, 3, 5))
    return fractions


def _peak(image: Image, lesion: Component) -> float | None:
    fractions = sphere_fractions(image.volume.spacing)
    shape = np.array(image.volume.spatial_shape)
    reach = np.array(fractions.shape) // 2
    centers = np.argwhere(lesion.mask) + [side.start for side in lesion.box]
    sums = np.zeros(len(centers))
    weights = np.zeros(len(centers))
    for offset in np.argwhere(fractions > 0):
        places = centers + offset - reach
        within = np.logical_and(places >= 0, places < shape).all(axis=1)
        fraction = fractions[tuple(offset)]
        sums[within] += fraction * image.volume.array[tuple(places[within].T)]
        weights[within] += fraction
    highest = int(np.argmax(sums / weights))
    is_whole = weights[highest] > fractions.sum() * (1.0 - 1e-9)
    return float(sums[highest] / weights[highest]) if is_whole else None
