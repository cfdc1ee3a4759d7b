"""The picture of a PET/CT result: the PET as a projection with the lesions outlined, beside fused slices.

The projection is the maximum along the patient's front-back axis, inverted grey, as readers look at a PET first; a
short field of view leaves room for one from the side. The slices go through the largest lesion: the CT in grey, at its
own resolution, under the PET in color; outlines as in every picture. Layout of the slices: :mod:`aimi.preview.layout`,
moved to the right of the projection.
"""

from collections.abc import Sequence
from dataclasses import replace

import highdicom as hd
import numpy as np
import numpy.typing as npt
from PIL import Image as Picture
from PIL import ImageDraw

from aimi import regions, resample
from aimi.image import Image, LabelMap
from aimi.measure import SegmentMeasures
from aimi.preview import drawing
from aimi.preview.layout import CAPTION, FOOTER, GAP, HEADER, MARGIN, Layout, Panel, Plane, Rectangle, frame_of
from aimi.preview.window import SOFT_TISSUE, Window, default_window, suv_window, to_grey

__all__ = ["render_pet_ct"]

_PROJECTION_WIDTH = 560
_LEAST_OF_ALONE = 0.8
_SIDES = {Plane.CORONAL: "front", Plane.SAGITTAL: "left"}
_OPACITY = 0.75
_MOST_FINE = 8
_HEAT = ((0.0, (0, 0, 0)), (0.35, (170, 20, 0)), (0.65, (255, 130, 0)), (0.85, (255, 225, 60)), (1.0, (255, 255, 255)))
"""Share of the window -> color of the PET over the CT."""
_CYAN = (70, 235, 255)
"""The outline of lesions over the colored PET, on which their own red is lost."""

_Pixels = npt.NDArray[np.uint8]
_Values = npt.NDArray[np.float32]
_Colors = dict[int, tuple[int, int, int]]


def render_pet_ct(
    pet: Image,
    ct: Image,
    labels: LabelMap,
    measures: Sequence[SegmentMeasures],
    *,
    text: drawing.Text,
    lesions: Sequence[int],
    suv_per_unit: float | None,
) -> Picture.Image:
    """Give the picture, RGB.

    Parameters
    ----------
    pet, labels : on one grid.
    ct : on its own grid, in the same space.
    measures : of the label map, for the legend.
    lesions : segment numbers that the projection outlines; the slices go through the largest of them.
    suv_per_unit : the factor from the PET's values to SUV; None where there is none.
    """
    window = default_window(pet, "PT") if suv_per_unit is None else suv_window(suv_per_unit)
    layout, projections = _lay_out(labels, lesions)
    colors = {segment.number: segment.color for segment in labels.segments}
    picture = Picture.new("RGB", (layout.width, layout.height), drawing.BACKGROUND)
    draw = ImageDraw.Draw(picture)
    drawing.draw_frame_of_picture(draw, layout, text, f"PT {window.caption}   CT {SOFT_TISSUE.caption}")
    marked = labels.with_labels(np.where(regions.mask_of(labels.labels, lesions), labels.labels, np.uint8(0)))
    for projection in projections:
        draw.rectangle(drawing.corners_of(projection.box), fill=drawing.ON_LIGHT.halo)
        _paste(picture, projection, _project(pet, marked, projection, window, colors))
        caption = f"PET   maximum intensity, {_SIDES[projection.frame.plane]}"
        drawing.draw_panel_text(draw, projection, labels, drawing.ON_LIGHT, caption)
    over = colors | dict.fromkeys(lesions, _CYAN)
    for panel in layout.panels:
        draw.rectangle(drawing.corners_of(panel.box), fill=(0, 0, 0))
        _paste(picture, panel, _outlined(_fuse(pet, ct, panel, window), drawing.label_raster(labels, panel), over))
    for panel in layout.panels:
        drawing.draw_panel_text(draw, panel, labels, drawing.ON_DARK)
    drawing.draw_plane_marks(draw, layout)
    drawing.draw_legend(draw, layout, measures, over)
    return picture


def _lay_out(labels: LabelMap, lesions: Sequence[int]) -> tuple[Layout, tuple[Panel, ...]]:
    """Give the slices' layout, moved to the right, and the panels of the projections."""
    slices = drawing.plan(labels, lesions)
    shift = _PROJECTION_WIDTH + GAP
    panels = tuple(
        replace(panel, area=_moved(panel.area, shift), box=_moved(panel.box, shift)) for panel in slices.panels
    )
    moved = replace(slices, width=slices.width + shift, panels=panels, legend=_moved(slices.legend, shift))
    return moved, _projections(labels, moved)


def _moved(place: Rectangle, shift: int) -> Rectangle:
    return replace(place, left=place.left + shift)


