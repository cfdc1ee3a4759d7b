"""The picture of a PET/CT result: outlines where the lesions are, inverted projection, the CT under the PET."""

import highdicom as hd
import numpy as np
import numpy.typing as npt
import pytest

from aimi import measure, preview
from aimi.dicom import codes
from aimi.image import Image, LabelMap
from aimi.preview.pet_ct import _CYAN, _lay_out
from tests.test_resample import grid as grid_of

RED = (174, 41, 14)
TEXT = preview.Text(title="Made")
AXIAL = np.eye(3)[:, [2, 1, 0]]


def grid(shape: tuple[int, int, int], spacing: tuple[float, float, float]) -> hd.Volume:
    """Give an axial grid: slices rise to the head, rows go to the back."""
    return grid_of(shape, spacing, axes=AXIAL)


PET = grid((30, 32, 32), (5.0, 6.0, 6.0))
LESION = np.s_[18:21, 10:13, 20:24]


def picture(lesion: bool = True, shape: tuple[int, int, int] = (30, 32, 32)) -> npt.NDArray[np.uint8]:
    pet_grid = grid(shape, (5.0, 6.0, 6.0))
    pet, labels = np.full(shape, 500, np.float32), np.zeros(shape, np.uint8)
    if lesion:
        pet[LESION], labels[LESION] = 60000.0, 2
    ct = grid((60, 64, 64), (2.5, 3.0, 3.0))
    found = LabelMap(pet_grid.with_array(labels), codes.segments("lung_pet_ct"), None)
    drawn = preview.render_pet_ct(
        Image(pet_grid.with_array(pet), "BQML", None),
        Image(ct.with_array(np.full((60, 64, 64), 40.0, np.float32)), "HU", None),
        found,
        measure.measure(found),
        text=TEXT,
        lesions=(2,),
        suv_per_unit=1e-4,
    )
    return np.asarray(drawn)


def shown(pixels: npt.NDArray[np.uint8], color: tuple[int, int, int]) -> tuple[npt.NDArray[np.intp], ...]:
    return np.nonzero((pixels == color).all(axis=-1))


def test_the_projection_outlines_the_lesion_in_its_place() -> None:
    pixels = picture()
    labels = np.zeros((30, 32, 32), np.uint8)
    labels[LESION] = 2
    _, (front, *_) = _lay_out(LabelMap(PET.with_array(labels), codes.segments("lung_pet_ct"), None), (2,))
    rows, columns = shown(pixels, RED)
    corners = [front.to_pixel(index) for index in ((17.5, 9.5, 19.5), (20.5, 12.5, 23.5))]
    inside = (columns < front.area.right) & (rows < front.area.bottom)
    for found, ends in ((columns[inside], (c[0] for c in corners)), (rows[inside], (c[1] for c in corners))):
        low, high = sorted(ends)
        assert (found.min(), found.max()) == (pytest.approx(low - 1, abs=1.01), pytest.approx(high, abs=1.01))


def test_high_uptake_is_dark_in_the_projection_and_bright_over_the_ct() -> None:
    pixels = picture()
    labels = np.zeros((30, 32, 32), np.uint8)
    labels[LESION] = 2
    layout, (front, *_) = _lay_out(LabelMap(PET.with_array(labels), codes.segments("lung_pet_ct"), None), (2,))
    x, y = (int(value) for value in front.to_pixel((19, 11, 21.5)))
    assert pixels[y, x].max() < 80
    x, y = (int(value) for value in layout.panels[0].to_pixel((19, 11, 21.5)))
    assert pixels[y, x, 0] > 150


def test_slices_outline_lesions_in_a_color_of_their_own() -> None:
    assert len(shown(picture(), _CYAN)[0]) > 100


def test_nothing_found_gives_a_picture_without_outlines() -> None:
    pixels = picture(lesion=False)
    assert len(shown(pixels, RED)[0]) == 0


def test_a_short_field_of_view_is_also_shown_from_the_side() -> None:
    def views(shape: tuple[int, int, int]) -> list[preview.Plane]:
        labels = LabelMap(grid(shape, (5.0, 6.0, 6.0)).with_array(np.zeros(shape, np.uint8)), (), None)
        return [panel.frame.plane for panel in _lay_out(labels, ())[1]]

    assert views((30, 60, 60)) == [preview.Plane.CORONAL, preview.Plane.SAGITTAL]
    assert views((200, 32, 32)) == [preview.Plane.CORONAL]


def test_the_same_input_gives_the_same_picture() -> None:
    assert np.array_equal(picture(), picture())


def test_projection_and_slices_do_not_overlap() -> None:
    layout, projections = _lay_out(LabelMap(PET.with_array(np.zeros(PET.spatial_shape, np.uint8)), (), None), ())
    assert max(panel.box.right for panel in projections) <= min(panel.box.left for panel in layout.panels)
