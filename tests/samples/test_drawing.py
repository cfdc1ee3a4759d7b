"""What a drawn abdomen is like."""

import numpy as np
import numpy.typing as npt
import pytest
from scipy import ndimage
from scipy.spatial.distance import pdist

from aimi.errors import UsageError
from aimi.samples.anatomy import Finding, make_anatomy
from aimi.samples.drawing import Drawing, draw

COARSE = (6.0, 3.5, 3.5)


def organ_ml(drawing: Drawing) -> float:
    return float(np.count_nonzero(drawing.labels) * np.prod(drawing.scans[0].grid.spacing) / 1000)


def best_threshold_dice(image: npt.NDArray[np.float32], labels: npt.NDArray[np.uint8]) -> float:
    """Give the Dice of the best window of values, over all lower and upper bounds in steps of 5 HU."""
    bins = np.arange(-200, 400, 5)
    inside = np.cumsum(np.histogram(image[labels == 1], bins)[0])
    everything = np.cumsum(np.histogram(image, bins)[0])
    within = inside[None, :] - inside[:, None]
    chosen = everything[None, :] - everything[:, None]
    return float((2 * within / (chosen + np.count_nonzero(labels)).clip(1)).max())


def test_equal_seeds_give_equal_samples() -> None:
    first, second = (draw("liver_ct", seed=3, spacing=COARSE) for _ in range(2))
    assert np.array_equal(first.scans[0].image, second.scans[0].image)
    assert np.array_equal(first.labels, second.labels)


def test_seeds_differ_in_anatomy() -> None:
    volumes = [organ_ml(draw("liver_ct", seed=seed, spacing=COARSE)) for seed in range(3)]
    assert len({round(volume, -1) for volume in volumes}) == len(volumes)
    assert all(900 < volume < 2600 for volume in volumes)  # ml, adult livers


@pytest.mark.parametrize("oblique", [False, True])
def test_liver_is_one_piece_within_the_field_of_view(oblique: bool) -> None:
    labels = draw("liver_ct", seed=5, oblique=oblique, spacing=COARSE).labels
    assert ndimage.label(labels, np.ones((3, 3, 3)))[1] == 1
    assert not any(labels.take(end, axis).any() for axis in range(3) for end in (0, -1))


@pytest.mark.parametrize("seed", range(3))
def test_no_threshold_finds_the_liver(seed: int) -> None:
    drawing = draw("liver_ct", seed=seed, spacing=COARSE)
    assert best_threshold_dice(drawing.scans[0].image, drawing.labels) < 0.8


def test_oblique_and_axial_slices_show_the_same_body() -> None:
    axial = draw("liver_ct", seed=6, spacing=(3.5, 3.5, 3.5))
    oblique = draw("liver_ct", seed=6, oblique=True, spacing=(3.5, 3.5, 3.5))
    change = np.linalg.inv(axial.scans[0].grid.affine) @ oblique.scans[0].grid.affine
    moved = ndimage.affine_transform(axial.labels, change, output_shape=oblique.labels.shape, order=0)
    both = np.count_nonzero(moved & oblique.labels)
    # nearest neighbours: half a voxel at the surface, 1.5 * 0.25 * 3.5 mm / 70 mm from each grid
    assert 2 * both / (np.count_nonzero(moved) + np.count_nonzero(oblique.labels)) > 0.96


def test_volume_does_not_depend_on_the_grid() -> None:
    fine = organ_ml(draw("liver_ct", seed=2, spacing=(3.0, 3.0, 3.0)))
    coarse = organ_ml(draw("liver_ct", seed=2, oblique=True, spacing=(6.0, 3.0, 2.0)))
    assert coarse == pytest.approx(fine, rel=0.02)


def test_spacing_is_kept() -> None:
    assert draw("liver_ct", spacing=(7.0, 4.0, 5.0)).scans[0].grid.spacing == pytest.approx((7.0, 4.0, 5.0))


def test_oblique_slices_are_tilted_by_ten_degrees_or_more() -> None:
    normal = draw("liver_ct", seed=1, oblique=True, spacing=(12.0, 8.0, 8.0)).scans[0].grid.affine[:3, 0]
    assert 10 <= np.degrees(np.arccos(normal[2] / np.linalg.norm(normal))) < 45


def test_contrast_phase_varies() -> None:
    names = {draw("liver_ct", seed=seed, spacing=(12.0, 12.0, 12.0)).scans[0].description for seed in range(10)}
    assert len(names) >= 3


def test_unknown_task_is_refused() -> None:
    with pytest.raises(UsageError, match="no sample"):
        draw("knee_mr")


@pytest.mark.parametrize("spacing", [(0.0, 1.0, 1.0), (2.0, -1.0, 1.0), (2.0, 1.0, 40.0)])
def test_impossible_spacing_is_refused(spacing: tuple[float, float, float]) -> None:
    with pytest.raises(UsageError, match="between"):
        draw("liver_ct", spacing=spacing)


def test_kidney_sample_has_two_kidneys_a_tumor_and_cysts() -> None:
    labels = draw("kidney", seed=2, spacing=(4.0, 2.5, 2.5)).labels
    everything = np.ones((3, 3, 3))
    assert ndimage.label(labels > 0, everything)[1] == 2
    assert ndimage.label(labels == 2, everything)[1] == 1
    assert 1 <= ndimage.label(labels == 3, everything)[1] <= 3


