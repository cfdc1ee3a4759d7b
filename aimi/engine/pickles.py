"""Reading pickles and torch files without running anything that they name.

nnU-Net keeps plans (v1) and weights (v1, v2) as pickles, and a pickle may call any function. The unpickler here knows a
short list of names and gives each its own harmless maker; everything else is refused. Tensors are made by this module
from the bytes of the file, so torch is not imported.

A torch file is a zip archive, uncompressed, with ``data.pkl`` and one entry per storage; before torch 1.6 it was a row
of pickles followed by the raw storages. Storages are mapped, not read: what nobody asks for (the optimizer's half of
the file) costs nothing. What is asked for is held once against the archive's CRC-32.

References
----------
torch 2.13, ``serialization.py`` and ``_utils.py``; numpy, ``_core/multiarray.py``. The types that nnU-Net's files hold
were listed from its source (nnunet 1.7.1 ``network_trainer.py``, nnunetv2 2.8.1 ``nnUNetTrainer.py``).
"""

import io
import pickle
import struct
import zipfile
import zlib
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from aimi.errors import ModelError

__all__ = ["Tensor", "read_pickle", "read_torch_file"]

_REMEDY = "Get the model again from its publisher (`aimi models fetch`)."
_MAX_PICKLE_BYTES = 1 << 28
# what a pickle of random bytes raises
_DAMAGE = (
    *(pickle.UnpicklingError, EOFError, struct.error, ValueError, TypeError, AttributeError),
    *(LookupError, ImportError, MemoryError, RecursionError, OverflowError),
)
# what zipfile raises besides; an entry that says it is encrypted is a RuntimeError
_DAMAGED_FILE = (*_DAMAGE, zipfile.BadZipFile, zlib.error, RuntimeError)
_LEGACY_MAGIC = 0x1950A86A20F9469CFC6C

_STORAGE_TYPES: Mapping[str, npt.DTypeLike] = {
    "DoubleStorage": np.float64,
    "FloatStorage": np.float32,
    "HalfStorage": np.float16,
    "LongStorage": np.int64,
    "IntStorage": np.int32,
    "ShortStorage": np.int16,
    "CharStorage": np.int8,
    "ByteStorage": np.uint8,
    "BoolStorage": np.bool_,
}


def _refuse_state(_self: object, _state: object) -> None:
    """Stand for ``__setstate__``: a frozen record with slots would take its fields from the pickle."""
    raise ModelError("A file of the model wants to change what it is read with.", _REMEDY)


@dataclass(frozen=True, slots=True)
class _Storage:
    """Where a storage lies: a position in the file, or its key until that is known."""

    key: str
    dtype: np.dtype[Any]
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
        itemsize = values.itemsize
        return np.lib.stride_tricks.as_strided(
            values[self.offset :], self.shape, tuple(step * itemsize for step in self.stride)
        )


