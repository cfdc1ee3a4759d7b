"""NRRD files with attached data (``.nrrd``): what ITK and 3D Slicer write, and one form that both read.

Own code and not pynrrd: that writes the time of writing into the file, so that two runs differ, and the part
of the format that is needed here fits on a screen. Written are gzip encoding and LPS space directions;
segments go into the key/value pairs that Slicer's ``.seg.nrrd`` files have.

References
----------
http://teem.sourceforge.net/nrrd/format.html; 3D Slicer, "Segmentation file format" (key/value pairs).
"""

import gzip
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from aimi.errors import GeometryError, InputError
from aimi.image import Segment
from aimi.nifti.content import FileContent

__all__ = ["encode", "read"]

_SPATIAL = 3
_TYPES: Mapping[str, str] = {
    **dict.fromkeys(("signed char", "int8", "int8_t"), "i1"),
    **dict.fromkeys(("uchar", "unsigned char", "uint8", "uint8_t"), "u1"),
    **dict.fromkeys(("short", "short int", "signed short", "signed short int", "int16", "int16_t"), "i2"),
    **dict.fromkeys(("ushort", "unsigned short", "unsigned short int", "uint16", "uint16_t"), "u2"),
    **dict.fromkeys(("int", "signed int", "int32", "int32_t"), "i4"),
    **dict.fromkeys(("uint", "unsigned int", "uint32", "uint32_t"), "u4"),
    "float": "f4",
    "double": "f8",
}
_SPACES: Mapping[str, tuple[float, float, float]] = {
    **dict.fromkeys(("left-posterior-superior", "lps"), (1.0, 1.0, 1.0)),
    **dict.fromkeys(("right-anterior-superior", "ras"), (-1.0, -1.0, 1.0)),
    **dict.fromkeys(("left-anterior-superior", "las"), (1.0, -1.0, 1.0)),
}
_WRITTEN_TYPES: Mapping[str, str] = {"u1": "uint8", "i2": "int16", "u2": "uint16", "f4": "float"}


def read(path: Path) -> FileContent:
    """Read an NRRD file.

    Raises
    ------
    InputError
        The file is damaged, or is no three-dimensional image with attached raw or gzip data.
    GeometryError
        The file states no space, origin or directions.
    """
    try:
        head, _, data = path.read_bytes().partition(b"\n\n")
        lines = head.decode("utf-8").replace("\r", "").split("\n")
    except (OSError, UnicodeDecodeError) as err:
        raise _damaged() from err
    if not lines[0].startswith("NRRD000"):
        raise _damaged()
    fields = {
        name.strip().lower(): value.strip()
        for name, mark, value in (line.partition(": ") for line in lines[1:] if not line.startswith("#"))
        if mark and ":=" not in name
    }
    sizes = fields.get("sizes", "").split()
    if len(sizes) != _SPATIAL or not all(size.isdecimal() for size in sizes) or fields.get("type") not in _TYPES:
        raise InputError("The NRRD file holds no single three-dimensional image of numbers.", "Take one volume of it.")
    return FileContent(_read_values(fields, data, tuple(int(size) for size in reversed(sizes))), _read_affine(fields))


def _read_values(fields: Mapping[str, str], data: bytes, shape: tuple[int, ...]) -> npt.NDArray[Any]:
    encoding = fields.get("encoding", "").lower()
    if "data file" in fields or "datafile" in fields or encoding not in {"raw", "gzip", "gz"}:
        raise InputError("The NRRD file's data is detached or neither raw nor gzip.", "Write it as one file.")
    try:
        stored = data if encoding == "raw" else gzip.decompress(data)
    except (EOFError, OSError, zlib.error) as err:
        raise _damaged() from err
    order = ">" if fields.get("endian", "little").lower() == "big" else "<"
    dtype = np.dtype(order + _TYPES[fields["type"]])
    if len(stored) != dtype.itemsize * int(np.prod(shape)):
        raise _damaged()
    return np.frombuffer(stored, dtype).reshape(shape).astype(dtype.newbyteorder("="), copy=False)


def _read_affine(fields: Mapping[str, str]) -> npt.NDArray[np.float64]:
    signs = _SPACES.get(fields.get("space", "").lower())
    vectors = fields.get("space directions", "").replace(" ", "").strip("()").split(")(")
    try:
        origin = _vector(fields.get("space origin", ""))
        directions = [_vector(vector) for vector in vectors]
    except ValueError:
        signs = None
    if signs is None or len(directions) != _SPATIAL:
        raise GeometryError(
            "The NRRD file states no space, origin or directions: its place in the patient is unknown.",
            "Write it again with space left-posterior-superior, its origin and directions.",
        )
    affine = np.eye(4)
    affine[:3, :3] = np.array(directions[::-1]).T
    affine[:3, 3] = origin
    return np.diag([*signs, 1.0]) @ affine


def _vector(text: str) -> list[float]:
    values = [float(part) for part in text.strip().strip("()").split(",")]
    if len(values) != _SPATIAL:
        raise ValueError("a vector of three numbers is needed")
    return values


def encode(values: npt.NDArray[Any], affine: npt.NDArray[np.float64], *, segments: Sequence[Segment] = ()) -> bytes:
    """Give an NRRD file.

    Parameters
    ----------
    values, affine : as in :class:`FileContent`, in the order of the file.
    segments : described in key/value pairs.
    """
    kind = _WRITTEN_TYPES[values.dtype.str[1:]]
    lines = [
        "NRRD0004",
        f"type: {kind}",
        "dimension: 3",
        "space: left-posterior-superior",
        f"sizes: {' '.join(str(size) for size in values.shape[::-1])}",
        f"space directions: {' '.join(_write_vector(affine[:3, axis]) for axis in (2, 1, 0))}",
        "kinds: domain domain domain",
        "endian: little",
        "encoding: gzip",
        f"space origin: {_write_vector(affine[:3, 3])}",
        *(line for index, segment in enumerate(segments) for line in _describe(index, segment)),
    ]
    data = np.ascontiguousarray(values, values.dtype.newbyteorder("<")).tobytes()
    return "\n".join([*lines, "", ""]).encode() + gzip.compress(data, compresslevel=6, mtime=0)


def _write_vector(vector: npt.NDArray[np.float64]) -> str:
    return f"({','.join(repr(float(value)) for value in vector)})"


def _describe(index: int, segment: Segment) -> list[str]:
    name = segment.label.replace("\\", "\\\\").replace("\n", "\\n").replace("\r", "")
    return [
        f"Segment{index}_ID:=Segment_{segment.number}",
        f"Segment{index}_Name:={name}",
        f"Segment{index}_LabelValue:={segment.number}",
        f"Segment{index}_Layer:=0",
        f"Segment{index}_Color:={' '.join(f'{part / 255:.6f}' for part in segment.color)}",
    ]


def _damaged() -> InputError:
    return InputError("The file is no NRRD file, or is damaged.", "Export it again.")
