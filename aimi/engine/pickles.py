"""Reading pickles and torch files without running anything that they name.

nnU-Net keeps plans (v1) and weights (v1, v2) as pickles, and a pickle may call any function. The unpickler here knows a
short list of names and gives each its own harmless maker; everything else is refused. Tensors are made by this module
from the bytes of the file, so torch is not imported. Of numpy a pickle reaches nothing at all: its dtypes and arrays
are records of this module until the pickle has been read, and what becomes of them is decided by a short type code, a
byte order, a shape and bytes that fill it exactly. numpy's own would follow a pointer that the file supplies.

What a pickle may take of memory is bounded by its size: its opcodes are walked first (:mod:`aimi.engine.opcodes`), and
what the makers copy is counted.

A torch file is a zip archive, uncompressed, with ``data.pkl`` and one entry per storage; before torch 1.6 it was a row
of pickles followed by the raw storages. Storages are mapped, not read: what nobody asks for (the optimizer's half of
the file) costs nothing. What is asked for is held once against the archive's CRC-32.

References
----------
torch 2.13, ``serialization.py`` and ``_utils.py``; numpy 2.4, ``_core/multiarray.py``, ``arraydescr_reduce``,
``array_reduce``. The types that nnU-Net's files hold were listed from its source (nnunet 1.7.1 ``network_trainer.py``,
nnunetv2 2.8.1 ``nnUNetTrainer.py``).
"""

import functools
import io
import math
import mmap
import pickle
import re
import struct
import zipfile
import zlib
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from aimi.engine.opcodes import MAX_PICKLE_BYTES, end_of_pickle
from aimi.errors import ModelError

__all__ = ["Tensor", "read_pickle", "read_torch_file"]

_REMEDY = "Get the model again from its publisher (`aimi models fetch`)."
# what a pickle of random bytes raises
_DAMAGE = (
    *(pickle.UnpicklingError, EOFError, struct.error, ValueError, TypeError, AttributeError),
    *(LookupError, ImportError, MemoryError, RecursionError, OverflowError),
)
# what zipfile raises besides; an entry that says it is encrypted is a RuntimeError
_DAMAGED_FILE = (*_DAMAGE, zipfile.BadZipFile, zlib.error, RuntimeError)
_LEGACY_MAGIC = 0x1950A86A20F9469CFC6C

_STORAGE_TYPES: Mapping[str, str] = {
    "DoubleStorage": "f8",
    "FloatStorage": "f4",
    "HalfStorage": "f2",
    "LongStorage": "i8",
    "IntStorage": "i4",
    "ShortStorage": "i2",
    "CharStorage": "i1",
    "ByteStorage": "u1",
    "BoolStorage": "?",
}

# numbers and text; no objects, no records of several fields
_DTYPE_CODE = re.compile(r"b1|[iu][1248]|f[248]|c8|c16|[SU][1-9]\d{0,3}")
_BYTE_ORDERS = "<>|="
_MOST_TOLD = 80
_MOST_COPIED = 4


def _refuse_state(_self: object, _state: object) -> None:
    """Stand for ``__setstate__``: a frozen record with slots would take its fields from the pickle."""
    raise ModelError("A file of the model wants to change what it is read with.", _REMEDY)


@dataclass(frozen=True, slots=True)
class _StorageType:
    """A class of torch's storages, by the code of its values."""

    code: str

    __setstate__ = _refuse_state

    @property
    def dtype(self) -> np.dtype[Any]:
        return np.dtype(self.code)


@dataclass(frozen=True, slots=True)
class _Storage:
    """Where a storage lies: a position in the file, or its key until that is known."""

    key: str
    kind: _StorageType
    count: int

    __setstate__ = _refuse_state


@dataclass(frozen=True, slots=True)
class Tensor:
    """A tensor that has not been read.

    Parameters
    ----------
    shape, stride, offset : in elements.
    """

    storage: _Storage
    offset: int
    shape: tuple[int, ...]
    stride: tuple[int, ...]
    source: "_Source"

    __setstate__ = _refuse_state

    def array(self) -> npt.NDArray[Any]:
        """Give the values, mapped from the file; what is written to them stays in memory."""
        values = self.source.map(self.storage)
        if len(self.shape) != len(self.stride) or any(
            number < 0 for number in (*self.shape, *self.stride, self.offset)
        ):
            raise ModelError("A tensor of the model lies outside its storage.", _REMEDY)
        last = self.offset + sum((size - 1) * step for size, step in zip(self.shape, self.stride, strict=True))
        if 0 not in self.shape and last >= values.size:
            raise ModelError("A tensor of the model lies outside its storage.", _REMEDY)
        strides = tuple(step * values.itemsize for step in self.stride)
        try:
            return np.lib.stride_tricks.as_strided(values[self.offset :], self.shape, strides)
        except (ValueError, OverflowError) as error:
            raise ModelError("A tensor of the model has a shape that no array can have.", _REMEDY) from error