class _Source:
    """The storages of one file by key."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.places: dict[str, tuple[int, int]] = {}
        self.unchecked: dict[str, int] = {}

    def map(self, storage: _Storage) -> npt.NDArray[Any]:
        place = self.places.get(storage.key)
        needed = storage.count * storage.dtype.itemsize
        if place is None or place[1] < needed or place[0] + place[1] > self.path.stat().st_size:
            raise ModelError("A storage of the model's weights is missing or cut short.", _REMEDY)
        if storage.count == 0:
            return np.empty(0, storage.dtype)
        if storage.key in self.unchecked:
            self._require_sum(storage.key, place)
        return np.memmap(self.path, storage.dtype, mode="c", offset=place[0], shape=(storage.count,))

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
    if path.stat().st_size > _MAX_PICKLE_BYTES:
        raise ModelError("A plans file of the model is larger than 256 MiB.", _REMEDY)
    with path.open("rb") as stream:
        return _load(_Unpickler(stream, None))


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
    if "data.pkl" not in entries or entries["data.pkl"].file_size > _MAX_PICKLE_BYTES:
        raise ModelError("The model's weights are damaged: no table of contents.", _REMEDY)
    for name, entry in entries.items():
        if name.startswith("data/"):
            if entry.compress_type != zipfile.ZIP_STORED:
                raise ModelError("The model's weights are compressed, which torch never writes.", _REMEDY)
            key = name.removeprefix("data/")
            source.places[key] = (_data_offset(source.path, entry), entry.file_size)
            source.unchecked[key] = entry.CRC
    # read whole, because only the end of an entry is held against its sum
    return _load(_Unpickler(io.BytesIO(archive.read(entries["data.pkl"])), source))


def _data_offset(path: Path, entry: zipfile.ZipInfo) -> int:
    # APPNOTE 4.3.7: the local header is 30 bytes, a name and an extra field
    with path.open("rb") as stream:
        stream.seek(entry.header_offset + 26)
        name, extra = struct.unpack("<HH", stream.read(4))
    return entry.header_offset + 30 + int(name) + int(extra)


def _read_legacy(path: Path, source: _Source) -> Any:  # noqa: ANN401
    with path.open("rb") as stream:
        if _load(_Unpickler(stream, None)) != _LEGACY_MAGIC:
            raise ModelError("The model's weights are damaged: not a torch file.", _REMEDY)
        _load(_Unpickler(stream, None))  # version of the protocol
        _load(_Unpickler(stream, None))  # sizes of the writer's integers
        unpickler = _Unpickler(stream, source)
        content = _load(unpickler)
        for key in _load(_Unpickler(stream, None)):
            dtype = unpickler.storage_types.get(str(key))
            if dtype is None:
                raise ModelError("The model's weights are damaged: a storage that nothing names.", _REMEDY)
            (count,) = struct.unpack("<Q", stream.read(8))
            source.places[str(key)] = (stream.tell(), count * dtype.itemsize)
            stream.seek(count * dtype.itemsize, 1)
    return content


def _load(unpickler: "_Unpickler") -> Any:  # noqa: ANN401
    try:
        return unpickler.load()
    except ModelError:
        raise
    except _DAMAGE as error:
        raise ModelError("A file of the model is damaged: its pickle cannot be read.", _REMEDY) from error


class _Unpickler(pickle.Unpickler):
    """Makes only what the lists below name."""

    def __init__(self, stream: IO[bytes], source: _Source | None) -> None:
        super().__init__(stream, encoding="latin1")
        self._source = source
        self.storage_types: dict[str, np.dtype[Any]] = {}

    def find_class(self, module: str, name: str) -> Any:  # noqa: ANN401 - the base class says so
        known = _KNOWN.get((module.replace("numpy._core", "numpy.core"), name))
        if known is not None:
            return known
        if self._source is not None and (module, name) in _REBUILDERS:
            return _Maker(self._rebuild)
        if module == "torch" and name in _STORAGE_TYPES:
            return np.dtype(_STORAGE_TYPES[name])
        message = f"A file of the model wants to run {module}.{name}; only plain values and tensors are read."
        raise ModelError(message, "Do not use this file; get the model from its publisher.")

    def persistent_load(self, pid: Any) -> _Storage:  # noqa: ANN401 - the base class says so
        kind, dtype, key, _, count = pid[:5]
        if kind != "storage" or not isinstance(dtype, np.dtype) or not isinstance(count, int) or count < 0:
            raise ModelError("The model's weights are damaged: a storage of unknown kind.", _REMEDY)
        self.storage_types[str(key)] = dtype
        return _Storage(key=str(key), dtype=dtype, count=count)

    def _rebuild(self, storage: Any, offset: int, shape: Any, stride: Any, *_: object) -> Tensor:  # noqa: ANN401
        if not isinstance(storage, _Storage) or self._source is None:
            raise ModelError("The model's weights are damaged: a tensor without a storage.", _REMEDY)
        return Tensor(storage, int(offset), tuple(map(int, shape)), tuple(map(int, stride)), self._source)


def _make_array(subtype: Any, shape: Any, _dtype: Any) -> npt.NDArray[Any]:  # noqa: ANN401 - what the pickle says
    if subtype is not _NDARRAY or shape != (0,):
        raise ModelError("A file of the model holds an array of unknown kind.", _REMEDY)
    return np.empty(0, np.int8)


def _make_scalar(dtype: Any, content: Any = b"") -> Any:  # noqa: ANN401 - what the pickle says
    if not isinstance(dtype, np.dtype) or dtype.hasobject:
        raise ModelError("A file of the model holds a scalar of unknown kind.", _REMEDY)
    raw = content.encode("latin1") if isinstance(content, str) else content
    return np.frombuffer(raw, dtype)[0]


def _make_bytes(text: str, encoding: str) -> bytes:
    # protocol 2 writes bytes as text
    if encoding != "latin1":
        raise ModelError("A file of the model holds bytes of unknown coding.", _REMEDY)
    return text.encode("latin1")


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
    ("collections", "OrderedDict"): OrderedDict,
    ("numpy", "ndarray"): _NDARRAY,
    ("numpy", "dtype"): np.dtype,
    ("numpy.core.multiarray", "_reconstruct"): _Maker(_make_array),
    ("numpy.core.multiarray", "scalar"): _Maker(_make_scalar),
    ("_codecs", "encode"): _Maker(_make_bytes),
    ("torch._utils", "_rebuild_parameter"): _Maker(lambda tensor, *_: tensor),
    ("torch", "Size"): tuple,
    ("torch", "device"): _Maker(lambda *arguments: ":".join(map(str, arguments))),
    ("__builtin__", "set"): set,
    ("builtins", "set"): set,
}
