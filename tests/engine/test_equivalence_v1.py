"""The engine against nnunet 1.7.1, on folders that it wrote itself."""

from pathlib import Path

import numpy as np
import pytest
import torch

from aimi.engine.agreement import NEAR_TIE
from aimi.engine.backends.openvino_backend import OpenVinoBackend
from aimi.engine.checkpoint import fold_file, read_weights
from aimi.engine.ensemble import Options, load, predict
from aimi.engine.folder import open_folder
from aimi.engine.network import network_of
from aimi.engine.orientation import Orientation
from aimi.engine.preprocessing import preprocess
from tests.engine import stock_v1
from tests.engine.stock_v1 import CaseV1
from tests.engine.test_equivalence_v2 import SPACING, as_images, make_case_image

CASES = {
    "isotropic": CaseV1(),
    "anisotropic": CaseV1(
        spacing=(4.0, 1.0, 1.0),
        patch=(8, 16, 16),
        pools=((1, 2, 2), (2, 2, 2)),
        kernels=((1, 3, 3), (3, 3, 3), (3, 3, 3)),
    ),
    "two channels": CaseV1(schemes=("CT", "nonCT")),
    "five folds": CaseV1(folds=5),
    "second stage": CaseV1(stages=2),
    "transposed": CaseV1(transpose=(2, 0, 1), spacing=(1.1, 1.5, 0.9)),
    "transposed and anisotropic": CaseV1(transpose=(2, 0, 1), spacing=(4.0, 1.1, 0.9)),
    "masked": CaseV1(schemes=("nonCT",), inside_mask=True),
    "clipped": CaseV1(schemes=("CT2",)),
}


@pytest.mark.parametrize("name", CASES)
def test_network_sees_the_numbers_of_v1(tmp_path: Path, name: str) -> None:
    case = CASES[name]
    array = make_case_image(len(case.schemes))
    theirs, _ = stock_v1.preprocess(case, array, SPACING)
    plans = open_folder(stock_v1.make_model(tmp_path, case)).plans
    ours = preprocess(array.copy(), SPACING, plans).array
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=2.0**-21)  # float32 rounding of values up to 4


@pytest.mark.parametrize("name", CASES)
def test_labels_are_those_of_v1_but_for_near_ties(tmp_path: Path, name: str) -> None:
    case = CASES[name]
    folder = stock_v1.make_model(tmp_path, case)
    array = make_case_image(len(case.schemes))
    theirs, margin = stock_v1.predict(folder, case, array, SPACING, mirroring=False)
    options = Options(orientation=Orientation.ITK)
    ours = predict(as_images(array), load(open_folder(folder), options), options)
    different = ours.labels != theirs
    assert len(np.unique(theirs)) > 1
    assert not (different & (margin > NEAR_TIE)).any()
    assert different.mean() < 1e-3


def test_mirrored_labels_are_those_of_v1(tmp_path: Path) -> None:
    case = CASES["isotropic"]
    folder = stock_v1.make_model(tmp_path, case)
    array = make_case_image(1)
    theirs, margin = stock_v1.predict(folder, case, array, SPACING, mirroring=True)
    options = Options(orientation=Orientation.ITK, mirroring=True)
    ours = predict(as_images(array), load(open_folder(folder), options), options)
    assert not ((ours.labels != theirs) & (margin > NEAR_TIE)).any()


@pytest.mark.parametrize("name", ["isotropic", "anisotropic", "two channels"])
def test_network_gives_the_probabilities_of_generic_unet(tmp_path: Path, name: str) -> None:
    case = CASES[name]
    found = open_folder(stock_v1.make_model(tmp_path, case))
    network = network_of(found.plans)
    weights = read_weights(fold_file(found.path, found.layout, 0), found.layout, network)
    tile = np.random.default_rng(0).normal(size=(len(case.schemes), *case.patch)).astype(np.float32)
    theirs = stock_v1.run_network(found.path, case, torch.from_numpy(tile)[None])
    ours = OpenVinoBackend("f32").compile(network, weights)(tile)
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-5)


def test_v1_folder_below_a_published_zip_is_found(tmp_path: Path) -> None:
    below = tmp_path / "nnUNet" / "3d_fullres" / "Task788_ProstateX" / "nnUNetTrainerV2__nnUNetPlansv2.1"
    stock_v1.make_model(below, CASES["second stage"])
    found = open_folder(tmp_path)
    assert (found.version, found.dataset, found.folds) == (1, "Task788_ProstateX", (0,))
    assert found.plans.spacing == CASES["second stage"].spacing
