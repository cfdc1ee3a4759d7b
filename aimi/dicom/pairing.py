"""Which two stacks of a study belong together: a PET and its CT (DECISIONS 2.3).

Each role has its rule (:mod:`aimi.dicom.selection`); a :class:`PairRule` says how the second belongs to the first.
Both lie in one frame of reference, and the second covers at least nine tenths of the first's slices, by position
along the first's normal: a smaller field of view in the plane is normal. A twin of a series with a sharper kernel is
left out.

Pairs are ranked: fewer open questions; then the first role's stack as a task of its own would rank it; then, for the
second, the task's preferences, the nearest acquisition, more coverage, and the rest of its ranking. The choice is
total.
"""

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType

import numpy as np

from aimi.dicom.geometry import axes_of, mean_axes, offsets_of
from aimi.dicom.header import Stack, Study
from aimi.dicom.selection import (
    Candidate,
    Judged,
    NothingSuitableError,
    Outcome,
    RankKey,
    RankValue,
    Rule,
    Selection,
    Verdict,
    acquired_at,
    binding_tests,
    following_keys,
    judge_stack,
    leading_keys,
    nothing_suits,
    stacks_of,
)
from aimi.dicom.selection import choose as choose_one
from aimi.errors import UsageError

__all__ = ["LEAST_COVERAGE", "PairRule", "choose", "coverage"]

LEAST_COVERAGE = 0.9
"""Share of the first stack's slices that the second covers (DECISIONS 2.3)."""
_SAME_EXTENT_MM = 1.0
_FRAME = "frame of reference"
_COVERAGE = "coverage"
_TWIN = "kernel twin"
_BETWEEN_UIDS = ","


@dataclass(frozen=True, slots=True)
class PairRule:
    """How the stack of the second role belongs to that of the first.

    Parameters
    ----------
    first, second : roles, ``pet`` and ``ct``.
    least_coverage : share of the first's slices that the second covers.
    sharpness : of a stack's kernel, larger for sharper; of twins the least sharp is looked at.
    """

    first: str
    second: str
    least_coverage: float = LEAST_COVERAGE
    sharpness: Callable[[Stack], float] | None = None


@dataclass(frozen=True, slots=True)
class _Terms:
    """What a run allows."""

    allow_partial: bool
    register: bool


@dataclass(frozen=True, slots=True, eq=False)
class _Pair:
    first: Judged
    second: Judged
    verdicts: tuple[Verdict, ...]
    coverage: float

    @property
    def suits(self) -> bool:
        return not any(verdict.outcome is Outcome.FAIL for verdict in self.verdicts)

    @property
    def unknowns(self) -> int:
        own = sum(verdict.outcome is Outcome.UNKNOWN for verdict in self.verdicts)
        return own + self.first.count(Outcome.UNKNOWN) + self.second.count(Outcome.UNKNOWN)


_PairKey = tuple[str, Callable[[_Pair], RankValue]]


def choose(
    study: Study,
    rules: tuple[Rule, ...],
    pair: PairRule | None = None,
    *,
    series_uid: str | None = None,
    allow_partial: bool = False,
    register: bool = False,
) -> tuple[Selection, ...]:
    """Give every acceptable selection of a study, best first: one stack, or a pair where the task has a pair rule.

    Parameters
    ----------
    rules : one a role.
    series_uid : a series UID or a stack's name to be taken for its role; for a pair two, with a comma between.
    allow_partial : a second stack that covers less passes with a note.
    register : stacks of different frames of reference pass with a note, for they will be registered.

    Raises
    ------
    NothingSuitableError : no stack suits a role, or no two belong together.
    UsageError : the study holds no series or stack of a name that was given.
    """
    if pair is None:
        return choose_one(study, rules, series_uid=series_uid)
    first, second = (next(rule for rule in rules if rule.role == role) for role in (pair.first, pair.second))
    stacks = [stack for series in study.series for stack in stacks_of(series)]
    asked = _asked(stacks, series_uid)
    firsts, seconds = _judge_all(stacks, first, asked), _judge_all(stacks, second, asked)
    seconds = _without_twins(seconds, pair, asked)
    listed = _listed(first, firsts, second, seconds)
    for rule, judged in ((first, firsts), (second, seconds)):
        if not any(one.suits for one in judged):
            raise _nothing_suits(rule, listed, series_uid)
    order = _pair_keys(first, second)
    pairs = [
        _judge_pair(one, other, pair, _Terms(allow_partial, register))
        for one in firsts
        for other in seconds
        if one.suits and other.suits
    ]
    pairs.sort(key=lambda found: tuple(key(found) for _, key in order))
    suiting = [found for found in pairs if found.suits]
    candidates = _with_pairs(listed, pairs, suiting, pair)
    if not suiting:
        raise _no_pair(pairs, pair, candidates)
    return tuple(
        Selection(
            MappingProxyType({pair.first: found.first.stack, pair.second: found.second.stack}), reason, candidates
        )
        for found, reason in zip(suiting, _reasons(suiting, order, is_forced=bool(asked)), strict=True)
    )


