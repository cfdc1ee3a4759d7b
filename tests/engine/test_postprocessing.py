import json
from pathlib import Path

import numpy as np
import pytest

from aimi.engine.ensemble import Options, load, predict
from aimi.engine.folder import open_folder
from aimi.engine.orientation import Orientation
from aimi.engine.postprocessing import KeepLargest, keep_largest, read_rules
from aimi.errors import ModelError
from tests.engine import stock_v1
from tests.engine.test_equivalence_v2 import SPACING, as_images, make_case_image


def make_labels() -> np.ndarray:
    rng = np.random.default_rng(5)
    return (rng.integers(0, 3, (8, 9, 10)) * (rng.random((8, 9, 10)) < 0.5)).astype(np.uint8)


@pytest.mark.parametrize(
    ("classes", "sizes"),
    [([1], None), ([1, 2], None), ([[1, 2]], None), ([[1, 2], 2], None), ([1, 2], {1: 4.0, 2: 6.0})],
)
def test_pieces_that_stay_are_those_of_v1(classes: list[object], sizes: dict[int, float] | None) -> None:
    original = stock_v1.nnunet("postprocessing.connected_components")
    rules = read_rules({"for_which_classes": classes, "min_valid_object_sizes": str(sizes)})
    theirs, _, _ = original.remove_all_but_the_largest_connected_component(make_labels(), classes, 2.0, sizes)
    np.testing.assert_array_equal(keep_largest(make_labels(), rules, 2.0), theirs)


def test_equally_large_pieces_all_stay() -> None:
    labels = np.array([[[1, 1, 0, 1, 1, 0, 1]]], np.uint8)
    np.testing.assert_array_equal(keep_largest(labels, (KeepLargest((1,)),), 1.0), [[[1, 1, 0, 1, 1, 0, 0]]])


def test_damaged_rules_are_a_model_error() -> None:
    with pytest.raises(ModelError, match="postprocessing"):
        read_rules({"for_which_classes": ["a"]})


def test_v1_postprocessing_is_applied_when_asked_and_noted(tmp_path: Path) -> None:
    path = stock_v1.make_model(tmp_path, stock_v1.CaseV1())
    asks = Options(orientation=Orientation.ITK, postprocessing=True)
    images = as_images(make_case_image(1), SPACING)
    plain = predict(images, load(open_folder(path), asks), asks)
    assert [note.code for note in plain.notes] == ["postprocessing-absent"]
    (path / "postprocessing.json").write_text(json.dumps({"for_which_classes": [1]}))
    cleaned = predict(images, load(open_folder(path), asks), asks)
    assert [note.code for note in cleaned.notes] == ["postprocessing-applied"]
    expected = keep_largest(plain.labels, (KeepLargest((1,)),), 1.0)
    np.testing.assert_array_equal(cleaned.labels, expected)
