"""Tests and preferences on CT stacks: reconstruction kernel, attenuation CT, coverage."""

import re
from collections.abc import Mapping
from enum import IntEnum
from types import MappingProxyType

from aimi.dicom.body_parts import regions_in_text
from aimi.dicom.header import SeriesHeader, Stack
from aimi.dicom.selection import Outcome, Preference, Test
from aimi.dicom.words import names, vocabulary

__all__ = [
    "Kernel",
    "diagnostic_first",
    "kernel_of",
    "no_attenuation_ct",
    "sharp_kernel_first",
    "soft_kernel_first",
    "whole_lungs",
]

# --- kernel ---


class Kernel(IntEnum):
    """How sharp a reconstruction is."""

    SOFT = 0
    UNKNOWN = 1
    SHARP = 2


_KERNELS: Mapping[str, Kernel] = MappingProxyType(
    dict.fromkeys(vocabulary("soft standard stnd std smooth chst a b c ua ub"), Kernel.SOFT)
    | dict.fromkeys(
        vocabulary("lung bone boneplus detail edge ultra sharp d e l ya yb yc yd ye hd uc eb ec"), Kernel.SHARP
    )
)
"""GE's names, Philips' letters (A smooth to E sharp, L lung, Y high resolution)."""

_SIEMENS = re.compile(r"^[a-z]+(\d{2})")
_CANON = re.compile(r"^fc(\d{2})")
SIEMENS_SHARP = 50
CANON_SHARP = 30
_SHARP_WORDS = vocabulary("lung lungs lunge bone bones knochen sharp edge detail hrct highres os osso hueso bot")
_SOFT_WORDS = vocabulary("soft std standard smooth weichteil mediastinum mediastinal stnd st")


def kernel_of(header: SeriesHeader) -> Kernel:
    """Give how sharp the Convolution Kernel (0018,1210) is; words of the description where it is unknown."""
    for value in header.convolution_kernel:
        found = _kernel_by_name(value)
        if found is not Kernel.UNKNOWN:
            return found
    if names(header.series_description, _SOFT_WORDS):
        return Kernel.SOFT
    return Kernel.SHARP if names(header.series_description, _SHARP_WORDS) else Kernel.UNKNOWN


def _kernel_by_name(value: str) -> Kernel:
    name = value.strip().casefold()
    if name in _KERNELS:
        return _KERNELS[name]
    canon = _CANON.match(name)
    if canon:
        return Kernel.SHARP if int(canon[1]) >= CANON_SHARP else Kernel.SOFT
    siemens = _SIEMENS.match(name)
    if siemens:
        return Kernel.SHARP if int(siemens[1]) >= SIEMENS_SHARP else Kernel.SOFT
    return Kernel.UNKNOWN


def soft_kernel_first() -> Preference:
    """Prefer a soft-tissue kernel before an unknown one before a sharp one."""
    return Preference("a soft-tissue kernel", lambda stack: kernel_of(stack.header))


def sharp_kernel_first() -> Preference:
    """Prefer a lung (sharp) kernel before an unknown one before a soft one."""
    return Preference("a lung kernel", lambda stack: -kernel_of(stack.header))


# --- attenuation CT, lungs ---

_ATTENUATION_WORDS = vocabulary(
    "ctac acct ct_ac ac_ct attenuation atten attn ct_slices wb wholebody whole_body pet petct fusion"
)
"""As in the published pairs: CTAC, "SLICES, FUSION", WB. "Low dose" is none of them: so are screening CTs of lungs."""


def is_attenuation_ct(stack: Stack) -> bool:
    """Tell whether a CT was made to correct a PET's attenuation: by words, or by its place and a kernel not sharp."""
    is_sharp = kernel_of(stack.header) is Kernel.SHARP
    return _is_named_attenuation_ct(stack.header) or (stack.covers_pet and not is_sharp)


def _is_named_attenuation_ct(header: SeriesHeader) -> bool:
    """Tell whether words say that a CT was made to correct a PET's attenuation.

    The description counts first. The protocol is that of the whole session, which may hold a diagnostic CT of the
    chest: it says nothing of a sharp kernel, or where the description names a region of its own.
    """
    if names(header.series_description, _ATTENUATION_WORDS):
        return True
    if kernel_of(header) is Kernel.SHARP or regions_in_text(header.series_description):
        return False
    return names(header.protocol_name, _ATTENUATION_WORDS)


def no_attenuation_ct() -> Test:
    """Note a CT that was made for a PET: it passes, behind a diagnostic one."""

    def judge(stack: Stack) -> tuple[Outcome, str]:
        if _is_named_attenuation_ct(stack.header):
            return Outcome.UNKNOWN, "It is the attenuation CT of a PET: low dose, free breathing."
        if is_attenuation_ct(stack):
            return Outcome.UNKNOWN, "It covers a PET in its frame of reference: it may be the CT for its attenuation."
        return Outcome.PASS, "It is not known as the attenuation CT of a PET."

    return Test("diagnostic CT", judge)


def diagnostic_first() -> Preference:
    """Take a CT that was made for a PET only where no other one suits."""
    return Preference("a diagnostic CT", is_attenuation_ct, decides=True)


LUNG_EXTENT, LUNG_WIDTH = 220.0, 240.0
"""Shortest stack and narrowest field of view that can hold the lungs of an adult, mm."""


def whole_lungs() -> Test:
    """Note a stack that is too short, or too narrow, to hold whole lungs."""

    def judge(stack: Stack) -> tuple[Outcome, str]:
        if stack.spacing is None:
            return Outcome.UNKNOWN, "Its extent is not known, the lungs may be cut."
        extent = stack.spacing[0] * len(stack.planes)
        if extent < LUNG_EXTENT:
            return Outcome.UNKNOWN, f"It is {extent:.0f} mm long: the lungs are cut."
        pixels = stack.instances[stack.planes[0].instance].pixels
        width = min(pixels.rows * stack.spacing[1], pixels.columns * stack.spacing[2])
        if width < LUNG_WIDTH:
            return Outcome.UNKNOWN, f"Its field of view is {width:.0f} mm wide: the lungs are cut."
        return Outcome.PASS, f"It is {extent:.0f} mm long, enough for whole lungs."

    return Test("whole lungs", judge)
