"""The picture: which voxel each pixel shows, which way is up, and what is drawn."""

from collections.abc import Callable
from itertools import permutations, product
from pathlib import Path

import highdicom as hd
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image as Picture
from scipy.spatial.transform import Rotation

from aimi import regions
from aimi.dicom import study, volume
from aimi.image import Code, Image, LabelMap, Segment
from aimi.measure import measure
from aimi.preview import (
    LUNG,
    SOFT_TISSUE,
    Letters,
    Panel,
    Plane,
    Text,
    Window,
    default_window,
    encode_png,
    label_raster,
    legend_lines,
    orientation_letters,
    outline_raster,
    plan,
    render,
    suv_window,
    to_grey,
)

TISSUE = Code("85756007", "SCT", "Tissue")
COLORS = ((230, 60, 40), (40, 210, 80), (60, 120, 250))
SEGMENTS = tuple(Segment(n + 1, f"Part {n + 1}", "", TISSUE, TISSUE, color) for n, color in enumerate(COLORS))
ORDERS = [(order, signs) for order in permutations(range(3)) for signs in product((1, -1), repeat=3)]
SHAPE_XYZ = (30, 26, 22)
SPACING_XYZ = (1.0, 1.3, 1.6)


def make_pair(
    labels: npt.NDArray[np.generic], affine: npt.NDArray[np.float64], values: npt.NDArray[np.generic] | None = None
) -> tuple[Image, LabelMap]:
    """Give an image (by default values that rise with the label) and a label map on one grid."""
    array = labels.astype(np.float32) * 100 if values is None else values.astype(np.float32)
    image = Image(hd.Volume(array, affine, coordinate_system="PATIENT"), "HU", None)
    return image, LabelMap(hd.Volume(labels.astype(np.uint8), affine, coordinate_system="PATIENT"), SEGMENTS, None)


def make_affine(
    order: tuple[int, ...] = (2, 1, 0), signs: tuple[int, ...] = (1, 1, 1), turn: npt.NDArray[np.float64] | None = None
) -> npt.NDArray[np.float64]:
    """Give the affine of a grid whose array axis a runs along patient axis order[a], with a sign."""
    affine = np.eye(4)
    steps = np.zeros((3, 3))
    for axis, (patient_axis, sign) in enumerate(zip(order, signs, strict=True)):
        steps[patient_axis, axis] = sign * SPACING_XYZ[patient_axis]
    affine[:3, :3] = steps if turn is None else turn @ steps
    affine[:3, 3] = (-11.0, 42.0, 180.0)
    return affine


def make_anatomy() -> npt.NDArray[np.uint8]:
    """Give labels (x, y, z) without any symmetry: an organ, a lesion in it, a separate speck."""
    labels = np.zeros(SHAPE_XYZ, dtype=np.uint8)
    labels[4:15, 5:20, 3:12] = 1
    labels[8:10, 7:12, 6:9] = 2
    labels[24, 20, 18] = 3
    return labels


def reorder(
    labels_xyz: npt.NDArray[np.generic], order: tuple[int, ...], signs: tuple[int, ...]
) -> npt.NDArray[np.uint8]:
    """Give the same anatomy on a grid of another axis order and direction."""
    flips = tuple(slice(None, None, sign) for sign in signs)
    return np.ascontiguousarray(labels_xyz.transpose(order)[flips]).astype(np.uint8)


def oblique_pair(seed: int) -> tuple[Image, LabelMap]:
    rng = np.random.default_rng(seed)
    order, signs = ORDERS[int(rng.integers(len(ORDERS)))]
    axis = rng.normal(size=3)
    turn = Rotation.from_rotvec(np.radians(rng.uniform(0, 34)) * axis / np.linalg.norm(axis)).as_matrix()
    return make_pair(reorder(make_anatomy(), order, signs), make_affine(order, signs, turn))


def is_under(panel: Panel, voxel: npt.NDArray[np.intp], raster: npt.NDArray[np.uint8]) -> int:
    """Give what the raster of a panel holds at the center of a voxel."""
    x, y = panel.to_pixel(voxel.tolist())
    return int(raster[int(y) - panel.area.top, int(x) - panel.area.left])


