"""Stored values: one frame of an instance, decoded.

A frame is decoded into an array of cells (bits allocated, signed or not) whose every cell then holds the
stored value: the bits above Bits Stored are not part of it and are replaced by zeros or the sign (PS3.5 8.1.1).

======================== =================================================================
transfer syntax          read by
======================== =================================================================
native, deflated         the bytes themselves, straight into the array
JPEG-LS                  pyjpegls (faster than gdcm: 5 against 8 ms for 512 x 512)
JPEG, JPEG 2000          gdcm
RLE                      :mod:`aimi.dicom.run_length`
======================== =================================================================

Everything else is refused by name. The decoders hold Python's lock while they work: threads overlap
their work with reading only.
"""

import struct
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, TypeAlias

import gdcm
import jpeg_ls
import numpy as np
import numpy.typing as npt
from pydicom.pixels.utils import get_j2k_parameters
from pydicom.uid import UID

from aimi.dicom import pixel_data, run_length
from aimi.dicom.header import Instance, PixelFormat
from aimi.dicom.pixel_data import DamagedError, Extent, Frames, Layout
from aimi.errors import InputError

__all__ = ["Codec", "TransferSyntax", "find_frames", "high_bit", "is_lossy", "read_frame", "stored_dtype"]

Cells: TypeAlias = npt.NDArray[Any]

_BYTE = 8


class Codec(StrEnum):
    """What the bytes of a frame are."""

    NATIVE = "native"
    JPEG = "JPEG"
    JPEG_LS = "JPEG-LS"
    JPEG_2000 = "JPEG 2000"
    RLE = "RLE"


@dataclass(frozen=True, slots=True)
class TransferSyntax:
    """A transfer syntax that can be read."""

    codec: Codec
    layout: Layout
    is_lossy: bool = False


_ENCAPSULATED = Layout(encapsulated=True)
TRANSFER_SYNTAXES: dict[str, TransferSyntax] = {
    "1.2.840.10008.1.2": TransferSyntax(Codec.NATIVE, Layout(explicit=False)),
    "1.2.840.10008.1.2.1": TransferSyntax(Codec.NATIVE, Layout()),
    "1.2.840.10008.1.2.1.99": TransferSyntax(Codec.NATIVE, Layout(deflated=True)),
    "1.2.840.10008.1.2.2": TransferSyntax(Codec.NATIVE, Layout(big_endian=True)),
    "1.2.840.10008.1.2.4.50": TransferSyntax(Codec.JPEG, _ENCAPSULATED, is_lossy=True),
    "1.2.840.10008.1.2.4.51": TransferSyntax(Codec.JPEG, _ENCAPSULATED, is_lossy=True),
    "1.2.840.10008.1.2.4.57": TransferSyntax(Codec.JPEG, _ENCAPSULATED),
    "1.2.840.10008.1.2.4.70": TransferSyntax(Codec.JPEG, _ENCAPSULATED),
    "1.2.840.10008.1.2.4.80": TransferSyntax(Codec.JPEG_LS, _ENCAPSULATED),
    "1.2.840.10008.1.2.4.81": TransferSyntax(Codec.JPEG_LS, _ENCAPSULATED, is_lossy=True),
    "1.2.840.10008.1.2.4.90": TransferSyntax(Codec.JPEG_2000, _ENCAPSULATED),
    "1.2.840.10008.1.2.4.91": TransferSyntax(Codec.JPEG_2000, _ENCAPSULATED, is_lossy=True),
    "1.2.840.10008.1.2.5": TransferSyntax(Codec.RLE, _ENCAPSULATED),
}


def is_lossy(instance: Instance) -> bool:
    """Tell whether an instance was ever compressed with loss, by its header or its transfer syntax."""
    syntax = TRANSFER_SYNTAXES.get(instance.pixels.transfer_syntax_uid)
    return instance.header.lossy_image_compression == "01" or (syntax is not None and syntax.is_lossy)


def _unreadable_syntax(uid: str) -> str:
    name = UID(uid).name
    named = uid if name == uid else f"{name} ({uid})"
    return f"The transfer syntax {named} cannot be decoded; store the series in another one, such as uncompressed."


def high_bit(pixels: PixelFormat) -> int:
    """Give the number of the highest bit of a stored value; Bits Stored - 1 where the header is silent."""
    return pixels.bits_stored - 1 if pixels.high_bit is None else pixels.high_bit


def stored_dtype(pixels: PixelFormat, frames: Frames) -> np.dtype[Any]:
    """Give the type of a stored value: an integer of Bits Allocated bits, or float32."""
    if frames.is_float:
        return np.dtype(np.float32)
    return np.dtype(f"{'i' if pixels.pixel_representation else 'u'}{pixels.bits_allocated // _BYTE}")


def find_frames(instance: Instance) -> Frames:
    """Find the bytes of each frame of an instance.

    Raises
    ------
    InputError
        The transfer syntax cannot be decoded, or the pixel data are absent or cut.
    """
    syntax = TRANSFER_SYNTAXES.get(instance.pixels.transfer_syntax_uid)
    if syntax is None:
        raise InputError(_unreadable_syntax(instance.pixels.transfer_syntax_uid))
    try:
        return pixel_data.find_frames(instance, syntax.layout)
    except DamagedError as err:
        raise _damaged(instance, str(err)) from err
    except OSError as err:
        raise _damaged(instance, "the file cannot be read") from err


def _damaged(instance: Instance, reason: str) -> InputError:
    return InputError(
        f"The pixels of instance {instance.sop_instance_uid} cannot be read: {reason}.",
        "Send the series again from the archive.",
    )


