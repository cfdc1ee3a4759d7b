"""The axis order and direction in which a network was trained (DECISIONS 3.5), there and back.

An :class:`AxisChange` permutes and flips the axes of a (k, j, i) array; its inverse is exact because nothing is
interpolated. Orientations other than ``itk`` depend on the affine of the image.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["AxisChange", "Orientation", "axis_change"]


class Orientation(StrEnum):
    """How a network got its arrays in training.

    ITK : slices by rising position along the normal, rows and columns as stored.
    DCM2NIIX : as that converter writes them: rows flipped.
    RAS : closest canonical axes, as nibabel gives them.
    """

    ITK = "itk"
    DCM2NIIX = "dcm2niix"
    RAS = "ras"


@dataclass(frozen=True, slots=True)
class AxisChange:
    """A permutation of the three axes followed by flips.

    Parameters
    ----------
    order : axis of the source at each axis of the result.
    flipped : axes of the result that run the other way.
    """

    order: tuple[int, int, int]
    flipped: tuple[int, ...]

    def apply(self, array: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Give a view of a (k, j, i) array in the network's axes."""
        return np.flip(array.transpose(self.order), self.flipped)

    def revert(self, array: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Give a view of an array in the network's axes as (k, j, i)."""
        return np.flip(array, self.flipped).transpose(np.argsort(self.order))

    def spacing(self, spacing: tuple[float, float, float]) -> tuple[float, float, float]:
        """Give the spacing of the network's axes from that of (k, j, i), mm."""
        first, second, third = (spacing[axis] for axis in self.order)
        return first, second, third


def axis_change(orientation: Orientation, affine: npt.NDArray[np.float64]) -> AxisChange:
    """Give the change of axes from (k, j, i) to what the network was trained on.

    Parameters
    ----------
    affine : shape (4, 4), from array index (k, j, i) to patient, mm, LPS.
    """
    if orientation is Orientation.ITK:
        return AxisChange(order=(0, 1, 2), flipped=())
    if orientation is Orientation.DCM2NIIX:
        return AxisChange(order=(0, 1, 2), flipped=(1,))
    return _canonical(affine)


def _canonical(affine: npt.NDArray[np.float64]) -> AxisChange:
    from nibabel.orientations import io_orientation  # noqa: PLC0415 - only where a model asks for it

    # nibabel thinks in (i, j, k) and RAS; nnU-Net reads a NIfTI file as (z, y, x)
    nifti = np.diag([-1.0, -1.0, 1.0, 1.0]) @ affine[:, [2, 1, 0, 3]]
    axes = io_orientation(nifti)  # type: ignore[no-untyped-call] # nibabel leaves it untyped
    source_axis = {int(world): 2 - position for position, world in enumerate(axes[:, 0])}
    is_flipped = {int(world): sign < 0 for world, sign in axes}
    order = (source_axis[2], source_axis[1], source_axis[0])
    return AxisChange(order=order, flipped=tuple(axis for axis in range(3) if is_flipped[2 - axis]))