@pytest.mark.parametrize(("order", "signs"), ORDERS)
def test_letters_follow_the_radiological_convention_for_every_axis_order(
    order: tuple[int, ...], signs: tuple[int, ...]
) -> None:
    _, labels = make_pair(reorder(make_anatomy(), order, signs), make_affine(order, signs))
    letters = {panel.frame.plane: panel.frame.letters for panel in plan(labels).panels}
    assert letters[Plane.AXIAL] == Letters(left="R", right="L", top="A", bottom="P")
    assert letters[Plane.CORONAL] == Letters(left="R", right="L", top="S", bottom="I")
    assert letters[Plane.SAGITTAL] == Letters(left="A", right="P", top="S", bottom="I")


@pytest.mark.parametrize(("order", "signs"), ORDERS)
def test_the_same_anatomy_gives_the_same_planes_for_every_axis_order(
    order: tuple[int, ...], signs: tuple[int, ...]
) -> None:
    _, plain = make_pair(make_anatomy().transpose(2, 1, 0), make_affine())
    _, other = make_pair(reorder(make_anatomy(), order, signs), make_affine(order, signs))
    rasters = [[label_raster(labels, panel) for panel in plan(labels).panels] for labels in (plain, other)]
    assert all(np.array_equal(a, b) for a, b in zip(*rasters, strict=True))


@pytest.mark.parametrize("seed", range(12))
def test_every_labelled_voxel_of_a_plane_is_shown_at_its_projection(seed: int) -> None:
    _, labels = oblique_pair(seed)
    for panel in plan(labels).panels:
        raster = label_raster(labels, panel)
        for voxel in np.argwhere(labels.labels > 0):
            if voxel[panel.frame.normal] == panel.index and _is_in_range(panel, voxel):
                assert is_under(panel, voxel, raster) == labels.labels[tuple(voxel)]


def _is_in_range(panel: Panel, voxel: npt.NDArray[np.intp]) -> bool:
    v, h = voxel[panel.frame.vertical], voxel[panel.frame.horizontal]
    return bool(np.isin(v, range(*panel.vertical_range)) and np.isin(h, range(*panel.horizontal_range)))


@pytest.mark.parametrize("seed", range(12))
def test_every_pixel_shows_the_voxel_under_its_center(seed: int) -> None:
    _, labels = oblique_pair(seed)
    for panel in plan(labels).panels:
        raster = label_raster(labels, panel)
        for row, column in np.random.default_rng(seed).integers(0, raster.shape, (60, 2)):
            index = panel.to_index(panel.area.left + column + 0.5, panel.area.top + row + 0.5)
            k, j, i = np.rint(index).astype(int)
            assert raster[row, column] == labels.labels[k, j, i]


@pytest.mark.parametrize("seed", range(12))
def test_the_letters_of_oblique_planes_tell_where_the_sides_lie_in_the_patient(seed: int) -> None:
    image, labels = oblique_pair(seed)
    for panel in plan(labels).panels:
        x, y = panel.shown_center
        rightwards = np.subtract(panel.to_index(x + 1, y), panel.to_index(x, y))
        downwards = np.subtract(panel.to_index(x, y + 1), panel.to_index(x, y))
        for index_step, letters in ((rightwards, panel.frame.letters.right), (downwards, panel.frame.letters.bottom)):
            step = image.volume.affine[:3, :3] @ index_step
            main = int(np.argmax(np.abs(step)))
            assert letters[0] == ("LPS" if step[main] > 0 else "RAI")[main]


@given(seed=st.integers(0, 999), x=st.floats(0, 1200), y=st.floats(0, 1200))
@settings(deadline=None, max_examples=40)
def test_places_and_indices_are_inverse(seed: int, x: float, y: float) -> None:
    _, labels = oblique_pair(seed % 7)
    for panel in plan(labels).panels:
        assert panel.to_pixel(panel.to_index(x, y)) == pytest.approx((x, y), abs=1e-6)


@pytest.mark.parametrize(
    ("direction", "letters"),
    [
        ((1.0, 0.0, 0.0), "L"),
        ((0.0, 0.0, -1.0), "I"),
        ((-0.8, 0.6, 0.0), "RP"),
        ((0.0, -0.6, 0.8), "SA"),
        ((0.5, -0.7, 0.51), "ASL"),
        ((0.08, 0.99, 0.08), "P"),
    ],
)
def test_composite_letters_name_the_main_direction_first(direction: tuple[float, float, float], letters: str) -> None:
    assert orientation_letters(direction) == letters


