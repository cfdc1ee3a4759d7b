from typing import Any

import pytest

from aimi.dicom import ct_criteria
from aimi.dicom.ct_criteria import Kernel
from aimi.dicom.selection import Outcome
from tests.stacks import make_header, make_stack

PASS, FAIL, UNKNOWN = Outcome.PASS, Outcome.FAIL, Outcome.UNKNOWN


@pytest.mark.parametrize(
    ("kernel", "expected"),
    [
        (("STANDARD",), Kernel.SOFT),
        (("SOFT",), Kernel.SOFT),
        (("LUNG",), Kernel.SHARP),
        (("BONEPLUS",), Kernel.SHARP),
        (("B30f",), Kernel.SOFT),
        (("B31s", "2"), Kernel.SOFT),
        (("I50f", "3"), Kernel.SHARP),
        (("Br40d",), Kernel.SOFT),
        (("Bl57d",), Kernel.SHARP),
        (("B",), Kernel.SOFT),
        (("D",), Kernel.SHARP),
        (("YC",), Kernel.SHARP),
        (("FC08",), Kernel.SOFT),
        (("FC51",), Kernel.SHARP),
        (("ZZZ",), Kernel.UNKNOWN),
        ((), Kernel.UNKNOWN),
    ],
)
def test_kernels_of_four_makers(kernel: tuple[str, ...], expected: Kernel) -> None:
    assert ct_criteria.kernel_of(make_header(convolution_kernel=kernel)) is expected


def test_words_tell_the_kernel_only_where_it_is_unknown() -> None:
    assert ct_criteria.kernel_of(make_header(series_description="LUNG 1.25")) is Kernel.SHARP
    assert ct_criteria.kernel_of(make_header(series_description="Weichteil")) is Kernel.SOFT
    assert ct_criteria.kernel_of(make_header(series_description="LUNG", convolution_kernel=("B20f",))) is Kernel.SOFT


def test_soft_and_sharp_kernels_are_preferred_in_opposite_order() -> None:
    stacks = [make_stack(convolution_kernel=(kernel,)) for kernel in ("SOFT", "ZZZ", "LUNG")]
    assert [ct_criteria.soft_kernel_first().key(stack) for stack in stacks] == [0, 1, 2]
    assert [ct_criteria.sharp_kernel_first().key(stack) for stack in stacks] == [0, -1, -2]


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ({"series_description": "CTAC 3.75"}, UNKNOWN),
        ({"series_description": "CT IMAGES", "protocol_name": "6.1 PET_CT_WBS_2D_"}, UNKNOWN),
        ({"series_description": "CT WB 5.0"}, UNKNOWN),
        ({"series_description": "CT SLICES 3.27"}, UNKNOWN),
        ({"series_description": "CT Atten Corr 3.75"}, UNKNOWN),
        ({"series_description": "CTAC LUNG", "convolution_kernel": ("LUNG",)}, UNKNOWN),
        ({"protocol_name": "PET/CT WB"}, UNKNOWN),
        ({"protocol_name": "PET/CT WB", "convolution_kernel": ("LUNG",)}, PASS),
        ({"protocol_name": "PET/CT WB", "series_description": "LUNG 1.25"}, PASS),
        ({"protocol_name": "PET/CT WB", "series_description": "Thorax 5.0", "convolution_kernel": ("B30f",)}, PASS),
        ({"series_description": "CHEST LOW DOSE"}, PASS),
        ({"series_description": "THIN SLICES"}, PASS),
        ({"series_description": "PETERSON chest"}, PASS),
        ({}, PASS),
    ],
)
def test_attenuation_ct_passes_with_a_note(header: dict[str, Any], expected: Outcome) -> None:
    stack = make_stack(**header)
    assert ct_criteria.no_attenuation_ct().judge(stack)[0] is expected
    assert ct_criteria.diagnostic_first().key(stack) == (expected is UNKNOWN)


@pytest.mark.parametrize(
    ("count", "gap", "expected", "said"),
    [
        (41, 5.0, UNKNOWN, "It is 205 mm long: the lungs are cut."),
        (80, 1.0, UNKNOWN, "It is 80 mm long: the lungs are cut."),
        (44, 5.0, PASS, "It is 220 mm long, enough for whole lungs."),
    ],
)
def test_short_stack_cuts_the_lungs(count: int, gap: float, expected: Outcome, said: str) -> None:
    assert ct_criteria.whole_lungs().judge(make_stack(count=count, spacing=(gap, 0.7, 0.7))) == (expected, said)


def test_narrow_field_of_view_cuts_the_lungs() -> None:
    spine = make_stack(count=150, spacing=(2.0, 0.35, 0.35))
    said = "Its field of view is 179 mm wide: the lungs are cut."
    assert ct_criteria.whole_lungs().judge(spine) == (UNKNOWN, said)


def test_unknown_extent_leaves_the_lungs_open() -> None:
    assert ct_criteria.whole_lungs().judge(make_stack(spacing=None))[0] is UNKNOWN
