"""Which stored pixels a volume can be made of, as far as headers tell (DECISIONS 1.4 and 1.5)."""

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Final

from pydicom.uid import (
    JPEG2000,
    UID,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGExtended12Bit,
    JPEGLossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    JPEGLSNearLossless,
    RLELossless,
)

from aimi.dicom.header import Defect, Instance, Plane
from aimi.dicom.pixels import high_bit, is_lossy
from aimi.dicom.sop_classes import sop_class_family

__all__ = ["DECODABLE", "find_pixel_defects"]

DECODABLE: Final = frozenset(
    str(uid)
    for uid in (
        ImplicitVRLittleEndian,
        ExplicitVRLittleEndian,
        ExplicitVRBigEndian,
        DeflatedExplicitVRLittleEndian,
        RLELossless,
        JPEGBaseline8Bit,
        JPEGExtended12Bit,
        JPEGLossless,
        JPEGLosslessSV1,
        JPEGLSLossless,
        JPEGLSNearLossless,
        JPEG2000Lossless,
        JPEG2000,
    )
)
"""Transfer syntaxes whose pixels can be decoded."""

_GRAY: Final = frozenset(["MONOCHROME1", "MONOCHROME2"])
_COLORS: Final = frozenset(
    ["PALETTE COLOR", "RGB", "YBR_FULL", "YBR_FULL_422", "YBR_PARTIAL_420", "YBR_ICT", "YBR_RCT", "XYB"]
)
_BITS_ALLOCATED: Final = frozenset([8, 16, 32])
_FEWEST_CT_BITS: Final = 9
_FEWEST_LOSSY_BITS: Final = 12
_FLOAT_BITS: Final = 32


def find_pixel_defects(instances: Sequence[Instance], planes: Sequence[Plane]) -> list[Defect]:
    """Give why no volume can be made of the pixels of these instances, which hold these planes."""
    total = len(instances)
    defects = []
    for code, is_broken, sentence in _RULES:
        broken = [instance for instance in instances if is_broken(instance)]
        if broken:
            defects.append(Defect(code, f"{len(broken)} of {total} objects: {sentence(broken[0])}"))
    family = sop_class_family(instances[0].sop_class_uid) if instances else ""
    unscaled = [plane for plane in planes if plane.rescale_slope is None or plane.rescale_intercept is None]
    if family == "CT" and unscaled:
        defects.append(
            Defect(
                "ct-without-rescale",
                f"{len(unscaled)} of {len(planes)} CT slices have no Rescale Slope and Intercept; Hounsfield units "
                "are never guessed.",
            )
        )
    return defects or _number_defects(instances, planes)


def _number_defects(instances: Sequence[Instance], planes: Sequence[Plane]) -> list[Defect]:
    """Give what the numbers of a header say against reading pixels, beside the rules of what is read at all.

    Bits that do not fit their cell, loss in an image of less than 12 bits (DECISIONS 1.5), and rescale
    values that give no values or, in PET, are absent. Each kind once.
    """
    needs_rescale = any(instance.header.modality == "PT" and not instance.pixels.is_float for instance in instances)
    defects = [defect for instance in instances for defect in _depth_defects(instance)]
    defects += [defect for plane in planes for defect in _rescale_defects(plane, needs_rescale=needs_rescale)]
    return list({defect.code: defect for defect in defects}.values())


def _depth_defects(instance: Instance) -> Iterator[Defect]:
    pixels = instance.pixels
    if pixels.is_float and pixels.bits_allocated != _FLOAT_BITS:
        sentence = f"A floating point pixel is stored in {pixels.bits_allocated} bits; {_FLOAT_BITS} are read."
        yield Defect("bits-allocated", sentence)
    elif not pixels.is_float and not 0 < pixels.bits_stored <= high_bit(pixels) + 1 <= pixels.bits_allocated:
        sentence = (
            f"Bits Stored {pixels.bits_stored} and High Bit {high_bit(pixels)} do not fit Bits Allocated "
            f"{pixels.bits_allocated}."
        )
        yield Defect("bits-stored", sentence)
    if is_lossy(instance) and not pixels.is_float and pixels.bits_stored < _FEWEST_LOSSY_BITS:
        sentence = (
            f"The image was compressed with loss and holds {pixels.bits_stored} bits per pixel; with loss, "
            f"{_FEWEST_LOSSY_BITS} bits at least are accepted."
        )
        yield Defect("lossy", sentence)