def read_frame(instance: Instance, frame: Extent | bytes, out: Cells) -> bool:
    """Decode a frame of an instance into an array.

    Parameters
    ----------
    frame : as :func:`find_frames` gives it.
    out : shape (rows, columns), contiguous, of :func:`stored_dtype`; receives the stored values.

    Returns
    -------
    bool
        Whether bits above Bits Stored were set to something else than the value's sign and were dropped.

    Raises
    ------
    InputError
        The bytes cannot be read or decoded to rows x columns values.
    """
    syntax = TRANSFER_SYNTAXES[instance.pixels.transfer_syntax_uid]
    try:
        if isinstance(frame, Extent):
            _read_extent(instance, frame, out)
        elif syntax.codec is Codec.NATIVE:
            out[...] = np.frombuffer(frame, out.dtype).reshape(out.shape)
        else:
            return _decode(syntax.codec, instance.pixels, frame, out)
    except DamagedError as err:
        raise _damaged(instance, str(err)) from err
    except OSError as err:
        raise _damaged(instance, "the file cannot be read") from err
    if syntax.layout.big_endian:
        out.byteswap(inplace=True)
    return _drop_unused_bits(out, instance.pixels.bits_stored, high_bit(instance.pixels))


def _read_extent(instance: Instance, extent: Extent, out: Cells) -> None:
    with instance.path.open("rb", buffering=0) as file:
        file.seek(extent.offset)
        if file.readinto(out.data) != extent.length:
            raise DamagedError("the file ends inside the pixel data")


def _drop_unused_bits(values: Cells, bits_stored: int, high_bit: int) -> bool:
    """Set the bits that are not part of the stored value to zeros or the sign; tell whether any changed."""
    cell_bits = values.dtype.itemsize * _BYTE
    if values.dtype.kind == "f" or bits_stored >= cell_bits:
        return False
    before = values.copy()
    np.left_shift(values, cell_bits - 1 - high_bit, out=values)
    np.right_shift(values, cell_bits - bits_stored, out=values)
    return high_bit == bits_stored - 1 and not np.array_equal(before, values)


def _decode(codec: Codec, pixels: PixelFormat, stream: bytes, out: Cells) -> bool:
    try:
        decoded, precision = _decode_stream(codec, pixels, stream)
    except (RuntimeError, ValueError, TypeError, struct.error) as err:
        raise DamagedError(f"the {codec} code stream cannot be decoded") from err
    cell_bytes, rest = divmod(len(decoded), out.size)
    if rest or cell_bytes not in {1, 2, 4} or cell_bytes > out.dtype.itemsize:
        raise DamagedError(f"the {codec} code stream gives {len(decoded)} bytes for {out.size} pixels")
    out[...] = np.frombuffer(decoded, f"<{out.dtype.kind}{cell_bytes}").reshape(out.shape)
    if codec is Codec.RLE:
        return _drop_unused_bits(out, pixels.bits_stored, high_bit(pixels))
    # A code stream may hold the sample in fewer bits than Bits Stored, without or against its sign.
    bits = min(precision, pixels.bits_stored)
    _drop_unused_bits(out, bits, bits - 1)
    return False


def _decode_stream(codec: Codec, pixels: PixelFormat, stream: bytes) -> tuple[bytes, int]:
    """Give a code stream's samples and how many bits each has."""
    if codec is Codec.RLE:
        count, cell_bytes = pixels.rows * pixels.columns, pixels.bits_allocated // _BYTE
        return run_length.decode(stream, pixels=count, cell_bytes=cell_bytes), pixels.bits_stored
    if codec is Codec.JPEG_LS:
        return _decode_jpeg_ls(stream)
    precision = _j2k_precision(stream) if codec is Codec.JPEG_2000 else pixels.bits_stored
    return _decode_with_gdcm(pixels, stream, precision), precision


def _decode_jpeg_ls(stream: bytes) -> tuple[bytes, int]:
    decoded, described = jpeg_ls.decode_pixel_data(stream)
    return bytes(decoded), int(described["bits_per_sample"])


def _j2k_precision(stream: bytes) -> int:
    described = get_j2k_parameters(stream)
    if "precision" not in described:
        raise ValueError("no JPEG 2000 code stream")
    return int(described["precision"])


def _decode_with_gdcm(pixels: PixelFormat, stream: bytes, precision: int) -> bytes:
    gdcm.Trace.WarningOff()
    gdcm.Trace.ErrorOff()
    fragment = gdcm.Fragment()
    fragment.SetByteStringValue(stream)
    fragments = gdcm.SequenceOfFragments.New()
    fragments.AddFragment(fragment)
    element = gdcm.DataElement(gdcm.Tag(0x7FE0, 0x0010))
    element.SetValue(fragments.__ref__())
    image = gdcm.Image()
    image.SetNumberOfDimensions(2)
    image.SetDimensions((pixels.columns, pixels.rows, 1))
    image.SetDataElement(element)
    gray = gdcm.PhotometricInterpretation.GetPIType("MONOCHROME2")
    image.SetPhotometricInterpretation(gdcm.PhotometricInterpretation(gray))
    syntax = gdcm.TransferSyntax.GetTSType(str(pixels.transfer_syntax_uid))
    image.SetTransferSyntax(gdcm.TransferSyntax(syntax))
    image.SetPixelFormat(
        gdcm.PixelFormat(1, pixels.bits_allocated, precision, precision - 1, pixels.pixel_representation)
    )
    # The binding gives the bytes as a str, and None where decoding failed.
    decoded: str | None = image.GetBuffer()
    if decoded is None:
        raise ValueError("gdcm gives nothing")
    return decoded.encode("utf-8", "surrogateescape")
