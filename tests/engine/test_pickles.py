import pickle
import struct
import subprocess
import sys
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from aimi.engine.pickles import read_pickle, read_torch_file
from aimi.errors import ModelError


class _Caller:
    """Pickles as a call."""

    def __init__(self, function: Callable[..., Any], *arguments: object) -> None:
        self.call = (function, arguments)

    def __reduce__(self) -> Any:
        return self.call


MALICIOUS = {
    "system": _Caller(__import__("os").system, "true"),
    "eval": _Caller(eval, "1"),
    "getattr": _Caller(getattr, {}, "clear"),
    "open": _Caller(open, "/dev/null"),
    "import": _Caller(__import__, "os"),
    "a large array": _Caller(np.ndarray, (1 << 40,)),
}


@pytest.mark.parametrize("name", MALICIOUS)
def test_pickle_that_calls_something_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / "plans.pkl").write_bytes(pickle.dumps({"a": MALICIOUS[name]}))
    with pytest.raises(ModelError):
        read_pickle(tmp_path / "plans.pkl")


@pytest.mark.parametrize("is_zip", [True, False])
def test_weights_that_call_something_are_refused(tmp_path: Path, is_zip: bool) -> None:
    torch.save({"w": MALICIOUS["system"]}, tmp_path / "w.pth", _use_new_zipfile_serialization=is_zip)
    with pytest.raises(ModelError, match=r"wants to run \w+\.system"):
        read_torch_file(tmp_path / "w.pth")


def test_pickle_that_sets_an_attribute_of_a_known_function_is_refused(tmp_path: Path) -> None:
    (tmp_path / "plans.pkl").write_bytes(b"cnumpy.core.multiarray\nscalar\n(N(dVmake\nI1\nstb.")
    with pytest.raises(ModelError):
        read_pickle(tmp_path / "plans.pkl")


def reduced(module: str, name: str, *arguments: bytes) -> bytes:
    """Give the opcodes of a call."""
    return f"c{module}\n{name}\n(".encode() + b"".join(arguments) + b"tR"


def written(value: Any) -> bytes:
    """Give the opcodes of a value."""
    return pickle.dumps(value, 2)[2:-1]


# numpy takes the flags of a dtype from its state: without them an object's eight bytes are followed as a pointer
OBJECT = reduced("numpy", "dtype", written("O"), written(False), written(True))
HIDDEN = written((3, "|", None, None, None, -1, -1, 0)) + b"b"
FIELD = written((3, "|", None, ("a",), {"a": ("O8", 0)}, 8, 1, 0)) + b"b"
FLOAT = reduced("numpy", "dtype", written("f8"), written(False), written(True))
EMPTY = reduced("numpy.core.multiarray", "_reconstruct", b"cnumpy\nndarray\n", written((0,)), written(b"b"))
POINTER = written("A" * 8)
LARGE = written([None] * 20_000)

CRASHING = {
    "a scalar that is a pointer": reduced("numpy.core.multiarray", "scalar", OBJECT + HIDDEN, POINTER),
    "a scalar of another state": reduced(
        "numpy.core.multiarray", "scalar", OBJECT + written((4, "|", None, None, None, -1, -1, 0, None)) + b"b", POINTER
    ),
    "an array of pointers": EMPTY + b"(I1\n(I1\nt" + OBJECT + HIDDEN + b"I00\n" + POINTER + b"tb",
    "a record of pointers": EMPTY
    + b"(I1\n(I1\nt"
    + reduced("numpy", "dtype", written("V8"), written(False), written(True))
    + FIELD
    + b"I00\n"
    + POINTER
    + b"tb",
    "an array beyond its bytes": EMPTY + b"(I1\n(I1000000000\nt" + FLOAT + b"I00\n" + POINTER + b"tb",
    "a memo of 1.6 GB": b"Nr" + struct.pack("<I", 100_000_000),
    "a memo of 1.6 GB in decimals": b"Np100000000\n",
    "a key of tuples without end": b"}N" + b"\x85" * 500_000 + b"Ns",
    "a key that is hashed for ever": b"})" + b"2\x86" * 60 + b"Ns",
    "a key of sizes within sizes": b"})" + b"q\x000ctorch\nSize\nh\x00h\x00\x86\x85R" * 60 + b"Ns",
    "copies without end": LARGE + b"q\x000" + b"(" + (b"ctorch\nSize\nh\x00\x85R") * 5_000 + b"t",
    "bytes without end": written("A" * 200_000)
    + b"q\x000("
    + b"c_codecs\nencode\nh\x00X\x06\0\0\0latin1\x86R" * 4_000
    + b"t",
}
PROBE = """
import resource, sys
from pathlib import Path
from aimi.engine.pickles import read_pickle
from aimi.errors import ModelError
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
try:
    print(repr(read_pickle(Path(sys.argv[1]))))
except ModelError as error:
    print("refused, took", (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) >> 10, "MiB")
"""


