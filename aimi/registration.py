"""One image moved onto another by a translation, for a PET and a CT of different frames of reference.

Mutual information (Mattes) on a pyramid of three levels, every sample on a fixed lattice, one thread: the same images
give the same translation. A translation is what the published annotations allowed, too; theirs was seeded by the
clock, ran always, and gave another result each time.

The search begins where the images lie, or with their centers together where they overlap by less than half. Mutual
information of all voxels is told of its start and of its end; where the end is no better the start is taken.
:func:`doubts` says when a reader should look twice.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from aimi.errors import InputError, UsageError
from aimi.image import Image, Note, Vector

__all__ = ["FARTHEST_MM", "LEAST_AGREEMENT", "LEAST_GAIN", "Registration", "doubts", "move", "register"]

FARTHEST_MM = 100.0
"""A longer translation is noted."""
LEAST_GAIN = 0.05
"""By which share mutual information must rise from the start to the end, or it is noted."""
LEAST_AGREEMENT = 0.05
"""Less mutual information at the end is noted: a real PET has 0.5 with its CT, images of nothing in common 0.01."""

_BINS = 32
_SHRINK = (4, 2, 1)
_SMOOTH_MM = (8.0, 4.0, 0.0)
_SAMPLES = 0.1
_FEWEST_SAMPLES = 5000
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
    start : the translation from which the search began.
    metric_at_start, metric : negative mutual information of all voxels at the start, and at the translation.
    iterations : of the last level.
    stop : ours of the conditions under which it ended: ``converged``, ``iterations``, or ``start`` where the search
        found nothing better than that.
    """

    translation: Vector
    start: Vector
    metric_at_start: float
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
    try:
        return _search(sitk, _prepared(sitk, fixed), _prepared(sitk, moving), _center_offset(fixed, moving))
    except RuntimeError as err:
        raise InputError(
            "PET and CT could not be registered: they overlap too little.", "Send images of one part of the body."
        ) from err


def _search(sitk: Any, fixed: Any, moving: Any, offset: list[float]) -> Registration:  # noqa: ANN401 - no types
    at_start = _metric_at(sitk, fixed, moving, offset)
    method = _method(sitk, fixed.GetSize())
    method.SetInitialTransform(sitk.TranslationTransform(3, offset), inPlace=True)
    end = [float(value) for value in method.Execute(fixed, moving).GetParameters()]
    at_end = _metric_at(sitk, fixed, moving, end)
    iterations = int(method.GetOptimizerIteration())
    stop = "iterations" if iterations >= _ITERATIONS else "converged"
    start = _translation(offset)
    if at_end >= at_start:
        return Registration(start, start, at_start, at_start, iterations, "start")
    return Registration(_translation(end), start, at_start, at_end, iterations, stop)


def _translation(offset: list[float]) -> Vector:
    """Give by what the moving image is moved where a point of the fixed one is looked up at an offset."""
    x, y, z = (0.0 - round(value, _DIGITS_MM) for value in offset)
    return x, y, z


def doubts(found: Registration) -> tuple[Note, ...]:
    """Give a note for each reason to doubt a registration."""
    notes = []
    before, after = -found.metric_at_start, -found.metric
    if after < (1.0 + LEAST_GAIN) * before:
        sentence = (
            f"The registration hardly changed how well CT and PET agree (mutual information {before:.3f} before, "
            f"{after:.3f} after): see in the picture whether they fit."
        )
        notes.append(Note("registration-without-gain", sentence))
    if after < LEAST_AGREEMENT:
        sentence = (
            f"CT and PET agree in next to nothing where they were laid (mutual information {after:.3f}, less than "
            f"{LEAST_AGREEMENT:g}): see in the picture whether they fit."
        )
        notes.append(Note("registration-poor", sentence))
    length = float(np.linalg.norm(found.translation))
    if length > FARTHEST_MM:
        sentence = (
            f"The CT was moved by {length:.0f} mm, more than {FARTHEST_MM:.0f}: see in the picture whether it fits."
        )
        notes.append(Note("registration-far", sentence))
    return tuple(notes)


def move(image: Image, translation: Vector) -> Image:
    """Give an image shifted by a translation, mm, LPS; its source stays."""
    affine = image.volume.affine.copy()
    affine[:3, 3] += translation
    volume = type(image.volume)(image.volume.array, affine, coordinate_system="PATIENT")
    return Image(volume, image.units, image.source, image.notes, image.file_grid)


def _metric_at(sitk: Any, fixed: Any, moving: Any, offset: list[float]) -> float:  # noqa: ANN401 - no types
    """Give the negative mutual information of all voxels that the images share at an offset."""
    method = _mutual_information(sitk)
    method.SetInitialTransform(sitk.TranslationTransform(3, offset))
    return round(float(method.MetricEvaluate(fixed, moving)), 6)


def _mutual_information(sitk: Any) -> Any:  # noqa: ANN401 - SimpleITK has no types
    method = sitk.ImageRegistrationMethod()
    method.SetNumberOfThreads(1)
    method.SetNumberOfWorkUnits(1)
    method.SetMetricAsMattesMutualInformation(_BINS)
    method.SetInterpolator(sitk.sitkLinear)
    return method


def _method(sitk: Any, size: tuple[int, int, int]) -> Any:  # noqa: ANN401 - SimpleITK has no types
    method = _mutual_information(sitk)
    method.SetMetricSamplingStrategy(method.REGULAR)
    method.SetMetricSamplingPercentagePerLevel(_shares(size), _SEED)
    method.SetOptimizerAsRegularStepGradientDescent(_STEP_MM, _SMALLEST_STEP_MM, _ITERATIONS)
    method.SetShrinkFactorsPerLevel(list(_SHRINK))
    method.SetSmoothingSigmasPerLevel(list(_SMOOTH_MM))
    method.SmoothingSigmasAreSpecifiedInPhysicalUnitsOn()
    return method


def _shares(size: tuple[int, int, int]) -> list[float]:
    """Give which share of the voxels of each level is compared: of few voxels more, for few samples are chance."""
    voxels = (int(np.prod([max(1, side // shrink) for side in size])) for shrink in _SHRINK)
    return [min(1.0, max(_SAMPLES, _FEWEST_SAMPLES / count)) for count in voxels]


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
