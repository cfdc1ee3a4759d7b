"""The opcodes of a pickle, walked before anything is made of them.

Python's unpickler makes room for what an opcode announces before it looks whether it is there, and hashes tuples within
tuples without a bound: a pickle of ten bytes can take all memory, one of a hundred can run for ever, a longer one can
overrun the stack. The walk keeps a stack as the unpickler does, with one number for each value: how many values lie
within it, each counted as often as it is met, because a hash meets it so often. Lists, sets and mappings count as one:
nothing hashes what is within them again.

References
----------
Python 3.11, ``pickletools.py``; ``_pickle.c``, ``_Unpickler_MemoPut`` (a memo has twice the room of its largest
number); ``tupleobject.c``, ``tuplehash`` (recurses).
"""

import mmap
import pickletools
import struct
from dataclasses import dataclass, field

from aimi.errors import ModelError

__all__ = ["MAX_PICKLE_BYTES", "end_of_pickle"]

MAX_PICKLE_BYTES = 1 << 25
"""A plans pickle has 700 bytes for each training case; each byte may become an empty record of 64."""

_REMEDY = "Get the model again from its publisher (`aimi models fetch`)."
_MOST_WITHIN = 20_000  # 150,000 tuples within each other overrun a stack of 8 MiB

_CODES = {opcode.name: ord(opcode.code) for opcode in pickletools.opcodes}
_LINES = {ord(one.code): 1 for one in pickletools.opcodes if one.arg and one.arg.n == pickletools.UP_TO_NEWLINE}
_LINES |= {_CODES["GLOBAL"]: 2, _CODES["INST"]: 2}
_FIXED = {
    ord(one.code): 0 if one.arg is None else one.arg.n
    for one in pickletools.opcodes
    if one.arg is None or one.arg.n >= 0
}
_COUNTS = {
    pickletools.TAKEN_FROM_ARGUMENT1: struct.Struct("<B"),
    pickletools.TAKEN_FROM_ARGUMENT4: struct.Struct("<i"),
    pickletools.TAKEN_FROM_ARGUMENT4U: struct.Struct("<I"),
    pickletools.TAKEN_FROM_ARGUMENT8U: struct.Struct("<Q"),
}
_COUNTED = {ord(one.code): _COUNTS[one.arg.n] for one in pickletools.opcodes if one.arg and one.arg.n in _COUNTS}


def _codes(*names: str) -> frozenset[int]:
    return frozenset(_CODES[name] for name in names)


_STOP, _MARK, _POP, _DUP = (_CODES[name] for name in ("STOP", "MARK", "POP", "DUP"))
_MEMOIZE, _BINGET = _CODES["MEMOIZE"], _CODES["BINGET"]
_PUTS, _GETS = _codes("PUT", "BINPUT", "LONG_BINPUT"), _codes("GET", "BINGET", "LONG_BINGET")
_DECIMAL = _codes("PUT", "GET")
# they change the value below and leave it where it is
_FILLS = _codes("APPEND", "APPENDS", "SETITEM", "SETITEMS", "ADDITEMS", "BUILD")
_MUTABLE = _codes("LIST", "DICT", "FROZENSET")


@dataclass(frozen=True, slots=True)
class _Effect:
    """What an opcode does to the stack: takes all above the last mark, then some more, and leaves something or not."""

    from_mark: bool
    taken: int
    gives: bool
    is_counted: bool


def _effect(opcode: pickletools.OpcodeInfo) -> _Effect:
    code, before = ord(opcode.code), opcode.stack_before
    from_mark = pickletools.markobject in before
    taken = 0 if from_mark else len(before) - (code in _FILLS)
    return _Effect(from_mark, taken, bool(opcode.stack_after) and code not in _FILLS, code not in _MUTABLE)


_EFFECTS = {ord(opcode.code): _effect(opcode) for opcode in pickletools.opcodes}
# as lists, because nearly all time goes here
_LENGTHS = [_FIXED.get(code, -1) for code in range(256)]
_PUSHES = _Effect(from_mark=False, taken=0, gives=True, is_counted=True)
_IS_PLAIN = [_EFFECTS.get(code) == _PUSHES and code not in _GETS and code != _MARK for code in range(256)]


@dataclass(slots=True)
class _Stack:
    """How many values lie within each value of the stack and of the memo."""

    sizes: list[int] = field(default_factory=list)
    marks: list[int] = field(default_factory=list)
    memo: dict[int, int] = field(default_factory=dict)

    def apply(self, code: int) -> None:
        """Do what an opcode without a number does."""
        if code == _MARK:
            self.marks.append(len(self.sizes))
        elif code == _DUP:
            self.sizes.append(self.sizes[-1])
        elif code == _POP:
            # the unpickler takes a mark where one is on top
            (self.marks if self.marks and self.marks[-1] == len(self.sizes) else self.sizes).pop()
        else:
            self._take(_EFFECTS[code])

    def _take(self, effect: _Effect) -> None:
        within = 0
        if effect.from_mark:
            mark = self.marks.pop()
            within = sum(self.sizes[mark:])
            del self.sizes[mark:]
        elif effect.taken:
            within = sum(self.sizes[-effect.taken :])
            del self.sizes[-effect.taken :]
        if effect.gives:
            self.sizes.append(1 + within if effect.is_counted else 1)
            if within > _MOST_WITHIN:
                raise ModelError(
                    "A file of the model is damaged: its values lie within each other without end.", _REMEDY
                )


def end_of_pickle(content: bytes | mmap.mmap, start: int) -> int:
    """Give where a pickle ends that begins at a place of some bytes.

    Raises
    ------
    ModelError
        It would take room, time or depth that its size does not explain.
    EOFError, LookupError, ValueError, struct.error
        It is no pickle, cut short, or longer than :data:`MAX_PICKLE_BYTES`.
    """
    at, limit, stack = start, min(len(content), start + MAX_PICKLE_BYTES), _Stack()
    sizes, memo = stack.sizes, stack.memo
    while at < limit:
        code, argument = content[at], at + 1
        length = _LENGTHS[code]
        at = argument + length if length >= 0 else _after(content, code, argument, limit)
        if _IS_PLAIN[code]:
            sizes.append(1)
        elif code == _MEMOIZE:
            memo[len(memo)] = sizes[-1]
        elif code == _BINGET:
            sizes.append(memo[content[argument]])
        elif code in _GETS:
            sizes.append(memo[_number(code, content[argument:at])])
        elif code in _PUTS:
            number = _number(code, content[argument:at])
            if number > at - start:
                raise ModelError("A file of the model is damaged: its pickle asks for room without end.", _REMEDY)
            memo[number] = sizes[-1]
        elif code == _STOP:
            return at
        else:
            stack.apply(code)
    raise EOFError


def _number(code: int, written: bytes) -> int:
    return int(written) if code in _DECIMAL else int.from_bytes(written, "little")


def _after(content: bytes | mmap.mmap, code: int, argument: int, limit: int) -> int:
    """Give where the argument of an opcode ends that has no fixed length."""
    if code in _COUNTED:
        (count,) = _COUNTED[code].unpack_from(content, argument)
        return argument + _COUNTED[code].size + max(int(count), 0)
    for _ in range(_LINES[code]):
        argument = content.find(b"\n", argument, limit) + 1
        if argument == 0:
            raise EOFError
    return argument
