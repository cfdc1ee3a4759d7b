"""Whether bf16 may be used: decided by the worst case of each label, for the very weights that were measured."""

import json
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from aimi.engine import backends
from aimi.engine.backends import openvino_backend
from aimi.errors import OutputError
from aimi.models import acceptance, store
from aimi.models.acceptance import Acceptance, Agreement, agreements, precision_of, summed_up
from aimi.models.catalogue import TASK773_LIVER
from aimi.models.store import FoundModel
from tests.models.zips import make_model

pytestmark = pytest.mark.torch  # the models are written by it

GOOD = Agreement("liver", 2, 0.9995, 0.001)


@pytest.fixture
def model(tmp_path: Path) -> FoundModel:
    make_model(tmp_path / TASK773_LIVER.name)
    return store.find(TASK773_LIVER, tmp_path)


def keep(model: FoundModel, *labels: Agreement) -> Acceptance:
    measured = Acceptance(model.folder.sha256, 2, "cpu", labels)
    acceptance.write(model.folder, measured)
    return measured


@pytest.fixture
def with_bf16(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(openvino_backend, "has_bf16", lambda: True)


def test_dice_and_change_of_volume_are_those_of_the_voxels() -> None:
    exact, quick = (np.zeros((1, 1, 10), np.uint8) for _ in range(2))
    exact[0, 0, :4], quick[0, 0, 1:4], quick[0, 0, 8] = 1, 1, 2
    first, second, third = agreements(("a", "b", "c"), exact, quick)
    assert (first.dice, first.volume_change) == (2 * 3 / 7, 1 / 4)
    assert (second.dice, second.volume_change) == (0.0, float("inf"))
    assert (third.cases, third.dice, third.volume_change) == (0, None, None)


def test_equal_labels_agree_wholly() -> None:
    labels = np.random.default_rng(1).integers(0, 3, (4, 5, 6)).astype(np.uint8)
    assert agreements(("a", "b"), labels, labels) == (Agreement("a", 1, 1.0, 0.0), Agreement("b", 1, 1.0, 0.0))


def test_the_worst_case_of_a_label_counts() -> None:
    cases = [[Agreement("a", 1, 1.0, 0.0)], [Agreement("a", 1, 0.99, 0.02)], [Agreement("a", 0, None, None)]]
    assert summed_up(cases) == (Agreement("a", 2, 0.99, 0.02),)


@pytest.mark.parametrize(
    ("dice", "change", "suffices"),
    [
        (0.999, 0.005, True),
        (0.99899, 0.0, False),
        (1.0, 0.00501, False),
        (0.0, float("inf"), False),
        (None, None, False),
    ],
)
def test_the_bar_is_the_designs(dice: float | None, change: float | None, suffices: bool) -> None:
    assert Agreement("a", 1, dice, change).suffices is suffices


def test_one_label_below_the_bar_is_enough_to_refuse() -> None:
    labels = (GOOD, Agreement("tumor", 1, 0.998, 0.0))
    assert not Acceptance("", 1, "cpu", labels).is_given
    assert not Acceptance("", 1, "cpu", ()).is_given
    assert Acceptance("", 1, "cpu", labels[:1]).is_given


def test_what_was_measured_is_read_again(model: FoundModel) -> None:
    assert acceptance.read(model.folder) is None
    measured = keep(model, GOOD)
    assert acceptance.read(model.folder) == measured


def test_an_infinite_change_is_kept_as_json_knows_it(model: FoundModel) -> None:
    keep(model, Agreement("liver", 1, 0.0, float("inf")))
    content = json.loads((model.folder.path / "bf16.json").read_text())
    assert content["labels"][0]["greatest_volume_change"] is None
    read = acceptance.read(model.folder)
    assert read is not None
    assert not read.is_given


def test_a_record_of_other_weights_counts_for_nothing(model: FoundModel) -> None:
    acceptance.write(model.folder, Acceptance("0" * 64, 2, "cpu", (GOOD,)))
    assert acceptance.read(model.folder) is None


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"labels": [{}]}', '{"labels": 3}'])
def test_a_damaged_record_counts_for_nothing(model: FoundModel, text: str) -> None:
    (model.folder.path / "bf16.json").write_text(text)
    assert acceptance.read(model.folder) is None


def test_the_record_does_not_alter_the_model(model: FoundModel, tmp_path: Path) -> None:
    keep(model, GOOD)
    assert store.find(TASK773_LIVER, tmp_path).folder.sha256 == model.folder.sha256


@pytest.mark.usefixtures("with_bf16")
@pytest.mark.parametrize(("asked", "given"), [("auto", "bf16"), ("bf16", "bf16"), ("f32", "f32")])
def test_an_accepted_model_runs_with_bf16(model: FoundModel, asked: str, given: str) -> None:
    keep(model, GOOD)
    assert precision_of(asked, "cpu", model) == (given, ())


@pytest.mark.usefixtures("with_bf16")
@pytest.mark.parametrize(
    ("measured", "words"), [(None, "was never measured"), (replace(GOOD, dice=0.9), "did not agree well enough")]
)
def test_without_acceptance_a_run_uses_f32_and_says_so_where_bf16_was_asked_for(
    model: FoundModel, measured: Agreement | None, words: str
) -> None:
    if measured is not None:
        keep(model, measured)
    assert precision_of("auto", "cpu", model) == ("f32", ())
    precision, (note,) = precision_of("bf16", "cpu", model)
    assert (precision, note.code) == ("f32", "precision-not-accepted")
    assert words in note.sentence
    assert "Task773_Liver" in note.sentence


def test_a_chip_without_bf16_runs_f32_without_a_word(model: FoundModel, monkeypatch: pytest.MonkeyPatch) -> None:
    keep(model, GOOD)
    monkeypatch.setattr(openvino_backend, "has_bf16", lambda: False)
    assert precision_of("auto", "cpu", model) == ("f32", ())


@pytest.mark.parametrize("device", ["cpu", "cpu-torch"])
def test_what_is_used_where_bf16_was_asked_for_and_there_is_none_is_left_to_the_engine(
    model: FoundModel, device: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(openvino_backend, "has_bf16", lambda: False)
    assert precision_of("bf16", device, model) == ("bf16", ())


@pytest.mark.usefixtures("with_bf16")
def test_only_the_cpu_through_openvino_computes_in_bf16(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backends, "_has_cuda", lambda: True)
    assert [device for device in backends.DEVICES if backends.computes_in_bf16(device)] == ["cpu"]
    monkeypatch.setattr(backends, "_has_cuda", lambda: False)
    assert [device for device in backends.DEVICES if backends.computes_in_bf16(device)] == ["auto", "cpu"]


def test_a_model_beside_which_nothing_can_be_kept_is_told(model: FoundModel, monkeypatch: pytest.MonkeyPatch) -> None:
    acceptance.require_room(model.folder)
    monkeypatch.setattr(os, "access", lambda *_: False)
    with pytest.raises(OutputError, match="cannot be written"):
        acceptance.require_room(model.folder)
