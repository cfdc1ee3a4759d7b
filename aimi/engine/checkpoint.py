"""The weights of one fold, from whatever file holds them, and the imported format.

nnU-Net's own checkpoints are read through :mod:`aimi.engine.pickles`; nothing in them is run. The imported format is
``model.json`` (plans, names, hashes, licence, source) beside one safetensors file per fold with exactly the tensors
that inference reads: no optimizer, no second names of one storage, no heads of deep supervision. A v2 checkpoint names
three tensors for each one that it stores, and half of it is the optimizer's.

The plans alone do not tell the network: a trainer may build another one than they say. Its tensors tell, so that one
with a name that neither the plans' network nor its deep supervision has is refused, and never run as what it is not.

References
----------
dynamic-network-architectures 0.4, ``unet_decoder.py`` (``encoder`` is a module of the decoder, too),
``simple_conv_blocks.py`` (``all_modules``); nnunetv2 2.8.1, ``nnUNetTrainerBN.py``, which leaves the plans as they are.
"""

import hashlib
import json
import mmap
import re
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from safetensors.numpy import save_file

from aimi.engine.network import Network
from aimi.engine.pickles import Tensor, read_torch_file
from aimi.errors import ModelError

__all__ = [
    "FORMAT",
    "IMPORTED",
    "V1",
    "V2",
    "V2_STORED",
    "Layout",
    "Weights",
    "file_sha256",
    "fold_file",
    "forget",
    "read_checkpoint",
    "read_json",
    "read_metadata",
    "read_weights",
    "write_weights",
]

FORMAT = "aimi-model-1"
"""What ``model.json`` says of itself."""

Weights = dict[str, npt.NDArray[Any]]

_REMEDY = "Get the model again (`aimi models fetch`)."
_DTYPES: Mapping[str, npt.DTypeLike] = {"F32": np.float32, "F16": np.float16}
_MAX_HEADER = 1 << 26
_PREFIXES = ("module.", "_orig_mod.")
_HEAD = re.compile(r"(decoder\.seg_layers|seg_outputs)\.\d+\.")
_NUMBERED = re.compile(r"\.all_modules\.\d+\.")
_NAMED = re.compile(r"\.(conv|norm)\.(?=(weight|bias)$)")
_ALIAS = ".all_modules.*."
_MOST_TOLD = 80
_ANOTHER = "Use nnU-Net itself for this model, or get the model of these plans."


@dataclass(frozen=True, slots=True)
class Layout:
    """Where a kind of model folder keeps the weights of a fold.

    Parameters
    ----------
    file : below the folder, with ``{fold}``.
    state : the key of the weights in a torch file; empty for safetensors.
    """

    file: str
    state: str


V2 = Layout("fold_{fold}/checkpoint_final.pth", "network_weights")
V1 = Layout("fold_{fold}/model_final_checkpoint.model", "state_dict")
V2_STORED = Layout("fold_{fold}/weights.safetensors", "")
"""A v2 folder whose checkpoints were replaced by their weights; the header says what the checkpoint would."""

IMPORTED = Layout("fold_{fold}.safetensors", "")


def fold_file(root: Path, layout: Layout, fold: int) -> Path:
    """Give the file of a fold's weights."""
    return root / layout.file.format(fold=fold)


def read_checkpoint(path: Path, layout: Layout) -> Mapping[str, Any]:
    """Give what nnU-Net's checkpoint holds, with unread tensors.

    Raises
    ------
    ModelError
        It is missing, damaged, or not a checkpoint.
    """
    try:
        content = read_torch_file(path)
    except OSError as error:
        raise ModelError(f"The weights {path.name} of the model cannot be read.", _REMEDY) from error
    if not isinstance(content, Mapping) or not isinstance(content.get(layout.state), Mapping):
        raise ModelError(f"The file {path.name} of the model holds no weights of nnU-Net.", _REMEDY)
    return content


def read_weights(path: Path, layout: Layout, network: Network) -> Weights:
    """Give the tensors that a network needs, mapped from the file where that is possible.

    Raises
    ------
    ModelError
        One is missing or has another shape than the plans say.
    """
    found = _read_torch(path, layout, network) if layout.state else _read_safetensors(path, network)
    for name, shape in network.weights.items():
        if found[name].shape != shape:
            message = f"The weight {name} has the shape {found[name].shape}, the plans say {shape}."
            raise ModelError(message, "Weights and plans are of different models; get the model again.")
        if found[name].dtype not in (np.float32, np.float16):
            raise ModelError(f"The weight {name} is {found[name].dtype}, not a float.", _REMEDY)
    return found


