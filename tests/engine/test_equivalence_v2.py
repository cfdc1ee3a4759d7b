"""The engine against nnunetv2's own predictor, on small models with random weights."""

from pathlib import Path

import highdicom as hd
import numpy as np
import numpy.typing as npt
import pytest

from aimi.engine.agreement import NEAR_TIE
from aimi.engine.ensemble import Options, load, predict
from aimi.engine.folder import open_folder
from aimi.engine.orientation import Orientation
from aimi.engine.preprocessing import preprocess
from aimi.image import Image
from tests.engine import stock_v2
from tests.engine.stock_v2 import Case

SPACING = (2.0, 0.8, 0.9)
ANISOTROPIC = Case(
    spacing=(4.0, 1.0, 1.0),
    patch=(8, 16, 16),
    strides=((1, 1, 1), (1, 2, 2), (2, 2, 2)),
    kernels=((1, 3, 3), (3, 3, 3), (3, 3, 3)),
)
REGIONS = Case(
    labels={"background": 0, "whole": [1, 2, 3], "core": [2, 3], "active": 3},
    regions_class_order=(1, 2, 3),
)
CASES = {
    "isotropic": Case(),
    "anisotropic": ANISOTROPIC,
    "regions": REGIONS,
    "two channels": Case(normalizations=("CTNormalization", "ZScoreNormalization")),
    "residual encoder": Case(is_residual=True, strides=((1, 1, 1), (1, 2, 2), (2, 2, 2))),
    "old plans": Case(is_old=True),
    "five folds": Case(folds=5),
    "transposed": Case(transpose=(2, 0, 1), spacing=(1.1, 1.5, 0.9)),
    "no resampling": Case(spacing=SPACING),
    "masked": Case(normalizations=("ZScoreNormalization",), inside_mask=True),
    "to 0..1": Case(normalizations=("RescaleTo01Normalization",)),
    "colors": Case(normalizations=("RGBTo01Normalization",) * 3),
}


def make_case_image(channels: int, shape: tuple[int, int, int] = (10, 24, 22)) -> npt.NDArray[np.float32]:
    """Give a smooth image with zeros around it and in a corner."""
    rng = np.random.default_rng(7)
    coarse = rng.normal(scale=400, size=(channels, 4, 6, 6))
    smooth = np.stack([_resized(channel, shape) for channel in coarse])
    smooth[:, :1] = 0
    smooth[:, :, -3:] = 0
    smooth[:, :5, :8, :8] = 0  # a corner: zeros inside the box of the rest
    return smooth.astype(np.float32)


def image_of(case: Case) -> npt.NDArray[np.float32]:
    """Give an image that the case takes: colors are whole numbers from 0 to 255."""
    image = make_case_image(len(case.normalizations))
    return np.clip(np.abs(image) // 2, 0, 255) if "RGBTo01Normalization" in case.normalizations else image


def _resized(array: npt.NDArray[np.float64], shape: tuple[int, ...]) -> npt.NDArray[np.float64]:
    from scipy import ndimage

    return np.asarray(ndimage.zoom(array, np.divide(shape, array.shape), order=2))


def as_images(array: npt.NDArray[np.float32], spacing: tuple[float, float, float] = SPACING) -> list[Image]:
    affine = np.zeros((4, 4))
    affine[2, 0], affine[1, 1], affine[0, 2], affine[3, 3] = *spacing, 1.0
    return [
        Image(volume=hd.Volume(channel.copy(), affine, coordinate_system="PATIENT"), units="HU", source=None)
        for channel in array
    ]


ON_EACH_DEVICE = [*((name, "cpu") for name in CASES), ("isotropic", "cpu-torch"), ("residual encoder", "cpu-torch")]


@pytest.mark.parametrize(("name", "device"), ON_EACH_DEVICE)
def test_labels_are_those_of_nnunet_but_for_near_ties(tmp_path: Path, name: str, device: str) -> None:
    case = CASES[name]
    folder = stock_v2.make_model(tmp_path, case)
    array = image_of(case)
    theirs = stock_v2.predict_exactly(folder, array, SPACING, folds=case.folds, mirroring=False)
    options = Options(orientation=Orientation.ITK, device=device)
    ours = predict(as_images(array), load(open_folder(folder), options), options)
    different = ours.labels != theirs.labels
    assert len(np.unique(theirs.labels)) > 1
    assert not (different & (theirs.margin > NEAR_TIE)).any()
    assert different.mean() < 1e-3


@pytest.mark.parametrize("name", ["isotropic", "regions"])
def test_mirrored_labels_are_those_of_nnunet(tmp_path: Path, name: str) -> None:
    folder = stock_v2.make_model(tmp_path, CASES[name])
    array = make_case_image(1)
    theirs = stock_v2.predict_exactly(folder, array, SPACING, folds=1, mirroring=True)
    options = Options(orientation=Orientation.ITK, mirroring=True)
    ours = predict(as_images(array), load(open_folder(folder), options), options)
    assert not ((ours.labels != theirs.labels) & (theirs.margin > NEAR_TIE)).any()


def test_untouched_nnunet_agrees_but_for_its_half_precision(tmp_path: Path) -> None:
    folder = stock_v2.make_model(tmp_path, CASES["isotropic"])
    array = make_case_image(1)
    theirs = stock_v2.predict_untouched(folder, array, SPACING, folds=1)
    options = Options(orientation=Orientation.ITK)
    ours = predict(as_images(array), load(open_folder(folder), options), options).labels
    for label in np.unique(theirs):
        overlap = 2 * ((ours == label) & (theirs == label)).sum()
        assert overlap >= 0.9995 * ((ours == label).sum() + (theirs == label).sum())


@pytest.mark.parametrize("name", CASES)
def test_network_sees_the_numbers_of_nnunet(tmp_path: Path, name: str) -> None:
    case = CASES[name]
    folder = stock_v2.make_model(tmp_path, case)
    array = image_of(case)
    theirs = stock_v2.preprocess(folder, array, SPACING)
    ours = preprocess(array.copy(), SPACING, open_folder(folder).plans).array
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=2.0**-21)  # float32 rounding of values up to 4


def test_image_smaller_than_the_patch_is_padded_as_nnunet_does(tmp_path: Path) -> None:
    folder = stock_v2.make_model(tmp_path, CASES["isotropic"])
    array = make_case_image(1, (5, 9, 30))
    theirs = stock_v2.predict_exactly(folder, array, (1, 1, 1), folds=1, mirroring=False)
    options = Options(orientation=Orientation.ITK)
    ours = predict(as_images(array, (1, 1, 1)), load(open_folder(folder), options), options)
    assert not ((ours.labels != theirs.labels) & (theirs.margin > NEAR_TIE)).any()
