"""Stored values to values of the modality, without padding: one plane at a time.

*Rescale.* Value = stored value x slope + intercept (PS3.3 C.11.1). Two roads: :func:`to_int16` where slope
is 1 and the intercept whole, exact or :class:`NotInt16Error`; :func:`to_float32` for the rest, computed in
float64 and rounded once.

*Padding* marks pixels that were not measured (PS3.3 C.7.5.1.1.2). It becomes 0 in PET and MR, and on CT
:data:`CT_FLOOR`, -1024 HU, the lowest value of the scale: so does every CT value below it, for scanners write
-2000 or -3024 outside their circle whatever the attribute says. The attribute may be shifted against the
pixels, or be written for the other sign: it is taken modulo the cell, and on CT it is *believed* only where
no tissue can be, at or below -1000 HU (air) or above 3071 HU (the top of the 12 bit scale). An unbelieved
one that meets pixels is reported, and changes none.
"""

from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt

from aimi.dicom.header import PixelFormat

__all__ = ["CT_FLOOR", "NotInt16Error", "Rescale", "make_rescale", "to_float32", "to_int16"]

Cells: TypeAlias = npt.NDArray[Any]

CT_FLOOR: Final = -1024
_AIR: Final = -1000
_CT_CEILING: Final = 3071
_INT16: Final = np.iinfo(np.int16)


class NotInt16Error(Exception):
    """The values of a plane do not fit int16 as they are."""


@dataclass(frozen=True, slots=True)
class Rescale:
    """How the stored values of one plane become values.

    Parameters
    ----------
    padding : lowest and highest stored value that is padding; None where there is none.
    believes_padding : False where ``padding`` names values that tissue can have.
    floor : the value below which there is padding only; None but for CT.
    fill : the value that padding becomes.
    """

    slope: float
    intercept: float
    padding: tuple[int, int] | None
    believes_padding: bool
    floor: int | None
    fill: int

    @property
    def is_whole(self) -> bool:
        """Whether whole stored values give whole values, one step for one."""
        return self.slope == 1 and self.intercept.is_integer()


def make_rescale(pixels: PixelFormat, modality: str, *, slope: float | None, intercept: float | None) -> Rescale:
    """Give the rescale of a plane; an absent slope is 1, an absent intercept 0."""
    factor = 1.0 if slope is None else slope
    offset = 0.0 if intercept is None else intercept
    padding = _padding_range(pixels)
    if modality != "CT":
        return Rescale(factor, offset, padding, believes_padding=True, floor=None, fill=0)
    ends = sorted(factor * value + offset for value in padding or (0, 0))
    believes = ends[1] <= _AIR or ends[0] > _CT_CEILING
    return Rescale(factor, offset, padding, believes_padding=believes, floor=CT_FLOOR, fill=CT_FLOOR)


def _padding_range(pixels: PixelFormat) -> tuple[int, int] | None:
    if pixels.pixel_padding_value is None:
        return None
    value = _as_stored(pixels.pixel_padding_value, pixels)
    limit = pixels.pixel_padding_range_limit
    other = value if limit is None else _as_stored(limit, pixels)
    return min(value, other), max(value, other)


def _as_stored(value: int, pixels: PixelFormat) -> int:
    """Give the stored value that has the bits of ``value``: -2000 is also written as 63536."""
    cells = 1 << pixels.bits_allocated
    unsigned = value % cells
    return unsigned - cells if pixels.pixel_representation and unsigned >= cells // 2 else unsigned


def _padding_mask(stored: Cells, rescale: Rescale) -> npt.NDArray[np.bool_] | None:
    """Tell which pixels the attribute calls padding; None where that changes nothing."""
    if rescale.padding is None:
        return None
    lowest, highest = rescale.padding
    ends = (rescale.slope * end + rescale.intercept for end in rescale.padding)
    if rescale.floor is not None and max(ends) < rescale.floor:
        return None
    return (stored >= lowest) & (stored <= highest)


def to_int16(stored: Cells, rescale: Rescale, out: npt.NDArray[np.int16]) -> bool:
    """Write the values of a plane as int16.

    Parameters
    ----------
    stored : integers, shape (rows, columns); is used up. May be ``out`` itself, seen as another type.
    out : shape (rows, columns).

    Returns
    -------
    bool
        Whether the plane holds values that an unbelieved padding attribute names.

    Raises
    ------
    NotInt16Error
        The values are not whole, or one that is no padding does not fit.
    """
    if not rescale.is_whole or stored.dtype.kind == "f":
        raise NotInt16Error
    intercept = int(rescale.intercept)
    cells = np.iinfo(stored.dtype)
    mask = _padding_mask(stored, rescale)
    meets_unbelieved = mask is not None and not rescale.believes_padding and bool(mask.any())
    if mask is not None and rescale.believes_padding:
        stored[mask] = min(max(rescale.fill - intercept, cells.min), cells.max)
    lowest = int(stored.min())
    if rescale.floor is not None and lowest + intercept < rescale.floor:
        lowest = rescale.floor - intercept
        if lowest > cells.max:
            raise NotInt16Error
        # A row as the other operand: numpy's loop with a scalar takes five times as long.
        np.maximum(stored, np.full(stored.shape[-1], lowest, stored.dtype), out=stored)
    if int(stored.max()) + intercept > _INT16.max or lowest + intercept < _INT16.min:
        raise NotInt16Error
    if stored.dtype.itemsize == out.dtype.itemsize:
        # The sum fits, so that arithmetic modulo 2^16 gives it for unsigned cells too.
        np.add(stored.view(np.int16), np.array(intercept).astype(np.int16), out=out)
    else:
        np.add(stored, intercept, out=out, dtype=np.int64, casting="unsafe")
    if mask is not None and rescale.believes_padding:
        out[mask] = rescale.fill
    return meets_unbelieved


def to_float32(stored: Cells, rescale: Rescale, out: npt.NDArray[np.float32]) -> bool:
    """Write the values of a plane as float32.

    Parameters
    ----------
    stored, out : shape (rows, columns), apart from each other.

    Returns
    -------
    bool
        Whether the plane holds values that an unbelieved padding attribute names.
    """
    values = stored.astype(np.float64)
    values *= rescale.slope
    values += rescale.intercept
    mask = None if stored.dtype.kind == "f" else _padding_mask(stored, rescale)
    if mask is not None and rescale.believes_padding:
        values[mask] = rescale.fill
    if rescale.floor is not None:
        np.maximum(values, rescale.floor, out=values)
    out[...] = values
    return mask is not None and not rescale.believes_padding and bool(mask.any())
