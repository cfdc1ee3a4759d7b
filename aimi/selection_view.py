"""A selection as it is shown: a table for a person, JSON for a machine, and the refusal that a run would give."""

from dataclasses import dataclass
from typing import Any

from aimi.dicom import pairing
from aimi.dicom import selection as selecting
from aimi.dicom.header import Study
from aimi.dicom.selection import Candidate, Outcome, Selection
from aimi.errors import AimiError
from aimi.tasks.task import Task, rules_of

__all__ = ["SelectionView", "view"]

_MARKS = {Outcome.PASS: "+", Outcome.FAIL: "-", Outcome.UNKNOWN: "?"}


@dataclass(frozen=True, slots=True)
class SelectionView:
    """What a task would take of a study.

    Parameters
    ----------
    selections : best first; empty when nothing suits.
    error : what a run would end with; None when it would go on.
    """

    selections: tuple[Selection, ...]
    candidates: tuple[Candidate, ...]
    error: AimiError | None

    @property
    def conclusion(self) -> str:
        """Tell in one sentence what would be taken."""
        if not self.selections:
            return "Nothing suits."
        best = self.selections[0]
        chosen = ", ".join(f"{role}: {stack.name}" for role, stack in best.stacks.items())
        return f"Chosen {chosen}. {best.reason}"

    def as_json(self, *, show_descriptions: bool) -> dict[str, Any]:
        """Give the selection as JSON values, with the status that a run would end with."""
        facts = selecting.as_json(self.selections, self.candidates, show_descriptions=show_descriptions)
        refusal = None if self.error is None else {"reason": self.error.message, "remedy": self.error.remedy}
        return {"status": 0 if self.error is None else self.error.status, "refusal": refusal, **facts}

    def columns(self, with_text: bool) -> tuple[str, ...]:
        """Give the table's header."""
        text = ("description",) if with_text else ()
        return (
            "rank",
            "role",
            "series",
            *text,
            "modality",
            "images",
            "spacing mm",
            "tests (+ pass, - fail, ? unknown)",
        )

    def rows(self, with_text: bool) -> list[tuple[str, ...]]:
        """Give one row per candidate, the acceptable ones first in rank order."""
        ordered = sorted(self.candidates, key=lambda one: (one.rank is None, one.rank or 0))
        return [_row(candidate, with_text=with_text) for candidate in ordered]


def view(
    study: Study,
    task: Task,
    series_uid: str | None,
    *,
    allow_non_contrast: bool = False,
    allow_partial_ct: bool = False,
    register: bool = False,
) -> SelectionView:
    """Choose for a task without reading pixels; a refusal becomes part of the view."""
    rules = rules_of(task, allow_non_contrast=allow_non_contrast)
    try:
        selections = pairing.choose(
            study, rules, task.pair, series_uid=series_uid, allow_partial=allow_partial_ct, register=register
        )
    except selecting.NothingSuitableError as err:
        return SelectionView((), err.candidates, err)
    try:
        selecting.require_sound(selections)
    except AimiError as err:
        return SelectionView(selections, selections[0].candidates, err)
    return SelectionView(selections, selections[0].candidates, None)


def _row(candidate: Candidate, *, with_text: bool) -> tuple[str, ...]:
    stack = candidate.stack
    split = "".join(f" [{name}={value}]" for name, value in stack.split)
    number = "-" if stack.header.series_number is None else str(stack.header.series_number)
    spacing = "-" if stack.spacing is None else " x ".join(f"{value:.4g}" for value in stack.spacing)
    text = (stack.header.series_description,) if with_text else ()
    return (
        "-" if candidate.rank is None else str(candidate.rank),
        candidate.role,
        f"{number}{split} ..{stack.header.series_instance_uid[-12:]}",
        *text,
        stack.header.modality,
        str(len(stack.planes) or len(stack.instances)),
        spacing,
        _sentences(candidate),
    )


def _sentences(candidate: Candidate) -> str:
    shown = [one for one in candidate.verdicts if one.outcome is not Outcome.PASS] or list(candidate.verdicts)
    lines = [f"{_MARKS[one.outcome]} {one.sentence}" for one in shown]
    # Defects of a stack that is not chosen do not matter (DECISIONS 1.6).
    defects = candidate.stack.defects if candidate.rank is not None else ()
    return "\n".join([*lines, *(f"! {defect.sentence}" for defect in defects)])