@pytest.mark.parametrize("name", CRASHING)
def test_pickle_that_would_crash_the_process_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / "plans.pkl").write_bytes(b"\x80\x02" + CRASHING[name] + b".")
    ended = subprocess.run(
        [sys.executable, "-c", PROBE, tmp_path / "plans.pkl"], capture_output=True, text=True, check=False, timeout=60
    )
    assert (ended.returncode, ended.stdout.split()[:2]) == (0, ["refused,", "took"]), ended
    assert int(ended.stdout.split()[2]) < 200


def test_a_dtype_takes_nothing_but_a_byte_order(tmp_path: Path) -> None:
    turned = FLOAT + written((3, ">", None, None, None, 1, 1, 63)) + b"b"
    scalar = reduced("numpy.core.multiarray", "scalar", turned, written(struct.pack(">d", 1.5).decode("latin1")))
    (tmp_path / "plans.pkl").write_bytes(b"\x80\x02" + scalar + b".")
    assert read_pickle(tmp_path / "plans.pkl") == 1.5
    assert np.dtype(np.float64).isnative


@pytest.mark.parametrize(
    "target", ["torch\nFloatStorage", "numpy\nndarray", "numpy\ndtype", "collections\nOrderedDict"]
)
def test_what_stands_for_a_known_name_cannot_be_changed(tmp_path: Path, target: str) -> None:
    (tmp_path / "plans.pkl").write_bytes(f"c{target}\n}}(Vcode\nVf8\nub.".encode())
    with pytest.raises(ModelError):
        read_pickle(tmp_path / "plans.pkl")


def test_a_mapping_takes_no_attribute_from_the_pickle(tmp_path: Path) -> None:
    (tmp_path / "plans.pkl").write_bytes(b"ccollections\nOrderedDict\n(tR}(Vitems\nI1\nub.")
    assert list(read_pickle(tmp_path / "plans.pkl").items()) == []


def test_a_name_that_a_pickle_wants_is_told_without_what_steers_a_terminal(tmp_path: Path) -> None:
    (tmp_path / "plans.pkl").write_bytes(b"c" + b"a" * 500 + b"\n\x1b[2J\n.")
    with pytest.raises(ModelError, match=r"wants to run a{80};"):
        read_pickle(tmp_path / "plans.pkl")
    (tmp_path / "plans.pkl").write_bytes(b"ca\n\x1b[2J\n.")
    with pytest.raises(ModelError, match=r"wants to run a\.\?\[2J;"):
        read_pickle(tmp_path / "plans.pkl")


ARRAYS = {
    "columns first": np.asfortranarray(np.arange(24, dtype=np.int16).reshape(2, 3, 4)),
    "other byte order": np.arange(6, dtype=">f4").reshape(2, 3),
    "text": np.array(["liver", "kidney"]),
    "bytes": np.array([b"ab", b"c"]),
    "truth": np.array([True, False]),
    "empty": np.zeros((0, 3)),
    "no axis": np.array(2.5),
}


@pytest.mark.parametrize("protocol", range(5))
@pytest.mark.parametrize("name", ARRAYS)
def test_arrays_of_every_kind_are_read_as_written(tmp_path: Path, name: str, protocol: int) -> None:
    array = ARRAYS[name]
    (tmp_path / "plans.pkl").write_bytes(pickle.dumps([(array, array), {"a": array}], protocol))
    (first, second), third = read_pickle(tmp_path / "plans.pkl")
    assert first is second is third["a"]
    assert (type(first), first.dtype, first.shape) == (np.ndarray, array.dtype, array.shape)
    np.testing.assert_array_equal(first, array)


def test_a_list_within_itself_is_read(tmp_path: Path) -> None:
    content: list[Any] = [1]
    content.append((content, np.ones(2)))
    (tmp_path / "plans.pkl").write_bytes(pickle.dumps(content))
    found = read_pickle(tmp_path / "plans.pkl")
    assert found[1][0] is found
    assert found[1][1].tolist() == [1, 1]