def test_a_tumor_of_the_kidney_pushes_its_neighbours_aside() -> None:
    tumor = np.argwhere(draw("kidney", seed=507, spacing=(4.0, 1.9, 1.9)).labels == 2)  # beside the bowel
    ball = np.pi / 6 * np.prod(np.ptp(tumor, axis=0) + 1)
    assert len(tumor) > 0.85 * ball


def test_lung_truth_leaves_out_what_the_rules_remove() -> None:
    drawing = draw("lung_ct", seed=4, spacing=(4.0, 2.5, 2.5))
    nodules = drawing.targets["nodules"].labels == 1
    assert np.count_nonzero(nodules) > np.count_nonzero(drawing.labels == 2) > 0
    assert (nodules[drawing.labels == 2]).all()  # the mass and the one outside the lungs are left out
    assert (drawing.targets["lungs"].labels[drawing.labels > 0] == 1).all()


@pytest.mark.parametrize("seed", [502, 547])  # two lumps touch where none keeps them apart
def test_nodules_of_the_lungs_touch_nothing_else_that_is_found(seed: int) -> None:
    drawing = draw("lung_ct", seed=seed, spacing=(3.0, 1.9, 1.9))
    lumps, count = ndimage.label(drawing.targets["nodules"].labels == 1, np.ones((3, 3, 3)))
    shares = [np.mean(drawing.labels[lumps == number] == 2) for number in range(1, count + 1)]
    assert set(shares) == {0.0, 1.0}


@pytest.mark.parametrize(("seed", "oblique"), [(0, False), (1, True)])
def test_lungs_of_a_sample_hold_each_kind_of_nodule_that_a_rule_judges(seed: int, oblique: bool) -> None:
    """Below 3 mm, within, above 30 mm, and outside the lungs, on the sample's own voxels."""
    drawing = draw("lung_ct", seed=seed, oblique=oblique)
    pixel = drawing.scans[0].grid.spacing[1]
    lumps, count = ndimage.label(drawing.targets["nodules"].labels == 1, np.ones((3, 3, 3)))
    lungs = ndimage.binary_dilation(drawing.targets["lungs"].labels == 1, np.ones((3, 3, 3), bool))
    inside, sizes = [], []
    for number in range(1, count + 1):
        slices = [np.argwhere(plane) for plane in lumps == number if plane.any()]
        sizes.append(pixel * (1 + max(pdist(points).max(initial=0) for points in slices)))
        inside.append(bool(lungs[lumps == number].any()))
    small = [size for size, within in zip(sizes, inside, strict=True) if within and size < 3]
    large = [size for size, within in zip(sizes, inside, strict=True) if within and size > 30]
    assert (len(large), inside.count(False)) == (1, 1)
    assert 1 <= len(small) <= 3
    assert 3 <= len(sizes) - len(small) - 2 <= 4
    truth = ndimage.label(drawing.labels == 2, np.ones((3, 3, 3)))[1]
    assert truth == len(sizes) - len(small) - 2


@pytest.mark.parametrize(("task", "low", "high"), [("prostate", 20, 75), ("liver_mr", 900, 2600)])
def test_mr_samples_hold_an_organ_of_plausible_size(task: str, low: float, high: float) -> None:
    drawing = draw(task, seed=3, spacing=(4.0, 3.0, 3.0))
    assert low < organ_ml(drawing) < high
    assert drawing.scans[0].role == "mr"
    assert drawing.scans[0].image.min() >= 0


def test_other_findings_leave_the_rest_of_the_body_as_it_is() -> None:
    plain, sick = make_anatomy(5), make_anatomy(5, [Finding.LUNG_NODULES])
    assert len(sick.painters) > len(plain.painters)
    assert np.array_equal(plain.to_plan, sick.to_plan)


def test_left_lung_lies_left_of_the_right_one() -> None:
    drawing = draw("lung_pet_ct", seed=3, spacing=(12.0, 10.0, 10.0))
    region, ct = drawing.targets["region"], drawing.scans[1]
    left, right = (np.argwhere(region.labels == number).mean(axis=0) for number in (1, 2))
    assert region.role == ct.role == "ct"
    assert (ct.grid.affine @ [*left, 1])[0] > (ct.grid.affine @ [*right, 1])[0] + 80  # mm, LPS


def test_pet_tumors_are_hotter_than_what_surrounds_them_and_not_the_only_hot_places() -> None:
    drawing = draw("breast", seed=2, spacing=(8.0, 6.0, 6.0))
    pet, tumor = drawing.scans[0].image, drawing.targets["tumor"].labels == 1
    ring = ndimage.binary_dilation(tumor, iterations=3) & ~ndimage.binary_dilation(tumor)
    assert pet[tumor].mean() > 2 * pet[ring].mean()
    assert pet[~ndimage.binary_dilation(tumor, iterations=3)].max() > pet[tumor].max()  # bladder or brain


def test_breast_truth_is_only_the_tumor_in_the_breast() -> None:
    drawing = draw("breast", seed=2, spacing=(8.0, 6.0, 6.0))
    tumor = drawing.targets["tumor"].labels == 1
    assert np.count_nonzero(tumor) > np.count_nonzero(drawing.labels) > 0
    assert tumor[drawing.labels == 1].all()
