"""Draw the picture: images, outlines, letters, scale bars, legend."""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image as Picture
from PIL import ImageDraw, ImageFont

from aimi import regions
from aimi.image import Image, LabelMap
from aimi.measure import SegmentMeasures
from aimi.preview.layout import CAPTION, MARGIN, Layout, Panel, Plane, Rectangle, lay_out
from aimi.preview.window import Window, default_window, to_grey
from aimi.regions import Component

__all__ = [
    "BACKGROUND",
    "NOT_REVIEWED",
    "ON_DARK",
    "ON_LIGHT",
    "RESEARCH_ONLY",
    "Ink",
    "LegendLine",
    "Text",
    "as_shown",
    "corners_of",
    "draw_frame_of_picture",
    "draw_legend",
    "draw_panel_text",
    "draw_plane_marks",
    "encode_png",
    "finding_in_focus",
    "label_raster",
    "legend_lines",
    "outline_raster",
    "plan",
    "raster_of",
    "render",
    "slice_of",
]

NOT_REVIEWED = "AI, not reviewed"
RESEARCH_ONLY = "Research use only. Not for diagnosis."

BACKGROUND = (16, 18, 22)
_BLACK = (0, 0, 0)
_TEXT = (235, 235, 235)
_FAINT = (165, 170, 178)
_AMBER = (255, 190, 60)
_MARK = (110, 200, 225)
_ROW = 26
_DETAILED_ROW = 48
_SMALLEST_LEGEND_SHARE = 250
_AXIS_NAMES = ("slice", "row", "column")
_MM_PER_CM = 10
_LABELS = 256
_VOLUME_DIGITS = ((100.0, 0), (10.0, 1), (1.0, 2))
_BAR_LENGTHS_MM = (1, 2, 5, 10, 20, 50, 100, 200)

_Labels = npt.NDArray[np.uint8]
_Color = tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class Ink:
    """Colors of what is written on an image."""

    letters: _Color
    text: _Color
    halo: _Color


ON_DARK = Ink(letters=(255, 226, 120), text=_TEXT, halo=_BLACK)
ON_LIGHT = Ink(letters=(150, 70, 0), text=(20, 20, 20), halo=(255, 255, 255))


@dataclass(frozen=True, slots=True)
class Text:
    """What the picture says; none of it may be free text of a header (DECISIONS 4.5).

    Parameters
    ----------
    title : of the task.
    subtitle : a second line, e.g. the model's name.
    footer : e.g. the series UID and the software's version.
    status : who has seen the result.
    """

    title: str
    subtitle: str = ""
    footer: str = ""
    status: str = NOT_REVIEWED


@dataclass(frozen=True, slots=True)
class LegendLine:
    """What the legend says of a segment."""

    number: int
    label: str
    volume: str
    detail: str


def render(
    image: Image,
    labels: LabelMap,
    measures: Sequence[SegmentMeasures],
    *,
    text: Text,
    modality: str,
    window: Window | None = None,
    focus: Sequence[int] = (),
) -> Picture.Image:
    """Give the picture, RGB, 1200 pixels wide.

    Parameters
    ----------
    image, labels : on the same grid.
    measures : of the label map, for the legend.
    modality : as in Modality (0008,0060); chooses the window unless one is given.
    focus : segment numbers; the planes go through the largest finding of the first of them that has any, else
        through the largest of all. Nothing found: through the middle.

    Raises
    ------
    ValueError
        If image and labels are not on the same grid.
    """
    if image.volume.spatial_shape != labels.volume.spatial_shape or not np.allclose(
        image.volume.affine, labels.volume.affine, atol=1e-3
    ):
        raise ValueError("the image and the labels are not on the same grid")
    layout = plan(labels, focus)
    chosen = window or default_window(image, modality)
    picture = Picture.new("RGB", (layout.width, layout.height), BACKGROUND)
    draw = ImageDraw.Draw(picture)
    draw_frame_of_picture(draw, layout, text, f"{modality}   {chosen.caption}")
    colors = {segment.number: segment.color for segment in labels.segments}
    for panel in layout.panels:
        pixels = _paint_panel(image, labels, panel, chosen, colors)
        draw.rectangle(corners_of(panel.box), fill=ON_LIGHT.halo if chosen.is_inverted else _BLACK)
        picture.paste(Picture.fromarray(pixels), (panel.area.left, panel.area.top))
    for panel in layout.panels:
        draw_panel_text(draw, panel, labels, ON_LIGHT if chosen.is_inverted else ON_DARK)
    draw_plane_marks(draw, layout)
    draw_legend(draw, layout, measures, colors)
    return picture


