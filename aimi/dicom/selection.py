"""Which stacks of a study a task annotates, and why.

A task states, for each role (``ct``, ``pet``, ``mr``), named tests and a preference. A test gives pass,
fail or unknown (the header is silent) with a sentence. Fail excludes; unknown passes with a note and
ranks behind pass (DECISIONS 2.1). The choice is total: no two candidates tie (2.6). Defects of a stack
do not change its rank: they refuse the result, not the study (1.6).

Before the task's tests stands one that no task can leave out and no option overrules: the object is a
CT, MR or PET image. Reports, segmentations, dose objects and secondary captures are listed, never chosen.
"""

import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

from aimi.dicom.header import Series, Stack, Study
from aimi.dicom.sop_classes import image_modality
from aimi.dicom.values import day_number
from aimi.errors import GeometryError, SelectionError, UsageError
from aimi.image import Note

__all__ = [
    "Candidate",
    "Judged",
    "NothingSuitableError",
    "Outcome",
    "Preference",
    "RankKey",
    "RankValue",
    "Rule",
    "Selection",
    "Test",
    "Verdict",
    "acquired_at",
    "as_json",
    "binding_tests",
    "choose",
    "describe",
    "following_keys",
    "judge_stack",
    "leading_keys",
    "notes",
    "nothing_suits",
    "ranking_keys",
    "ranking_order",
    "require_sound",
    "stacks_of",
]


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
    """A named test on a stack.

    Parameters
    ----------
    binding : holds also for a stack that was asked for by its UID.
    """

    __test__ = False  # pytest: no test case

    name: str
    judge: Callable[[Stack], tuple[Outcome, str]]
    binding: bool = False


@dataclass(frozen=True, slots=True)
class Preference:
    """A named key: the stack with the smaller value goes first. NaN is not a value.

    Parameters
    ----------
    decides : a stack with a larger value is annotated only where none with a smaller one suits, even where every
        series that suits is wanted; only of use among the leading preferences.
    """

    name: str
    key: Callable[[Stack], float]
    decides: bool = False


@dataclass(frozen=True, slots=True)
class Rule:
    """What a task asks of the stack of one role.

    Parameters
    ----------
    preferences : in the task's own order.
    leading : preferences that count before open questions, and so before all others.
    target_gap : smallest and largest slice gap in mm within which more slices go first.
    """

    role: str
    tests: tuple[Test, ...]
    preferences: tuple[Preference, ...] = ()
    leading: tuple[Preference, ...] = ()
    target_gap: tuple[float, float] | None = None


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

    @property
    def failures(self) -> tuple[Verdict, ...]:
        """The tests that exclude it."""
        return tuple(verdict for verdict in self.verdicts if verdict.outcome is Outcome.FAIL)


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


class NothingSuitableError(SelectionError):
    """No stack of the study suits a role; ``candidates`` tells what each one failed."""

    def __init__(self, message: str, remedy: str, candidates: tuple[Candidate, ...]) -> None:
        super().__init__(message, remedy)
        self.candidates = candidates


def choose(study: Study, rules: tuple[Rule, ...], *, series_uid: str | None = None) -> tuple[Selection, ...]:
    """Give every acceptable selection of a study, best first.

    Parameters
    ----------
    rules : the rule of the only role; :mod:`aimi.dicom.pairing` chooses for two.
    series_uid : a series UID or a stack's name. Only its stacks are given then; tests that are not binding
        may fail, :func:`notes` says which.

    Raises
    ------
    NothingSuitableError : no stack suits.
    UsageError : the study holds no series or stack of that name.
    """
    (rule,) = rules
    stacks = [stack for series in study.series for stack in stacks_of(series)]
    judged = [Judged(stack, judge_stack(stack, rule)) for stack in stacks]
    if series_uid is None:
        chosen = sorted((one for one in judged if one.suits), key=ranking_order(rule))
        candidates = _candidates(rule, judged, chosen)
    else:
        chosen = _forced(judged, rule, series_uid)
        others = sorted((one for one in judged if one.suits and one not in chosen), key=ranking_order(rule))
        candidates = _candidates(rule, judged, [*chosen, *others])
    if not chosen:
        raise nothing_suits(rule, candidates, series_uid)
    reasons = _reasons(rule, chosen, len(judged), is_forced=series_uid is not None)
    return tuple(
        Selection(MappingProxyType({rule.role: one.stack}), reason, candidates)
        for one, reason in zip(chosen, reasons, strict=True)
    )