def _rescale_defects(plane: Plane, *, needs_rescale: bool) -> Iterator[Defect]:
    if needs_rescale and plane.rescale_slope is None:
        yield Defect("no-rescale", "A PET slice has no Rescale Slope: its activity is unknown and is never guessed.")
    slope = 1.0 if plane.rescale_slope is None else plane.rescale_slope
    intercept = 0.0 if plane.rescale_intercept is None else plane.rescale_intercept
    if slope == 0 or not (math.isfinite(slope) and math.isfinite(intercept)):
        yield Defect("rescale", "A slice has a Rescale Slope of zero, or rescale values that are no numbers.")


def _is_ct_of_8_bits(instance: Instance) -> bool:
    return (
        sop_class_family(instance.sop_class_uid) == "CT"
        and 0 < instance.pixels.bits_stored < _FEWEST_CT_BITS
        and instance.pixels.photometric_interpretation in _GRAY
    )


def _is_mosaic(instance: Instance) -> bool:
    return "MOSAIC" in instance.header.image_type


def _syntax_name(instance: Instance) -> str:
    uid = UID(instance.pixels.transfer_syntax_uid)
    if uid.is_transfer_syntax:
        return f"{uid.name} ({uid})"
    return str(uid) if uid.is_valid else "one whose UID is invalid"


def _color_name(instance: Instance) -> str:
    name = instance.pixels.photometric_interpretation
    return name if name in _COLORS else "color"


_RULES: Final[tuple[tuple[str, Callable[[Instance], bool], Callable[[Instance], str]], ...]] = (
    (
        "pixels-absent",
        lambda instance: not instance.pixels.has_pixel_data,
        lambda _: "there are no pixels in the file.",
    ),
    (
        "no-matrix",
        lambda instance: (
            instance.pixels.has_pixel_data and not (instance.pixels.rows > 0 and instance.pixels.columns > 0)
        ),
        lambda instance: (
            f"Rows is {instance.pixels.rows} and Columns is {instance.pixels.columns}: absent or no size of an image."
        ),
    ),
    (
        "pixels-short",
        lambda instance: instance.pixels.has_pixel_data and not instance.pixels.is_whole,
        lambda _: "the file is cut off inside its pixels, or holds fewer than its header says.",
    ),
    (
        "unknown-transfer-syntax",
        lambda instance: instance.pixels.has_pixel_data and instance.pixels.transfer_syntax_uid not in DECODABLE,
        lambda instance: f"their transfer syntax cannot be decoded: {_syntax_name(instance)}.",
    ),
    (
        "color",
        lambda instance: (
            instance.pixels.has_pixel_data
            and (instance.pixels.samples_per_pixel != 1 or instance.pixels.photometric_interpretation not in _GRAY)
        ),
        lambda instance: (
            f"{_color_name(instance)} images are not read, only gray values (MONOCHROME1 and MONOCHROME2)."
        ),
    ),
    (
        "bits-allocated",
        lambda instance: (
            instance.pixels.has_pixel_data
            and not instance.pixels.is_float
            and instance.pixels.bits_allocated not in _BITS_ALLOCATED
        ),
        lambda instance: f"{instance.pixels.bits_allocated} bits are allocated for a pixel; 8, 16 and 32 are read.",
    ),
    (
        "float-pixels",
        lambda instance: instance.pixels.is_float and sop_class_family(instance.sop_class_uid) != "PT",
        lambda _: "the pixels are floating point numbers, which are read in PET only.",
    ),
    (
        "ct-of-8-bits",
        _is_ct_of_8_bits,
        lambda instance: f"CT of {instance.pixels.bits_stored} bits cannot hold Hounsfield units.",
    ),
    (
        "mosaic",
        _is_mosaic,
        lambda _: "each image is a mosaic of several slices (Image Type says MOSAIC), which is not read.",
    ),
)
