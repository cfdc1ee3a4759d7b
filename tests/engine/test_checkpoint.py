from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from aimi.engine.checkpoint import IMPORTED, V2, fold_file, read_json, read_weights, write_weights
from aimi.engine.network import Convolution, Network
from aimi.errors import ModelError

SIZE = (4, 4, 4)
WEIGHTS = {"a.weight": np.arange(8, dtype=np.float32).reshape(2, 1, 1, 2, 2), "a.bias": np.ones(2, np.float32)}
NETWORK = Network(
    layers=(Convolution(0, "a.weight", "a.bias", (1, 1, 1), (0, 0, 0)),),
    weights={name: array.shape for name, array in WEIGHTS.items()},
    channels=1,
    heads=2,
    patch=SIZE,
)


def write_checkpoint(root: Path, content: Any) -> Path:
    path = fold_file(root, V2, 0)
    path.parent.mkdir()
    torch.save(content, path)
    return path


def as_state(prefix: str = "", bias: Any = None) -> dict[str, Any]:
    tensors = {name: torch.from_numpy(array.copy()) for name, array in WEIGHTS.items()}
    if bias is not None:
        tensors["a.bias"] = bias
    return {"network_weights": {prefix + name: tensor for name, tensor in tensors.items()}}


@pytest.mark.parametrize("prefix", ["", "module.", "_orig_mod.", "module._orig_mod."])
def test_weights_are_found_under_the_prefixes_of_wrapped_networks(tmp_path: Path, prefix: str) -> None:
    found = read_weights(write_checkpoint(tmp_path, as_state(prefix)), V2, NETWORK)
    for name, array in WEIGHTS.items():
        np.testing.assert_array_equal(found[name], array)


@pytest.mark.parametrize("precision", ["f32", "f16"])
def test_stored_weights_are_read_as_written(tmp_path: Path, precision: str) -> None:
    write_weights(fold_file(tmp_path, IMPORTED, 0), WEIGHTS, precision)
    found = read_weights(fold_file(tmp_path, IMPORTED, 0), IMPORTED, NETWORK)
    for name, array in WEIGHTS.items():
        np.testing.assert_array_equal(found[name], array)


REFUSED = {
    "no tensor": {"network_weights": {"a.weight": torch.zeros(2, 1, 1, 2, 2)}},
    "another shape": as_state(bias=torch.ones(3)),
    "whole numbers": as_state(bias=torch.ones(2, dtype=torch.int32)),
    "not a tensor": as_state(bias=[1.0, 1.0]),
    "no weights": {"state_dict": {}},
    "a list": [1],
}


@pytest.mark.parametrize("name", REFUSED)
def test_checkpoint_with_something_else_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(ModelError):
        read_weights(write_checkpoint(tmp_path, REFUSED[name]), V2, NETWORK)


def test_absent_weights_are_a_model_error(tmp_path: Path) -> None:
    for layout in (V2, IMPORTED):
        with pytest.raises(ModelError):
            read_weights(fold_file(tmp_path, layout, 0), layout, NETWORK)


def test_stored_weights_that_lack_a_tensor_are_refused(tmp_path: Path) -> None:
    write_weights(tmp_path / "w.safetensors", {"a.weight": WEIGHTS["a.weight"]}, "f32")
    with pytest.raises(ModelError, match=r"lack a\.bias"):
        read_weights(tmp_path / "w.safetensors", IMPORTED, NETWORK)


@pytest.mark.parametrize("kept", [0.0, 0.02, 0.1, 0.5, 0.8, 0.9, 0.99])
def test_stored_weights_cut_short_are_a_model_error(tmp_path: Path, kept: float) -> None:
    path = tmp_path / "w.safetensors"
    write_weights(path, WEIGHTS, "f32")
    content = path.read_bytes()
    path.write_bytes(content[: int(kept * len(content))])
    with pytest.raises(ModelError):
        read_weights(path, IMPORTED, NETWORK)


def test_stored_weights_with_a_false_size_are_a_model_error(tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    write_weights(path, WEIGHTS, "f32")
    content = path.read_bytes()
    path.write_bytes(content.replace(b'"shape":[2]', b'"shape":[1]'))
    assert path.read_bytes() != content
    with pytest.raises(ModelError):
        read_weights(path, IMPORTED, NETWORK)


def test_absent_or_damaged_json_is_a_model_error(tmp_path: Path) -> None:
    (tmp_path / "list.json").write_text("[1]")
    for name in ("none.json", "list.json"):
        with pytest.raises(ModelError):
            read_json(tmp_path / name)
