"""The demonstration model of the checkout against nnunetv2: trained weights on a picture like those of its training."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from aimi.engine.agreement import NEAR_TIE
from aimi.engine.ensemble import Options, load, predict
from aimi.engine.folder import open_folder
from aimi.engine.orientation import Orientation
from aimi.samples.drawing import draw
from tests.engine import stock_v2
from tests.engine.test_equivalence_v2 import as_images

DEMO = Path(__file__).resolve().parents[2] / "demo_models" / "DEMO-liver-ct"


@pytest.fixture(scope="module")
def sample() -> tuple[Any, tuple[float, float, float]]:
    """Give a drawn CT, (1, k, j, i), and its spacing."""
    grid = draw("liver_ct", seed=90_001).scans[0]
    first, second, third = (float(step) for step in grid.grid.spacing)
    return np.asarray(grid.image, np.float32)[None], (first, second, third)


def test_labels_are_those_of_nnunet_but_for_near_ties(tmp_path: Path, sample: Any) -> None:
    array, spacing = sample
    found = open_folder(DEMO)
    options = Options(orientation=Orientation.ITK)
    ours = predict(as_images(array, spacing), load(found, options), options)
    stock = stock_v2.with_checkpoints(DEMO, tmp_path / "stock")
    theirs = stock_v2.predict_exactly(stock, array, spacing, folds=len(found.folds), mirroring=False)
    assert (theirs.labels > 0).sum() > 100
    assert not ((ours.labels != theirs.labels) & (theirs.margin > NEAR_TIE)).any()


def test_untouched_nnunet_has_a_dice_of_9995_with_ours(tmp_path: Path, sample: Any) -> None:
    array, spacing = sample
    found = open_folder(DEMO)
    options = Options(orientation=Orientation.ITK)
    ours = predict(as_images(array, spacing), load(found, options), options).labels > 0
    stock = stock_v2.with_checkpoints(DEMO, tmp_path / "stock")
    theirs = stock_v2.predict_untouched(stock, array, spacing, folds=len(found.folds)) > 0
    assert 2 * (ours & theirs).sum() >= 0.9995 * (ours.sum() + theirs.sum())