def coverage(first: Stack, second: Stack) -> float | None:
    """Give the share of the first's slices, by position along its normal, between the ends of the second.

    The second reaches half a gap beyond the centers of its outer slices. None where positions are not known.
    """
    if not first.planes or any(one.position is None for one in (*first.planes, *second.planes)):
        return None
    axes, other = mean_axes(first.planes), mean_axes(second.planes)
    if axes is None or other is None or second.spacing is None:
        return None
    slices = offsets_of(first.planes, axes)
    low, high = _reach(second, axes.normal)
    half = 0.5 * second.spacing[0] * abs(float(axes.normal @ other.normal))
    return float(np.mean((slices >= low - half) & (slices <= high + half)))


def _reach(stack: Stack, normal: np.ndarray[tuple[int], np.dtype[np.float64]]) -> tuple[float, float]:
    """Give the range, along a direction, of the centers of a stack's slices."""
    offsets = []
    for plane in stack.planes:
        pixels = stack.instances[plane.instance].pixels
        axes = axes_of(plane.orientation) if plane.orientation is not None else None
        if axes is None or plane.position is None or plane.pixel_spacing is None:
            continue
        rows, columns = (pixels.rows - 1) * plane.pixel_spacing[0], (pixels.columns - 1) * plane.pixel_spacing[1]
        center = np.array(plane.position) + 0.5 * (columns * axes.row + rows * axes.column)
        offsets.append(float(center @ normal))
    return min(offsets), max(offsets)


# --- judging ---


def _asked(stacks: Sequence[Stack], series_uid: str | None) -> frozenset[str]:
    """Give the names of the stacks that were asked for."""
    if series_uid is None:
        return frozenset()
    wanted = [name.strip() for name in series_uid.split(_BETWEEN_UIDS)]
    found = [{one.name for one in stacks if name in {one.header.series_instance_uid, one.name}} for name in wanted]
    if not all(found):
        raise UsageError(
            "The study holds no series or stack with the UID given to --series.",
            "Run `aimi select` to list those that it holds.",
        )
    return frozenset().union(*found)


def _judge_all(stacks: Sequence[Stack], rule: Rule, asked: frozenset[str]) -> list[Judged]:
    """Judge stacks for a role; one that was asked for passes all but the binding tests, and alone."""
    judged = [Judged(stack, judge_stack(stack, rule)) for stack in stacks]
    forced = [one for one in judged if one.stack.name in asked and _is_bound(one, rule)]
    if not forced:
        return judged
    return [_forced(one) if one in forced else _not_asked(one) for one in judged]


def _forced(one: Judged) -> Judged:
    verdicts = (
        replace(found, outcome=Outcome.UNKNOWN) if found.outcome is Outcome.FAIL else found for found in one.verdicts
    )
    return replace(one, verdicts=tuple(verdicts))


def _not_asked(one: Judged) -> Judged:
    return _failing(one, Verdict("asked for", Outcome.FAIL, "Another series was asked for."))


