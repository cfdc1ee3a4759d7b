import json
import pickle
from pathlib import Path

import pytest

from aimi.engine.folder import open_folder
from aimi.errors import ModelError
from tests.engine import stock_v1
from tests.engine.threshold_model import make_threshold_model

PATCH = (16, 16, 16)


def make(path: Path, folds: int = 1) -> Path:
    return make_threshold_model(path, (1, 1, 1), 0, folds=folds, patch=PATCH)


def test_v2_folder_says_what_it_holds(tmp_path: Path) -> None:
    found = open_folder(make(tmp_path, folds=2))
    assert (found.version, found.folds, found.channels) == (2, (0, 1), 1)
    assert (found.labels, found.configuration) == (("above",), "3d_fullres")
    assert found.dataset == "Dataset999_Threshold"


def test_folder_some_levels_down_is_found(tmp_path: Path) -> None:
    below = make(tmp_path / "Dataset999_Threshold" / "nnUNetTrainer__nnUNetPlans__3d_fullres")
    assert open_folder(tmp_path).path == below


def test_digest_changes_with_one_byte_of_weights(tmp_path: Path) -> None:
    before = open_folder(make(tmp_path)).sha256
    weights = tmp_path / "fold_0" / "checkpoint_final.pth"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    assert open_folder(tmp_path).sha256 != before


def test_digest_does_not_depend_on_the_place(tmp_path: Path) -> None:
    make(tmp_path / "a").rename(tmp_path / "b")
    assert open_folder(tmp_path / "b").sha256 == open_folder(make(tmp_path / "a")).sha256


def test_absent_folder_is_a_model_error(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="does not exist"):
        open_folder(tmp_path / "none")


def test_empty_folder_is_a_model_error(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="no nnU-Net model"):
        open_folder(tmp_path)


def test_two_models_are_a_model_error(tmp_path: Path) -> None:
    make(tmp_path / "a__3d_fullres")
    make(tmp_path / "b__3d_fullres")
    with pytest.raises(ModelError, match="2 models"):
        open_folder(tmp_path)


@pytest.mark.parametrize("name", ["plans.json", "dataset.json"])
def test_damaged_description_is_a_model_error(tmp_path: Path, name: str) -> None:
    (make(tmp_path) / name).write_text("{")
    with pytest.raises(ModelError, match="damaged"):
        open_folder(tmp_path)


def test_folder_without_weights_is_a_model_error(tmp_path: Path) -> None:
    (make(tmp_path) / "fold_0" / "checkpoint_final.pth").unlink()
    with pytest.raises(ModelError, match="no fold"):
        open_folder(tmp_path)


def test_model_of_another_channel_count_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="takes 1 channel"):
        open_folder(make(tmp_path), channels=2)


def test_regions_are_named_by_the_label_they_end_as(tmp_path: Path) -> None:
    content = json.loads((make(tmp_path) / "dataset.json").read_text())
    content["labels"] = {"background": 0, "whole": [1, 2], "core": [2]}
    content["regions_class_order"] = [1, 2]
    (tmp_path / "dataset.json").write_text(json.dumps(content))
    assert open_folder(tmp_path).labels == ("whole", "core")


@pytest.mark.parametrize("arguments", [5, None, ("only one",), {"stage": 1}])
def test_v1_description_without_a_stage_leaves_the_finest(tmp_path: Path, arguments: object) -> None:
    root = stock_v1.make_model(tmp_path, stock_v1.CaseV1(stages=2))
    before = open_folder(root).plans
    (root / "fold_0" / "model_final_checkpoint.model.pkl").write_bytes(pickle.dumps({"init": arguments}))
    assert open_folder(root).plans == before
