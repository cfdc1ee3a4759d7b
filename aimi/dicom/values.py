"""Typed values of raw elements, by DICOM keyword.

A header that is silent, or whose text cannot be read as what the standard says it is, gives ``None`` or an
empty string: never an error and never a guess.
"""

import math
import re
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Final

from pydicom.charset import decode_bytes, python_encoding
from pydicom.datadict import dictionary_VR, tag_for_keyword

from aimi.dicom.elements import Elements

__all__ = ["Values", "day_number", "is_uid"]

_PADDING: Final = b" \0"
_DELIMITERS: Final = {ord(character) for character in "\\^="}
_ESCAPE: Final = b"\x1b"
_CHARACTER_SET: Final = 0x00080005
_BINARY: Final = {"US": "H", "SS": "h", "UL": "L", "SL": "l", "FL": "f", "FD": "d"}
_UID: Final = re.compile(r"\d+(\.\d+)*", re.ASCII)
_LONGEST_UID: Final = 64
_TIME: Final = re.compile(r"(\d{2}):?(\d{2})?:?(\d{2}(?:\.\d{1,6})?)?")


def is_uid(text: str) -> bool:
    """Tell whether a text is one UID (PS3.5 9.1); leading zeros, which are common, are let pass."""
    return len(text) <= _LONGEST_UID and _UID.fullmatch(text) is not None


def day_number(date: str) -> int | None:
    """Give the number of a day (of a DA value) such that the next day has the next number; None for no date."""
    try:
        return datetime.strptime(date, "%Y%m%d").toordinal()
    except ValueError:
        return None


@lru_cache(maxsize=512)
def _field(keyword: str) -> tuple[int, str]:
    tag = tag_for_keyword(keyword)
    if tag is None:
        raise KeyError(keyword)
    return tag, dictionary_VR(tag)


@dataclass(frozen=True, slots=True)
class Values:
    """Typed access to the elements of a data set, an item, or a frame's merged view."""

    elements: Elements

    @property
    def raw(self) -> Mapping[int, bytes]:
        """The raw values by tag."""
        return self.elements.raw

    def raw_of(self, keyword: str) -> bytes | None:
        """Give the value as written; None where it is absent."""
        return self.raw.get(_field(keyword)[0])

    def text(self, keyword: str) -> str:
        """Give the value as text without padding; empty where it is absent."""
        value = self.raw.get(_field(keyword)[0])
        if not value:
            return ""
        value = value.strip(_PADDING)
        return value.decode("ascii") if value.isascii() and _ESCAPE not in value else self._decode(value)

    def _decode(self, value: bytes) -> str:
        """Read text in the data set's Specific Character Set (PS3.5 6.1); unknown sets are read as Latin-1.

        pydicom would complain of an unknown set in its log, with the text of the header.
        """
        names = self.raw.get(_CHARACTER_SET, b"").strip(_PADDING).decode("ascii", "replace").split("\\")
        codecs = [python_encoding[name.strip()] for name in names if name.strip() in python_encoding]
        if _ESCAPE in value and codecs:
            return str(decode_bytes(value, codecs, _DELIMITERS))
        try:
            return value.decode(codecs[0] if codecs else "latin-1")
        except UnicodeError:
            return value.decode("latin-1")

    def uid(self, keyword: str) -> str:
        """Give a UID; empty where it is absent or is not one UID."""
        text = self.text(keyword)
        return text if is_uid(text) else ""

    def texts(self, keyword: str) -> tuple[str, ...]:
        """Give the components of a text of several values; none where it is absent."""
        text = self.text(keyword)
        return tuple(part.strip() for part in text.split("\\")) if text else ()

    def numbers(self, keyword: str) -> tuple[float, ...]:
        """Give all values of a numeric attribute; none if one of them is no finite number."""
        tag, representation = _field(keyword)
        value = self.raw.get(tag)
        if not value:
            return ()
        if representation in _BINARY:
            return self._unpack(value, _BINARY[representation])
        try:
            found = tuple(float(part) for part in value.strip(_PADDING).split(b"\\"))
        except ValueError:
            return ()
        return found if all(math.isfinite(number) for number in found) else ()

    def _unpack(self, value: bytes, code: str) -> tuple[float, ...]:
        kind = struct.Struct(self.elements.encoding.order + code)
        whole = value[: len(value) // kind.size * kind.size]
        found = tuple(float(number) for (number,) in kind.iter_unpack(whole))
        return found if all(math.isfinite(number) for number in found) else ()

    def number(self, keyword: str) -> float | None:
        """Give the first value of a numeric attribute."""
        found = self.numbers(keyword)
        return found[0] if found else None

    def integer(self, keyword: str) -> int | None:
        """Give the first value of a numeric attribute if it is whole."""
        found = self.number(keyword)
        return int(found) if found is not None and found.is_integer() else None

    def pixel_value(self, keyword: str, *, is_signed: bool) -> int | None:
        """Give an attribute that is signed as the pixels are (US or SS)."""
        value = self.raw.get(_field(keyword)[0])
        if value is None or len(value) < 2:  # noqa: PLR2004  (16 bits)
            return None
        order = "little" if self.elements.encoding.order == "<" else "big"
        return int.from_bytes(value[:2], order, signed=is_signed)  # type: ignore[arg-type]  # two literals

    def seconds(self, keyword: str) -> float | None:
        """Give a time as seconds since midnight."""
        return self.seconds_of(self.text(keyword))

    @staticmethod
    def seconds_of(text: str) -> float | None:
        """Read a time as DICOM writes it (PS3.5 6.2, TM) as seconds since midnight."""
        match = _TIME.match(text)
        if match is None:
            return None
        hours, minutes, seconds = (float(part or 0) for part in match.groups())
        return hours * 3600 + minutes * 60 + seconds

    def items(self, keyword: str) -> list["Values"]:
        """Give the items of a sequence."""
        tag = _field(keyword)[0]
        if not self.raw.get(tag):
            return []
        return [Values(item) for item in self.elements.items(tag)]

    def private(self, group: int, creator: str, element: int) -> bytes | None:
        """Give the value of a private element by its creator (PS3.5 7.8.1)."""
        for block in range(0x10, 0x100):
            name = self.raw.get(group << 16 | block)
            if name is not None and name.strip(_PADDING).decode("latin-1") == creator:
                return self.raw.get(group << 16 | block << 8 | element)
        return None