def encode_png(picture: Picture.Image) -> bytes:
    """Give the picture as a PNG file, without dates or other metadata."""
    buffer = io.BytesIO()
    picture.save(buffer, format="PNG", compress_level=6)
    return buffer.getvalue()


def plan(labels: LabelMap, focus: Sequence[int] = ()) -> Layout:
    """Give the layout of the picture of a label map (see :func:`render`)."""
    shape, affine = labels.labels.shape, labels.volume.affine
    finding = finding_in_focus(labels, focus)
    if finding is None:
        return lay_out(affine, shape, [size // 2 for size in shape])
    legend_height = CAPTION + min(len(labels.segments) * _DETAILED_ROW, _SMALLEST_LEGEND_SHARE)
    return lay_out(affine, shape, _widest_planes(finding), finding=finding.box, legend_height=legend_height)


def finding_in_focus(labels: LabelMap, focus: Sequence[int]) -> Component | None:
    """Give the largest finding of the first of these segments that has any, else of all."""
    numbers = [segment.number for segment in labels.segments]
    groups = [*([number] for number in focus), numbers]
    for group in groups:
        largest = [
            component
            for number in group
            for component in regions.components(regions.mask_of(labels.labels, (number,)), labels.volume.spacing)[:1]
        ]
        if largest:
            return max(largest, key=lambda component: component.voxels)
    return None


def _widest_planes(finding: Component) -> list[int]:
    """Give, per axis, the plane that holds most of a finding; of equal ones the nearest to its centroid."""
    planes = []
    mask = finding.mask
    for axis in range(3):
        areas = mask.sum(axis=tuple(other for other in range(3) if other != axis))
        start = finding.box[axis].start
        widest = np.flatnonzero(areas == areas.max()) + start
        planes.append(int(widest[np.argmin(np.abs(widest - finding.centroid[axis]))]))
    return planes


def slice_of(array: npt.NDArray[Any], panel: Panel) -> npt.NDArray[Any]:
    """Give the panel's voxels, rows downwards and columns to the right as shown."""
    return as_shown(np.take(array, panel.index, axis=panel.frame.normal), panel)


def as_shown(plane: npt.NDArray[Any], panel: Panel) -> npt.NDArray[Any]:
    """Give a plane of the volume, its axes in their order, with rows downwards and columns to the right as shown."""
    frame = panel.frame
    if frame.vertical > frame.horizontal:
        plane = plane.T
    plane = plane[slice(*panel.vertical_range), slice(*panel.horizontal_range)]
    if frame.flip_vertical:
        plane = plane[::-1]
    if frame.flip_horizontal:
        plane = plane[:, ::-1]
    return plane


def label_raster(labels: LabelMap, panel: Panel) -> _Labels:
    """Give the label that each pixel of the panel's area shows, shape (height, width)."""
    return raster_of(slice_of(labels.labels, panel), panel)


def raster_of(plane: npt.NDArray[Any], panel: Panel) -> _Labels:
    """Give the label that each pixel of the panel's area shows, shape (height, width), of a plane of labels as shown.

    A pixel shows the voxel at its center. Where pixels are larger than voxels, a pixel that would be background
    shows a labelled voxel whose center lies in it, so that nothing found is too small to be seen.
    """
    voxels = np.asarray(plane, dtype=np.uint8)
    rows, columns = voxels.shape
    height, width = panel.area.height, panel.area.width
    row_at = ((np.arange(height) + 0.5) * rows / height).astype(np.intp)
    column_at = ((np.arange(width) + 0.5) * columns / width).astype(np.intp)
    raster: _Labels = voxels[np.ix_(row_at, column_at)]
    row, column = np.nonzero(voxels)
    at = ((row + 0.5) * height / rows).astype(np.intp), ((column + 0.5) * width / columns).astype(np.intp)
    missed = raster[at] == 0
    raster[at[0][missed], at[1][missed]] = voxels[row[missed], column[missed]]
    return raster


def outline_raster(raster: _Labels) -> _Labels:
    """Give the label whose outline each pixel shows, 0 for none: one pixel inside the edge and one outside.

    Where two labels meet, both pixels show the one that has fewer pixels: a lesion's line is not lost in its organ.
    The border of the picture is no edge: an outline that is open there belongs to something cut off.
    """
    framed = np.pad(raster, 1, mode="edge")
    sizes = np.bincount(raster.reshape(-1), minlength=_LABELS)
    sizes[0] = raster.size + 1
    rank = np.argsort(np.argsort(-sizes, kind="stable"), kind="stable").astype(np.uint8)
    by_rank = np.argsort(rank).astype(np.uint8)
    is_edge = np.zeros(raster.shape, dtype=np.bool_)
    smallest = rank[raster]
    for neighbor in (framed[:-2, 1:-1], framed[2:, 1:-1], framed[1:-1, :-2], framed[1:-1, 2:]):
        is_edge |= neighbor != raster
        np.maximum(smallest, rank[neighbor], out=smallest)
    outline: _Labels = np.where(is_edge, by_rank[smallest], np.uint8(0))
    return outline


def _paint_panel(
    image: Image, labels: LabelMap, panel: Panel, window: Window, colors: dict[int, _Color]
) -> npt.NDArray[np.uint8]:
    values = np.ascontiguousarray(slice_of(image.volume.array, panel), dtype=np.float32)
    size = (panel.area.width, panel.area.height)
    shown = np.asarray(Picture.fromarray(values).resize(size, Picture.Resampling.BILINEAR))
    pixels = np.repeat(to_grey(shown, window)[:, :, np.newaxis], 3, axis=2)
    outlines = outline_raster(label_raster(labels, panel))
    for number in np.unique(outlines[outlines > 0]):
        pixels[outlines == number] = colors[int(number)]
    return pixels


def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)


def corners_of(box: Rectangle) -> tuple[int, int, int, int]:
    """Give the first and last column and row of a rectangle, as Pillow draws it."""
    return box.left, box.top, box.right - 1, box.bottom - 1


def draw_frame_of_picture(draw: ImageDraw.ImageDraw, layout: Layout, text: Text, window: str) -> None:
    """Write title, status and footer around the panels."""
    room = layout.width - 2 * MARGIN
    font = _font(20)
    width = int(draw.textlength(text.status, font=font)) + 28
    title = _fitted(draw, text.title, 26, room - width - MARGIN)
    subtitle = _fitted(draw, "   ".join(filter(None, (window, text.subtitle))), 15, room - width - MARGIN)
    draw.text((MARGIN, 10), title, font=_font(26), fill=_TEXT)
    draw.text((MARGIN, 42), subtitle, font=_font(15), fill=_FAINT)
    badge = (layout.width - MARGIN - width, 12, layout.width - MARGIN, 46)
    draw.rounded_rectangle(badge, radius=6, fill=_AMBER)
    draw.text(((badge[0] + badge[2]) / 2, 29), text.status, font=font, fill=_BLACK, anchor="mm")
    base = layout.height - 20
    draw.text((MARGIN, base), RESEARCH_ONLY, font=_font(16), fill=_AMBER, anchor="lm")
    footer = _fitted(draw, text.footer, 13, room - draw.textlength(RESEARCH_ONLY, font=_font(16)) - MARGIN)
    draw.text((layout.width - MARGIN, base), footer, font=_font(13), fill=_FAINT, anchor="rm")


def draw_panel_text(
    draw: ImageDraw.ImageDraw, panel: Panel, labels: LabelMap, ink: Ink, caption: str | None = None
) -> None:
    """Write a panel's caption, letters and scale."""
    box, letters = panel.box, panel.frame.letters
    words = _caption(panel, labels) if caption is None else caption
    draw.text((box.left, box.top - 6), words, font=_font(16), fill=_TEXT, anchor="ls")
    middle_x, middle_y = panel.shown_center
    places = (
        (letters.left, (box.left + 12, middle_y), "lm"),
        (letters.right, (box.right - 12, middle_y), "rm"),
        (letters.top, (middle_x, box.top + 9), "ma"),
        (letters.bottom, (middle_x, box.bottom - 10), "ms"),
    )
    for letter, place, anchor in places:
        draw.text(place, letter, font=_font(18), fill=ink.letters, anchor=anchor, stroke_width=2, stroke_fill=ink.halo)
    _draw_scale_bar(draw, panel, ink)


def _caption(panel: Panel, labels: LabelMap) -> str:
    frame = panel.frame
    enlarged = " enlarged" if panel.is_enlarged else ""
    count = labels.labels.shape[frame.normal]
    return f"{frame.plane}{enlarged}   {_AXIS_NAMES[frame.normal]} {panel.index + 1} of {count}"


def _draw_scale_bar(draw: ImageDraw.ImageDraw, panel: Panel, ink: Ink) -> None:
    scale, box = panel.pixels_per_mm, panel.box
    fitting = [length for length in _BAR_LENGTHS_MM if length * scale <= box.width * 0.3]
    if not fitting:
        return
    length = fitting[-1]
    left, bottom = box.left + 10, box.bottom - 10
    right = left + round(length * scale)
    draw.rectangle((left - 1, bottom - 4, right + 1, bottom + 1), fill=ink.halo)
    draw.rectangle((left, bottom - 3, right, bottom), fill=ink.text)
    words = f"{length // _MM_PER_CM} cm" if length >= _MM_PER_CM else f"{length} mm"
    place = (left, bottom - 8)
    draw.text(place, words, font=_font(15), fill=ink.text, anchor="ls", stroke_width=2, stroke_fill=ink.halo)


def draw_plane_marks(draw: ImageDraw.ImageDraw, layout: Layout) -> None:
    """Point, from the edges of each panel, to where the other two planes cut it."""
    center = [0, 0, 0]
    for panel in layout.panels[: len(Plane)]:
        center[panel.frame.normal] = panel.index
    for panel in layout.panels[: len(Plane)]:
        x, y = panel.to_pixel(center)
        box, size = panel.box, 6
        for edge, tip in ((box.top, box.top + size), (box.bottom - 1, box.bottom - 1 - size)):
            draw.polygon(((x, tip), (x - size, edge), (x + size, edge)), fill=_MARK)
        for edge, tip in ((box.left, box.left + size), (box.right - 1, box.right - 1 - size)):
            draw.polygon(((tip, y), (edge, y - size), (edge, y + size)), fill=_MARK)


def legend_lines(measures: Sequence[SegmentMeasures]) -> tuple[LegendLine, ...]:
    """Give what the legend says of each segment, in order."""
    return tuple(
        LegendLine(segment.number, segment.label, _volume_words(segment), _detail_words(segment))
        for segment in measures
    )


def draw_legend(
    draw: ImageDraw.ImageDraw, layout: Layout, measures: Sequence[SegmentMeasures], colors: dict[int, _Color]
) -> None:
    """Write what each segment is and holds, in its place of the layout."""
    legend = layout.legend
    top = legend.top + CAPTION
    bottom = legend.bottom
    if len(layout.panels) > len(Plane):
        bottom = layout.panels[-1].box.top - CAPTION
    if not any(segment.voxels for segment in measures):
        draw.text((legend.left, top), "Nothing found", font=_font(24), fill=_TEXT)
        top += 40
    lines = legend_lines(measures)
    is_detailed = top + len(lines) * _DETAILED_ROW <= bottom
    step = _DETAILED_ROW if is_detailed else _ROW
    room = max((bottom - top) // step, 1)
    shown = lines if len(lines) <= room else lines[: room - 1]
    for row, line in enumerate(shown):
        place = Rectangle(legend.left, top + row * step, legend.width, step)
        _draw_legend_row(draw, place, line, colors[line.number])
    if len(shown) < len(lines):
        words = f"and {len(lines) - len(shown)} more"
        draw.text((legend.left + 28, top + len(shown) * step), words, font=_font(17), fill=_FAINT)


def _draw_legend_row(draw: ImageDraw.ImageDraw, place: Rectangle, line: LegendLine, color: _Color) -> None:
    draw.rectangle((place.left, place.top + 2, place.left + 16, place.top + 18), fill=color)
    volume_width = draw.textlength(line.volume, font=_font(18))
    label = _fitted(draw, line.label, 18, place.width - 28 - 16 - volume_width)
    draw.text((place.left + 28, place.top), label, font=_font(18), fill=_TEXT)
    draw.text((place.right, place.top), line.volume, font=_font(18), fill=_TEXT, anchor="ra")
    if place.height == _DETAILED_ROW:
        draw.text((place.left + 28, place.top + 23), line.detail, font=_font(14), fill=_FAINT)


def _fitted(draw: ImageDraw.ImageDraw, words: str, size: int, room: float) -> str:
    """Give words, shortened to the room they have."""
    font = _font(size)
    if draw.textlength(words, font=font) <= room:
        return words
    shortened = (words[:end] + "..." for end in range(len(words), 0, -1))
    return next((short for short in shortened if draw.textlength(short, font=font) <= room), "")


def _detail_words(segment: SegmentMeasures) -> str:
    if segment.spread is None:
        return "not present"
    parts = "1 part" if segment.components == 1 else f"{segment.components} parts"
    words = [parts, f"largest axial diameter {segment.axial_diameter_mm:.0f} mm"]
    if segment.spread.truncated:
        words.append("reaches the border of the volume")
    return ", ".join(words)


def _volume_words(segment: SegmentMeasures) -> str:
    if segment.spread is None:
        return "none"
    digits = next((digits for limit, digits in _VOLUME_DIGITS if segment.volume_ml >= limit), 3)
    return f"{segment.volume_ml:.{digits}f} ml"
