"""Which tumors stay on PET/CT of the breast: the cases of the original's own run, and the paper with a breast."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from aimi.dicom import pairing, selection, study
from aimi.image import Image
from aimi.models.catalogue import DEMO_BREAST_REGION, TASK762_PET_CT
from aimi.models.totalsegmentator_classes import ANATOMY
from aimi.tasks.breast import BREAST, breast_region, closed_in_sagittal_planes
from aimi.tasks.task import REGION
from tests.tasks.grids import on_grid

SHAPE = (60, 80, 80)
TUMOR_LABEL = 9
LUNG, LIVER, KIDNEY = 15, 5, 2
FRONT = np.s_[28:58, 5:35, 10:70]
"""The breasts: a box in front of the lungs."""


def organs(*further: Any, lungs: bool = True) -> np.ndarray:
    region = np.zeros(SHAPE, np.uint8)
    if lungs:
        region[30:58, 40:70, 15:65] = LUNG
    for where, number in further:
        region[where] = number
    return region


def kept(rules: str, boxes: list[Any], region: np.ndarray) -> tuple[int, ...]:
    """Give how many voxels of each box stay tumor."""
    tumors = np.zeros(SHAPE, np.uint8)
    for one in boxes:
        tumors[one] = TUMOR_LABEL
    labels = {TASK762_PET_CT.name: on_grid(tumors), REGION: on_grid(region)}
    ct = np.zeros(SHAPE, np.int16)
    ct[0, 0, 0] = -1000
    image = Image(labels[REGION].volume.with_array(ct), "HU", None)
    segments = BREAST.clean_ups[rules](labels, {"ct": image}).labels
    return tuple(int(segments[one].sum()) for one in boxes)


def two_organs(axis: int, gap: int) -> np.ndarray:
    """Give two organs of 10 voxels with a gap along an axis, about the array's middle."""
    region = np.zeros(SHAPE, np.uint8)
    first, second = [slice(25, 35), slice(30, 50), slice(30, 50)], [slice(25, 35), slice(30, 50), slice(30, 50)]
    first[axis], second[axis] = slice(20, 30), slice(30 + gap, 40 + gap)
    region[tuple(first)] = region[tuple(second)] = LUNG
    return region


RIGHT_KIDNEY = (np.s_[10:20, 45:60, 15:30], KIDNEY)
IN_FRONT = np.s_[40:45, 20:25, 30:35]
IN_GAP_Y = np.s_[28:31, 32:35, 38:41]
IN_GAP_X = np.s_[28:31, 38:41, 32:35]
BEHIND = np.s_[12:17, 60:65, 50:55]
BEFORE = np.s_[12:17, 30:35, 50:55]
ABOVE = np.s_[19:24, 60:65, 50:55]
BEHIND_LIVER = np.s_[12:17, 60:65, 50:55]
LARGE, MIDDLE, SMALL = np.s_[40:45, 10:15, 15:20], np.s_[40:44, 10:14, 30:34], np.s_[40:43, 10:13, 50:53]
TWENTY, TWENTY_ONE = np.s_[40:42, 10:12, 30:35], np.s_[40:41, 10:13, 50:57]