def require_sound(selections: Sequence[Selection]) -> Selection:
    """Give the first selection, if no stack of it has a defect.

    Raises
    ------
    GeometryError : a stack has a defect. The remedy names the next sound candidate: there is no silent
        fall-back (DECISIONS 1.6).
    """
    first = selections[0]
    for role, stack in first.stacks.items():
        if stack.defects:
            defects = "; ".join(defect.sentence.rstrip(". ") for defect in stack.defects)
            raise GeometryError(
                f"Series {stack.name or 'without UID'} cannot be annotated: {defects}.", _way_out(first, role)
            )
    return first


def notes(selection: Selection) -> tuple[Note, ...]:
    """Give what the reader of a result should know of the choice: open questions and overruled tests."""
    chosen = [one for one in selection.candidates if selection.stacks.get(one.role) is one.stack]
    return tuple(
        Note(f"selection-{verdict.outcome}-{verdict.test.replace(' ', '-')}", verdict.sentence)
        for candidate in chosen
        for verdict in candidate.verdicts
        if verdict.outcome is not Outcome.PASS
    )


def describe(candidate: Candidate) -> str:
    """Give one line on a candidate: its series, and what it failed or left open, without header text."""
    header = candidate.stack.header
    number = "without number" if header.series_number is None else str(header.series_number)
    open_questions = (one.sentence for one in candidate.verdicts if one.outcome is Outcome.UNKNOWN)
    said = " ".join(one.sentence for one in candidate.failures) or " ".join(open_questions) or "Suits."
    rank = "excluded" if candidate.rank is None else f"rank {candidate.rank}"
    return f"series {number}, {_image_count(candidate.stack)} images, {candidate.stack.name}: {rank}. {said}"


def as_json(
    selections: Sequence[Selection], candidates: Sequence[Candidate] = (), *, show_descriptions: bool = False
) -> dict[str, object]:
    """Give a choice as JSON values: ``chosen`` by role, ``reason``, and ``candidates`` with reasons.

    Defects of objects that are no images never matter and are left out.

    Parameters
    ----------
    selections : as :func:`choose` gives them; empty when nothing suits.
    candidates : those of a :class:`NothingSuitableError`; needed only when ``selections`` is empty.
    show_descriptions : add Series Description, free text of the header that may identify a person.
    """
    listed = selections[0].candidates if selections else candidates
    chosen = {role: _stack_json(stack) for role, stack in selections[0].stacks.items()} if selections else {}
    return {
        "chosen": chosen,
        "reason": selections[0].reason if selections else "Nothing suits.",
        "acceptable": sum(candidate.rank is not None for candidate in listed),
        "candidates": [_candidate_json(candidate, show_descriptions=show_descriptions) for candidate in listed],
    }


def _image_count(stack: Stack) -> int:
    return len(stack.planes) or len(stack.instances)


def _stack_json(stack: Stack) -> dict[str, object]:
    header = stack.header
    return {
        "stack": stack.name,
        "series_instance_uid": header.series_instance_uid,
        "series_number": header.series_number,
        "modality": header.modality,
        "images": _image_count(stack),
        "spacing_mm": None if stack.spacing is None else list(stack.spacing),
        "split": dict(stack.split),
    }


def _candidate_json(candidate: Candidate, *, show_descriptions: bool) -> dict[str, object]:
    stack = candidate.stack
    is_image = all(one.test != _IMAGE.name for one in candidate.failures)
    free_text: dict[str, object] = {"series_description": stack.header.series_description} if show_descriptions else {}
    return {
        "role": candidate.role,
        "rank": candidate.rank,
        **_stack_json(stack),
        **free_text,
        "tests": [
            {"test": one.test, "outcome": str(one.outcome), "sentence": one.sentence} for one in candidate.verdicts
        ],
        "defects": [{"code": one.code, "sentence": one.sentence} for one in stack.defects if is_image],
        "notes": [{"code": one.code, "sentence": one.sentence} for one in stack.notes],
    }


# --- judging ---