def test_planes_keep_the_physical_aspect_at_one_scale() -> None:
    _, labels = make_pair(make_anatomy().transpose(2, 1, 0), make_affine())
    axial, coronal, sagittal = plan(labels).panels[:3]
    extents = np.multiply(SHAPE_XYZ, SPACING_XYZ)
    scale = axial.area.width / extents[0]
    assert axial.area.height == pytest.approx(extents[1] * scale, abs=1)
    assert (coronal.area.width, coronal.area.height) == pytest.approx((extents[0] * scale, extents[2] * scale), abs=1)
    assert (sagittal.area.width, sagittal.area.height) == pytest.approx((extents[1] * scale, extents[2] * scale), abs=1)
    assert coronal.area.left == axial.area.left
    assert sagittal.area.top == coronal.area.top


@pytest.mark.parametrize("shape", [(8, 20, 20), (400, 40, 40), (8, 300, 40), (3, 3, 3), (300, 512, 20), (1, 1, 1)])
def test_the_picture_is_1200_pixels_wide_and_its_parts_lie_in_it_apart(shape: tuple[int, int, int]) -> None:
    array = np.zeros(shape)
    array[tuple(size // 2 for size in shape)] = 1
    _, labels = make_pair(array, make_affine())
    layout = plan(labels)
    assert layout.width == 1200
    assert layout.height <= 1400
    taken = np.zeros((layout.height, layout.width), dtype=int)
    for panel in layout.panels:
        taken[panel.box.top : panel.box.bottom, panel.box.left : panel.box.right] += 1
        assert panel.area.left >= panel.box.left
        assert panel.area.bottom <= panel.box.bottom <= layout.height
        assert panel.box.right <= layout.width
    assert taken.max() == 1
    assert layout.legend.width >= 340


def test_a_whole_body_is_shown_larger_with_the_axial_plane_beside() -> None:
    array = np.zeros((60, 20, 40))
    array[15, 10, 20] = 1
    _, labels = make_pair(array, make_affine())
    layout = plan(labels)
    axial, coronal, sagittal = layout.panels[:3]
    assert coronal.area.right < sagittal.area.left < sagittal.area.right < axial.area.left
    assert coronal.pixels_per_mm == pytest.approx(axial.pixels_per_mm, rel=0.01)
    assert coronal.area.height > 900
    assert layout.legend.top > axial.box.bottom - 30


def test_planes_pass_through_the_largest_finding_where_it_is_widest() -> None:
    array = np.zeros((20, 30, 40))
    array[3:6, 5:9, 5:9] = 1
    array[4, 5:20, 5:25] = 1
    array[15, 25, 35] = 2
    _, labels = make_pair(array, make_affine())
    assert plan(labels).panels[0].index == 4
    assert plan(labels, focus=(2,)).panels[0].index == 15
    assert plan(labels, focus=(3, 2)).panels[2].index == 35
    assert plan(labels, focus=(3,)).panels[0].index == 4


def test_nothing_found_gives_the_middle_planes_and_says_so() -> None:
    image, labels = make_pair(np.zeros((20, 30, 40)), make_affine())
    panels = plan(labels).panels
    assert [panel.index for panel in panels] == [10, 15, 20]
    empty = np.asarray(render(image, labels, measure(labels), text=Text("Task"), modality="CT"))
    silent = np.asarray(render(image, labels, (), text=Text("Task"), modality="CT"))
    legend = plan(labels).legend
    words = silent[legend.top : legend.bottom, legend.left : legend.right]
    assert np.count_nonzero(words.min(axis=2) > 200) > 300
    assert not np.array_equal(empty, silent)
    assert [line.volume for line in legend_lines(measure(labels))] == ["none"] * 3


def test_a_small_finding_is_shown_enlarged_and_a_large_one_is_not() -> None:
    array = np.zeros((20, 120, 120))
    array[9:11, 50:56, 60:66] = 1
    _, small = make_pair(array, make_affine())
    panel = plan(small).panels[-1]
    assert panel.is_enlarged
    assert panel.pixels_per_mm > 1.8 * plan(small).panels[0].pixels_per_mm
    assert _is_in_range(panel, np.array([9, 50, 60]))
    assert _is_in_range(panel, np.array([9, 55, 65]))
    array[2:18, 10:110, 10:110] = 1
    _, large = make_pair(array, make_affine())
    assert not any(panel.is_enlarged for panel in plan(large).panels)


def test_outlines_have_the_color_of_their_segment_along_the_edges_and_nowhere_else() -> None:
    image, labels = make_pair(make_anatomy().transpose(2, 1, 0), make_affine())
    picture = np.asarray(render(image, labels, measure(labels), text=Text("Task"), modality="CT"))
    panel = plan(labels).panels[0]
    raster = label_raster(labels, panel)
    area = panel.area
    shown = picture[area.top : area.bottom, area.left : area.right]
    inner = (raster == 1) & (np.roll(raster, 1, axis=1) == 0)
    inner[:40], inner[-40:] = False, False  # letters and marks
    assert inner.sum() > 50
    assert (shown[inner] == COLORS[0]).all()
    colored = shown[outline_raster(raster) == 0]
    assert not (colored[:, np.newaxis] == np.array(COLORS[:2])).all(axis=2).any()


def test_where_labels_meet_the_line_has_the_color_of_the_smaller_one() -> None:
    raster = np.full((30, 30), 2, dtype=np.uint8)
    raster[10:16, 10:16] = 1
    outline = outline_raster(raster)
    assert outline[10, 12] == 1
    assert outline[9, 12] == 1
    assert outline[12, 12] == outline[8, 12] == outline[0, 0] == 0


def test_an_outline_is_one_pixel_inside_and_one_outside() -> None:
    raster = np.zeros((12, 12), dtype=np.uint8)
    raster[4:8, 4:8] = 200
    outline = outline_raster(raster)
    assert np.flatnonzero(outline[5]).tolist() == [3, 4, 7, 8]
    assert set(np.unique(outline)) == {0, 200}


def test_a_finding_of_one_voxel_is_visible_where_pixels_are_larger_than_voxels() -> None:
    array = np.zeros((8, 1500, 1500))
    array[4, 701, 333] = 1
    _, labels = make_pair(array, make_affine())
    axial = plan(labels).panels[0]
    assert axial.area.width < 700
    assert is_under(axial, np.array([4, 701, 333]), label_raster(labels, axial)) == 1


def test_the_image_lies_under_its_outline() -> None:
    labels_xyz = make_anatomy()
    image, labels = make_pair(labels_xyz.transpose(2, 1, 0), make_affine(), (labels_xyz == 1).transpose(2, 1, 0) * 1000)
    picture = np.asarray(render(image, labels, (), text=Text("Task"), modality="CT", window=Window(0.0, 1000.0, "")))
    panel = plan(labels).panels[1]
    for voxel, is_bright in (((7, 8, 6), True), ((7, 8, 13), True), ((7, 8, 2), False), ((1, 8, 6), False)):
        x, y = panel.to_pixel([voxel[0], panel.index, voxel[2]])
        assert (picture[int(y), int(x)].min() > 200) == is_bright


def test_the_scale_bar_is_as_long_as_it_says() -> None:
    image, labels = make_pair(np.zeros((20, 30, 40)), make_affine())
    picture = np.asarray(render(image, labels, (), text=Text("Task"), modality="CT", window=Window(1.0, 2.0, "")))
    panel = plan(labels).panels[0]
    row = picture[panel.box.bottom - 12, panel.box.left : panel.box.left + panel.box.width // 2]
    length = np.count_nonzero((row == 235).all(axis=1))
    assert length == pytest.approx(10 * panel.pixels_per_mm, abs=1.5)


def test_the_same_input_gives_the_same_bytes_without_metadata() -> None:
    image, labels = oblique_pair(3)
    first, second = (
        encode_png(render(image, labels, measure(labels), text=Text("Task", footer="1.2.3"), modality="CT"))
        for _ in range(2)
    )
    assert first == second
    assert {chunk for chunk in (b"IHDR", b"IDAT", b"IEND", b"tEXt", b"tIME", b"eXIf", b"pHYs") if chunk in first} == {
        b"IHDR",
        b"IDAT",
        b"IEND",
    }


def test_labels_of_another_grid_are_refused() -> None:
    image, _ = make_pair(np.zeros((20, 30, 40)), make_affine())
    _, other = make_pair(np.zeros((20, 30, 40)), make_affine(signs=(1, -1, 1)))
    with pytest.raises(ValueError, match="not on the same grid"):
        render(image, other, (), text=Text("Task"), modality="CT")


def test_legend_lines_tell_volume_parts_diameter_and_the_border() -> None:
    array = np.zeros((10, 40, 40))
    array[4, 10, 10:20] = array[8, 30, 30] = 1
    array[0, 0, 0] = 2
    _, labels = make_pair(array, make_affine())
    first, second, third = legend_lines(measure(labels))
    assert (first.volume, first.detail) == ("0.023 ml", "2 parts, largest axial diameter 10 mm")
    assert second.detail.endswith("reaches the border of the volume")
    assert (third.volume, third.detail) == ("none", "not present")


def test_many_segments_fit_the_legend() -> None:
    image, labels = make_pair(make_anatomy().transpose(2, 1, 0), make_affine())
    few = render(image, labels, measure(labels), text=Text("Task"), modality="CT")
    many = render(image, labels, measure(labels) * 30, text=Text("Task"), modality="CT")
    assert few.size == many.size
    panel = plan(labels).panels[-1]
    below = np.s_[panel.box.top : panel.box.bottom, panel.box.left : panel.box.right]
    assert np.array_equal(np.asarray(few)[below], np.asarray(many)[below])


def test_long_words_are_shortened_and_leave_the_badge_and_the_warning_free() -> None:
    image, labels = make_pair(make_anatomy().transpose(2, 1, 0), make_affine())
    long = "W" * 300
    picture = np.asarray(render(image, labels, measure(labels), text=Text(long, long, long), modality="CT"))
    plain = np.asarray(render(image, labels, measure(labels), text=Text(""), modality="CT"))
    badge, warning = np.s_[8:50, 1010:], np.s_[-40:, :290]
    assert np.array_equal(picture[badge], plain[badge])
    assert np.array_equal(picture[warning], plain[warning])
    assert not np.array_equal(picture, plain)


def as_image(values: npt.NDArray[np.generic], units: str) -> Image:
    return Image(hd.Volume(values.astype(np.float32), np.eye(4), coordinate_system="PATIENT"), units, None)


def test_ct_is_shown_with_the_soft_tissue_window() -> None:
    assert default_window(as_image(np.zeros((3, 4, 5)), "HU"), "CT") is SOFT_TISSUE
    grey = to_grey(np.array([-200.0, -160.0, 40.0, 240.0, 900.0], dtype=np.float32), SOFT_TISSUE)
    assert grey.tolist() == [0, 0, 128, 255, 255]
    assert to_grey(np.array([-600.0], dtype=np.float32), LUNG).tolist() == [128]


def test_pet_is_dark_where_uptake_is_high() -> None:
    values = np.zeros((10, 10, 10))
    values[:, :5] = np.linspace(100, 5000, 50).reshape(5, 10)
    window = default_window(as_image(values, "BQML"), "PT")
    assert window.is_inverted
    assert to_grey(np.array([0.0, 5000.0], dtype=np.float32), window).tolist() == [255, 0]
    assert default_window(as_image(values, "GML"), "PT").caption == "SUV 0 to 7"
    assert suv_window(4e-4).high == pytest.approx(17500.0)


def test_the_mr_window_leaves_out_background_and_the_brightest_voxels() -> None:
    values = np.zeros((20, 20, 20))
    values[:10] = np.linspace(100, 900, 4000).reshape(10, 20, 20)
    values[0, 0, :4] = 60000
    window = default_window(as_image(values, "arbitrary"), "MR")
    assert 100 < window.low < 120
    assert 880 < window.high < 910


@pytest.mark.parametrize("modality", ["CT", "PT", "MR"])
def test_an_image_without_signal_is_shown(modality: str) -> None:
    image, labels = make_pair(np.zeros((8, 9, 10)), make_affine())
    picture = render(image, labels, measure(labels), text=Text("Task"), modality=modality)
    assert isinstance(picture, Picture.Image)


@pytest.mark.parametrize("folder", ["4.000000-t2tsetra-00702", "3.000000-t2tsesag-87368", "5.000000-t2tsecor-03471"])
def test_real_prostate_mr_shows_each_labelled_voxel_at_its_place(real_data: Callable[[str], Path], folder: str) -> None:
    found = study.read(real_data("mr_prostatex") / "ProstateX-0000" / folder)
    image = volume.load(found.series[0].stacks[0], units="arbitrary")
    bright = regions.keep_largest(image.volume.array > np.quantile(image.volume.array, 0.97))
    labels = LabelMap(image.volume.with_array(bright.astype(np.uint8)), SEGMENTS[:1], image.source)
    for panel in plan(labels).panels[:3]:
        raster = label_raster(labels, panel)
        voxels = np.argwhere(np.take(bright, [panel.index], axis=panel.frame.normal))
        voxels[:, panel.frame.normal] = panel.index
        assert len(voxels) > 20
        assert all(is_under(panel, voxel, raster) == 1 for voxel in voxels)
