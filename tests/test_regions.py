"""Components and regions against naive references and by hand."""

from collections.abc import Callable

import hypothesis.extra.numpy as hnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from aimi import regions
from aimi.regions import Mask

FULL = np.ones((3, 3, 3), dtype=bool)
UNIT = (1.0, 1.0, 1.0)

SPACINGS = st.tuples(*[st.sampled_from([0.5, 0.7, 1.0, 2.5, 5.0])] * 3)


@st.composite
def masks(draw: st.DrawFn) -> Mask:
    """Give masks of any component layout: noise of any density, in grids down to one voxel."""
    shape = draw(st.tuples(*[st.integers(1, 7)] * 3))
    density = draw(st.sampled_from([0.05, 0.15, 0.3, 0.6, 0.95]))
    return np.random.default_rng(draw(st.integers(0, 2**32))).random(shape) < density


def naive_components(mask: Mask) -> list[Mask]:
    """Give components by SciPy, sorted by size and then by their first voxel."""
    numbered, count = ndimage.label(mask, structure=FULL)
    found = [numbered == number for number in range(1, count + 1)]
    return sorted(found, key=lambda one: (-int(one.sum()), int(np.flatnonzero(one)[0])))


def union(found: list[Mask], shape: tuple[int, ...]) -> Mask:
    both = np.zeros(shape, dtype=bool)
    for one in found:
        both |= one
    return both


@given(mask=masks(), spacing=SPACINGS)
def test_components_equal_scipys_in_order_size_place_and_shape(mask: Mask, spacing: tuple[float, float, float]) -> None:
    expected = naive_components(mask)
    found = regions.components(mask, spacing)
    assert len(found) == len(expected)
    for component, voxels in zip(found, expected, strict=True):
        assert np.array_equal(regions.paint([component], mask.shape), voxels)
        assert component.voxels == voxels.sum()
        assert component.volume_mm3 == pytest.approx(voxels.sum() * np.prod(spacing))
        assert component.first_voxel == tuple(np.argwhere(voxels)[0])
        assert component.centroid == pytest.approx(tuple(np.argwhere(voxels).mean(axis=0)))
        assert component.box == regions.bounding_box(voxels)


@given(mask=masks(), count=st.integers(0, 4))
def test_the_largest_stay_and_ties_go_to_the_first_voxel(mask: Mask, count: int) -> None:
    expected = union(naive_components(mask)[:count], mask.shape)
    assert np.array_equal(regions.keep_largest(mask, count), expected)


@given(mask=masks(), seed=st.integers(0, 99))
def test_of_a_union_of_labels_the_largest_components_stay_with_their_labels(mask: Mask, seed: int) -> None:
    labels = np.where(mask, np.random.default_rng(seed).integers(1, 4, mask.shape), 0).astype(np.uint8)
    expected = np.where(union(naive_components(mask)[:2], mask.shape), labels, 0)
    assert np.array_equal(regions.keep_largest_of_union(labels, 2), expected)


@given(mask=masks(), region=masks())
def test_a_finding_is_inside_when_half_of_it_is(mask: Mask, region: Mask) -> None:
    region = np.resize(region, mask.shape)
    expected = union([one for one in naive_components(mask) if region[one].mean() >= 0.5], mask.shape)
    assert np.array_equal(regions.keep_inside(mask, region), expected)


@given(mask=masks(), seed=st.integers(0, 99))
def test_a_finding_touches_when_a_neighbour_of_it_is_in_the_region(mask: Mask, seed: int) -> None:
    region = np.random.default_rng(seed).random(mask.shape) < 0.03
    near = ndimage.binary_dilation(region, FULL)
    expected = union([one for one in naive_components(mask) if near[one].any()], mask.shape)
    assert np.array_equal(regions.keep_touching(mask, region), expected)


@given(mask=masks(), spacing=SPACINGS, low=st.integers(1, 5), high=st.integers(5, 30))
def test_sizes_are_kept_with_both_ends(mask: Mask, spacing: tuple[float, float, float], low: int, high: int) -> None:
    voxel = float(np.prod(spacing))
    expected = union([one for one in naive_components(mask) if low <= one.sum() <= high], mask.shape)
    kept = regions.keep_sized(mask, spacing, minimum_mm3=low * voxel, maximum_mm3=high * voxel)
    assert np.array_equal(kept, expected)


