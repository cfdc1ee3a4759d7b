"""What a NIfTI or NRRD file holds, in the axes and coordinates of this program, before any interpretation."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from aimi.image import Note

__all__ = ["FileContent"]


@dataclass(frozen=True, slots=True)
class FileContent:
    """Voxels in the order of the file, with their place.

    Parameters
    ----------
    values : shape (k, j, i): the file's third, second and first axis.
    affine : shape (4, 4), from index (k, j, i) to patient, mm, LPS.
    header : the geometry fields of a NIfTI header as the file has them; empty for NRRD.
    """

    values: npt.NDArray[Any]
    affine: npt.NDArray[np.float64]
    header: bytes = b""
    notes: tuple[Note, ...] = ()