def _failing(one: Judged, verdict: Verdict) -> Judged:
    return replace(one, verdicts=(*one.verdicts, verdict))


def _without_twins(judged: list[Judged], pair: PairRule, asked: frozenset[str]) -> list[Judged]:
    """Fail those of which a twin, the same slices of one acquisition, has a softer kernel."""
    sharpness = pair.sharpness
    if sharpness is None:
        return judged
    suiting = [one for one in judged if one.suits]
    verdict = Verdict(_TWIN, Outcome.FAIL, "It is the twin, with a sharper kernel, of another series.")
    twins = [
        one
        for one in suiting
        if one.stack.name not in asked
        and any(
            sharpness(other.stack) < sharpness(one.stack) and _are_twins(one.stack, other.stack) for other in suiting
        )
    ]
    return [_failing(one, verdict) if one in twins else one for one in judged]


def _are_twins(one: Stack, other: Stack) -> bool:
    same_frame = one.header.frame_of_reference_uid == other.header.frame_of_reference_uid
    if not same_frame or acquired_at(one) != acquired_at(other):
        return False
    ends = [(stack.planes[0].position, stack.planes[-1].position) for stack in (one, other)]
    return all(
        here is not None and there is not None and float(np.abs(np.subtract(here, there))[2]) <= _SAME_EXTENT_MM
        for here, there in zip(*ends, strict=True)
    )


def _judge_pair(first: Judged, second: Judged, pair: PairRule, terms: _Terms) -> _Pair:
    frame = _judge_frame(first.stack, second.stack, terms)
    share = coverage(first.stack, second.stack)
    if frame.outcome is not Outcome.PASS:
        return _Pair(first, second, (frame,), share or 0.0)
    return _Pair(first, second, (frame, _judge_coverage(share, pair, terms)), share or 0.0)


def _judge_frame(first: Stack, second: Stack, terms: _Terms) -> Verdict:
    one, other = first.header.frame_of_reference_uid, second.header.frame_of_reference_uid
    if one is not None and one == other:
        return Verdict(_FRAME, Outcome.PASS, "Both lie in one frame of reference.")
    said = "Not both name a frame of reference" if one is None or other is None else "Their frames of reference differ"
    if terms.register:
        return Verdict(_FRAME, Outcome.UNKNOWN, f"{said}: the CT is registered to the PET.")
    return Verdict(_FRAME, Outcome.FAIL, f"{said}: their places in space cannot be compared.")


def _judge_coverage(share: float | None, pair: PairRule, terms: _Terms) -> Verdict:
    if share is None:
        return Verdict(_COVERAGE, Outcome.UNKNOWN, "Positions are missing: what the CT covers is not known.")
    said = f"The CT covers {100 * share:.0f} % of the PET's slices"
    if share >= pair.least_coverage:
        return Verdict(_COVERAGE, Outcome.PASS, f"{said}.")
    needed = f"{said}; {100 * pair.least_coverage:.0f} % are needed."
    return Verdict(_COVERAGE, Outcome.UNKNOWN if terms.allow_partial else Outcome.FAIL, needed)


# --- ranking ---


def _pair_keys(first: Rule, second: Rule) -> tuple[_PairKey, ...]:
    own, of_second = len(second.preferences), following_keys(second)
    return (
        *(_key_of_first(key, first.role) for key in leading_keys(first)),
        *(_key_of_second(key, second.role) for key in leading_keys(second)),
        ("fewer open questions", lambda found: found.unknowns),
        *(_key_of_first(key, first.role) for key in following_keys(first)),
        *(_key_of_second(key, second.role) for key in of_second[:own]),
        (f"the nearest acquisition of the {second.role}", _time_between),
        (f"more coverage by the {second.role}", lambda found: -round(found.coverage, 2)),
        *(_key_of_second(key, second.role) for key in of_second[own:]),
    )


def _key_of_first(key: RankKey, role: str) -> _PairKey:
    return f"{key[0]} of the {role}", lambda found: key[1](found.first)