@given(mask=masks())
def test_cavities_are_what_scipy_fills(mask: Mask) -> None:
    assert np.array_equal(regions.fill_cavities(mask), ndimage.binary_fill_holes(mask))


@given(mask=masks(), spacing=SPACINGS, radius=st.sampled_from([0.0, 0.6, 1.0, 1.5, 2.5, 5.0, 12.0]))
def test_dilation_reaches_what_lies_within_the_radius(
    mask: Mask, spacing: tuple[float, float, float], radius: float
) -> None:
    seeds = np.argwhere(mask) * spacing
    centers = np.argwhere(np.ones(mask.shape)) * spacing
    distances = np.linalg.norm(seeds[:, None] - centers, axis=2)
    expected = (distances.min(axis=0, initial=np.inf) <= radius + 1e-9).reshape(mask.shape)
    assert np.array_equal(regions.dilate(mask, spacing, radius), expected)


@given(mask=masks())
def test_the_centermost_is_nearest_in_half_extents(mask: Mask) -> None:
    half = np.array(mask.shape) / 2
    distances = [
        round(float(np.linalg.norm((np.argwhere(one).mean(axis=0) + 0.5 - half) / half)), 9)
        for one in naive_components(mask)
    ]
    found = regions.components(mask, UNIT)
    chosen = regions.centermost(found, mask.shape)
    assert chosen is (found[int(np.argmin(distances))] if distances else None)


@given(mask=masks())
@settings(max_examples=50)
def test_no_function_changes_its_argument_or_needs_a_writable_one(mask: Mask) -> None:
    before = mask.copy()
    mask.flags.writeable = False
    functions: list[Callable[[Mask], Mask]] = [regions.keep_largest, regions.fill_cavities, regions.lungs]
    for function in functions:
        function(mask)
    regions.dilate(mask, UNIT, 1.0)
    assert np.array_equal(mask, before)


@given(mask=masks())
def test_memory_order_of_the_array_changes_nothing(mask: Mask) -> None:
    assert np.array_equal(regions.keep_largest(np.asfortranarray(mask)), regions.keep_largest(mask))


def test_pieces_that_meet_at_a_corner_are_one_component() -> None:
    mask = np.zeros((4, 4, 4), dtype=bool)
    mask[0, 0, 0] = mask[1, 1, 1] = mask[3, 3, 3] = True
    sizes = [component.voxels for component in regions.components(mask, (5.0, 0.5, 0.5))]
    assert sizes == [2, 1]


def test_of_equal_components_the_one_in_the_first_slice_is_kept() -> None:
    mask = np.zeros((9, 5, 5), dtype=bool)
    mask[0:2, 3, 3] = mask[4:6, 0, 0] = mask[7:9, 1, 1] = True
    kept = regions.keep_largest(mask)
    assert np.array_equal(np.argwhere(kept), [[0, 3, 3], [1, 3, 3]])


def test_an_empty_mask_gives_empty_answers() -> None:
    empty = np.zeros((4, 5, 6), dtype=bool)
    assert regions.bounding_box(empty) is None
    assert regions.components(empty, UNIT) == ()
    assert regions.largest_centermost((), empty.shape) is None
    for mask in (regions.keep_largest(empty), regions.fill_cavities(empty), regions.dilate(empty, UNIT, 3.0)):
        assert mask.shape == empty.shape
        assert not mask.any()


def test_a_finding_of_which_exactly_half_is_in_the_region_is_inside() -> None:
    mask = np.zeros((1, 1, 8), dtype=bool)
    mask[0, 0, 2:6] = True
    region = np.zeros_like(mask)
    region[0, 0, :4] = True
    finding = regions.components(mask, UNIT)[0]
    assert regions.is_inside(finding, region)
    region[0, 0, 3] = False
    assert not regions.is_inside(finding, region)
    assert regions.touches(finding, region)


