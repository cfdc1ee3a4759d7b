from pathlib import Path

import highdicom as hd
import numpy as np
import pytest
from scipy import ndimage

from aimi.engine.ensemble import Options, load, predict
from aimi.engine.folder import open_folder
from aimi.engine.orientation import Orientation
from aimi.errors import InputError, ModelError
from aimi.image import Image
from tests.engine.stock_v2 import Case, make_model, predict_exactly
from tests.engine.test_equivalence_v2 import make_case_image
from tests.engine.threshold_model import make_threshold_model

ITK = Options(orientation=Orientation.ITK)
PATCH = (16, 16, 16)


def make_image(array: np.ndarray, spacing: tuple[float, float, float] = (2.5, 0.7, 0.8)) -> Image:
    affine = np.zeros((4, 4))
    affine[2, 0], affine[1, 1], affine[0, 2], affine[3, 3] = *spacing, 1.0
    volume = hd.Volume(array, affine, coordinate_system="PATIENT", frame_of_reference_uid=None)
    return Image(volume=volume, units="HU", source=None)


@pytest.mark.parametrize("orientation", list(Orientation))
@pytest.mark.parametrize("folds", [1, 3])
def test_threshold_of_random_voxels_is_exact(tmp_path: Path, orientation: Orientation, folds: int) -> None:
    rng = np.random.default_rng(1)
    array = rng.integers(-1000, 1000, (20, 24, 28)).astype(np.int16)
    model_folder = make_threshold_model(tmp_path, (2.5, 0.7, 0.8), 100, folds=folds, patch=PATCH)
    options = Options(orientation=orientation)
    model = load(open_folder(model_folder), options)
    prediction = predict([make_image(array)], model, options)
    np.testing.assert_array_equal(prediction.labels, array > 100)


def test_neighbours_of_the_threshold_in_float32_are_told_apart(tmp_path: Path) -> None:
    threshold = np.float32(1234.567)
    rng = np.random.default_rng(2)
    choices = np.array([np.nextafter(threshold, -np.inf), threshold, np.nextafter(threshold, np.inf)], np.float32)
    array = rng.choice(choices, (18, 20, 22)).astype(np.float32)
    model_folder = make_threshold_model(tmp_path, (2.5, 0.7, 0.8), float(threshold), patch=PATCH)
    prediction = predict([make_image(array)], load(open_folder(model_folder), ITK), ITK)
    np.testing.assert_array_equal(prediction.labels, array > threshold)


@pytest.mark.parametrize("folds", [1, 3])
def test_near_ties_are_counted_on_the_mean_of_the_folds(tmp_path: Path, folds: int) -> None:
    array = np.full((10, 16, 16), 50.0, np.float32)
    array[:3], array[3:5] = 100.0007, 99.9995
    model = load(open_folder(make_threshold_model(tmp_path, (1, 1, 1), 100, folds=folds, patch=PATCH)), ITK)
    assert predict([make_image(array, (1, 1, 1))], model, ITK).near_tie_share == pytest.approx(0.5)


def test_progress_ends_with_all_tiles(tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    model = load(open_folder(make_threshold_model(tmp_path, (2.5, 0.7, 0.8), 0, folds=2, patch=PATCH)), ITK)
    array = np.ones((16, 24, 16), np.int16)
    predict([make_image(array)], model, ITK, lambda done, total: seen.append((done, total)))
    assert seen[-1] == (4, 4)


def test_model_of_another_channel_count_is_refused(tmp_path: Path) -> None:
    model = load(open_folder(make_threshold_model(tmp_path, (1, 1, 1), 0, channels=2, patch=PATCH)), ITK)
    with pytest.raises(ModelError, match="takes 2 image"):
        predict([make_image(np.ones((4, 4, 4), np.int16))], model, ITK)


def test_channels_on_different_grids_are_refused(tmp_path: Path) -> None:
    model = load(open_folder(make_threshold_model(tmp_path, (1, 1, 1), 0, channels=2, patch=PATCH)), ITK)
    array = np.ones((4, 4, 4), np.int16)
    with pytest.raises(InputError, match="different grids"):
        predict([make_image(array), make_image(array, (2.5, 0.7, 0.9))], model, ITK)


def test_absent_fold_is_refused(tmp_path: Path) -> None:
    folder = open_folder(make_threshold_model(tmp_path, (1, 1, 1), 0, patch=PATCH))
    with pytest.raises(ModelError, match="Fold 3"):
        load(folder, Options(orientation=Orientation.ITK, folds=(3,)))


@pytest.mark.parametrize("orientation", list(Orientation))
def test_network_without_symmetry_gets_its_own_orientation_and_labels_come_back(
    tmp_path: Path, orientation: Orientation
) -> None:
    affine = np.array([[0, 0.9, 0, 3], [0, 0, 0.8, 5], [2.5, 0, 0, 7], [0, 0, 0, 1.0]])
    path = make_model(tmp_path, Case())
    array = make_case_image(1)[0]
    options = Options(orientation=orientation)
    volume = hd.Volume(array.copy(), affine, coordinate_system="PATIENT")
    found = predict([Image(volume=volume, units="HU", source=None)], load(open_folder(path), options), options)
    # RAS: x rises along j to the left and y along i to the back, so both run the other way
    seen, spacing = {
        Orientation.ITK: (array, (2.5, 0.9, 0.8)),
        Orientation.DCM2NIIX: (array[:, ::-1], (2.5, 0.9, 0.8)),
        Orientation.RAS: (array.transpose(0, 2, 1)[:, ::-1, ::-1], (2.5, 0.8, 0.9)),
    }[orientation]
    theirs = predict_exactly(path, np.ascontiguousarray(seen)[None], spacing, folds=1, mirroring=False).labels
    expected = {
        Orientation.ITK: theirs,
        Orientation.DCM2NIIX: theirs[:, ::-1],
        Orientation.RAS: theirs[:, ::-1, ::-1].transpose(0, 2, 1),
    }[orientation]
    assert (found.labels != expected).mean() < 1e-3


def test_model_that_is_given_one_spacing_labels_what_zoom_gives(tmp_path: Path) -> None:
    array = make_image(np.random.default_rng(4).integers(0, 200, (12, 20, 18)).astype(np.int16), (3.0, 1.0, 1.2))
    options = Options(orientation=Orientation.ITK, resample_mm=1.5)
    model = load(open_folder(make_threshold_model(tmp_path, (1.5, 1.5, 1.5), 100, patch=PATCH)), options)
    wide = array.volume.array.astype(float)
    seen = np.trunc(ndimage.zoom(wide, (2, 1 / 1.5, 1.2 / 1.5), order=3, mode="nearest"))
    back = np.divide(wide.shape, seen.shape)
    expected = ndimage.zoom((seen > 100).astype(np.uint8), back, order=0, mode="nearest")
    assert (predict([array], model, options).labels != expected).mean() < 1e-3