@dataclass(frozen=True, slots=True, eq=False)
class Judged:
    """A stack with the verdicts of a rule."""

    stack: Stack
    verdicts: tuple[Verdict, ...]

    def count(self, outcome: Outcome) -> int:
        """Give how many tests have this outcome."""
        return sum(verdict.outcome is outcome for verdict in self.verdicts)

    @property
    def suits(self) -> bool:
        """No test failed."""
        return self.count(Outcome.FAIL) == 0


def stacks_of(series: Series) -> tuple[Stack, ...]:
    """Give a series' stacks; one without planes for a series that holds none, so that it is listed."""
    if series.stacks:
        return series.stacks
    return (Stack(series.header, series.instances, (), (), None, None, (), ()),)


def _judge_image(stack: Stack) -> tuple[Outcome, str]:
    modality = stack.header.modality
    if image_modality(stack.header.sop_class_uid, modality) and stack.planes:
        return Outcome.PASS, "The objects are images of a volume."
    kind = f" (modality {modality})" if modality.isalnum() and modality.isupper() else ""
    return Outcome.FAIL, f"The objects are no CT, MR or PET images{kind}."


_IMAGE = Test("image", _judge_image, binding=True)


def judge_stack(stack: Stack, rule: Rule) -> tuple[Verdict, ...]:
    """Apply the tests in order, up to a binding one that fails: the rest would say nothing of use."""
    verdicts: list[Verdict] = []
    for test in (_IMAGE, *rule.tests):
        verdicts.append(_verdict(test, stack))
        if test.binding and verdicts[-1].outcome is Outcome.FAIL:
            break
    return tuple(verdicts)


def _verdict(test: Test, stack: Stack) -> Verdict:
    outcome, sentence = test.judge(stack)
    return Verdict(test.name, outcome, sentence)


# --- ranking (DECISIONS 2.6) ---

RankValue = float | str
RankKey = tuple[str, Callable[[Judged], RankValue]]


def ranking_keys(rule: Rule) -> tuple[RankKey, ...]:
    """Give the named keys of a rule, in order; together they are total."""
    return (
        *leading_keys(rule),
        ("fewer open questions", lambda one: one.count(Outcome.UNKNOWN)),
        *following_keys(rule),
    )


def leading_keys(rule: Rule) -> tuple[RankKey, ...]:
    """Give the keys that count before the number of open questions."""
    return tuple(_preference_key(preference) for preference in rule.leading)


def following_keys(rule: Rule) -> tuple[RankKey, ...]:
    """Give the keys that count after it: those of the preferences, then what holds for every task."""
    return (
        *(_preference_key(preference) for preference in rule.preferences),
        ("more slices within the target range of gaps", lambda one: _slices_in_target(one.stack, rule)),
        ("a smaller gap between slices", lambda one: _gap(one.stack)),
        ("thinner slices", lambda one: _or_inf(one.stack.header.slice_thickness)),
        ("a larger matrix", lambda one: -_matrix(one.stack)),
        ("a later acquisition", lambda one: -acquired_at(one.stack)),
        ("the lower series number", lambda one: _or_inf(one.stack.header.series_number)),
        ("the lower UID", lambda one: one.stack.header.series_instance_uid),
        ("the lower splitting value", lambda one: one.stack.name),
    )


def _preference_key(preference: Preference) -> RankKey:
    return preference.name, lambda one: preference.key(one.stack)


def ranking_order(rule: Rule) -> Callable[[Judged], tuple[RankValue, ...]]:
    """Give the key by which stacks of a role are sorted."""
    keys = ranking_keys(rule)
    return lambda one: tuple(key(one) for _, key in keys)


def _or_inf(value: float | None) -> float:
    return math.inf if value is None else value


def _gap(stack: Stack) -> float:
    """Give the gap to 0.01 mm, so that rounding in the headers decides nothing."""
    return math.inf if stack.spacing is None else round(stack.spacing[0], 2)


def _slices_in_target(stack: Stack, rule: Rule) -> float:
    if rule.target_gap is None:
        return 0
    low, high = rule.target_gap
    return -len(stack.planes) if low <= _gap(stack) <= high else 0


