"""Which objects are images of volumes."""

import pytest
from pydicom.uid import (
    CTImageStorage,
    EnhancedCTImageStorage,
    EnhancedMRImageStorage,
    EnhancedPETImageStorage,
    LegacyConvertedEnhancedCTImageStorage,
    LegacyConvertedEnhancedMRImageStorage,
    LegacyConvertedEnhancedPETImageStorage,
    MRImageStorage,
    PositronEmissionTomographyImageStorage,
    SecondaryCaptureImageStorage,
)

from aimi.dicom.sop_classes import sop_class_family


@pytest.mark.parametrize(
    ("family", "uids"),
    [
        ("CT", [CTImageStorage, EnhancedCTImageStorage, LegacyConvertedEnhancedCTImageStorage]),
        ("MR", [MRImageStorage, EnhancedMRImageStorage, LegacyConvertedEnhancedMRImageStorage]),
        (
            "PT",
            [PositronEmissionTomographyImageStorage, EnhancedPETImageStorage, LegacyConvertedEnhancedPETImageStorage],
        ),
        (SecondaryCaptureImageStorage, [SecondaryCaptureImageStorage]),
    ],
)
def test_single_frame_enhanced_and_converted_images_are_one_family(family: str, uids: list[str]) -> None:
    assert {sop_class_family(uid) for uid in uids} == {family}
