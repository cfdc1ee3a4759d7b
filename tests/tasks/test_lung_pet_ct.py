"""Which tumors stay on PET/CT of the lungs: the cases of three rule sets, each number from the original's own run."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aimi import regions
from aimi.dicom import pairing, selection, study
from aimi.dicom.selection import NothingSuitableError
from aimi.image import Image, LabelMap
from aimi.models.catalogue import TASK762_PET_CT
from aimi.models.totalsegmentator_classes import ANATOMY
from aimi.tasks.lung_pet_ct import LUNG_PET_CT, support
from aimi.tasks.task import OUTSIDE, REGION
from tests.tasks.grids import on_grid

SHAPE = (40, 60, 60)
TUMOR_LABEL = 9
RIGHT, LEFT = 15, 13
Box = tuple[slice, slice, slice]
ACRIN = "1.3.6.1.4.1.14519.5.2.1.7009.2403."


def box(k: int, j: int, i: int, size: int = 3) -> Box:
    return np.s_[k : k + size, j : j + size, i : i + size]


def lungs() -> np.ndarray:
    region = np.zeros(SHAPE, np.uint8)
    region[10:30, 15:45, 5:25] = RIGHT
    region[10:30, 15:45, 35:55] = LEFT
    return region


def ct_with_a_dark_corner() -> np.ndarray:
    ct = np.zeros(SHAPE, np.int16)
    ct[0, 0, 0] = -1000
    return ct


def run(
    rules: str,
    boxes: list[Any],
    region: np.ndarray | None = None,
    ct: np.ndarray | None = None,
    outside: np.ndarray | None = None,
) -> np.ndarray:
    """Give the segments of a map with a tumor in each box."""
    tumors = np.zeros(SHAPE, np.uint8)
    for one in boxes:
        tumors[one] = TUMOR_LABEL
    labels = {TASK762_PET_CT.name: on_grid(tumors), REGION: on_grid(lungs() if region is None else region)}
    if outside is not None:
        labels[OUTSIDE] = on_grid(outside)
    image = Image(labels[REGION].volume.with_array(ct_with_a_dark_corner() if ct is None else ct), "HU", None)
    return LUNG_PET_CT.clean_ups[rules](labels, {"ct": image}).labels


def kept(rules: str, boxes: list[Any], **more: Any) -> tuple[int, ...]:
    """Give how many voxels of each box stay tumor."""
    segments = run(rules, boxes, **more)
    return tuple(int((segments[one] == 2).sum()) for one in boxes)


INSIDE_RIGHT = box(15, 25, 10)
TOUCHING_RIGHT = box(15, 25, 25, 5)
BETWEEN = box(15, 25, 29)  # 4 voxels off the right lung, 3 off the left
ABDOMEN = box(2, 25, 27, 6)
SMALL_AT_LEFT = box(15, 25, 33, 2)
SECOND_AT_RIGHT = box(22, 25, 25, 4)
EIGHT_RIGHT, EIGHT_LEFT = box(12, 20, 10, 8), box(12, 20, 40, 8)
TWENTY = np.s_[1:3, 2:4, 2:7]
TWENTY_ONE = np.s_[1:2, 2:5, 2:9]
ACROSS = box(15, 25, 21, 8)


@pytest.mark.parametrize(
    ("boxes", "paper", "published", "mhub"),
    [
        ([INSIDE_RIGHT], (27,), (27,), (27,)),  # L1
        ([TOUCHING_RIGHT], (125,), (125,), (125,)),  # L2
        ([BETWEEN], (0,), (27,), (0,)),  # L3
        ([ABDOMEN], (0,), (216,), (0,)),  # L4
        ([SMALL_AT_LEFT], (8,), (0,), (8,)),  # L5
        ([TOUCHING_RIGHT, ABDOMEN], (125, 0), (0, 216), (125, 0)),  # L6
        ([TOUCHING_RIGHT, SECOND_AT_RIGHT], (125, 64), (125, 0), (125, 64)),  # L7
        ([EIGHT_RIGHT, EIGHT_LEFT, TOUCHING_RIGHT], (512, 512, 125), (512, 512, 0), (512, 512, 125)),  # L8
        ([EIGHT_RIGHT, TOUCHING_RIGHT], (512, 125), (512, 125), (512, 125)),  # L9
        ([TWENTY], (0,), (0,), (0,)),  # L11
        ([TWENTY_ONE], (0,), (21,), (0,)),  # L11
        ([ACROSS], (512,), (512,), (512,)),  # L14
    ],
)
def test_case_of_the_table(boxes: list[Box], paper: Any, published: Any, mhub: Any) -> None:
    found = [kept(rules, boxes) for rules in ("paper", "published-code", "mhub")]
    assert found == [paper, published, mhub]


@pytest.mark.parametrize(("rules", "expected"), [("paper", 125), ("published-code", 0), ("mhub", 125)])
def test_l10_lungs_cut_in_two_take_both_places(rules: str, expected: int) -> None:
    region = lungs()
    region[19:21] = 0
    assert kept(rules, [TOUCHING_RIGHT], region=region) == (expected,)


@pytest.mark.parametrize(("rules", "expected"), [("paper", 27), ("published-code", 0), ("mhub", 0)])
def test_l12_inside_the_lung_where_the_ct_has_its_minimum(rules: str, expected: int) -> None:
    ct = ct_with_a_dark_corner()
    ct[INSIDE_RIGHT] = -1000
    segments = run(rules, [INSIDE_RIGHT], ct=ct)
    assert (segments[INSIDE_RIGHT] == 2).sum() == expected
    assert (segments[INSIDE_RIGHT] > 0).sum() == expected


@pytest.mark.parametrize(("rules", "expected"), [("paper", 24_000), ("published-code", 24_027), ("mhub", 24_000)])
def test_l15_small_extra_pieces_of_a_lung(rules: str, expected: int) -> None:
    region = lungs()
    region[box(32, 2, 2)] = RIGHT
    region[box(32, 52, 2)] = RIGHT
    assert (run(rules, [], region=region) == 1).sum() == expected


def test_a_further_piece_of_a_lung_of_1_ml_is_a_lung_by_paper() -> None:
    region = lungs()
    region[box(0, 2, 2, 10)] = RIGHT  # 1000 voxels of 1 mm3
    assert kept("paper", [box(3, 2, 12)], region=region) == (27,)


def test_a_tumor_in_a_cavity_of_the_lung_touches_it() -> None:
    region = lungs()
    region[12:26, 18:40, 8:22] = 0
    assert kept("paper", [box(18, 28, 14)], region=region) == (27,)


def test_where_there_is_no_ct_nothing_is_annotated() -> None:
    outside = np.zeros(SHAPE, np.uint8)
    outside[:, :, 27:] = 1
    assert kept("paper", [TOUCHING_RIGHT], outside=outside) == (50,)


def test_lungs_without_sides_are_the_two_largest_pieces() -> None:
    region = np.where(lungs() > 0, np.uint8(ANATOMY["lung"]), np.uint8(0))
    region[box(32, 2, 2)] = ANATOMY["lung"]
    segments = run("paper", [TOUCHING_RIGHT, box(32, 2, 5)], region=region)
    assert ((segments == 1).sum(), (segments == 2).sum()) == (24_000, 125)


def test_the_account_says_what_went_and_why() -> None:
    tumors = np.zeros(SHAPE, np.uint8)
    tumors[TOUCHING_RIGHT] = tumors[ABDOMEN] = TUMOR_LABEL
    labels = {TASK762_PET_CT.name: on_grid(tumors), REGION: on_grid(lungs())}
    (removed,) = LUNG_PET_CT.clean_ups["paper"](labels, {}).removed
    assert (removed.voxels, removed.label, removed.reason) == (216, "FDG-avid tumor", "It does not touch the lungs.")


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_a_tumor_stays_exactly_if_it_has_a_voxel_in_the_support(seed: int) -> None:
    chance = np.random.default_rng(seed)
    region = LabelMap(on_grid(lungs()).volume, (), None)
    corner, size = chance.integers(0, 36, 3), chance.integers(1, 5, 3)
    tumor = np.zeros(SHAPE, np.bool_)
    tumor[tuple(slice(int(a), int(a + b)) for a, b in zip(corner, size, strict=True))] = True
    (found,) = regions.components(tumor, (1.0, 1.0, 1.0))
    assert bool((support(region) & tumor).any()) == regions.touches(found, lungs() > 0)


# --- selection ---


def test_acrin_gives_the_published_pair(real_data: Callable[[str], Path]) -> None:
    found = study.read(real_data("petct_acrin_042"))
    chosen = selection.require_sound(pairing.choose(found, LUNG_PET_CT.rules, LUNG_PET_CT.pair))
    row = (real_data("petct_acrin_042") / "BAMF_QA_ROW.csv").read_text().splitlines()[1].split(",")
    assert {chosen.stacks["pet"].name, chosen.stacks["ct"].name} == {row[7], row[8]}


def test_scout_uncorrected_pet_and_reports_are_never_chosen(real_data: Callable[[str], Path]) -> None:
    found = study.read(real_data("petct_acrin_042"))
    (chosen,) = pairing.choose(found, LUNG_PET_CT.rules, LUNG_PET_CT.pair)
    failed = {one.stack.header.series_description: {f.test for f in one.failures} for one in chosen.candidates}
    assert failed["PET NAC"] == {"attenuation correction"}
    assert failed["SCOUT"] >= {"no localizer"}
    assert failed["Segmentation"] == failed["PET SUV Factors"] == {"image"}


@pytest.mark.parametrize(
    "name", ["ct_abdomen_crlm_1004", "mr_prostatex/ProstateX-0000", "mr_abdomen_cmb_crc", "ct_chest_lidc_0314"]
)
def test_a_study_without_pet_is_refused(name: str, real_data: Callable[[str], Path]) -> None:
    folder, _, rest = name.partition("/")
    with pytest.raises(NothingSuitableError, match="holds no PET"):
        pairing.choose(study.read(real_data(folder) / rest), LUNG_PET_CT.rules, LUNG_PET_CT.pair)
