"""Which CT lies over a PET: by frame of reference and by slices, on the real pair and on what is made of it."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from aimi.dicom import study
from aimi.dicom.header import Series, Stack, Study
from aimi.dicom.pet_cover import mark_pet_cover


@pytest.fixture(scope="module")
def pair(real_data: Callable[[str], Path]) -> Study:
    return study.read(real_data("petct_acrin_042"))


def stacks(series: tuple[Series, ...]) -> list[Stack]:
    return [stack for one in series for stack in one.stacks]


def changed(found: Study, **header: Any) -> tuple[Series, ...]:
    """Give the series, all CT stacks unmarked and with other header attributes."""
    return tuple(
        replace(
            one,
            stacks=tuple(
                replace(stack, header=replace(stack.header, **header), covers_pet=False)
                if stack.header.modality == "CT"
                else stack
                for stack in one.stacks
            ),
        )
        for one in found.series
    )


def test_real_attenuation_ct_covers_its_pet(pair: Study) -> None:
    marked = {stack.header.series_number for stack in stacks(pair.series) if stack.covers_pet}
    assert 2 in marked
    assert all(stack.header.modality == "CT" for stack in stacks(pair.series) if stack.covers_pet)
    assert mark_pet_cover(changed(pair)) == pair.series


def test_ct_of_another_frame_or_without_one_covers_no_pet(pair: Study) -> None:
    for frame in ("1.2.3", None):
        marked = mark_pet_cover(changed(pair, frame_of_reference_uid=frame))
        assert not any(stack.covers_pet for stack in stacks(marked))


def test_short_ct_in_the_frame_of_the_pet_does_not_cover_it(pair: Study) -> None:
    short = tuple(
        replace(
            one, stacks=tuple(replace(stack, planes=stack.planes[: len(stack.planes) // 2]) for stack in one.stacks)
        )
        if one.header.modality == "CT"
        else one
        for one in changed(pair)
    )
    assert not any(stack.covers_pet for stack in stacks(mark_pet_cover(short)))


def test_study_without_pet_stays_as_it_is(real_data: Callable[[str], Path]) -> None:
    found = study.read(real_data("ct_abdomen_crlm_1004"))
    assert mark_pet_cover(found.series) is found.series
