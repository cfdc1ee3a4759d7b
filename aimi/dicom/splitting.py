"""Telling the volumes of one series apart when they have one geometry (DECISIONS 1.3).

Images at one position, or images whose positions interleave, belong to different volumes: echoes, b-values,
phases, frame types. They are told apart by the first attribute, else the first pair of attributes, that
leaves no position twice in a part; by runs of Instance Number when no attribute does.

Attributes that differ from image to image, as times do, leave parts of one image each, which is no
explanation: a split that leaves mostly single images is none.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations, pairwise
from typing import Final

import numpy as np

from aimi.dicom.geometry import SAME_POSITION, are_unique, is_regular
from aimi.dicom.header import Plane
from aimi.dicom.parsing import SPLITTING_ATTRIBUTES

__all__ = ["RUNS", "Part", "Placed", "split"]

RUNS: Final = "InstanceNumberRun"
"""The name under which a split by runs of Instance Number is reported."""
# These differ between images of one volume: they explain repeated positions, but not interleaved ones.
_TIMES: Final = frozenset(["AcquisitionDateTime", "ContentTime"])
_FEWEST_OF_A_GRID: Final = 3


@dataclass(frozen=True, slots=True)
class Placed:
    """A plane, its offset along the normal of its stack (mm), and its instance's UID, which settles ties."""

    plane: Plane
    offset: float
    sop_instance_uid: str


@dataclass(frozen=True, slots=True)
class Part:
    """Planes of one volume, and the raw values of the attributes that tell it from its neighbours."""

    placed: tuple[Placed, ...]
    values: Mapping[str, str]


def split(placed: Sequence[Placed]) -> list[Part]:
    """Give the parts of planes of one geometry, in order of their splitting values.

    If positions repeat and nothing tells the planes apart, they stay one part.
    """
    part = Part(tuple(placed), {})
    found = _split_repeats(part) if not _is_unique(part) else _split_overlaps(part)
    if len(found) == 1:
        return found
    return [replace(inner, values={**outer.values, **inner.values}) for outer in found for inner in split(outer.placed)]


def _is_unique(part: Part) -> bool:
    return are_unique(np.array([placed.offset for placed in part.placed]))


def _split_repeats(part: Part) -> list[Part]:
    for keywords in _choices(part):
        parts = _partition(part, keywords)
        singles = sum(len(inner.placed) == 1 for inner in parts)
        if 2 * singles <= len(parts) and all(map(_is_unique, parts)):
            return parts
    return _split_by_runs(part)


def _choices(part: Part) -> Iterator[tuple[str, ...]]:
    """Give the attributes that differ within the part, one by one and then in pairs."""
    varying = _varying(part)
    yield from ((keyword,) for keyword in varying)
    yield from combinations(varying, 2)


def _varying(part: Part) -> list[str]:
    return [
        keyword
        for keyword in SPLITTING_ATTRIBUTES
        if len({placed.plane.split.get(keyword, "") for placed in part.placed}) > 1
    ]


def _partition(part: Part, keywords: Sequence[str]) -> list[Part]:
    found: dict[tuple[str, ...], list[Placed]] = {}
    for placed in part.placed:
        key = tuple(placed.plane.split.get(keyword, "") for keyword in keywords)
        found.setdefault(key, []).append(placed)
    return [Part(tuple(found[key]), dict(zip(keywords, key, strict=True))) for key in sorted(found, key=_numbers_first)]


def _numbers_first(key: tuple[str, ...]) -> list[tuple[bool, float, str]]:
    """Order values that are numbers by value, and the rest as text after them."""
    return [(False, float(text), "") if _is_number(text) else (True, 0.0, text) for text in key]


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _split_by_runs(part: Part) -> list[Part]:
    """Split where Instance Number goes through all positions several times, each time in one order."""
    numbers = [(placed.plane.instance_number, placed.plane.frame_number or 0) for placed in part.placed]
    if None in {number for number, _ in numbers} or len(set(numbers)) < len(numbers):
        return [part]
    ordered = sorted(
        part.placed, key=lambda placed: (placed.plane.instance_number or 0, placed.plane.frame_number or 0)
    )
    positions = _position_numbers(ordered)
    length = len(set(positions))
    runs = [positions[start : start + length] for start in range(0, len(positions), length)]
    if length == 1 or any(run != runs[0] for run in runs) or len(set(runs[0])) < length:
        return [part]
    return [
        Part(tuple(ordered[index * length : (index + 1) * length]), {RUNS: str(index + 1)})
        for index in range(len(runs))
    ]


def _position_numbers(placed: Sequence[Placed]) -> list[int]:
    """Number the positions of planes along the normal; planes at one position have one number."""
    offsets = np.array([each.offset for each in placed])
    order = np.argsort(offsets, kind="stable")
    ranks = np.concatenate([[0], np.cumsum(np.diff(offsets[order]) >= SAME_POSITION)])
    numbers = np.empty(len(offsets), np.int64)
    numbers[order] = ranks
    return [int(number) for number in numbers]


def _split_overlaps(part: Part) -> list[Part]:
    """Split volumes that interleave without sharing a position, such as phases offset by half a gap."""
    for keyword in _varying(part):
        if keyword in _TIMES:
            continue
        parts = _partition(part, (keyword,))
        if all(map(_is_grid, parts)) and _do_overlap(parts):
            return parts
    return [part]


def _is_grid(part: Part) -> bool:
    return len(part.placed) >= _FEWEST_OF_A_GRID and is_regular(np.array([placed.offset for placed in part.placed]))


def _do_overlap(parts: Sequence[Part]) -> bool:
    ranges = sorted(
        (min(placed.offset for placed in part.placed), max(placed.offset for placed in part.placed)) for part in parts
    )
    return any(start < end for (_, end), (start, _) in pairwise(ranges))
