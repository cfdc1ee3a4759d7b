from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from aimi.engine.checkpoint import IMPORTED, V2, Layout, fold_file, forget, read_json, read_weights, write_weights
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


def resident_pages(path: Path) -> int:
    """Give the bytes of a file that this process holds in memory."""
    lines = Path("/proc/self/smaps").read_text().splitlines()
    total, is_file = 0, False
    for line in lines:
        if line.split()[0].count("-") == 1 and not line.split()[0].endswith(":"):
            is_file = line.endswith(str(path))
        elif is_file and line.startswith("Rss:"):
            total += int(line.split()[1]) << 10
    return total


@pytest.mark.parametrize("layout", [V2, IMPORTED])
def test_forgotten_weights_take_no_memory_and_are_read_again(layout: Layout, tmp_path: Path) -> None:
    large = {name: np.full((size, 1, 1, 2, 2), size, np.float32) for name, size in (("a.weight", 1 << 16),)}
    network = replace(NETWORK, weights={name: array.shape for name, array in large.items()})
    if layout is V2:
        path = write_checkpoint(tmp_path, {"network_weights": {"a.weight": torch.from_numpy(large["a.weight"])}})
    else:
        path = fold_file(tmp_path, layout, 0)
        write_weights(path, large, "f32")
    found = read_weights(path, layout, network)
    assert found["a.weight"].sum() == large["a.weight"].sum()
    assert resident_pages(path) > 1 << 19
    forget(found)
    assert resident_pages(path) < 1 << 16
    np.testing.assert_array_equal(found["a.weight"], large["a.weight"])


def test_weights_in_memory_are_left_alone() -> None:
    forget(WEIGHTS)
    assert WEIGHTS["a.weight"][1, 0, 0, 1, 1] == 7


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