def _matrix(stack: Stack) -> int:
    pixels = stack.instances[stack.planes[0].instance].pixels
    return pixels.rows * pixels.columns


def acquired_at(stack: Stack) -> float:
    """Give the moment of the acquisition, else of the series, in seconds; 0 where neither is known."""
    header = stack.header
    moments = ((header.acquisition_date, header.acquisition_time), (header.series_date, header.series_time))
    days = ((day_number(date), time) for date, time in moments)
    return next((day * 86400.0 + time for day, time in days if day is not None and time is not None), 0.0)


def _candidates(rule: Rule, judged: list[Judged], ranked: list[Judged]) -> tuple[Candidate, ...]:
    ranks = {id(one): rank for rank, one in enumerate(ranked, start=1)}
    return tuple(Candidate(rule.role, one.stack, one.verdicts, ranks.get(id(one))) for one in judged)


# --- a stack that was asked for ---


def _forced(judged: list[Judged], rule: Rule, series_uid: str) -> list[Judged]:
    """Give the stacks of a series or name: those that suit, else those that pass the binding tests."""
    asked = [one for one in judged if series_uid in {one.stack.header.series_instance_uid, one.stack.name}]
    if not asked:
        raise UsageError(
            "The study holds no series or stack with the UID given to --series.",
            "Run `aimi select` to list those that it holds.",
        )
    binding = binding_tests(rule)
    allowed = [one for one in asked if not any(v.outcome is Outcome.FAIL and v.test in binding for v in one.verdicts)]
    suiting = [one for one in allowed if one.suits]
    order = ranking_order(rule)
    return sorted(suiting or allowed, key=lambda one: (one.count(Outcome.FAIL), *order(one)))


def binding_tests(rule: Rule) -> set[str]:
    """Give the names of the tests that no option overrules."""
    return {_IMAGE.name, *(test.name for test in rule.tests if test.binding)}


# --- telling ---


def _reasons(rule: Rule, chosen: list[Judged], total: int, *, is_forced: bool) -> list[str]:
    if is_forced:
        return ["It was asked for by its UID."] * len(chosen)
    if len(chosen) == 1:
        return [f"It is the only one of {total} stacks that suits." if total > 1 else "It is the only stack."]
    between = [
        f"It goes before the next by {_first_difference(rule, one, other)}."
        for one, other in itertools.pairwise(chosen)
    ]
    return [*between, f"It is the last of {len(chosen)} stacks that suit."]


def _first_difference(rule: Rule, one: Judged, other: Judged) -> str:
    return next((name for name, key in ranking_keys(rule) if key(one) != key(other)), "the order of the study")


def nothing_suits(rule: Rule, candidates: tuple[Candidate, ...], series_uid: str | None) -> NothingSuitableError:
    """Give the refusal that tells by which tests the candidates for a role were excluded."""
    if series_uid is not None:
        asked = (one for one in candidates if series_uid in {one.stack.header.series_instance_uid, one.stack.name})
        sentence = next((one.failures[0].sentence for one in asked if one.failures), "")
        return NothingSuitableError(
            f"The series that was asked for cannot be annotated. {sentence}".strip(),
            "Run `aimi select` to list those that can.",
            candidates,
        )
    if not candidates:
        return NothingSuitableError("The input holds no series.", "Give a folder that holds one DICOM study.", ())
    firsts = [candidate.failures[0].test for candidate in candidates]
    told = ", ".join(f"{test} {firsts.count(test)}" for test in dict.fromkeys(firsts))
    binding = binding_tests(rule)
    could_be_forced = any(not binding & {one.test for one in candidate.failures} for candidate in candidates)
    return NothingSuitableError(
        f"Nothing in the study suits (role {rule.role}). Stacks excluded, by test: {told}.",
        "To annotate one all the same, name it with --series UID." if could_be_forced else "Send another study.",
        candidates,
    )


def _way_out(selection: Selection, role: str) -> str:
    """Name the next sound candidate of a role with the option that takes it."""
    sound = [one for one in selection.candidates if one.role == role and one.rank is not None and not one.stack.defects]
    if sound:
        following = min(sound, key=lambda one: _or_inf(one.rank))
        return f"The next one that suits is taken with --series '{following.stack.name}'."
    return "No other series of the study suits and is sound: complete the series, or send another study."