def _read_torch(path: Path, layout: Layout, network: Network) -> Weights:
    state = read_checkpoint(path, layout)[layout.state]
    tensors = {_plain_name(name): tensor for name, tensor in state.items() if isinstance(name, str)}
    if any(name.endswith(".running_mean") for name in tensors):
        message = f"The network of {path.name} uses batch normalization, which is not known here and not in the plans."
        raise ModelError(message, _ANOTHER)
    found = {}
    for name in network.weights:
        tensor = tensors.get(name)
        if not isinstance(tensor, Tensor):
            raise ModelError(f"The weights {path.name} lack {name}, which the plans call for.", _REMEDY)
        found[name] = tensor.array()
    _require_no_other(path, tensors, network)
    return found


def _require_no_other(path: Path, tensors: Mapping[str, object], network: Network) -> None:
    """Refuse tensors that are neither the network's, under whatever name, nor a head of deep supervision."""
    known = {_place(name) for name in network.weights}
    known |= {_NAMED.sub(_ALIAS, place) for place in known}
    other = min((name for name in tensors if _place(name) not in known), default=None)
    if other is not None:
        told = "".join(sign if sign.isprintable() else "?" for sign in other[:_MOST_TOLD])
        message = f"The weights {path.name} hold {told}, which the plans do not call for: it is another network."
        raise ModelError(message, _ANOTHER)


def _place(name: str) -> str:
    """Give a tensor's name in the encoder itself, without the numbers of modules in a block and of heads."""
    if name.startswith("decoder.encoder."):
        name = name.removeprefix("decoder.")
    return _NUMBERED.sub(_ALIAS, _HEAD.sub(r"\1.*.", name))


def _plain_name(name: str) -> str:
    for prefix in _PREFIXES:
        name = name.removeprefix(prefix)
    return name


def _read_safetensors(path: Path, network: Network) -> Weights:
    header, base = _read_header(path)
    missing = set(network.weights) - set(header)
    if missing:
        raise ModelError(f"The weights {path.name} lack {min(missing)}, which the plans call for.", _REMEDY)
    try:
        return {name: _map_tensor(path, header[name], base) for name in network.weights}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ModelError(f"The weights {path.name} of the model are damaged.", _REMEDY) from error


def read_metadata(path: Path) -> dict[str, str]:
    """Give the free entries of a safetensors file's header.

    Raises
    ------
    ModelError
        The file is missing or damaged.
    """
    header, _ = _read_header(path)
    return {str(name): str(value) for name, value in header.get("__metadata__", {}).items()}


def _read_header(path: Path) -> tuple[dict[str, Any], int]:
    """Give a safetensors file's header and where its values begin: eight bytes give the length of the JSON header."""
    try:
        with path.open("rb") as stream:
            (length,) = struct.unpack("<Q", stream.read(8))
            if length > min(_MAX_HEADER, path.stat().st_size):
                raise ModelError(f"The weights {path.name} of the model are damaged.", _REMEDY)
            return dict(json.loads(stream.read(length))), 8 + length
    except (OSError, ValueError, TypeError, struct.error) as error:
        raise ModelError(f"The weights {path.name} of the model are damaged.", _REMEDY) from error


def _map_tensor(path: Path, entry: Mapping[str, Any], base: int) -> npt.NDArray[Any]:
    start, stop = entry["data_offsets"]
    values = np.memmap(path, _DTYPES[entry["dtype"]], mode="c", offset=base + start, shape=tuple(entry["shape"]))
    if values.nbytes != stop - start:
        raise ValueError("a tensor's size is not its shape's")
    return values


def forget(weights: Mapping[str, npt.NDArray[Any]]) -> None:
    """Let the system take back the memory of what was read of mapped weights; the next use reads the file again."""
    if not hasattr(mmap, "MADV_DONTNEED"):  # not on every system
        return
    for array in weights.values():
        base: Any = array
        while base is not None and not isinstance(base, mmap.mmap):
            base = getattr(base, "base", None)
        if base is not None:
            base.madvise(mmap.MADV_DONTNEED)


def write_weights(path: Path, weights: Mapping[str, npt.NDArray[Any]], precision: str) -> None:
    """Write a fold's tensors as safetensors.

    Parameters
    ----------
    precision : ``f32``, or ``f16`` for half the size: each value is rounded to eleven bits.
    """
    dtype = {"f32": np.float32, "f16": np.float16}[precision]
    save_file({name: np.ascontiguousarray(array, dtype) for name, array in weights.items()}, path)


def file_sha256(path: Path) -> str:
    """Give a file's digest."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def read_json(path: Path) -> dict[str, Any]:
    """Give a JSON object of the model.

    Raises
    ------
    ModelError
        It is missing, or not a JSON object.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ModelError(f"The model lacks {path.name}.", _REMEDY) from error
    except ValueError as error:
        raise ModelError(f"The model's {path.name} is damaged: it is not JSON.", _REMEDY) from error
    if not isinstance(content, dict):
        raise ModelError(f"The model's {path.name} is damaged: not an object.", _REMEDY)
    return content
