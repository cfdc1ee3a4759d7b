import json
import tracemalloc
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from aimi.engine.ensemble import Options, load, predict, require_memory
from aimi.engine.folder import open_folder
from aimi.engine.orientation import Orientation
from aimi.engine.postprocessing import KeepLargest, bytes_of_keeping, keep_largest, read_rules
from aimi.errors import ModelError, ResourceError
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


@pytest.mark.parametrize("steps", [1, 2])
def test_memory_of_keeping_pieces_is_what_is_measured(steps: int) -> None:
    labels = np.zeros((60, 128, 128), np.uint8)
    labels[5:40, 20:100, 20:100] = labels[50:, 4:9, 4:9] = 1
    labels[41:45] = 2
    tracemalloc.start()
    keep_largest(labels, (KeepLargest((1,)), KeepLargest((1, 2)))[:steps], 1.0)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert bytes_of_keeping(labels.size) == pytest.approx(peak, rel=0.02)


def test_v1_postprocessing_of_a_large_image_is_foreseen(tmp_path: Path) -> None:
    path = stock_v1.make_model(tmp_path, stock_v1.CaseV1(spacing=(9.0, 9.0, 9.0)))
    (path / "postprocessing.json").write_text(json.dumps({"for_which_classes": [1]}))
    image = as_images(np.ones((1, 200, 320, 320), np.float32), (1.0, 1.0, 1.0))[0]
    plain = Options(orientation=Orientation.ITK, max_memory=525 << 20)
    require_memory(open_folder(path), image, plain, has_region=False)
    with pytest.raises(ResourceError, match="more than the"):
        asks = replace(plain, postprocessing=True)
        require_memory(open_folder(path), image, asks, has_region=False)


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