def _projections(labels: LabelMap, layout: Layout) -> tuple[Panel, ...]:
    """Give the panel seen from the front and, where the body is too short to fill the column, one from the left."""
    room = Rectangle(MARGIN, HEADER + CAPTION, _PROJECTION_WIDTH, layout.height - FOOTER - HEADER - CAPTION)
    upper = replace(room, height=(room.height - GAP - CAPTION) // 2)
    alone, above = (_projection(labels, Plane.CORONAL, place) for place in (room, upper))
    if above.area.width < _LEAST_OF_ALONE * alone.area.width:
        return (alone,)
    lower = replace(upper, top=upper.bottom + GAP + CAPTION)
    return above, _projection(labels, Plane.SAGITTAL, lower)


def _projection(labels: LabelMap, plane: Plane, room: Rectangle) -> Panel:
    frame = frame_of(labels.volume.affine, plane)
    shape, spacing = labels.labels.shape, labels.volume.spacing
    rows, columns = shape[frame.vertical], shape[frame.horizontal]
    millimetres = (columns * spacing[frame.horizontal], rows * spacing[frame.vertical])
    scale = min(room.width / millimetres[0], room.height / millimetres[1])
    width, height = (max(1, round(side * scale)) for side in millimetres)
    area = Rectangle(room.left + (room.width - width) // 2, room.top + (room.height - height) // 2, width, height)
    return Panel(frame, 0, (0, rows), (0, columns), area, room, millimetres)


def _project(pet: Image, lesions: LabelMap, panel: Panel, window: Window, colors: _Colors) -> _Pixels:
    along = panel.frame.normal
    values = drawing.as_shown(pet.volume.array.max(axis=along), panel)
    pixels = np.repeat(to_grey(_enlarged(values, panel), window)[:, :, np.newaxis], 3, axis=2)
    shown = drawing.as_shown(lesions.labels.max(axis=along), panel)
    return _outlined(pixels, drawing.raster_of(shown, panel), colors)


def _fuse(pet: Image, ct: Image, panel: Panel, window: Window) -> _Pixels:
    """Give the CT in grey under the PET in color; where the PET shows nothing the CT is seen alone."""
    uptake = _enlarged(drawing.slice_of(pet.volume.array, panel), panel)
    share = np.clip((uptake - window.low) / (window.high - window.low), 0.0, 1.0)[:, :, np.newaxis]
    grey = to_grey(_enlarged(_ct_plane(pet, ct, panel), panel), SOFT_TISSUE)[:, :, np.newaxis].astype(np.float32)
    stops = [stop for stop, _ in _HEAT]
    heat = np.concatenate(
        [np.interp(share, stops, [color[channel] for _, color in _HEAT]) for channel in range(3)], axis=2
    )
    opacity = _OPACITY * np.sqrt(share)
    fused: _Pixels = np.rint(grey * (1.0 - opacity) + heat * opacity).astype(np.uint8)
    return fused


def _ct_plane(pet: Image, ct: Image, panel: Panel) -> _Values:
    """Give the CT on the panel's plane, several samples to a voxel of the PET where the panel has room for them."""
    frame, volume = panel.frame, pet.volume
    rows, columns = (
        panel.vertical_range[1] - panel.vertical_range[0],
        panel.horizontal_range[1] - panel.horizontal_range[0],
    )
    fine = [1, 1, 1]
    fine[frame.vertical] = int(np.clip(panel.area.height // rows, 1, _MOST_FINE))
    fine[frame.horizontal] = int(np.clip(panel.area.width // columns, 1, _MOST_FINE))
    start, shape = [0, 0, 0], [1, 1, 1]
    start[frame.normal] = panel.index
    for axis, shown in ((frame.vertical, panel.vertical_range), (frame.horizontal, panel.horizontal_range)):
        start[axis], shape[axis] = shown[0], (shown[1] - shown[0]) * fine[axis]
    affine = volume.affine.copy()
    affine[:3, :3] /= np.array(fine)
    first = np.array(start) + (1.0 / np.array(fine) - 1.0) / 2.0
    affine[:3, 3] = volume.affine[:3, :3] @ first + volume.affine[:3, 3]
    plane = Image(hd.Volume(np.zeros(shape, np.float32), affine, coordinate_system="PATIENT"), ct.units, None)
    found = resample.image_onto(ct, plane, outside=resample.AIR_HU).image.volume.array
    whole = replace(panel, vertical_range=(0, shape[frame.vertical]), horizontal_range=(0, shape[frame.horizontal]))
    shown_plane: _Values = drawing.as_shown(np.take(found, 0, axis=frame.normal), whole)
    return shown_plane


def _enlarged(values: npt.NDArray[np.generic], panel: Panel) -> _Values:
    """Give values, rows and columns as shown, at each pixel of the panel's area."""
    plane = Picture.fromarray(np.ascontiguousarray(values, dtype=np.float32))
    enlarged: _Values = np.asarray(
        plane.resize((panel.area.width, panel.area.height), Picture.Resampling.BILINEAR), dtype=np.float32
    )
    return enlarged


def _outlined(pixels: _Pixels, raster: _Pixels, colors: _Colors) -> _Pixels:
    outlines = drawing.outline_raster(raster)
    for number in np.unique(outlines[outlines > 0]):
        pixels[outlines == number] = colors[int(number)]
    return pixels


def _paste(picture: Picture.Image, panel: Panel, pixels: _Pixels) -> None:
    picture.paste(Picture.fromarray(pixels), (panel.area.left, panel.area.top))
