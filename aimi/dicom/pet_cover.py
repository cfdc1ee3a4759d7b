"""Which CT stacks of a study lie over one of its PETs, as the CT does that was made to correct its attenuation."""

from dataclasses import replace

from aimi.dicom.header import Series, Stack
from aimi.dicom.pairing import LEAST_COVERAGE, coverage
from aimi.dicom.sop_classes import image_modality

__all__ = ["mark_pet_cover"]


def mark_pet_cover(series: tuple[Series, ...]) -> tuple[Series, ...]:
    """Give the series of a study, with those CT stacks marked that share a PET's frame of reference and cover it."""
    pets = [stack for one in series for stack in one.stacks if _modality(stack) == "PT"]
    if not pets:
        return series
    return tuple(replace(one, stacks=tuple(_marked(stack, pets) for stack in one.stacks)) for one in series)


def _marked(stack: Stack, pets: list[Stack]) -> Stack:
    if _modality(stack) != "CT" or not any(_covers(stack, pet) for pet in pets):
        return stack
    return replace(stack, covers_pet=True)


def _covers(stack: Stack, pet: Stack) -> bool:
    frame = stack.header.frame_of_reference_uid
    return (
        bool(frame) and frame == pet.header.frame_of_reference_uid and (coverage(pet, stack) or 0.0) >= LEAST_COVERAGE
    )


def _modality(stack: Stack) -> str | None:
    return image_modality(stack.header.sop_class_uid, stack.header.modality)
