"""From the instances of a series to its stacks: the units that a task chooses among (DECISIONS 1.3, 1.4).

Planes are grouped by what one array can hold (matrix, spacing, orientation, kind of object); each group is
split into volumes (:mod:`aimi.dicom.splitting`), and each volume gets its defects. Everything is done in
the order of positions and UIDs, so file names and their order change nothing.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import numpy.typing as npt

from aimi.dicom.geometry import (
    FEWEST_SLICES,
    Axes,
    count_continuing,
    find_geometry_defects,
    gap_of,
    mean_axes,
    offsets_of,
)
from aimi.dicom.header import Defect, Instance, Plane, SeriesHeader, Stack
from aimi.dicom.image_types import are_terms
from aimi.dicom.parsing import ParsedInstance
from aimi.dicom.pixel_rules import find_pixel_defects
from aimi.dicom.sop_classes import IMAGE_STORAGE, image_modality, sop_class_family
from aimi.dicom.splitting import RUNS, Part, Placed, split
from aimi.dicom.values import is_uid
from aimi.image import Note, Vector

__all__ = ["build"]

_SPACING: Final = 1e-4
_COSINE: Final = 1e-3
_NUMBER: Final = re.compile(r"[-+]?\d{1,10}(\.\d{1,10})?([eE][-+]?\d{1,3})?", re.ASCII)
_PHOTOMETRIC: Final = frozenset(["MONOCHROME1", "MONOCHROME2", "RGB", "PALETTE COLOR", "YBR_FULL", "YBR_FULL_422"])
# Times would put a date into a stack's name; they are named by their order.
_UNNAMED: Final = frozenset(["AcquisitionDateTime", "ContentTime"])
_GROUPING: Final = (
    "SOPClass",
    "Rows",
    "Columns",
    "PixelSpacing",
    "ImageOrientationPatient",
    "PhotometricInterpretation",
)

GroupKey = tuple[str, int, int, int, int, str]


@dataclass(frozen=True, slots=True)
class _Group:
    """Planes that one array could hold; ``key`` has the values of ``_GROUPING``."""

    key: GroupKey
    planes: tuple[Plane, ...]


def build(parsed: Sequence[ParsedInstance], *, unreadable: int = 0) -> tuple[Stack, ...]:
    """Give the stacks of one series.

    Parameters
    ----------
    parsed : every usable instance of the series, in any order.
    unreadable : number of files of the series that could not be used; each stack has that defect.

    Returns
    -------
    Stacks in order of their geometry and splitting values; none for no instance. Every plane is in one
    stack, except those without geometry, which count as a defect of the series' stacks of their kind.
    """
    ordered = sorted(parsed, key=lambda each: each.instance.sop_instance_uid)
    instances = tuple(each.instance for each in ordered)
    planes = [replace(plane, instance=index) for index, each in enumerate(ordered) for plane in each.planes]
    groups = _group([plane for plane in planes if _is_located(plane)], instances)
    lost: dict[str, list[Plane]] = {}
    for plane in planes:
        if not _is_located(plane):
            lost.setdefault(_family(plane, instances), []).append(plane)
    common = [*_unreadable_defects(unreadable), *_uid_defects(instances)]
    stacks = [
        _with_defects(stack, [*_lost_defects(lost.get(group.key[0], [])), *_odd_defects(stack, group, groups), *common])
        for group in groups
        for stack in _build_group(group, groups, instances)
    ]
    known = {group.key[0] for group in groups}
    homeless = [plane for family in sorted(set(lost) - known) for plane in lost[family]]
    if homeless:
        stacks.append(_with_defects(_build_lost(homeless, instances), common))
    return tuple(stacks)


def _is_located(plane: Plane) -> bool:
    return plane.position is not None and plane.orientation is not None and plane.pixel_spacing is not None


def _family(plane: Plane, instances: Sequence[Instance]) -> str:
    instance = instances[plane.instance]
    family = image_modality(instance.sop_class_uid, instance.header.modality)
    return family or sop_class_family(instance.sop_class_uid)


def _group(planes: Sequence[Plane], instances: Sequence[Instance]) -> list[_Group]:
    spacings = _cluster([plane.pixel_spacing or () for plane in planes], _is_same_spacing)
    orientations = _cluster([plane.orientation or () for plane in planes], _is_same_orientation)
    found: dict[GroupKey, list[Plane]] = {}
    for plane, spacing, orientation in zip(planes, spacings, orientations, strict=True):
        pixels = instances[plane.instance].pixels
        key = (
            _family(plane, instances),
            pixels.rows,
            pixels.columns,
            spacing,
            orientation,
            pixels.photometric_interpretation,
        )
        found.setdefault(key, []).append(plane)
    return [_Group(key, tuple(found[key])) for key in sorted(found)]


def _cluster(
    values: Sequence[tuple[float, ...]], is_same: Callable[[tuple[float, ...], tuple[float, ...]], bool]
) -> list[int]:
    """Number values so that those alike have one number; the order of ``values`` does not matter."""
    numbers: dict[tuple[float, ...], int] = {}
    seeds: list[tuple[float, ...]] = []
    for value in sorted(set(values)):
        number = next((index for index, seed in enumerate(seeds) if is_same(seed, value)), len(seeds))
        if number == len(seeds):
            seeds.append(value)
        numbers[value] = number
    return [numbers[value] + 1 for value in values]


def _is_same_spacing(one: tuple[float, ...], other: tuple[float, ...]) -> bool:
    return all(abs(a - b) <= _SPACING * max(abs(a), abs(b)) for a, b in zip(one, other, strict=True))


def _is_same_orientation(one: tuple[float, ...], other: tuple[float, ...]) -> bool:
    return all(abs(a - b) <= _COSINE for a, b in zip(one, other, strict=True))


def _build_group(group: _Group, groups: Sequence[_Group], instances: tuple[Instance, ...]) -> list[Stack]:
    """Split a group into volumes and make a stack of each."""
    axes = mean_axes(group.planes)
    names = _name_group(group, groups)
    if axes is None:
        return [_build_stack(group.planes, None, instances, names)]
    placed = [
        Placed(plane, float(offset), instances[plane.instance].sop_instance_uid)
        for plane, offset in zip(group.planes, offsets_of(group.planes, axes), strict=True)
    ]
    parts = split(placed)
    values = _name_values(parts)
    return [
        _build_stack(
            _in_order(part),
            axes,
            instances,
            (*names, *((key, values[key, value]) for key, value in part.values.items())),
        )
        for part in parts
    ]


def _in_order(part: Part) -> tuple[Plane, ...]:
    def key(placed: Placed) -> tuple[float, str, int]:
        return placed.offset, placed.sop_instance_uid, placed.plane.frame_number or 0

    return tuple(placed.plane for placed in sorted(part.placed, key=key))


def _name_group(group: _Group, groups: Sequence[_Group]) -> tuple[tuple[str, str], ...]:
    """Give what tells a group from the others of its series, with values that are no free text."""
    named = []
    for place, name in enumerate(_GROUPING):
        values = sorted({str(each.key[place]) for each in groups})
        if len(values) > 1:
            value = group.key[place]
            named.append((name, str(value) if isinstance(value, int) else _plain(name, values, value)))
    return tuple(named)


def _name_values(parts: Sequence[Part]) -> dict[tuple[str, str], str]:
    """Give a name for each splitting value: itself where all values of its attribute are plain, else its place."""
    values: dict[str, list[str]] = {}
    for part in parts:
        for keyword, value in part.values.items():
            if value not in values.setdefault(keyword, []):
                values[keyword].append(value)
    return {
        (keyword, value): str(found.index(value) + 1) if keyword in _UNNAMED else _plain(keyword, found, value)
        for keyword, found in values.items()
        for value in found
    }


def _is_number(text: str) -> bool:
    return _NUMBER.fullmatch(text) is not None


_NAMEABLE: Final[Mapping[str, Callable[[str], bool]]] = {
    "ImageType": are_terms,
    "FrameType": are_terms,
    "ContrastBolusAgentPhase": are_terms,
    "PhotometricInterpretation": _PHOTOMETRIC.__contains__,
    "SOPClass": lambda text: is_uid(text) or text in IMAGE_STORAGE.values(),
}


def _plain(keyword: str, values: Sequence[str], value: str) -> str:
    """Give a value as it may stand in a name, or its place among all values if one of them may not.

    Free text may not: only numbers, UIDs and defined terms do.
    """
    texts = [each.replace("\\", "-").replace(" ", "_") or "absent" for each in values]
    is_known = _NAMEABLE.get(keyword, _is_number)
    if len(set(texts)) == len(texts) and all(not each or is_known(each) for each in values):
        return texts[values.index(value)]
    return str(values.index(value) + 1)


def _build_stack(
    planes: tuple[Plane, ...],
    axes: Axes | None,
    instances: tuple[Instance, ...],
    splitting: tuple[tuple[str, str], ...],
) -> Stack:
    """Make a stack of planes that are sorted along the normal."""
    spacing = _spacing_of(planes, axes)
    used = _instances_of(planes, instances)
    defects = [*find_geometry_defects(planes, axes, spacing), *_frame_defects(used), *find_pixel_defects(used, planes)]
    return Stack(
        header=_header_of(planes, instances),
        instances=instances,
        planes=planes,
        split=splitting,
        spacing=spacing,
        normal=None if axes is None else _vector(axes.normal),
        defects=tuple(defects),
        notes=_notes_of(splitting),
    )


def _build_lost(planes: Sequence[Plane], instances: tuple[Instance, ...]) -> Stack:
    """Make a stack of planes of which no position is known, in order of Instance Number and UID."""
    ordered = sorted(
        planes, key=lambda plane: (plane.instance_number is None, plane.instance_number or 0, plane.instance)
    )
    used = _instances_of(ordered, instances)
    has_pixels = any(instance.pixels.has_pixel_data for instance in used)
    return Stack(
        header=_header_of(ordered, instances),
        instances=instances,
        planes=tuple(ordered),
        split=(),
        spacing=None,
        normal=None,
        defects=(*(_lost_defects(ordered) if has_pixels else []), *find_pixel_defects(used, ordered)),
        notes=(),
    )


def _spacing_of(planes: Sequence[Plane], axes: Axes | None) -> Vector | None:
    pixel_spacing = planes[0].pixel_spacing
    gap = None if axes is None else gap_of(offsets_of(planes, axes))
    if gap is None or pixel_spacing is None:
        return None
    return gap, *pixel_spacing


def _vector(point: npt.NDArray[np.float64]) -> Vector:
    return float(point[0]), float(point[1]), float(point[2])


def _instances_of(planes: Sequence[Plane], instances: Sequence[Instance]) -> list[Instance]:
    return [instances[index] for index in sorted({plane.instance for plane in planes})]


def _header_of(planes: Sequence[Plane], instances: Sequence[Instance]) -> SeriesHeader:
    """Give the header of the planes' first instance, with the frame's own type and echo where it has them."""
    first = min(planes, key=lambda plane: (plane.instance, plane.frame_number or 0))
    header = instances[first.instance].header
    frame_type = first.split.get("FrameType")
    if first.frame_number is None or not frame_type:
        return header
    echo_time = first.split.get("EchoTime")
    return replace(
        header,
        image_type=tuple(frame_type.split("\\")),
        echo_time=header.echo_time if echo_time is None else float(echo_time),
    )


def _notes_of(splitting: Sequence[tuple[str, str]]) -> tuple[Note, ...]:
    if not splitting:
        return ()
    names = ", ".join(key for key, _ in splitting)
    notes = [Note("split-series", f"The series holds several volumes; they were told apart by {names}.")]
    if RUNS in dict(splitting):
        sentence = "No attribute but the order of Instance Numbers tells the volumes of the series apart."
        notes.append(Note("split-by-instance-number", sentence))
    return tuple(notes)


def _with_defects(stack: Stack, defects: Sequence[Defect]) -> Stack:
    return replace(stack, defects=(*stack.defects, *defects)) if defects else stack


def _lost_defects(planes: Sequence[Plane]) -> list[Defect]:
    if not planes:
        return []
    sentence = (
        "Images of the series that lack Image Position, Image Orientation or Pixel Spacing: "
        f"{len(planes)}; where they belong is not known."
    )
    return [Defect("plane-without-geometry", sentence)]


def _unreadable_defects(unreadable: int) -> list[Defect]:
    if not unreadable:
        return []
    sentence = f"Files of the series that are damaged and cannot be read: {unreadable}; slices may be missing."
    return [Defect("unreadable-instance", sentence)]


def _uid_defects(instances: Sequence[Instance]) -> list[Defect]:
    """Find objects that no result could refer to, or whose kind is not known: they may be slices of any stack."""
    lacking = {
        "Study Instance UID": sum(not instance.header.study_instance_uid for instance in instances),
        "Series Instance UID": sum(not instance.header.series_instance_uid for instance in instances),
        "SOP Class UID": sum(not instance.sop_class_uid for instance in instances),
    }
    return [
        Defect(
            "no-uid",
            f"{count} of {len(instances)} objects of the series: the {name} is missing or is not one valid UID.",
        )
        for name, count in lacking.items()
        if count
    ]


def _frame_defects(instances: Sequence[Instance]) -> list[Defect]:
    frames = {instance.header.frame_of_reference_uid for instance in instances}
    if len(frames) <= 1:
        return []
    sentence = f"The slices are in {len(frames)} frames of reference; positions of different ones cannot be compared."
    return [Defect("several-frames-of-reference", sentence)]


def _odd_defects(stack: Stack, group: _Group, groups: Sequence[_Group]) -> list[Defect]:
    """Find planes that only their size or orientation keeps out of the stack."""
    odd = [
        plane
        for other in groups
        if other is not group and other.key[0] == group.key[0] and len(other.planes) < FEWEST_SLICES
        for plane in other.planes
    ]
    count = count_continuing(stack, odd) if len(odd) < len(stack.planes) else 0
    if not count:
        return []
    sentence = (
        "Slices of another size, spacing or orientation that continue the positions of the stack: "
        f"{count}; without them it is not complete."
    )
    return [Defect("odd-slice-split-off", sentence)]
