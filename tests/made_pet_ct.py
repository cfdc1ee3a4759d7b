"""A made PET and CT of one study: two grids, lungs, tumors with known uptake."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from pydicom.dataset import Dataset

from tests.made import Made, write_made

SHAPE = (20, 24, 24)
PET_SPACING, CT_SPACING = (4.0, 5.0, 5.0), (2.0, 2.5, 2.5)
SOFT, LUNG, AIR = 40, 600, 0
"""HU of the CT: "lung" is dense here, for a threshold model marks what lies above a value that is not negative."""
HOT, WARM = 20000, 1000
WEIGHT_KG, DOSE_BQ, HALF_LIFE_S = 80.0, 300e6, 6586.2
DECAY_S = 3600.0
SUV_FACTOR = 1000 * WEIGHT_KG / (DOSE_BQ * 2 ** (-DECAY_S / HALF_LIFE_S))

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class MadePetCt:
    """Describe the pair.

    Indices are the PET's; a PET voxel is 2 x 2 x 2 of the CT. ``lung_hu`` goes by ``lungs``. Where ``lung_bqml`` is the
    activity of all else, lungs cannot be seen on the PET. ``ct_moved_by`` is added to the CT's positions (x, y, z).
    """

    lungs: tuple[Any, ...] = (np.s_[4:16, 6:16, 3:9], np.s_[4:16, 6:16, 14:20])
    tumors: tuple[Any, ...] = (np.s_[6:9, 8:11, 5:8], np.s_[10:13, 9:12, 9:11], np.s_[1:3, 3:5, 11:13])
    lung_hu: tuple[int, ...] = (LUNG, LUNG)
    lung_bqml: int = WARM
    ct_slices: tuple[int, int] = (0, 40)
    ct_moved_by: tuple[float, float, float] = (0.0, 0.0, 0.0)
    pet_attributes: Mapping[str, Any] = field(default_factory=dict)
    ct_attributes: Mapping[str, Any] = field(default_factory=dict)

    @property
    def lung_mask(self) -> Array:
        return self._mask(self.lungs)

    @property
    def tumor_mask(self) -> Array:
        return self._mask(self.tumors)

    @property
    def ct(self) -> Array:
        """The CT's values on its own grid, all slices."""
        values = np.full(SHAPE, SOFT, np.int16)
        for box, hu in zip(self.lungs, self.lung_hu, strict=False):
            values[box] = hu
        return values.repeat(2, 0).repeat(2, 1).repeat(2, 2)

    @staticmethod
    def _mask(boxes: tuple[Any, ...]) -> Array:
        mask = np.zeros(SHAPE, np.bool_)
        for box in boxes:
            mask[box] = True
        return mask


def tracer(**values: Any) -> Dataset:
    """Give FDG, injected an hour before the series."""
    ds = Dataset()
    ds.Radiopharmaceutical = "FDG"
    ds.RadiopharmaceuticalStartTime = "110100"
    ds.RadionuclideTotalDose = str(DOSE_BQ)
    ds.RadionuclideHalfLife = str(HALF_LIFE_S)
    for keyword, value in values.items():
        setattr(ds, keyword, value)
    return ds


def write_pet_ct(folder: Path, made: MadePetCt | None = None) -> Path:
    """Write both series into one folder and give it."""
    made = made or MadePetCt()
    pet = np.where(made.tumor_mask, HOT, np.where(made.lung_mask, made.lung_bqml, WARM)).astype(np.int16)
    attributes = {
        "SeriesDate": "20200101",
        "SeriesTime": "120100",
        "ImageType": ["ORIGINAL", "PRIMARY"],
        "PatientWeight": str(WEIGHT_KG),
        "FrameReferenceTime": "0",
        "ActualFrameDuration": "120000",
        "RadiopharmaceuticalInformationSequence": [tracer()],
        "AttenuationCorrectionMethod": "measured",
        **made.pet_attributes,
    }
    origin = (-60.0, -60.0, -100.0)
    corner = tuple(
        value + (fine - coarse) / 2 + moved
        for value, fine, coarse, moved in zip(
            origin, CT_SPACING[::-1], PET_SPACING[::-1], made.ct_moved_by, strict=True
        )
    )
    first, last = made.ct_slices
    start = first * CT_SPACING[0]
    write_made(folder / "pet", Made(pet, PET_SPACING, origin=origin, modality="PT", series=4, attributes=attributes))
    write_made(
        folder / "ct",
        Made(
            made.ct[first:last],
            CT_SPACING,
            origin=(corner[0], corner[1], corner[2] + start),
            series=3,
            attributes=made.ct_attributes,
        ),
    )
    return folder
