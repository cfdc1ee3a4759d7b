"""Where an instance keeps its pixels: the bytes of each frame, found without reading the rest.

A frame is either an :class:`Extent` of the file (native encoding) or bytes in memory (a code stream, or
a frame of an inflated file). An encapsulated value is cut into frames by count, else by its extended or
basic offset table, else by the end markers of the code streams (PS3.5 A.4).

Whatever is short, cut or contradictory raises :class:`DamagedError`; nothing is filled up.
"""

import mmap
import struct
import zlib
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeAlias

import pydicom

from aimi.dicom.elements import read_header
from aimi.dicom.header import Instance

__all__ = ["DamagedError", "Extent", "Frames", "Layout", "encapsulated_frames", "find_frames"]

_Data: TypeAlias = bytes | mmap.mmap

_EXTENDED_OFFSETS: Final = 0x7FE00001
_FLOAT_PIXELS: Final = 0x7FE00008
_PIXELS: Final = 0x7FE00010
_ITEM: Final = 0xFFFEE000
_SEQUENCE_END: Final = 0xFFFEE0DD
_BYTE: Final = 8
_END_OF_IMAGE: Final = b"\xff\xd9"


class DamagedError(Exception):
    """The file is cut or contradicts itself; the message says how, in half a sentence."""


@dataclass(frozen=True, slots=True)
class Layout:
    """How a transfer syntax lays out a data set (PS3.5 10)."""

    explicit: bool = True
    big_endian: bool = False
    deflated: bool = False
    encapsulated: bool = False


@dataclass(frozen=True, slots=True)
class Extent:
    """Bytes of a file."""

    offset: int
    length: int


@dataclass(frozen=True, slots=True)
class Frames:
    """The stored bytes of each frame, in frame order.

    Parameters
    ----------
    is_float : they come from Float Pixel Data.
    excess : bytes of the pixel data that no frame uses, one byte of padding not counted.
    """

    frames: tuple[Extent | bytes, ...]
    is_float: bool
    excess: int = 0


def find_frames(instance: Instance, layout: Layout) -> Frames:
    """Find the frames of an instance.

    Raises
    ------
    DamagedError
        The pixel data are absent, cut, or hold another number of frames.
    OSError
        The file cannot be read.
    """
    pixels = instance.pixels
    count = pixels.number_of_frames
    frame_bytes = pixels.rows * pixels.columns * pixels.bits_allocated // _BYTE
    if layout.deflated:
        return _native_frames(_inflated_pixels(instance.path), frame_bytes, count)
    element = _element(instance)
    if layout.encapsulated:
        return Frames(_code_streams(instance.path, element.offset, count), is_float=False)
    if element.length is None:
        raise DamagedError("pixel data that the transfer syntax calls native are encapsulated")
    if layout.big_endian and pixels.bits_allocated == _BYTE:
        return _native_frames(_in_byte_order(instance.path, element.offset, element.length), frame_bytes, count)
    _check_length(element.length, frame_bytes * count)
    return Frames(
        tuple(Extent(element.offset + index * frame_bytes, frame_bytes) for index in range(count)),
        is_float=element.is_float,
        excess=max(0, element.length - frame_bytes * count - 1),
    )


@dataclass(frozen=True, slots=True)
class _Element:
    offset: int
    length: int | None
    is_float: bool


def _element(instance: Instance) -> _Element:
    """Give the pixel element as the record of the instance tells, else as the file does."""
    pixels = instance.pixels
    if pixels.pixel_offset is not None:
        return _Element(pixels.pixel_offset, pixels.pixel_length, pixels.is_float)
    header = read_header(instance.path)
    found = header.pixels if header is not None else None
    if found is None or found.offset is None or found.tag not in {_PIXELS, _FLOAT_PIXELS}:
        raise DamagedError("no pixel data of 8, 16 or 32 bits were found")
    return _Element(found.offset, found.length, found.tag == _FLOAT_PIXELS)


def _check_length(present: int, needed: int) -> None:
    if present < needed:
        raise DamagedError(f"the pixel data hold {present} of {needed} bytes")


def _native_frames(value: bytes, frame_bytes: int, count: int) -> Frames:
    _check_length(len(value), frame_bytes * count)
    frames = tuple(value[index * frame_bytes : (index + 1) * frame_bytes] for index in range(count))
    return Frames(frames, is_float=False, excess=max(0, len(value) - frame_bytes * count - 1))


