"""The uptake of a case: sums over lesions, or volumes alone where there is no SUV."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from aimi.dicom import study, volume
from aimi.dicom.header import Stack
from aimi.image import Image, LabelMap
from aimi.uptake import CaseUptake, measure_case
from tests.made import Made, write_made
from tests.made_pet_ct import SUV_FACTOR, WEIGHT_KG, tracer


def pet_of(folder: Path, array: np.ndarray, **attributes: Any) -> tuple[Image, Stack]:
    stated = {
        "SeriesDate": "20200101",
        "SeriesTime": "120100",
        "PatientWeight": str(WEIGHT_KG),
        "FrameReferenceTime": "0",
        "RadiopharmaceuticalInformationSequence": [tracer()],
        **attributes,
    }
    made = Made(array, (4.0, 5.0, 5.0), modality="PT", attributes=stated)
    stack = study.read(write_made(folder, made)).series[0].stacks[0]
    return volume.load(stack, units="BQML"), stack


def measured(folder: Path, **attributes: Any) -> CaseUptake:
    """Measure a lesion of 8 voxels at 30000, one of 4 at 10000, and a segment that is no lesion."""
    values = np.full((10, 12, 12), 500, np.int16)
    labels = np.zeros(values.shape, np.uint8)
    for box, value, label in (
        (np.s_[4:6, 4:6, 4:6], 30000, 2),
        (np.s_[2, 8:10, 8:10], 10000, 2),
        (np.s_[7:9, 2:5, 2:5], 20000, 1),
    ):
        values[box], labels[box] = value, label
    image, stack = pet_of(folder, values, **attributes)
    return measure_case(image, stack, LabelMap(image.volume.with_array(labels), (), image.source), (2,))


def test_lesions_come_largest_first_and_sum_to_the_patient(tmp_path: Path) -> None:
    found = measured(tmp_path)
    suvs = [lesion.uptake.suv_mean for lesion in found.lesions if lesion.uptake is not None]
    assert suvs == pytest.approx([30000 * SUV_FACTOR, 10000 * SUV_FACTOR], rel=1e-5)
    assert [lesion.mtv_ml for lesion in found.lesions] == pytest.approx([0.8, 0.4])
    assert found.mtv_ml == pytest.approx(1.2)
    assert found.tlg == pytest.approx((30000 * 0.8 + 10000 * 0.4) * SUV_FACTOR, rel=1e-5)
    assert found.suv_max == pytest.approx(30000 * SUV_FACTOR, rel=1e-5)


def test_the_position_is_the_centroid_in_patient_coordinates(tmp_path: Path) -> None:
    assert measured(tmp_path).lesions[0].centroid == pytest.approx((-20 + 4.5 * 5, -30 + 4.5 * 5, -100 + 4.5 * 4))


def test_without_suv_volumes_and_places_are_told_all_the_same(tmp_path: Path) -> None:
    found = measured(tmp_path, PatientWeight="")
    assert (found.tlg, found.suv_max, found.lesions[0].uptake) == (None, None, None)
    assert found.mtv_ml == pytest.approx(1.2)
    assert found.factors.reason == "The patient's weight is missing."


def test_values_that_are_suv_already_are_taken_as_they_are(tmp_path: Path) -> None:
    found = measured(tmp_path, Units="GML")
    assert found.suv_max == pytest.approx(30000.0)
