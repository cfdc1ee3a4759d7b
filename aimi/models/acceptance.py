"""Whether bf16 may be used for a model: measured on cases against f32, and kept beside the weights.

bf16 keeps eight bits of a number: twice as fast where the chip computes in it, and nearly always the same labels.
Nearly is shown, not believed. ``bf16.json`` in the model's folder holds, for every label, the least Dice and the
greatest change of volume that any case had; it belongs to these very weights (their SHA-256). The decision is made
when it is read, from the numbers: a stricter bar needs no new record. A label that no case showed was not measured,
and one small finding that differs in a voxel is enough to keep f32.
"""

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

import aimi
from aimi.engine.backends import computes_in_bf16
from aimi.engine.folder import ModelFolder
from aimi.errors import OutputError
from aimi.image import Note
from aimi.models import ledger
from aimi.models.store import FoundModel

__all__ = [
    "Acceptance",
    "Agreement",
    "agreements",
    "facts",
    "precision_of",
    "read",
    "require_room",
    "summed_up",
    "write",
]

LEAST_DICE = 0.999
MOST_VOLUME_CHANGE = 0.005

_FILE, _FORMAT = "bf16.json", "aimi-bf16-1"
_LABELS = 256
_Labels = npt.NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Agreement:
    """How well bf16 agrees with f32 on a label, at its worst.

    Parameters
    ----------
    cases : in which either of them has the label.
    dice : the least; None where no case has the label.
    volume_change : the greatest, as a share of the volume with f32; infinite where f32 has none.
    """

    label: str
    cases: int
    dice: float | None
    volume_change: float | None

    @property
    def suffices(self) -> bool:
        """Tell whether the label agrees well enough, and was seen at all."""
        if self.dice is None or self.volume_change is None:
            return False
        return self.dice >= LEAST_DICE and self.volume_change <= MOST_VOLUME_CHANGE


@dataclass(frozen=True, slots=True)
class Acceptance:
    """What was measured for a model."""

    model_sha256: str
    cases: int
    device: str
    labels: tuple[Agreement, ...]

    @property
    def is_given(self) -> bool:
        """Tell whether bf16 may be used."""
        return bool(self.labels) and all(one.suffices for one in self.labels)


def agreements(names: Sequence[str], exact: _Labels, quick: _Labels) -> tuple[Agreement, ...]:
    """Compare the labels of one case, with f32 and with bf16."""
    pairs = exact.astype(np.uint16) * _LABELS + quick
    counts = np.bincount(pairs.ravel(), minlength=_LABELS * _LABELS).reshape(_LABELS, _LABELS)
    before, after, common = counts.sum(axis=1), counts.sum(axis=0), counts.diagonal()
    return tuple(
        _agreement(name, int(before[number]), int(after[number]), int(common[number]))
        for number, name in enumerate(names, start=1)
    )


def _agreement(label: str, before: int, after: int, common: int) -> Agreement:
    if before + after == 0:
        return Agreement(label, 0, None, None)
    change = abs(after - before) / before if before else float("inf")
    return Agreement(label, 1, 2 * common / (before + after), change)


def summed_up(cases: Sequence[Sequence[Agreement]]) -> tuple[Agreement, ...]:
    """Give the worst of all cases, label by label."""
    return tuple(_worst(label) for label in zip(*cases, strict=True))


def _worst(found: Sequence[Agreement]) -> Agreement:
    dice = [one.dice for one in found if one.dice is not None]
    changes = [one.volume_change for one in found if one.volume_change is not None]
    return Agreement(
        found[0].label, sum(one.cases for one in found), min(dice, default=None), max(changes, default=None)
    )


def require_room(folder: ModelFolder) -> None:
    """Refuse, before anything is run, a model beside which nothing can be kept.

    Raises
    ------
    OutputError
    """
    if not os.access(folder.path, os.W_OK):
        raise OutputError("The model's folder cannot be written.", "Try it on a copy of the models folder.")


def write(folder: ModelFolder, acceptance: Acceptance) -> None:
    """Keep what was measured beside the weights, in place of what was measured before.

    Raises
    ------
    OutputError
        The model's folder cannot be written.
    """
    ledger.write_json(folder.path / _FILE, {"format": _FORMAT, "software": aimi.__version__, **facts(acceptance)})


def facts(acceptance: Acceptance) -> dict[str, Any]:
    """Give what was measured as JSON holds it; an infinite change of volume is null."""
    return {
        "model_sha256": acceptance.model_sha256,
        "device": acceptance.device,
        "cases": acceptance.cases,
        "labels": [
            {
                "label": one.label,
                "cases": one.cases,
                "least_dice": one.dice,
                "greatest_volume_change": None if one.volume_change == float("inf") else one.volume_change,
            }
            for one in acceptance.labels
        ],
    }


def read(folder: ModelFolder) -> Acceptance | None:
    """Give what was measured for these very weights; None for others, or where the record is damaged."""
    try:
        content: Mapping[str, Any] = json.loads((folder.path / _FILE).read_text(encoding="utf-8"))
        labels = tuple(_read_agreement(one) for one in content["labels"])
        found = Acceptance(str(content["model_sha256"]), int(content["cases"]), str(content["device"]), labels)
    except (OSError, ValueError, KeyError, TypeError):
        return None
    is_about_it = content.get("format") == _FORMAT and found.model_sha256 == folder.sha256
    return found if is_about_it and len(labels) == len(folder.labels) else None


def _read_agreement(content: Mapping[str, Any]) -> Agreement:
    dice, change = content["least_dice"], content["greatest_volume_change"]
    return Agreement(
        str(content["label"]),
        int(content["cases"]),
        None if dice is None else float(dice),
        None if change is None else float(change),
    )


def precision_of(asked: str, device: str, model: FoundModel) -> tuple[str, tuple[Note, ...]]:
    """Give the precision that a model is run with, and what a reader should know of the choice.

    Parameters
    ----------
    asked : ``auto`` takes bf16 where it was accepted and the device computes in it; ``bf16`` is given where it was
        accepted or a device does not compute in it, which the engine tells; else the run uses f32 and says so.
    device : as the user named it.

    References
    ----------
    DESIGN section 5.
    """
    if asked == "f32":
        return "f32", ()
    acceptance = read(model.folder)
    is_accepted = acceptance is not None and acceptance.is_given
    if asked == "auto":
        return ("bf16" if is_accepted and computes_in_bf16(device) else "f32"), ()
    if is_accepted or not computes_in_bf16(device):  # without bf16 the engine says what it uses instead
        return asked, ()
    found = "did not agree well enough with f32" if acceptance is not None else "was never measured against f32"
    sentence = f"bf16 was asked for, but it {found} for the model {model.spec.name}; the run used f32."
    return "f32", (Note("precision-not-accepted", sentence),)
