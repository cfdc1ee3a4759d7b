"""The axis order and direction in which a network was trained (DECISIONS 3.5)."""

from enum import StrEnum

__all__ = ["Orientation"]


class Orientation(StrEnum):
    """How a network got its arrays in training.

    ITK : slices by rising position along the normal, rows and columns as stored.
    DCM2NIIX : as that converter writes them: rows flipped.
    RAS : closest canonical axes, as nibabel gives them.
    """

    ITK = "itk"
    DCM2NIIX = "dcm2niix"
    RAS = "ras"