class _Source:
    """The storages of one file by key."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.places: dict[str, tuple[int, int]] = {}
        self.unchecked: dict[str, int] = {}

    def map(self, storage: _Storage) -> npt.NDArray[Any]:
        place = self.places.get(storage.key)
        dtype = storage.kind.dtype
        needed = storage.count * dtype.itemsize
        if place is None or place[1] < needed or place[0] + place[1] > self.path.stat().st_size:
            raise ModelError("A storage of the model's weights is missing or cut short.", _REMEDY)
        if storage.count == 0:
            return np.empty(0, dtype)
        if storage.key in self.unchecked:
            self._require_sum(storage.key, place)
        return np.memmap(self.path, dtype, mode="c", offset=place[0], shape=(storage.count,))

    def _require_sum(self, key: str, place: tuple[int, int]) -> None:
        """Hold a storage against the archive's sum, once: an altered byte of the weights must not go unseen."""
        content = np.memmap(self.path, np.uint8, mode="r", offset=place[0], shape=(place[1],))
        if zlib.crc32(content.data) != self.unchecked[key]:
            raise ModelError("The model's weights are altered: their bytes do not match the archive's sum.", _REMEDY)
        del self.unchecked[key]


def read_pickle(path: Path) -> Any:  # noqa: ANN401 - a pickle may hold anything
    """Give the content of a pickle of plain values and numpy arrays.

    Raises
    ------
    ModelError
        It names anything else, or is damaged.
    """
    if path.stat().st_size > MAX_PICKLE_BYTES:
        raise ModelError(f"A plans file of the model is larger than {MAX_PICKLE_BYTES >> 20} MiB.", _REMEDY)
    content, _, _ = _load(path.read_bytes(), 0, None)
    return content


def read_torch_file(path: Path) -> Any:  # noqa: ANN401 - as above
    """Give the content of a torch file with a :class:`Tensor` for each tensor.

    Raises
    ------
    ModelError
        It names anything but tensors, numpy arrays and plain values, or is damaged.
    """
    source, is_archive = _Source(path), zipfile.is_zipfile(path)
    try:
        if not is_archive:
            return _read_legacy(path, source)
        with zipfile.ZipFile(path) as archive:
            return _read_archive(archive, source)
    except OSError as error:
        if not is_archive:
            raise
        raise ModelError("The model's weights are damaged: not a readable archive.", _REMEDY) from error
    except _DAMAGED_FILE as error:
        kind = "archive" if is_archive else "torch file"
        raise ModelError(f"The model's weights are damaged: not a readable {kind}.", _REMEDY) from error


def _read_archive(archive: zipfile.ZipFile, source: _Source) -> Any:  # noqa: ANN401
    entries = {entry.filename.partition("/")[2]: entry for entry in archive.infolist()}
    if "data.pkl" not in entries or entries["data.pkl"].file_size > MAX_PICKLE_BYTES:
        raise ModelError("The model's weights are damaged: no table of contents.", _REMEDY)
    for name, entry in entries.items():
        if name.startswith("data/"):
            if entry.compress_type != zipfile.ZIP_STORED:
                raise ModelError("The model's weights are compressed, which torch never writes.", _REMEDY)
            key = name.removeprefix("data/")
            source.places[key] = (_data_offset(source.path, entry), entry.file_size)
            source.unchecked[key] = entry.CRC
    # read whole, because only the end of an entry is held against its sum
    content, _, _ = _load(archive.read(entries["data.pkl"]), 0, source)
    return content


def _data_offset(path: Path, entry: zipfile.ZipInfo) -> int:
    # APPNOTE 4.3.7: the local header is 30 bytes, a name and an extra field
    with path.open("rb") as stream:
        stream.seek(entry.header_offset + 26)
        name, extra = struct.unpack("<HH", stream.read(4))
    return entry.header_offset + 30 + int(name) + int(extra)


def _read_legacy(path: Path, source: _Source) -> Any:  # noqa: ANN401
    with path.open("rb") as stream, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as row:
        magic, at, _ = _load(row, 0, None)
        if magic != _LEGACY_MAGIC:
            raise ModelError("The model's weights are damaged: not a torch file.", _REMEDY)
        _, at, _ = _load(row, at, None)  # version of the protocol
        _, at, _ = _load(row, at, None)  # sizes of the writer's integers
        content, at, storage_types = _load(row, at, source)
        keys, at, _ = _load(row, at, None)
        for key in keys:
            kind = storage_types.get(key)
            if kind is None:
                raise ModelError("The model's weights are damaged: a storage that nothing names.", _REMEDY)
            (count,) = struct.unpack_from("<Q", row, at)
            source.places[key] = (at + 8, count * kind.dtype.itemsize)
            at += 8 + count * kind.dtype.itemsize
    return content