@pytest.mark.parametrize(
    ("boxes", "region", "expected"),
    [
        ([IN_FRONT], organs(), (125,)),  # B1
        ([np.s_[40:45, 50:55, 30:35]], organs(), (0,)),  # B2
        ([IN_GAP_Y], two_organs(1, 8), (0,)),  # B3
        ([np.s_[28:31, 36:39, 38:41]], two_organs(1, 16), (27,)),  # B3
        ([IN_GAP_X], two_organs(2, 8), (27,)),  # B4
        ([BEHIND], organs(RIGHT_KIDNEY), (0,)),  # B5
        ([BEFORE], organs(RIGHT_KIDNEY), (125,)),  # B6
        ([ABOVE], organs(RIGHT_KIDNEY), (125,)),  # B7
        ([BEHIND_LIVER], organs((np.s_[10:20, 45:60, 15:30], LIVER)), (125,)),  # B8
        ([np.s_[0:3, 10:15, 30:35]], organs(), (0,)),  # B9
        ([np.s_[1:6, 10:15, 30:35]], organs(), (75,)),  # B9
        ([LARGE, MIDDLE, SMALL], organs(), (125, 64, 0)),  # B10
        ([LARGE, TWENTY], organs(), (125, 0)),  # B11
        ([LARGE, TWENTY_ONE], organs(), (125, 21)),  # B11
    ],
)
def test_case_of_the_published_code_and_the_port(boxes: list[Any], region: np.ndarray, expected: Any) -> None:
    assert [kept(rules, boxes, region) for rules in ("published-code", "mhub")] == [expected, expected]


@pytest.mark.parametrize("rules", ["published-code", "mhub"])
@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("lung_upper_lobe_right", 0),
        ("heart", 0),  # for the five parts that version 1 has
        ("lung", 0),
        ("lung_left", 0),
        ("lung_right", 0),
        ("kidney", 0),
        ("sternum", 125),  # version 2 alone has it
        ("spinal_cord", 125),
        ("breast", 125),
    ],
)
def test_classes_of_version_1_and_their_unions_are_the_published_body(rules: str, name: str, expected: int) -> None:
    region = organs((np.s_[35:50, 15:30, 25:40], ANATOMY[name]), lungs=False)
    assert kept(rules, [IN_FRONT], region) == (expected,)
    assert BREAST.region is not None
    assert (ANATOMY[name] in BREAST.region.required[rules]) == (expected == 0)


def test_the_demo_model_shows_lungs_heart_liver_and_spleen_as_the_published_body() -> None:
    names = [name for name in DEMO_BREAST_REGION.labels if name != "breast"]
    columns = {name: 10 * place for place, name in enumerate(names, start=1)}
    region = organs(*((np.s_[35:50, 15:30, i : i + 10], ANATOMY[name]) for name, i in columns.items()), lungs=False)
    inside = [np.s_[40:45, 20:25, i + 3 : i + 7] for i in columns.values()]
    assert (len(inside), kept("published-code", inside, region)) == (4, (0, 0, 0, 0))


def test_kidneys_without_sides_have_a_front_edge() -> None:
    region = organs((np.s_[10:20, 45:60, 15:30], ANATOMY["kidney"]))
    assert kept("published-code", [BEHIND, BEFORE], region) == (0, 125)


BREASTS = (FRONT, ANATOMY["breast"])


def with_breasts(region: np.ndarray, breasts: Any) -> np.ndarray:
    """Give a region with breasts where it holds nothing yet."""
    shown = region.copy()
    shown[breasts] = np.where(region[breasts] > 0, region[breasts], ANATOMY["breast"])
    return shown


FAR_IN_FRONT = np.s_[28:58, 5:25, 10:70]  # with 5 mm more it ends at y 29
LESS_IN_FRONT = np.s_[28:58, 5:34, 10:70]  # with 5 mm more it ends at y 38
BEHIND_LIVER_TOO = np.s_[10:20, 56:70, 45:60]
LIVER_BELOW = organs((np.s_[10:20, 45:60, 15:30], LIVER))


