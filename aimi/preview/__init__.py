"""The picture of a result: three planes through the largest finding, outlines, legend.

Made for a quick look by a person who knows anatomy: is it the right organ, the right side, the right way up, and
does the outline follow it? Geometry is in :mod:`aimi.preview.layout`, grey values in
:mod:`aimi.preview.window`. A PET/CT has a projection beside fused slices (:mod:`aimi.preview.pet_ct`).

Outlines run along the edges of voxels, one pixel inside and one outside, in the color of the segment; they are not
smoothed, since the result is not. The picture holds no text but what the caller gives, measures, and fixed words.
The same input gives the same bytes.
"""

from aimi.preview.drawing import (
    NOT_REVIEWED,
    RESEARCH_ONLY,
    LegendLine,
    Text,
    encode_png,
    label_raster,
    legend_lines,
    outline_raster,
    plan,
    render,
)
from aimi.preview.layout import Layout, Letters, Panel, Plane, Rectangle, orientation_letters
from aimi.preview.pet_ct import render_pet_ct
from aimi.preview.window import LUNG, SOFT_TISSUE, Window, default_window, suv_window, to_grey

__all__ = [
    "LUNG",
    "NOT_REVIEWED",
    "RESEARCH_ONLY",
    "SOFT_TISSUE",
    "Layout",
    "LegendLine",
    "Letters",
    "Panel",
    "Plane",
    "Rectangle",
    "Text",
    "Window",
    "default_window",
    "encode_png",
    "label_raster",
    "legend_lines",
    "orientation_letters",
    "outline_raster",
    "plan",
    "render",
    "render_pet_ct",
    "suv_window",
    "to_grey",
]