def _load(
    content: bytes | mmap.mmap, start: int, source: _Source | None
) -> tuple[Any, int, Mapping[str, _StorageType]]:
    """Give what a pickle holds, where it ends and the types of the storages that it names."""
    try:
        end = end_of_pickle(content, start)
        unpickler = _Unpickler(content[start:end], source)
        return _finished(unpickler.load(), {}), end, unpickler.storage_types
    except ModelError:
        raise
    except _DAMAGE as error:
        raise ModelError("A file of the model is damaged: its pickle cannot be read.", _REMEDY) from error


def _finished(value: Any, known: dict[int, tuple[Any, Any]]) -> Any:  # noqa: ANN401 - what the pickle held
    """Put numpy's arrays in the place of their records; lists and mappings are changed where they are.

    Parameters
    ----------
    known : what was met, by its identity, and what became of it.
    """
    if id(value) in known:
        return known[id(value)][1]
    made = value
    if isinstance(value, _Array):
        made = value.values
    elif isinstance(value, tuple):
        made = tuple(_finished(entry, known) for entry in value)
    elif isinstance(value, list | dict):
        known[id(value)] = value, value
        for key, entry in list(enumerate(value) if isinstance(value, list) else value.items()):
            value[key] = _finished(entry, known)
    else:
        return value
    known[id(value)] = value, made
    return made


class _Unpickler(pickle.Unpickler):
    """Makes only what the lists below name."""

    def __init__(self, content: bytes, source: _Source | None) -> None:
        super().__init__(io.BytesIO(content), encoding="latin1")
        self._source = source
        self._copied, self._most = 0, _MOST_COPIED * len(content)
        self.storage_types: dict[str, _StorageType] = {}
        self._makers: Mapping[tuple[str, str], Callable[..., Any]] = {
            ("numpy.core.multiarray", "_reconstruct"): self._array,
            ("numpy.core.multiarray", "scalar"): self._scalar,
            ("_codecs", "encode"): self._bytes,
            ("__builtin__", "bytes"): self._bytes,
            ("torch", "Size"): self._copy_of(tuple),
            ("collections", "OrderedDict"): self._copy_of(_Ordered),
            ("__builtin__", "set"): self._copy_of(set),
            ("builtins", "set"): self._copy_of(set),
        }

    def find_class(self, module: str, name: str) -> Any:  # noqa: ANN401 - the base class says so
        called = module.replace("numpy._core", "numpy.core"), name
        if called in _KNOWN:
            return _KNOWN[called]
        if called in self._makers:
            return _Maker(self._makers[called])
        if self._source is not None and called in _REBUILDERS:
            return _Maker(self._rebuild)
        if module == "torch" and name in _STORAGE_TYPES:
            return _StorageType(_STORAGE_TYPES[name])
        # what the file wrote goes to a terminal
        told = "".join(sign if sign.isprintable() else "?" for sign in f"{module}.{name}"[:_MOST_TOLD])
        message = f"A file of the model wants to run {told}; only plain values and tensors are read."
        raise ModelError(message, "Do not use this file; get the model from its publisher.")

    def persistent_load(self, pid: Any) -> _Storage:  # noqa: ANN401 - the base class says so
        what, kind, key, _, count = pid[:5]
        if self._source is None or what != "storage" or not isinstance(kind, _StorageType):
            raise ModelError("The model's weights are damaged: a storage of unknown kind.", _REMEDY)
        if not isinstance(key, str) or not isinstance(count, int) or count < 0:
            raise ModelError("The model's weights are damaged: a storage without key or count.", _REMEDY)
        self.storage_types[key] = kind
        return _Storage(key, kind, count)

    def _rebuild(self, storage: Any, offset: int, shape: Any, stride: Any, *_: object) -> Tensor:  # noqa: ANN401
        if not isinstance(storage, _Storage) or self._source is None:
            raise ModelError("The model's weights are damaged: a tensor without a storage.", _REMEDY)
        self._count(len(shape) + len(stride))
        return Tensor(storage, int(offset), tuple(map(int, shape)), tuple(map(int, stride)), self._source)

    def _count(self, size: int) -> None:
        """Hold what is copied against the pickle's size: a writer copies a value once or twice."""
        self._copied += size
        if self._copied > self._most:
            raise ModelError("A file of the model is damaged: its pickle copies the same values again.", _REMEDY)

    def _copy_of(self, kind: Callable[[Iterable[Any]], Any]) -> Callable[..., Any]:
        def make(values: tuple[Any, ...] | list[Any] = ()) -> Any:  # noqa: ANN401 - what is made
            if not isinstance(values, tuple | list):
                raise TypeError
            self._count(len(values))
            return kind(values)

        return make

    def _bytes(self, text: Any = "", encoding: Any = "latin1") -> bytes:  # noqa: ANN401 - what the pickle says
        # protocol 2 writes bytes as text, and none by their type; Python 2 wrote strings, which are read as text
        if encoding != "latin1" or not isinstance(text, str | bytes):
            raise ModelError("A file of the model holds bytes of unknown coding.", _REMEDY)
        self._count(len(text))
        return text.encode("latin1") if isinstance(text, str) else text

    def _array(self, subtype: Any, shape: Any, _dtype: Any) -> "_Array":  # noqa: ANN401 - what the pickle says
        if subtype is not _NDARRAY or shape != (0,):
            raise ModelError("A file of the model holds an array of unknown kind.", _REMEDY)
        return _Array(self._bytes)

    def _scalar(self, dtype: Any, content: Any = b"") -> Any:  # noqa: ANN401 - what the pickle says
        if not isinstance(dtype, _Dtype):
            raise ModelError("A file of the model holds a scalar of unknown kind.", _REMEDY)
        return _filled(dtype.made(), (), self._bytes(content))[()]


