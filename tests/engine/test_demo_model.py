"""The demonstration model of the checkout against nnunetv2: trained weights on a picture like those of its training."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from nnunetv2.utilities.get_network_from_plans import get_network_from_plans
from safetensors.torch import load_file

from aimi.engine.agreement import NEAR_TIE
from aimi.engine.ensemble import Options, load, predict
from aimi.engine.folder import open_folder
from aimi.engine.orientation import Orientation
from aimi.samples.drawing import draw
from tests.engine import stock_v2
from tests.engine.test_equivalence_v2 import as_images

DEMO = Path(__file__).resolve().parents[2] / "demo_models" / "DEMO-liver-ct"


def stored_name(name: str) -> str:
    """Give the one name under which a weight of nnU-Net's state dict is stored."""
    name = name.removeprefix("decoder.") if name.startswith("decoder.encoder.") else name
    return name.replace(".all_modules.0.", ".conv.").replace(".all_modules.1.", ".norm.")


def as_nnunet_wrote_it(target: Path) -> Path:
    """Give the demo model with checkpoints as the original wants them."""
    target.mkdir()
    for name in ("plans.json", "dataset.json"):
        shutil.copy(DEMO / name, target)
    plans = json.loads((DEMO / "plans.json").read_text())
    architecture = plans["configurations"]["3d_fullres"]["architecture"]
    for weights in DEMO.glob("fold_*/weights.safetensors"):
        network = get_network_from_plans(
            architecture["network_class_name"],
            architecture["arch_kwargs"],
            architecture["_kw_requires_import"],
            1,
            2,
            deep_supervision=False,
        )
        stored = load_file(weights)
        checkpoint: dict[str, Any] = {
            "network_weights": {name: stored[stored_name(name)].float() for name in network.state_dict()},
            "init_args": {"configuration": "3d_fullres"},
            "trainer_name": "nnUNetTrainer",
            "inference_allowed_mirroring_axes": None,
        }
        (target / weights.parent.name).mkdir()
        torch.save(checkpoint, target / weights.parent.name / "checkpoint_final.pth")
    return target


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
    stock = as_nnunet_wrote_it(tmp_path / "stock")
    theirs = stock_v2.predict_exactly(stock, array, spacing, folds=len(found.folds), mirroring=False)
    assert (theirs.labels > 0).sum() > 100
    assert not ((ours.labels != theirs.labels) & (theirs.margin > NEAR_TIE)).any()


def test_untouched_nnunet_has_a_dice_of_9995_with_ours(tmp_path: Path, sample: Any) -> None:
    array, spacing = sample
    found = open_folder(DEMO)
    options = Options(orientation=Orientation.ITK)
    ours = predict(as_images(array, spacing), load(found, options), options).labels > 0
    stock = as_nnunet_wrote_it(tmp_path / "stock")
    theirs = stock_v2.predict_untouched(stock, array, spacing, folds=len(found.folds)) > 0
    assert 2 * (ours & theirs).sum() >= 0.9995 * (ours.sum() + theirs.sum())
