"""The walk over a pickle's opcodes ends where Python's unpickler does, and refuses nothing that a writer writes."""

import pickle
import pickletools
from collections import OrderedDict
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aimi.engine.opcodes import end_of_pickle
from aimi.errors import ModelError

KEYS = st.one_of(st.integers(), st.text(), st.binary(), st.booleans(), st.none(), st.floats())
VALUES = st.recursive(
    KEYS,
    lambda inner: st.one_of(
        st.lists(inner),
        st.lists(inner).map(tuple),
        st.dictionaries(KEYS, inner),
        st.dictionaries(KEYS, inner).map(OrderedDict),
        st.sets(KEYS),
        st.frozensets(KEYS),
    ),
)


@settings(max_examples=50)
@given(value=VALUES, protocol=st.integers(0, 5), before=st.binary(max_size=5))
def test_the_end_of_a_pickle_is_found(value: Any, protocol: int, before: bytes) -> None:
    written = pickle.dumps(value, protocol)
    for content in (written, pickletools.optimize(written)):
        assert end_of_pickle(before + content + b"tail", len(before)) == len(before) + len(content)


LARGE = {
    "tuples in a list": [(index, str(index)) for index in range(25_000)],
    "one tuple": tuple(range(15_000)),
    "numbers of numpy": [np.float64(index) for index in range(2500)],
    "a list within lists": [[[[[[[[list(range(30_000))]]]]]]]],
    "one tuple in many": [((1, 2), (1, 2))] * 1000,
}


@pytest.mark.parametrize("protocol", [0, 2, 4])
@pytest.mark.parametrize("name", LARGE)
def test_large_values_are_not_refused(name: str, protocol: int) -> None:
    written = pickle.dumps(LARGE[name], protocol)
    assert end_of_pickle(written, 0) == len(written)


@pytest.mark.parametrize("end", [b"", b"h\x00.", b"q\x00.", b"t.", b"\xff.", b"X\x05\x00\x00\x00a", b"I12"])
def test_what_no_writer_writes_has_no_end(end: bytes) -> None:
    with pytest.raises((EOFError, LookupError)):
        end_of_pickle(b"\x80\x02" + end, 0)


def test_a_memo_has_no_number_beyond_the_bytes_so_far() -> None:
    assert end_of_pickle(b"Nq\x03.", 0) == 4
    with pytest.raises(ModelError):
        end_of_pickle(b"Nq\x04.", 0)