def _filled(dtype: np.dtype[Any], shape: tuple[int, ...], raw: bytes) -> npt.NDArray[Any]:
    """Give an array of bytes that fill it exactly."""
    if len(raw) != math.prod(shape) * dtype.itemsize:
        raise ModelError("A file of the model is damaged: an array is not as large as its shape.", _REMEDY)
    return np.frombuffer(raw, dtype).reshape(shape) if raw else np.empty(shape, dtype)


class _Dtype:
    """numpy's dtype of numbers or text as a pickle tells it; numpy's own is made from its code and byte order."""

    __slots__ = ("_code", "_order")

    def __init__(self, code: object, *_: object) -> None:
        if not isinstance(code, str) or not _DTYPE_CODE.fullmatch(code):
            raise ModelError("A file of the model holds values of unknown kind.", _REMEDY)
        self._code, self._order = code, "="

    def __setstate__(self, state: Any) -> None:  # noqa: ANN401 - what the pickle says
        # version, byte order, and for records their fields: the codes above have none
        order = state[1]
        if not isinstance(order, str) or len(order) != 1 or order not in _BYTE_ORDERS:
            raise ModelError("A file of the model holds values of unknown byte order.", _REMEDY)
        self._order = order

    def made(self) -> np.dtype[Any]:
        return _dtype_of(self._order + self._code)


@functools.cache
def _dtype_of(code: str) -> np.dtype[Any]:
    return np.dtype(code)


@dataclass(slots=True)
class _Array:
    """numpy's array as a pickle tells it: made empty, then filled."""

    as_bytes: Callable[[Any], bytes]
    values: npt.NDArray[Any] = field(default_factory=lambda: np.empty(0, np.int8))

    def __setstate__(self, state: Any) -> None:  # noqa: ANN401 - what the pickle says
        _, shape, dtype, is_fortran, raw = state
        if not isinstance(dtype, _Dtype) or not isinstance(shape, tuple) or not isinstance(raw, str | bytes):
            raise ModelError("A file of the model holds an array of unknown kind.", _REMEDY)
        if any(not isinstance(size, int) or size < 0 for size in shape):
            raise ModelError("A file of the model holds an array of unknown shape.", _REMEDY)
        ordered = shape[::-1] if is_fortran else shape
        values = _filled(dtype.made(), ordered, self.as_bytes(raw))
        self.values = values.T if is_fortran else values


class _Ordered(OrderedDict[Any, Any]):
    """An ordered mapping that takes no attributes from the pickle; torch notes versions of modules in one."""

    def __setstate__(self, _state: object) -> None:
        return


@dataclass(frozen=True, slots=True)
class _Maker:
    """A function that a pickle may call but not change."""

    make: Callable[..., Any]

    __setstate__ = _refuse_state

    def __call__(self, *arguments: object) -> Any:  # noqa: ANN401 - what the function gives
        return self.make(*arguments)


def _refuse_call(*_: object) -> None:
    raise ModelError("A file of the model holds an array of unknown kind.", _REMEDY)


_NDARRAY = _Maker(_refuse_call)

_REBUILDERS = {("torch._utils", "_rebuild_tensor_v2"), ("torch._utils", "_rebuild_tensor")}

_KNOWN: Mapping[tuple[str, str], Callable[..., Any]] = {
    ("numpy", "ndarray"): _NDARRAY,
    ("numpy", "dtype"): _Maker(_Dtype),
    ("torch._utils", "_rebuild_parameter"): _Maker(lambda tensor, *_: tensor),
    ("torch", "device"): _Maker(lambda *_: "device"),
}