def _key_of_second(key: RankKey, role: str) -> _PairKey:
    return f"{key[0]} of the {role}", lambda found: key[1](found.second)


def _time_between(found: _Pair) -> float:
    moments = acquired_at(found.first.stack), acquired_at(found.second.stack)
    return abs(moments[0] - moments[1]) if all(moments) else float("inf")


# --- telling ---


def _listed(first: Rule, firsts: list[Judged], second: Rule, seconds: list[Judged]) -> tuple[Candidate, ...]:
    """List each stack for the role whose binding tests it passes; one that passes for neither for the first."""
    of_first = [
        Candidate(first.role, one.stack, one.verdicts, None)
        for one, other in zip(firsts, seconds, strict=True)
        if _is_bound(one, first) or not _is_bound(other, second)
    ]
    of_second = [Candidate(second.role, one.stack, one.verdicts, None) for one in seconds if _is_bound(one, second)]
    return (*of_first, *of_second)


def _is_bound(one: Judged, rule: Rule) -> bool:
    binding = binding_tests(rule)
    return not any(verdict.outcome is Outcome.FAIL and verdict.test in binding for verdict in one.verdicts)


def _with_pairs(
    listed: tuple[Candidate, ...], pairs: list[_Pair], suiting: list[_Pair], pair: PairRule
) -> tuple[Candidate, ...]:
    """Give the candidates with their ranks, and the second's with what became of its best pair."""
    ranks: dict[tuple[str, int], int] = {}
    for role, stacks in (
        (pair.first, [found.first.stack for found in suiting]),
        (pair.second, [found.second.stack for found in suiting]),
    ):
        for stack in stacks:
            ranks.setdefault((role, id(stack)), 1 + sum(key[0] == role for key in ranks))
    best = {id(found.second.stack): found for found in reversed([*suiting, *pairs])}
    told = []
    for one in listed:
        found = best.get(id(one.stack)) if one.role == pair.second and not one.failures else None
        verdicts = one.verdicts if found is None else (*one.verdicts, *found.verdicts)
        told.append(replace(one, verdicts=verdicts, rank=ranks.get((one.role, id(one.stack)))))
    return tuple(told)


def _nothing_suits(rule: Rule, listed: tuple[Candidate, ...], series_uid: str | None) -> NothingSuitableError:
    of_role = tuple(one for one in listed if one.role == rule.role)
    binding = binding_tests(rule)
    if all(any(failure.test in binding for failure in one.failures) for one in of_role):
        return NothingSuitableError(
            f"The study holds no {rule.role.upper()}.", "Send a study with PET and CT of one examination.", listed
        )
    names = {one.stack.name for one in of_role} | {one.stack.header.series_instance_uid for one in of_role}
    err = nothing_suits(rule, of_role, series_uid if series_uid in names else None)
    return NothingSuitableError(err.message, err.remedy, listed)


def _no_pair(pairs: list[_Pair], pair: PairRule, candidates: tuple[Candidate, ...]) -> NothingSuitableError:
    best = max(pairs, key=lambda found: (len(found.verdicts), found.coverage))
    failed = next(verdict for verdict in best.verdicts if verdict.outcome is Outcome.FAIL)
    remedies = {
        _FRAME: "Register them with --register, or send PET and CT of one examination.",
        _COVERAGE: "Annotate what is covered with --allow-partial-ct, or send the CT of the whole PET.",
    }
    return NothingSuitableError(
        f"No {pair.second.upper()} belongs to the {pair.first.upper()}. {failed.sentence}",
        remedies[failed.test],
        candidates,
    )


def _reasons(suiting: list[_Pair], order: tuple[_PairKey, ...], *, is_forced: bool) -> list[str]:
    if len(suiting) == 1:
        return ["It was asked for by its UID." if is_forced else "It is the only pair that belongs together."]
    between = [
        f"It goes before the next by {next(name for name, key in order if key(one) != key(other))}."
        for one, other in itertools.pairwise(suiting)
    ]
    return [*between, f"It is the last of {len(suiting)} pairs that belong together."]