@pytest.mark.parametrize("protocol", range(5))
def test_plain_values_and_arrays_are_read_as_written(tmp_path: Path, protocol: int) -> None:
    content = OrderedDict(a=[1, 2.5, None, "x"], b=np.arange(6.0).reshape(2, 3), c=np.float64(1.5), d={0: (True,)})
    (tmp_path / "plans.pkl").write_bytes(pickle.dumps(content, protocol))
    found = read_pickle(tmp_path / "plans.pkl")
    assert (found["a"], found["c"], found["d"]) == (content["a"], 1.5, {0: (True,)})
    np.testing.assert_array_equal(found["b"], content["b"])


@pytest.mark.parametrize("is_zip", [True, False])
def test_tensors_are_read_as_torch_wrote_them(tmp_path: Path, is_zip: bool) -> None:
    whole = torch.randn(4, 5)
    state = {"whole": whole, "turned": whole.T, "part": whole[1:3, 2:], "half": whole.half(), "none": torch.zeros(0)}
    torch.save({"w": state, "p": torch.nn.Parameter(whole)}, tmp_path / "w", _use_new_zipfile_serialization=is_zip)
    found = read_torch_file(tmp_path / "w")
    for name, tensor in state.items():
        np.testing.assert_array_equal(found["w"][name].array(), tensor.numpy())
    np.testing.assert_array_equal(found["p"].array(), whole.numpy())


def test_an_altered_byte_of_a_tensor_is_found_when_it_is_read(tmp_path: Path) -> None:
    path, marked = tmp_path / "w.pth", torch.arange(1000, 1016, dtype=torch.float32)
    torch.save({"w": marked, "other": torch.zeros(4)}, path)
    content = bytearray(path.read_bytes())
    content[content.index(marked.numpy().tobytes()) + 5] ^= 1
    path.write_bytes(content)
    found = read_torch_file(path)
    assert found["other"].array().tolist() == [0, 0, 0, 0]
    for _ in range(2):
        with pytest.raises(ModelError, match="altered"):
            found["w"].array()


def test_an_altered_byte_of_the_table_of_contents_is_found(tmp_path: Path) -> None:
    path = tmp_path / "w.pth"
    torch.save({"w": torch.zeros(4), "learning_rate": "0.0125"}, path)
    path.write_bytes(path.read_bytes().replace(b"0.0125", b"0.0126"))
    with pytest.raises(ModelError, match="damaged"):
        read_torch_file(path)


@given(st.binary(max_size=200))
def test_random_bytes_are_a_model_error(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    path = tmp_path_factory.mktemp("damaged") / "w.pth"
    path.write_bytes(content)
    with pytest.raises(ModelError):
        read_torch_file(path)


@pytest.mark.parametrize("is_zip", [True, False])
@given(data=st.data())
def test_truncated_weights_are_a_model_error(
    tmp_path_factory: pytest.TempPathFactory, is_zip: bool, data: st.DataObject
) -> None:
    path = tmp_path_factory.mktemp("cut") / "w.pth"
    torch.save({"w": torch.arange(50.0)}, path, _use_new_zipfile_serialization=is_zip)
    path.write_bytes(path.read_bytes()[: data.draw(st.integers(0, path.stat().st_size - 30))])
    with pytest.raises(ModelError):
        read_torch_file(path)["w"].array()


@pytest.mark.parametrize(
    "kept", [-1, -200, -201, -208, 20], ids=["last byte", "values", "a byte of the count", "count", "beginning"]
)
def test_weights_of_an_old_torch_that_are_cut_short_are_a_model_error(tmp_path: Path, kept: int) -> None:
    path = tmp_path / "w.pth"
    torch.save({"w": torch.arange(50.0)}, path, _use_new_zipfile_serialization=False)
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(ModelError):
        read_torch_file(path)["w"].array()


def test_a_count_of_values_that_no_file_can_hold_is_a_model_error(tmp_path: Path) -> None:
    path = tmp_path / "w.pth"
    torch.save({"w": torch.arange(50.0)}, path, _use_new_zipfile_serialization=False)
    content = path.read_bytes()
    path.write_bytes(content[:-208] + b"\xff" * 8 + content[-200:])
    with pytest.raises(ModelError):
        read_torch_file(path)["w"].array()


@pytest.mark.parametrize(("place", "value"), [(8, 1), (9, 8)], ids=["encrypted", "a name that is no UTF-8"])
def test_an_altered_directory_of_the_archive_is_a_model_error(tmp_path: Path, place: int, value: int) -> None:
    path = tmp_path / "w.pth"
    torch.save({"w": torch.arange(50.0)}, path)
    content = bytearray(path.read_bytes())
    entry = content.index(b"PK\x01\x02")
    content[entry + place] |= value
    content[entry + 46] = 0x93  # first byte of its name
    path.write_bytes(content)
    with pytest.raises(ModelError):
        read_torch_file(path)["w"].array()