@pytest.mark.parametrize(
    ("boxes", "region", "expected"),
    [
        ([IN_FRONT], organs(BREASTS), (125,)),  # B1
        ([np.s_[40:45, 50:55, 30:35]], organs(BREASTS), (0,)),  # B2
        ([IN_FRONT], organs(BREASTS, (np.s_[39:46, 19:26, 29:36], ANATOMY["heart"])), (0,)),  # B2, inside both
        ([IN_GAP_Y], with_breasts(two_organs(1, 8), FRONT), (27,)),  # B3: y 32 to 34, the breasts end at 34
        ([IN_GAP_Y], with_breasts(two_organs(1, 8), FAR_IN_FRONT), (0,)),  # B3: 3 voxels beyond the margin
        ([np.s_[28:31, 36:39, 38:41]], with_breasts(two_organs(1, 16), FRONT), (27,)),  # B3: within 5 mm
        ([np.s_[28:31, 36:39, 38:41]], with_breasts(two_organs(1, 16), FAR_IN_FRONT), (0,)),  # B3
        ([IN_GAP_X], with_breasts(two_organs(2, 8), FRONT), (27,)),  # B4: two of its three layers (y 38, 39, 40)
        ([IN_GAP_X], with_breasts(two_organs(2, 8), LESS_IN_FRONT), (0,)),  # B4: one of them
        ([BEHIND], organs(BREASTS, RIGHT_KIDNEY), (0,)),  # B5
        ([BEFORE], organs(BREASTS, RIGHT_KIDNEY), (0,)),  # B6: below the breasts
        ([ABOVE], organs(BREASTS, RIGHT_KIDNEY), (0,)),  # B7
        ([BEHIND_LIVER], with_breasts(LIVER_BELOW, FRONT), (0,)),  # B8: it lies in no breast
        ([BEHIND_LIVER], with_breasts(LIVER_BELOW, BEHIND_LIVER_TOO), (125,)),  # B8: the liver's front is no rule
        ([np.s_[0:3, 10:15, 30:35]], organs((np.s_[0:20, 5:35, 10:70], ANATOMY["breast"])), (75,)),  # B9
        ([LARGE, MIDDLE, SMALL], organs(BREASTS), (125, 64, 27)),  # B10
        ([LARGE, TWENTY, TWENTY_ONE], organs(BREASTS), (125, 20, 21)),  # B11
        ([np.s_[40:44, 37:41, 30:34]], organs(BREASTS, lungs=False), (64,)),  # 3 of 4 layers within 5 mm
        ([np.s_[40:44, 38:42, 30:34]], organs(BREASTS, lungs=False), (64,)),  # half of it
        ([np.s_[40:44, 39:43, 30:34]], organs(BREASTS, lungs=False), (0,)),
        ([IN_FRONT], organs(), (0,)),  # no breast in the region
    ],
)
def test_case_of_the_paper_with_breasts(boxes: list[Any], region: np.ndarray, expected: Any) -> None:
    assert kept("paper", boxes, region) == expected


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_the_body_is_closed_as_by_five_passes_in_each_sagittal_plane(seed: int) -> None:
    chance = np.random.default_rng(seed)
    body = chance.random((25, 27, 6)) < 0.004
    square = np.ones((3, 3), bool)
    expected = np.stack(
        [
            ndimage.binary_erosion(ndimage.binary_dilation(plane, square, 5), square, 5, border_value=1)
            for plane in np.moveaxis(body, 2, 0)
        ],
        axis=2,
    )
    np.testing.assert_array_equal(closed_in_sagittal_planes(body), expected)


def test_the_breast_region_reaches_5_mm_beyond_the_breasts_on_any_grid() -> None:
    region = np.zeros((9, 9, 9), np.uint8)
    region[4, 4, 4] = ANATOMY["breast"]
    found = breast_region(on_grid(region, (5.0, 2.5, 6.0)))
    assert [int(found.any(axis=axes).sum()) for axes in ((1, 2), (0, 2), (0, 1))] == [3, 5, 1]


def test_acrin_is_taken_with_the_published_pair(real_data: Callable[[str], Path]) -> None:
    found = study.read(real_data("petct_acrin_042"))
    chosen = selection.require_sound(pairing.choose(found, BREAST.rules, BREAST.pair))
    assert [chosen.stacks[role].header.series_description for role in ("pet", "ct")] == ["PET AC", "CT IMAGES"]
    (note,) = selection.notes(chosen)
    assert "It names the chest. The patient is male." in note.sentence
