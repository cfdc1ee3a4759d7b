"""DICOM's run length encoding (PS3.5 G): PackBits by byte plane, most significant byte first.

gdcm's decoder refuses valid streams of small or noisy frames (3.2.6, 3 x 5 pixels); hence this one.
"""

import struct
from typing import Final

__all__ = ["decode"]

_HEADER_BYTES: Final = 64
_NO_OPERATION: Final = 128


def decode(stream: bytes, *, pixels: int, cell_bytes: int) -> bytes:
    """Give the little endian cells of a frame of one sample per pixel.

    Raises
    ------
    ValueError
        The stream has another number of segments, or one of them is short.
    """
    if len(stream) < _HEADER_BYTES or struct.unpack_from("<L", stream)[0] != cell_bytes:
        raise ValueError(f"{cell_bytes} segments are needed")
    starts = struct.unpack_from(f"<{cell_bytes}L", stream, 4)
    cells = bytearray(pixels * cell_bytes)
    for plane, (start, end) in enumerate(zip(starts, (*starts[1:], len(stream)), strict=True)):
        cells[cell_bytes - 1 - plane :: cell_bytes] = _expand(stream[start:end], pixels)
    return bytes(cells)


def _expand(segment: bytes, length: int) -> bytes:
    expanded = bytearray()
    position = 0
    while len(expanded) < length and position < len(segment):
        count = segment[position]
        if count < _NO_OPERATION:
            expanded += segment[position + 1 : position + 2 + count]
            position += 2 + count
        elif count > _NO_OPERATION:
            expanded += segment[position + 1 : position + 2] * (257 - count)
            position += 2
        else:
            position += 1
    if len(expanded) < length:
        raise ValueError("a segment is short")
    return bytes(expanded[:length])
