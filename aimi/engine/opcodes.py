"""The opcodes of a pickle, walked before anything is made of them.

Python's unpickler makes room for what an opcode announces before it looks whether it is there: a pickle of ten bytes
can take all memory, and a longer one can overrun the stack. What is found here is refused before that.

References
----------
Python 3.11, ``pickletools.py``; ``_pickle.c``, ``_Unpickler_MemoPut`` (a memo has twice the room of its largest
number); ``tupleobject.c``, ``tuplehash`` (recurses without a bound).
"""

import mmap
import pickletools
import struct

from aimi.errors import ModelError

__all__ = ["MAX_PICKLE_BYTES", "end_of_pickle"]

MAX_PICKLE_BYTES = 1 << 25
"""A plans pickle has 700 bytes for each training case; each byte may become an empty record of 64."""

_REMEDY = "Get the model again from its publisher (`aimi models fetch`)."
_MOST_TUPLES = 100_000  # a plans pickle has 22 for each training case; 150,000 within each other overrun the stack

_LINES = {
    ord(opcode.code): 1 for opcode in pickletools.opcodes if opcode.arg and opcode.arg.n == pickletools.UP_TO_NEWLINE
}
_LINES |= {ord("c"): 2, ord("i"): 2}
_FIXED = {
    ord(opcode.code): 0 if opcode.arg is None else opcode.arg.n
    for opcode in pickletools.opcodes
    if opcode.arg is None or opcode.arg.n >= 0
}
_COUNTS = {
    pickletools.TAKEN_FROM_ARGUMENT1: struct.Struct("<B"),
    pickletools.TAKEN_FROM_ARGUMENT4: struct.Struct("<i"),
    pickletools.TAKEN_FROM_ARGUMENT4U: struct.Struct("<I"),
    pickletools.TAKEN_FROM_ARGUMENT8U: struct.Struct("<Q"),
}
_COUNTED = {
    ord(opcode.code): _COUNTS[opcode.arg.n] for opcode in pickletools.opcodes if opcode.arg and opcode.arg.n in _COUNTS
}
_STOP, _PUT = b".p"
_PUTS = frozenset(ord(opcode.code) for opcode in pickletools.opcodes if opcode.name in ("PUT", "BINPUT", "LONG_BINPUT"))
_TUPLES = frozenset(ord(opcode.code) for opcode in pickletools.opcodes if opcode.name.startswith("TUPLE"))
# whole length of the opcodes that need no look at their argument, which are nearly all; 0 for the others
_STEPS = [0 if code in _PUTS | _TUPLES | {_STOP} else 1 + _FIXED.get(code, -1) for code in range(256)]


def end_of_pickle(content: bytes | mmap.mmap, start: int) -> int:
    """Give where a pickle ends that begins at a place of some bytes.

    Raises
    ------
    ModelError
        It would take room or depth that its size does not explain.
    EOFError, LookupError, ValueError, struct.error
        It is no pickle, cut short, or longer than :data:`MAX_PICKLE_BYTES`.
    """
    at, limit, tuples = start, min(len(content), start + MAX_PICKLE_BYTES), 0
    while at < limit:
        code, argument = content[at], at + 1
        if _STEPS[code]:
            at += _STEPS[code]
            continue
        at = _after(content, code, argument, limit)
        if code == _STOP:
            return at
        if code in _PUTS:
            written = content[argument:at]
            number = int(written) if code == _PUT else int.from_bytes(written, "little")
            if number > at - start:
                raise ModelError("A file of the model is damaged: its pickle asks for room without end.", _REMEDY)
        elif code in _TUPLES:
            tuples += 1
            if tuples > _MOST_TUPLES:
                raise ModelError(f"A file of the model holds more than {_MOST_TUPLES} tuples.", _REMEDY)
    raise EOFError


def _after(content: bytes | mmap.mmap, code: int, argument: int, limit: int) -> int:
    """Give where the argument of an opcode ends."""
    if code in _FIXED:
        return argument + _FIXED[code]
    if code in _COUNTED:
        (count,) = _COUNTED[code].unpack_from(content, argument)
        return argument + _COUNTED[code].size + max(int(count), 0)
    for _ in range(_LINES[code]):
        argument = content.find(b"\n", argument, limit) + 1
        if argument == 0:
            raise EOFError
    return argument