def test_a_gap_of_one_voxel_does_not_touch() -> None:
    mask = np.zeros((1, 5, 5), dtype=bool)
    region = np.zeros_like(mask)
    mask[0, 0, 0] = region[0, 2, 2] = True
    assert not regions.touches(regions.components(mask, UNIT)[0], region)


def test_the_largest_centermost_passes_over_a_larger_piece_at_the_edge_and_specks_at_the_center() -> None:
    mask = np.zeros((11, 21, 21), dtype=bool)
    mask[0:3, 0:10, 0:10] = True  # 300 voxels at the edge
    mask[4:8, 7:14, 3:9] = True  # 168 voxels, near the center
    mask[5, 10, 10] = True  # a speck at the center
    chosen = regions.largest_centermost(regions.components(mask, UNIT), mask.shape)
    assert chosen is not None
    assert chosen.voxels == 168


def test_a_component_of_exactly_half_the_largest_may_be_the_centermost() -> None:
    mask = np.zeros((1, 1, 21), dtype=bool)
    mask[0, 0, 0:4] = mask[0, 0, 10:12] = True
    chosen = regions.largest_centermost(regions.components(mask, UNIT), mask.shape)
    assert chosen is not None
    assert chosen.voxels == 2


def test_distance_to_the_center_weighs_a_flat_volume_alike_in_all_directions() -> None:
    mask = np.zeros((5, 101, 101), dtype=bool)
    mask[4, 50, 50] = mask[2, 70, 50] = True  # two slices of five off, and 20 rows of 101 off
    chosen = regions.centermost(regions.components(mask, UNIT), mask.shape)
    assert chosen is not None
    assert chosen.first_voxel == (2, 70, 50)


def test_a_channel_to_the_border_of_the_volume_keeps_a_cavity_open() -> None:
    mask = np.ones((5, 5, 5), dtype=bool)
    mask[2, 2, 2] = False
    assert regions.fill_cavities(mask).all()
    mask[:2, 2, 2] = False
    assert np.array_equal(regions.fill_cavities(mask), mask)


def test_a_dilated_voxel_is_a_ball_of_the_radius_in_anisotropic_voxels() -> None:
    spacing = (2.0, 0.5, 0.4)
    mask = np.zeros((21, 81, 101), dtype=bool)
    mask[10, 40, 50] = True
    volume = regions.dilate(mask, spacing, 15.0).sum() * np.prod(spacing)
    assert volume == pytest.approx(4 / 3 * np.pi * 15.0**3, rel=0.01)


def test_lobes_keep_pieces_of_a_millilitre_and_lose_specks() -> None:
    left = np.zeros((20, 60, 60), dtype=bool)
    left[0:15, 0:15, 0:15] = left[0:10, 20:30, 0:10] = left[0:9, 40:50, 0:10] = True
    left[7, 7, 7] = False
    right = left[:, :, ::-1]
    region = regions.lungs_of_lobes(left, right, UNIT)
    assert region.sum() == 2 * (15**3 + 1000)
    assert region[7, 7, 7]


def test_lungs_of_one_label_are_the_two_largest_pieces_filled() -> None:
    mask = np.zeros((20, 60, 60), dtype=bool)
    mask[0:15, 0:15, 0:15] = mask[0:10, 20:30, 0:10] = mask[0:9, 40:50, 0:10] = True
    mask[7, 7, 7] = False
    assert regions.lungs(mask).sum() == 15**3 + 1000


def test_lungs_are_chosen_before_their_cavities_are_filled() -> None:
    mask = np.zeros((8, 40, 40), dtype=bool)
    mask[1:7, 1:7, 1:7] = True
    mask[2:6, 2:6, 2:6] = False  # a shell of 152 voxels around 64
    mask[1:7, 10:16, 1:6] = mask[1:7, 20:26, 1:6] = True  # 180 each
    assert regions.lungs(mask).sum() == 360


@given(labels=hnp.arrays(np.uint8, (3, 3, 3), elements=st.integers(0, 4)))
@settings(max_examples=30)
def test_a_mask_of_labels_holds_the_named_ones(labels: np.ndarray) -> None:
    assert np.array_equal(regions.mask_of(labels, (1, 3)), np.isin(labels, (1, 3)))
    assert np.array_equal(regions.mask_of(labels), labels > 0)
