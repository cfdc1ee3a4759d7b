"""Regions that spare tiles, votes, mirroring, memory and imports, through the one entry."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from aimi.engine.ensemble import Options, load, predict, require_memory
from aimi.engine.folder import import_folder, open_folder
from aimi.engine.memory import Voxels, need_of
from aimi.engine.orientation import Orientation
from aimi.errors import InputError, ModelError, ResourceError, UsageError
from tests.engine import stock_v2
from tests.engine.stock_v2 import Case
from tests.engine.test_equivalence_v2 import ANISOTROPIC, as_images, make_case_image
from tests.engine.threshold_model import make_threshold_model

ITK = Options(orientation=Orientation.ITK)
FIVE = Case(folds=5)


@pytest.fixture(scope="module")
def folder_of(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Case], Path]:
    made: dict[str, Path] = {}

    def folder(case: Case) -> Path:
        if repr(case) not in made:
            made[repr(case)] = stock_v2.make_model(tmp_path_factory.mktemp("model"), case)
        return made[repr(case)]

    return folder


def label(path: Path, options: Options, region: npt.NDArray[np.bool_] | None = None) -> npt.NDArray[np.uint8]:
    model = load(open_folder(path), options)
    return predict(as_images(make_case_image(1)), model, options, region=region).labels


def set_result_rule(path: Path, rule: dict[str, int | bool]) -> None:
    """Change how the plans of a model folder want its outputs resampled."""
    plans = json.loads((path / "plans.json").read_text())
    plans["configurations"]["3d_fullres"]["resampling_fn_probabilities_kwargs"] |= rule
    (path / "plans.json").write_text(json.dumps(plans))


@pytest.mark.parametrize(
    ("case", "orientation", "ensemble"),
    [
        (Case(), Orientation.ITK, "mean"),
        (Case(), Orientation.DCM2NIIX, "vote"),
        (ANISOTROPIC, Orientation.RAS, "mean"),
        (replace(Case(), transpose=(2, 0, 1)), Orientation.RAS, "vote"),
    ],
)
def test_labels_in_a_region_do_not_change_when_tiles_are_skipped(
    folder_of: Callable[[Case], Path], case: Case, orientation: Orientation, ensemble: str
) -> None:
    options = Options(orientation=orientation, ensemble=ensemble)
    path = folder_of(replace(case, folds=2))
    whole = label(path, options)
    region = np.zeros(whole.shape, np.bool_)
    region[2:5, 3:8, 4:9] = True
    part = label(path, options, region)
    np.testing.assert_array_equal(part[region], whole[region])
    np.testing.assert_array_equal(part[part > 0], whole[part > 0])


@pytest.mark.parametrize("ensemble", ["mean", "vote"])
def test_finding_at_the_edge_of_a_region_is_completed_and_another_is_not_looked_at(
    tmp_path: Path, ensemble: str
) -> None:
    array = np.zeros((60, 40, 40), np.float32)
    array[2:20, 4:9, 4:9] = array[45:50, 30:35, 30:35] = 50
    array[59, 39, 39] = 1
    region = np.zeros(array.shape, np.bool_)
    region[3:6, 2:12, 2:12] = True
    tiles: list[int] = []
    path = make_threshold_model(tmp_path, (1, 1, 1), 10, patch=(12, 12, 12), folds=2)
    model = load(open_folder(path), ITK)
    images = as_images(array[None], (1, 1, 1))
    options = replace(ITK, ensemble=ensemble)
    found = predict(images, model, options, lambda done, _: tiles.append(done), region=region)
    array[45:50] = 0
    np.testing.assert_array_equal(found.labels, array > 10)
    assert "region-grown" in [note.code for note in found.notes]
    assert len(tiles) < 2 * 9 * 6 * 6 / 2


@pytest.mark.parametrize("ensemble", ["mean", "vote"])
@pytest.mark.parametrize("rule", [{}, {"order": 3}, {"order_z": 3, "force_separate_z": True}])
def test_labels_of_a_region_that_grew_are_those_of_the_whole(
    tmp_path: Path, ensemble: str, rule: dict[str, int | bool]
) -> None:
    # planes of 38/24 mm, of which the labels of a later round need some that the round before it had, too
    path = make_threshold_model(tmp_path, (38 / 24, 1, 1), 50, patch=(8, 8, 8), folds=2)
    set_result_rule(path, rule)
    options = replace(ITK, ensemble=ensemble, step=0.8)
    model = load(open_folder(path), options)
    images = as_images(np.random.default_rng(0).integers(1, 100, (1, 38, 8, 8)).astype(np.float32), (1, 1, 1))
    whole = predict(images, model, options).labels
    region = np.zeros(whole.shape, np.bool_)
    region[:20] = True
    found = predict(images, model, options, region=region)
    assert "region-grown" in [note.code for note in found.notes]
    np.testing.assert_array_equal(found.labels, whole)


def test_region_where_nothing_of_the_image_is_kept_runs_no_tile(tmp_path: Path) -> None:
    path = make_threshold_model(tmp_path, (2, 2, 2), 10, patch=(8, 8, 8))
    set_result_rule(path, {"order": 3})
    array, tiles = np.zeros((1, 20, 20, 20), np.float32), list[int]()
    array[0, 10:] = 50
    region = np.zeros(array.shape[1:], np.bool_)
    region[:4] = True
    model = load(open_folder(path), ITK)
    found = predict(as_images(array, (1, 1, 1)), model, ITK, lambda done, _: tiles.append(done), region=region)
    assert not found.labels.any()
    assert not tiles


def test_region_that_holds_its_findings_does_not_grow(tmp_path: Path) -> None:
    array = np.zeros((40, 40, 40), np.float32)
    array[4:9, 4:9, 4:9] = array[30:35, 30:35, 30:35] = 50
    region = np.zeros(array.shape, np.bool_)
    region[2:11, 2:11, 2:11] = True
    model = load(open_folder(make_threshold_model(tmp_path, (1, 1, 1), 10, patch=(12, 12, 12))), ITK)
    found = predict(as_images(array[None], (1, 1, 1)), model, ITK, region=region)
    np.testing.assert_array_equal(found.labels, (array > 10) & region)
    assert not found.notes


def test_vote_keeps_what_three_of_five_folds_give(folder_of: Callable[[Case], Path]) -> None:
    path = folder_of(FIVE)
    folds = np.stack([label(path, replace(ITK, folds=(fold,))) for fold in range(5)])
    expected = np.zeros(folds.shape[1:])
    for number in (1, 2):
        expected[(folds == number).sum(axis=0) >= 3] = number
    np.testing.assert_array_equal(label(path, replace(ITK, ensemble="vote")), expected)


def test_vote_on_the_union_counts_folds_that_give_any_label(folder_of: Callable[[Case], Path]) -> None:
    path = folder_of(FIVE)
    folds = np.stack([label(path, replace(ITK, folds=(fold,))) for fold in range(5)])
    found = label(path, replace(ITK, ensemble="vote", union=True))
    np.testing.assert_array_equal(found, (folds > 0).sum(axis=0) >= 3)
    by_label = label(path, replace(ITK, ensemble="vote"))
    assert ((by_label == 0) & (found == 1)).any()  # folds that agree on foreground and not on its label


def test_fold_disagreement_is_reported_for_several_folds(folder_of: Callable[[Case], Path]) -> None:
    model = load(open_folder(folder_of(FIVE)), ITK)
    found = predict(as_images(make_case_image(1)), model, ITK)
    assert found.fold_disagreement is not None
    assert all(0 < share <= 1 for share in found.fold_disagreement.values())
    alone = replace(ITK, folds=(0,))
    single = predict(as_images(make_case_image(1)), load(model.folder, alone), alone)
    assert single.fold_disagreement is None


def test_small_memory_gives_up_the_disagreement_and_then_refuses(folder_of: Callable[[Case], Path]) -> None:
    model = load(open_folder(folder_of(FIVE)), ITK)
    images = as_images(np.ones((1, 20, 16, 16), np.float32), (1, 1, 1))
    voxels = Voxels(5120, 5120, 5120)
    lean = need_of(model.network, voxels, bytes_per_value=4, sums=1, kept_labels=0).total
    assert predict(images, model, replace(ITK, max_memory=lean)).fold_disagreement is None
    with pytest.raises(ResourceError, match=r"more than the 0\.\d+ GiB that are allowed"):
        predict(images, model, replace(ITK, max_memory=lean - 1))


@pytest.mark.parametrize(("ensemble", "mib"), [("mean", 525), ("vote", 620)])
def test_outputs_that_are_resampled_whole_are_foreseen(tmp_path: Path, ensemble: str, mib: int) -> None:
    path = make_threshold_model(tmp_path, (2, 2, 2), 10, patch=(12, 12, 12), folds=2)
    image = as_images(np.ones((1, 150, 300, 300), np.float32), (1, 1, 1))[0]
    options = replace(ITK, ensemble=ensemble, max_memory=mib << 20)
    require_memory(open_folder(path), image, options, has_region=False)
    set_result_rule(path, {"order": 3})
    with pytest.raises(ResourceError, match="more than the"):
        require_memory(open_folder(path), image, options, has_region=False)


def test_normalising_inside_a_mask_is_foreseen(tmp_path: Path) -> None:
    path = make_threshold_model(tmp_path, (8, 8, 8), 10, patch=(12, 12, 12))
    image = as_images(np.ones((1, 200, 320, 320), np.float32), (1, 1, 1))[0]
    options = replace(ITK, max_memory=550 << 20)
    require_memory(open_folder(path), image, options, has_region=False)
    plans = json.loads((path / "plans.json").read_text())
    plans["configurations"]["3d_fullres"] |= {
        "normalization_schemes": ["ZScoreNormalization"],
        "use_mask_for_norm": [True],
    }
    (path / "plans.json").write_text(json.dumps(plans))
    with pytest.raises(ResourceError, match="more than the"):
        require_memory(open_folder(path), image, options, has_region=False)


def test_resampling_to_one_spacing_is_foreseen(tmp_path: Path) -> None:
    folder = open_folder(make_threshold_model(tmp_path, (8, 8, 8), 10, patch=(12, 12, 12)))
    image = as_images(np.ones((1, 200, 400, 400), np.float32), (0.5, 0.5, 0.5))[0]
    options = replace(ITK, max_memory=650 << 20, resample_mm=0.5)
    require_memory(folder, image, options, has_region=False)  # it has that spacing
    image = as_images(np.ones((1, 100, 200, 200), np.float32), (1, 1, 1))[0]
    with pytest.raises(ResourceError, match="more than the"):
        require_memory(folder, image, options, has_region=False)


def test_image_thinner_than_half_a_voxel_of_the_training_is_refused_before_anything_runs(tmp_path: Path) -> None:
    folder = open_folder(make_threshold_model(tmp_path, (5, 1, 1), 10, patch=(8, 8, 8)))
    images = as_images(np.ones((1, 2, 12, 12), np.float32), (1, 1, 1))
    with pytest.raises(InputError, match="2 mm thin along one axis"):
        require_memory(folder, images[0], ITK, has_region=False)
    with pytest.raises(InputError, match="2 mm thin along one axis"):
        predict(images, load(folder, ITK), ITK)


def test_model_stays_loaded_across_cases(folder_of: Callable[[Case], Path]) -> None:
    model = load(open_folder(folder_of(Case(folds=2))), ITK)
    images = as_images(make_case_image(1))
    first, second = (predict(images, model, ITK).labels for _ in range(2))
    np.testing.assert_array_equal(first, second)


@pytest.mark.parametrize("folds", [1, 2])
def test_no_network_stays_live_after_a_case(folder_of: Callable[[Case], Path], folds: int) -> None:
    model = load(open_folder(folder_of(Case(folds=folds))), ITK)
    predict(as_images(make_case_image(1)), model, ITK)
    assert model.live._live is None


@pytest.mark.parametrize("options", [replace(ITK, device="tpu"), replace(ITK, precision="f8")])
def test_unknown_device_or_precision_is_a_usage_error(folder_of: Callable[[Case], Path], options: Options) -> None:
    with pytest.raises(UsageError, match="There is no device"):
        load(open_folder(folder_of(Case())), options)


def test_unknown_ensemble_is_a_usage_error(folder_of: Callable[[Case], Path]) -> None:
    with pytest.raises(UsageError, match="no ensemble median"):
        load(open_folder(folder_of(Case())), replace(ITK, ensemble="median"))


def test_bf16_on_a_chip_without_it_runs_f32_and_says_so(folder_of: Callable[[Case], Path]) -> None:
    model = load(open_folder(folder_of(Case())), replace(ITK, device="cpu", precision="bf16"))
    assert (model.precision == "bf16") != ("precision-f32" in [note.code for note in model.notes])


def test_far_spacing_is_noted(folder_of: Callable[[Case], Path]) -> None:
    model = load(open_folder(folder_of(Case())), ITK)
    found = predict(as_images(make_case_image(1), (5.0, 1.0, 1.0)), model, ITK)
    assert "far-spacing" in [note.code for note in found.notes]


def test_imported_model_gives_the_same_labels(folder_of: Callable[[Case], Path], tmp_path: Path) -> None:
    original = open_folder(folder_of(FIVE))
    imported = import_folder(original, tmp_path / "imported", licence="MIT", source="made")
    assert imported.plans == original.plans
    assert imported.labels == original.labels
    np.testing.assert_array_equal(label(imported.path, ITK), label(original.path, ITK))


def test_half_precision_import_is_half_as_large(folder_of: Callable[[Case], Path], tmp_path: Path) -> None:
    original = open_folder(folder_of(Case()))
    sizes = {}
    for precision in ("f32", "f16"):
        imported = import_folder(original, tmp_path / precision, precision=precision)
        sizes[precision] = (imported.path / "fold_0.safetensors").stat().st_size
        label(imported.path, ITK)
    assert sizes["f16"] < 0.7 * sizes["f32"]


def test_altered_import_is_refused(folder_of: Callable[[Case], Path], tmp_path: Path) -> None:
    imported = import_folder(open_folder(folder_of(Case())), tmp_path)
    weights = imported.path / "fold_0.safetensors"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    with pytest.raises(ModelError, match="altered"):
        open_folder(tmp_path)


def test_weights_of_another_network_are_refused(folder_of: Callable[[Case], Path], tmp_path: Path) -> None:
    path = stock_v2.make_model(tmp_path, Case())
    other = folder_of(Case(normalizations=("CTNormalization", "CTNormalization")))
    weights = other / "fold_0" / "checkpoint_final.pth"
    (path / "fold_0" / "checkpoint_final.pth").write_bytes(weights.read_bytes())
    with pytest.raises(ModelError, match="the plans say"):
        load(open_folder(path), ITK)
