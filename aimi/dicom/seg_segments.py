"""What the segments of a segmentation object mean: the Segment Sequence as records (PS3.3 C.8.20.4)."""

import colorsys

import highdicom as hd
from pydicom.dataset import Dataset

from aimi.errors import InputError
from aimi.image import Code, Note, Segment

__all__ = ["background_numbers", "parse"]

_UNKNOWN = Code("261665006", "SCT", "Unknown")
_BACKGROUND = ("125040", "DCM")
_GOLDEN_TURN = 0.618034


def parse(dataset: Dataset) -> tuple[tuple[Segment, ...], str, tuple[Note, ...]]:
    """Give the segments in order of their numbers, the names of their algorithms joined, and notes.

    Background (of a LABELMAP) is left out.

    Raises
    ------
    InputError
        No segment is described, or two have one number, or a number is not above 0.
    """
    background = background_numbers(dataset)
    items = [item for item in _items(dataset) if _number(item) not in background]
    segments = sorted((_segment(item) for item in items), key=lambda segment: segment.number)
    numbers = [segment.number for segment in segments]
    if len(set(numbers)) < len(numbers) or any(number < 1 for number in numbers):
        raise InputError(
            "Segment Numbers are to be different and above 0, and are not.", "Export it again from where it was made."
        )
    names = dict.fromkeys(str(item.get("SegmentAlgorithmName") or "") for item in items)
    uncoded = sum(_UNKNOWN in {segment.category, segment.property_type} for segment in segments)
    notes = (Note("uncoded-segments", f"{uncoded} segments have no code for what they are."),) if uncoded else ()
    return tuple(segments), ", ".join(name for name in names if name), notes


def background_numbers(dataset: Dataset) -> frozenset[int]:
    """Give the Segment Numbers that mean background in a LABELMAP."""
    if dataset.SegmentationType != "LABELMAP":
        return frozenset()
    return frozenset(_number(item) for item in _items(dataset) if _is_background(item))


def _items(dataset: Dataset) -> list[Dataset]:
    items = list(dataset.get("SegmentSequence") or [])
    if not items:
        raise InputError("The segmentation describes no segment.", "Export it again from where it was made.")
    return items


def _number(item: Dataset) -> int:
    number = item.get("SegmentNumber")
    if number is None:
        raise InputError("A segment has no Segment Number.", "Export it again from where it was made.")
    return int(number)


def _is_background(item: Dataset) -> bool:
    codes = _codes(item, "SegmentedPropertyTypeCodeSequence")
    return any((code.value, code.scheme) == _BACKGROUND for code in codes)


def _segment(item: Dataset) -> Segment:
    number = _number(item)
    kinds = item.get("SegmentedPropertyTypeCodeSequence") or [Dataset()]
    regions = item.get("AnatomicRegionSequence") or [Dataset()]
    return Segment(
        number=number,
        label=str(item.get("SegmentLabel") or ""),
        description=str(item.get("SegmentDescription") or ""),
        category=next(iter(_codes(item, "SegmentedPropertyCategoryCodeSequence")), _UNKNOWN),
        property_type=next(iter(_codes(item, "SegmentedPropertyTypeCodeSequence")), _UNKNOWN),
        color=_color(item, number),
        property_type_modifiers=_codes(kinds[0], "SegmentedPropertyTypeModifierCodeSequence"),
        anatomic_region=next(iter(_codes(item, "AnatomicRegionSequence")), None),
        anatomic_region_modifiers=_codes(regions[0], "AnatomicRegionModifierSequence"),
    )


def _codes(item: Dataset, keyword: str) -> tuple[Code, ...]:
    return tuple(code for entry in item.get(keyword) or [] if (code := _code(entry)).value)


def _code(entry: Dataset) -> Code:
    value = entry.get("CodeValue") or entry.get("LongCodeValue") or entry.get("URNCodeValue") or ""
    return Code(str(value), str(entry.get("CodingSchemeDesignator") or ""), str(entry.get("CodeMeaning") or ""))


def _color(item: Dataset, number: int) -> tuple[int, int, int]:
    """Give the written display color, or one of the segment's own by its number."""
    written = item.get("RecommendedDisplayCIELabValue")
    if written is None:
        parts = [round(part * 255) for part in colorsys.hsv_to_rgb(number * _GOLDEN_TURN % 1, 0.7, 0.9)]
    else:
        parts = [int(part) for part in hd.color.CIELabColor.from_dicom_value(tuple(map(int, written))).to_rgb()]
    red, green, blue = parts
    return red, green, blue
