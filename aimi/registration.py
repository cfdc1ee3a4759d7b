"""One image moved onto another by a translation, for a PET and a CT of different frames of reference.

Mutual information (Mattes) on a pyramid of three levels, every sample on a fixed lattice, one thread: the same images
give the same translation. A translation is what the published annotations allowed, too; theirs was seeded by the
clock, ran always, and gave another result each time.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from aimi.errors import InputError, UsageError
from aimi.image import Image, Vector

__all__ = ["Registration", "move", "register"]

_BINS = 32
_SHRINK = (4, 2, 1)
_SMOOTH_MM = (8.0, 4.0, 0.0)
_SAMPLES = 0.1
_SEED = 20260101
_STEP_MM = 8.0
_SMALLEST_STEP_MM = 0.02
_ITERATIONS = 200
_DIGITS_MM = 3
_CT_RANGE = (-1000.0, 400.0)
_PET_PERCENTILE = 99.5


@dataclass(frozen=True, slots=True)
class Registration:
    """The result of a registration.

    Parameters
    ----------
    translation : mm, LPS; added to the positions of the moving image it lies on the fixed one.
    metric : negative mutual information at the end.
    iterations : of the last level.
    stop : ours of the conditions under which it ended: ``converged`` or ``iterations``.
    """

    translation: Vector
    metric: float
    iterations: int
    stop: str


def register(fixed: Image, moving: Image) -> Registration:
    """Find the translation that brings a moving image (the CT) onto a fixed one (the PET).

    Raises
    ------
    UsageError
        SimpleITK is not installed.
    InputError
        The images share nothing that could be compared.
    """
    try:
        import SimpleITK as sitk  # noqa: N813, PLC0415 - only where it is asked for; its customary name
    except ImportError as err:
        raise UsageError(
            "Registration needs SimpleITK, which is not installed.", "pip install 'aimi[register]'"
        ) from err
    toolkit: Any = sitk
    method = _method(toolkit)
    method.SetInitialTransform(toolkit.TranslationTransform(3, _center_offset(fixed, moving)), inPlace=True)
    try:
        found = method.Execute(_prepared(toolkit, fixed), _prepared(toolkit, moving))
    except RuntimeError as err:
        raise InputError(
            "PET and CT could not be registered: they overlap too little.", "Send images of one part of the body."
        ) from err
    x, y, z = (-round(float(value), _DIGITS_MM) for value in found.GetParameters())
    iterations = int(method.GetOptimizerIteration())
    return Registration(
        translation=(x, y, z),
        metric=round(float(method.GetMetricValue()), 6),
        iterations=iterations,
        stop="iterations" if iterations >= _ITERATIONS else "converged",
    )


def move(image: Image, translation: Vector) -> Image:
    """Give an image shifted by a translation, mm, LPS; its source stays."""
    affine = image.volume.affine.copy()
    affine[:3, 3] += translation
    volume = type(image.volume)(image.volume.array, affine, coordinate_system="PATIENT")
    return Image(volume, image.units, image.source, image.notes, image.file_grid)


def _method(sitk: Any) -> Any:  # noqa: ANN401 - SimpleITK has no types
    method = sitk.ImageRegistrationMethod()
    method.SetNumberOfThreads(1)
    method.SetNumberOfWorkUnits(1)
    method.SetMetricAsMattesMutualInformation(_BINS)
    method.SetMetricSamplingStrategy(method.REGULAR)
    method.SetMetricSamplingPercentage(_SAMPLES, _SEED)
    method.SetInterpolator(sitk.sitkLinear)
    method.SetOptimizerAsRegularStepGradientDescent(_STEP_MM, _SMALLEST_STEP_MM, _ITERATIONS)
    method.SetShrinkFactorsPerLevel(list(_SHRINK))
    method.SetSmoothingSigmasPerLevel(list(_SMOOTH_MM))
    method.SmoothingSigmasAreSpecifiedInPhysicalUnitsOn()
    return method


def _prepared(sitk: Any, image: Image) -> Any:  # noqa: ANN401 - SimpleITK has no types
    """Give an image with its range cut to what shows the body: HU, or a PET's lower 99.5 %."""
    values = image.volume.array.astype(np.float32)
    low, high = _CT_RANGE if image.units == "HU" else (0.0, float(np.percentile(values, _PET_PERCENTILE)))
    if high <= values.min() or low >= values.max():  # nothing of the image lies in that range
        low, high = float(values.min()), float(values.max())
    prepared = sitk.GetImageFromArray(np.clip(values, low, high))
    directions = np.array(image.volume.unit_vectors())[::-1]
    prepared.SetSpacing([float(step) for step in image.volume.spacing[::-1]])
    prepared.SetOrigin([float(value) for value in image.volume.affine[:3, 3]])
    prepared.SetDirection([float(value) for value in directions.T.ravel()])
    return prepared


def _center_offset(fixed: Image, moving: Image) -> list[float]:
    """Give no offset where the images overlap by half, else that of their centers."""
    corners = [_bounds(image) for image in (fixed, moving)]
    shared = np.minimum(corners[0][1], corners[1][1]) - np.maximum(corners[0][0], corners[1][0])
    smaller = np.minimum(corners[0][1] - corners[0][0], corners[1][1] - corners[1][0])
    if (shared >= 0.5 * smaller).all():
        return [0.0, 0.0, 0.0]
    offset = (corners[1][0] + corners[1][1] - corners[0][0] - corners[0][1]) / 2
    return [float(value) for value in offset]


def _bounds(image: Image) -> tuple[Any, Any]:
    sizes = np.array(image.volume.spatial_shape) - 1
    index = np.array([[k, j, i] for k in (0, sizes[0]) for j in (0, sizes[1]) for i in (0, sizes[2])])
    places = index @ image.volume.affine[:3, :3].T + image.volume.affine[:3, 3]
    return places.min(axis=0), places.max(axis=0)
