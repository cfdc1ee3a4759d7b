"""The picture of any segmentation, ours or another writer's, over the series that it was made on."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import numpy as np

import aimi
from aimi import measure, preview
from aimi.dicom import secondary_capture as capture
from aimi.dicom import seg_reading, volume
from aimi.dicom import study as studies
from aimi.dicom.header import Stack, Study
from aimi.dicom.secondary_capture import Caption
from aimi.dicom.seg_reading import SegmentationObject
from aimi.dicom.segmentation import to_bytes
from aimi.errors import InputError, OutputError, UsageError
from aimi.image import Image, LabelMap, Segment

__all__ = ["draw"]

_UNITS = {"CT": "HU", "PT": "BQML"}
_LARGEST_LABEL = 255
_PICTURE_SERIES = 3199


def draw(
    segmentation: Path,
    source: Path,
    out: Path,
    *,
    secondary_capture: bool,
    clock: Callable[[], datetime],
) -> tuple[Path, ...]:
    """Draw a segmentation over its source and write the picture; give the files.

    Parameters
    ----------
    segmentation : the object; where segments overlap the later one is drawn over the earlier.
    source : the study, or a folder that holds the series.
    out : the picture's path.
    secondary_capture : also write the picture as a DICOM object beside it, with the ending ``.dcm``.
    clock : gives the object's times.

    Raises
    ------
    UsageError
        The picture's name is not that of a PNG.
    InputError
        The segmentation cannot be read, or the study does not hold its series.
    OutputError
        The picture cannot be written.
    """
    if out.suffix.lower() != ".png":
        raise UsageError("The picture's name does not end in .png.", "Name a .png with -o.")
    if secondary_capture and out.with_suffix(".dcm").exists():
        raise OutputError("A .dcm of the picture's name is there already.", "Name another picture with -o.")
    study = studies.read(source)
    found = seg_reading.read(segmentation, study=study)
    stack = _source_stack(found, study)
    image = volume.load(stack, units=_UNITS.get(stack.header.modality, "arbitrary"))
    labels = _label_map(found, image)
    identity = seg_reading.identify(segmentation)
    status = preview.NOT_REVIEWED if identity.is_automatic else "As stored"
    text = preview.Text(title="Segmentation", footer=f"Series {stack.header.series_instance_uid}", status=status)
    picture = preview.render(image, labels, measure.measure(labels), text=text, modality=stack.header.modality)
    _write(preview.encode_png(picture), out)
    if not secondary_capture:
        return (out,)
    caption = Caption(
        series_description="Segmentation picture",
        series_number=_PICTURE_SERIES,
        software_version=aimi.__version__,
        segmentation=(identity.sop_class_uid, identity.sop_instance_uid),
    )
    captured = capture.encode(np.asarray(picture), stack, caption, clock=clock)
    _write(to_bytes(captured.dataset), out.with_suffix(".dcm"))
    return out, out.with_suffix(".dcm")


def _source_stack(found: SegmentationObject, study: Study) -> Stack:
    grid = found.source
    if grid is not None:
        instances = {plane.sop_instance_uid for plane in grid.slices}
        for series in study.series:
            for stack in series.stacks:
                own = {stack.instances[plane.instance].sop_instance_uid for plane in stack.planes}
                if len(stack.planes) == len(grid.slices) and own == instances:
                    return stack
    raise InputError(
        "The study does not hold the series that the segmentation was made on.", "Name the study that holds it."
    )


def _label_map(found: SegmentationObject, image: Image) -> LabelMap:
    if len(found.masks) > _LARGEST_LABEL:
        raise InputError(
            f"The segmentation has {len(found.masks)} segments; at most {_LARGEST_LABEL} can be drawn.",
            "Convert it with `aimi convert`.",
        )
    labels = np.zeros(image.volume.spatial_shape, np.uint8)
    segments = []
    for number, one in enumerate(found.masks, start=1):
        labels[one.mask] = number
        segments.append(_segment(one.segment, number))
    return LabelMap(image.volume.with_array(labels), tuple(segments), image.source)


def _segment(segment: Segment, number: int) -> Segment:
    """Name a segment by its code: its label is free text of the header, which no picture may hold."""
    return replace(segment, number=number, label=segment.property_type.meaning)


def _write(content: bytes, out: Path) -> None:
    partial = out.with_name(f".{out.name}.partial")
    try:
        partial.write_bytes(content)
        partial.replace(out)
    except OSError as err:
        partial.unlink(missing_ok=True)
        raise OutputError("The picture cannot be written.", "Name a place that can be written with -o.") from err