def _inflated_pixels(path: Path) -> bytes:
    try:
        value = pydicom.dcmread(path, force=True).get_item(_PIXELS)
    except (zlib.error, EOFError, ValueError, struct.error) as err:
        raise DamagedError("the deflated data set cannot be inflated") from err
    if value is None or not isinstance(value.value, bytes):
        raise DamagedError("no pixel data of 8, 16 or 32 bits were found")
    return value.value


def _in_byte_order(path: Path, offset: int, length: int) -> bytes:
    """Give big endian samples of 8 bits in their order: words (VR OW) hold them in swapped pairs (PS3.5 8.1.1)."""
    with path.open("rb") as file:
        file.seek(offset - 8)
        representation = file.read(2)
        file.seek(offset)
        value = bytearray(file.read(length))
    if representation == b"OW":
        pairs = len(value) // 2 * 2
        value[0:pairs:2], value[1:pairs:2] = value[1:pairs:2], value[0:pairs:2]
    return bytes(value)


def _code_streams(path: Path, offset: int, count: int) -> tuple[bytes, ...]:
    starts: tuple[int, ...] = ()
    if count > 1 and (header := read_header(path)) is not None:
        offsets = header.elements.raw.get(_EXTENDED_OFFSETS, b"")
        starts = struct.unpack(f"<{len(offsets) // 8}Q", offsets[: len(offsets) // 8 * 8])
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        return encapsulated_frames(data, offset, count=count, starts=starts)


def encapsulated_frames(data: _Data, offset: int, *, count: int, starts: Sequence[int] = ()) -> tuple[bytes, ...]:
    """Cut an encapsulated value into the code streams of its frames.

    Parameters
    ----------
    offset : where the value starts, at the item of the basic offset table.
    starts : the extended offset table (PS3.3 C.7.6.3.1.8); empty where there is none.

    Raises
    ------
    DamagedError
        An item reaches beyond the data, or the fragments do not give ``count`` frames.
    """
    items = _items(data, offset)
    if len(items) <= 1:
        raise DamagedError("the pixel data hold no fragment")
    table, fragments = items[0], items[1:]
    if count == 1:
        return (_join(data, fragments),)
    if len(fragments) == count:
        return tuple(_join(data, [fragment]) for fragment in fragments)
    if len(fragments) < count:
        raise DamagedError(f"the pixel data hold {len(fragments)} fragments for {count} frames")
    basic = struct.unpack_from(f"<{table.length // 4}L", data, table.offset)
    groups = _grouped_by_starts(fragments, starts or basic) if starts or basic else _grouped_by_markers(data, fragments)
    if len(groups) != count:
        raise DamagedError(f"the pixel data hold {len(groups)} frames of {count}")
    return tuple(_join(data, group) for group in groups)


def _items(data: _Data, offset: int) -> list[Extent]:
    read = struct.Struct("<HHL").unpack_from
    items = []
    while offset + 8 <= len(data):
        group, element, length = read(data, offset)
        tag = group << 16 | element
        if tag == _SEQUENCE_END:
            break
        offset += 8
        if tag != _ITEM or offset + length > len(data):
            raise DamagedError("the encapsulated pixel data are cut or are not made of items")
        items.append(Extent(offset, length))
        offset += length
    return items


def _grouped_by_starts(fragments: Sequence[Extent], starts: Sequence[int]) -> list[list[Extent]]:
    groups: dict[int, list[Extent]] = {}
    for fragment in fragments:
        position = fragment.offset - fragments[0].offset
        groups.setdefault(bisect_right(starts, position), []).append(fragment)
    return list(groups.values())


def _grouped_by_markers(data: _Data, fragments: Sequence[Extent]) -> list[list[Extent]]:
    groups: list[list[Extent]] = [[]]
    for fragment in fragments:
        groups[-1].append(fragment)
        end = data[max(fragment.offset, fragment.offset + fragment.length - 4) : fragment.offset + fragment.length]
        if end.rstrip(b"\0").endswith(_END_OF_IMAGE):
            groups.append([])
    return [group for group in groups if group]


def _join(data: _Data, fragments: Sequence[Extent]) -> bytes:
    return b"".join(data[fragment.offset : fragment.offset + fragment.length] for fragment in fragments)
