"""Made stacks: header records without files, for what is decided from headers alone."""

from dataclasses import fields, replace
from pathlib import Path
from typing import Any, get_type_hints

from aimi.dicom.header import Defect, Instance, PixelFormat, Plane, Series, SeriesHeader, Stack, Study
from aimi.image import Vector

CT = "1.2.840.10008.5.1.4.1.1.2"
MR = "1.2.840.10008.5.1.4.1.1.4"
PET = "1.2.840.10008.5.1.4.1.1.128"
SEGMENTATION = "1.2.840.10008.5.1.4.1.1.66.4"
UID_ROOT = "2.25.7000"
DEFECT = Defect("gap", "2 slices are missing between position 10.0 and 20.0 mm.")

_EMPTY = {str: "", tuple[str, ...]: ()}


def make_header(**values: Any) -> SeriesHeader:
    """Give a header that is silent on all but its modality and what is named."""
    hints = get_type_hints(SeriesHeader)
    silent = {field.name: _EMPTY.get(hints[field.name]) for field in fields(SeriesHeader)}
    number = values.get("series_number", 2)
    made = {
        "modality": "CT",
        "sop_class_uid": CT,
        "study_instance_uid": UID_ROOT,
        "series_instance_uid": f"{UID_ROOT}.{number}",
        "series_number": number,
        "image_type": ("ORIGINAL", "PRIMARY", "AXIAL"),
    }
    return SeriesHeader(**{**silent, **made, **values})


def make_stack(
    *,
    count: int = 20,
    spacing: Vector | None = (3.0, 0.8, 0.8),
    normal: Vector | None = (0.0, 0.0, 1.0),
    size: tuple[int, int] = (512, 512),
    defects: tuple[Defect, ...] = (),
    split: tuple[tuple[str, str], ...] = (),
    **header: Any,
) -> Stack:
    """Give an axial CT stack, with header attributes as named."""
    made = make_header(**header)
    pixels = PixelFormat("1.2.840.10008.1.2.1", *size, 16, 16, 1, 1, "MONOCHROME2", 1, True, None, None)
    instances = tuple(
        Instance(Path(), made.sop_class_uid, f"{made.series_instance_uid}.{number}", "MADE", "", "", made, pixels)
        for number in range(count)
    )
    planes = tuple(
        Plane(number, None, None, None, None, None, None, None, number, dict(split)) for number in range(count)
    )
    return Stack(made, instances, planes, split, spacing, normal, defects, ())


def make_mr(**values: Any) -> Stack:
    """Give an axial MR stack, with header attributes as named."""
    return make_stack(**{"modality": "MR", "sop_class_uid": MR, "image_type": ("ORIGINAL", "PRIMARY", "M"), **values})


def make_report(number: int = 100, modality: str = "SEG") -> Series:
    """Give a series without images."""
    header = make_header(series_number=number, modality=modality, sop_class_uid=SEGMENTATION)
    return Series(header, make_stack(count=1).instances, ())


def make_study(*found: Stack | Series) -> Study:
    """Give a study of series in the order given; a stack makes a series, or joins the one of its UID."""
    series: dict[str, Series] = {}
    for one in found:
        uid = one.header.series_instance_uid
        if isinstance(one, Series):
            series[uid] = one
        else:
            earlier = series[uid].stacks if uid in series else ()
            series[uid] = Series(one.header, one.instances, (*earlier, one))
    return Study(UID_ROOT, tuple(series.values()), (), 0, 0, ())


def with_header(stack: Stack, **values: Any) -> Stack:
    """Give a stack with other header attributes."""
    return replace(stack, header=replace(stack.header, **values))
