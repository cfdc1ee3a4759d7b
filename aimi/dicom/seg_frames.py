"""Frames of a segmentation, one at a time, whatever the encoding.

pydicom decodes most transfer syntaxes. Three kinds of frames it does not take as they are found in archives,
and those are unpacked here: one bit a pixel uncompressed (frames follow each other without padding, PS3.5
8.1.1, so that a frame may begin in the middle of a byte), one bit a pixel in run length encoding (the packed
bytes are encoded), and Deflated Image Frame Compression, which pydicom 3.0 does not know.

Values come as stored: nothing here knows what a segment is.
"""

import zlib
from collections.abc import Iterator
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
from pydicom.dataset import Dataset
from pydicom.encaps import generate_frames
from pydicom.pixels.utils import iter_pixels
from pydicom.uid import UID, RLELossless

from aimi.dicom import run_length
from aimi.errors import InputError

__all__ = ["DEFLATED_IMAGE_FRAME", "Frame", "iterate"]

Frame: TypeAlias = npt.NDArray[np.uint8] | npt.NDArray[np.uint16]

DEFLATED_IMAGE_FRAME = UID("1.2.840.10008.1.2.8.1")
_BYTE_BITS = 8


def iterate(dataset: Dataset, count: int) -> Iterator[Frame]:
    """Give the first ``count`` frames in order, each of shape (rows, columns), with stored values.

    Raises
    ------
    InputError
        The pixel data is absent, short, or in a transfer syntax that cannot be decoded.
    """
    if "PixelData" not in dataset:
        raise InputError("The segmentation has no Pixel Data.", "Export it again from where it was made.")
    syntax = UID(dataset.file_meta.TransferSyntaxUID)
    one_bit = int(dataset.BitsAllocated) == 1
    if syntax == DEFLATED_IMAGE_FRAME:
        return _iterate_deflated(dataset, count)
    if one_bit and syntax == RLELossless:
        return _iterate_run_length(dataset, count)
    if one_bit and not syntax.is_encapsulated:
        return _iterate_packed(dataset, count)
    return _iterate_decoded(dataset, count, syntax)


def _iterate_packed(dataset: Dataset, count: int) -> Iterator[Frame]:
    shape = (int(dataset.Rows), int(dataset.Columns))
    size = shape[0] * shape[1]
    packed = np.frombuffer(dataset.PixelData, np.uint8)
    if not UID(dataset.file_meta.TransferSyntaxUID).is_little_endian and dataset["PixelData"].VR == "OW":
        packed = packed.reshape(-1, 2)[:, ::-1].ravel()  # PS3.5 7.3: words are byte-swapped, OB is not
    if packed.size * _BYTE_BITS < size * count:
        raise _short(packed.size, -(-size * count // _BYTE_BITS))
    for index in range(count):
        start, offset = divmod(index * size, _BYTE_BITS)
        stop = -(-(index + 1) * size // _BYTE_BITS)
        bits = np.unpackbits(packed[start:stop], bitorder="little")
        yield bits[offset : offset + size].reshape(shape)


def _iterate_deflated(dataset: Dataset, count: int) -> Iterator[Frame]:
    for frame in _encapsulated(dataset, count):
        try:
            stored = zlib.decompress(frame, wbits=-zlib.MAX_WBITS)
        except zlib.error as err:
            raise InputError(
                "A deflated frame of the segmentation is damaged.", "Export it again from where it was made."
            ) from err
        yield _from_bytes(stored, dataset)


def _iterate_run_length(dataset: Dataset, count: int) -> Iterator[Frame]:
    for frame in _encapsulated(dataset, count):
        needed = -(-int(dataset.Rows) * int(dataset.Columns) // _BYTE_BITS)
        try:
            packed = run_length.decode(frame, pixels=needed, cell_bytes=1)
        except ValueError as err:
            raise InputError(
                f"A run length encoded frame of the segmentation is damaged: {needed} bytes are needed.",
                "Export it again from where it was made.",
            ) from err
        yield _from_bytes(packed, dataset)


def _iterate_decoded(dataset: Dataset, count: int, syntax: UID) -> Iterator[Frame]:
    try:
        yield from iter_pixels(dataset, raw=True, indices=range(count))
    except (AttributeError, IndexError, NotImplementedError, RuntimeError, ValueError) as err:
        raise InputError(
            f"The frames of the segmentation cannot be decoded (transfer syntax {syntax}).",
            "Convert the object to Explicit VR Little Endian, for example with dcmtk or gdcmconv.",
        ) from err


def _encapsulated(dataset: Dataset, count: int) -> Iterator[bytes]:
    found = 0
    for found, frame in enumerate(generate_frames(dataset.PixelData, number_of_frames=count), start=1):  # noqa: B007
        yield frame
    if found != count:
        raise InputError(
            f"The segmentation holds {found} encoded frames and announces {count}.",
            "Export it again from where it was made.",
        )


def _from_bytes(stored: bytes, dataset: Dataset) -> Frame:
    rows, columns, bits = int(dataset.Rows), int(dataset.Columns), int(dataset.BitsAllocated)
    needed = -(-rows * columns * bits // _BYTE_BITS)
    if len(stored) < needed:
        raise _short(len(stored), needed)
    values = np.frombuffer(stored[:needed], np.uint8)
    if bits == 1:
        values = np.unpackbits(values, bitorder="little")[: rows * columns]
    if bits == np.iinfo(np.uint16).bits:
        return values.view("<u2").astype(np.uint16).reshape(rows, columns)
    return values.reshape(rows, columns)


def _short(found: int, needed: int) -> InputError:
    return InputError(
        f"The pixel data of the segmentation has {found} bytes where {needed} are needed.",
        "The file is cut off: export it again from where it was made.",
    )
