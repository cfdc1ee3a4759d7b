"""Which stacks of a study a task annotates, and why.

A task states, for each role (``ct``, ``pet``, ``mr``), named tests and a preference. A test gives pass,
fail or unknown (the header is silent) with a sentence. Fail excludes; unknown passes with a note and
ranks behind pass (DECISIONS 2.1). The choice is total: no two candidates tie (2.6). Defects of a stack
do not change its rank: they refuse the result, not the study (1.6).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from aimi.dicom.header import Stack

__all__ = ["Candidate", "Outcome", "Preference", "Rule", "Selection", "Test", "Verdict"]


class Outcome(StrEnum):
    """What a test gives."""

    PASS = "pass"  # noqa: S105  (a word of ours, no password)
    FAIL = "fail"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Verdict:
    """The outcome of one test on one stack, with a sentence of our own words."""

    test: str
    outcome: Outcome
    sentence: str


@dataclass(frozen=True, slots=True)
class Test:
    """A named test on a stack."""

    name: str
    judge: Callable[[Stack], tuple[Outcome, str]]


@dataclass(frozen=True, slots=True)
class Preference:
    """A named key: the stack with the smaller value goes first."""

    name: str
    key: Callable[[Stack], float]


@dataclass(frozen=True, slots=True)
class Rule:
    """What a task asks of the stack of one role."""

    role: str
    tests: tuple[Test, ...]
    preferences: tuple[Preference, ...] = ()


@dataclass(frozen=True, slots=True)
class Candidate:
    """A stack with what it passed and failed for a role.

    Parameters
    ----------
    rank : 1 for the first of the acceptable ones; None for a stack that a test excludes.
    """

    role: str
    stack: Stack
    verdicts: tuple[Verdict, ...]
    rank: int | None


@dataclass(frozen=True, slots=True)
class Selection:
    """One acceptable set of stacks.

    Parameters
    ----------
    stacks : role -> stack.
    reason : why this one goes before the next, in one sentence.
    candidates : every stack of the study, for every role; the same for all selections of a study.
    """

    stacks: Mapping[str, Stack]
    reason: str
    candidates: tuple[Candidate, ...]
