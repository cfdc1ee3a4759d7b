from collections.abc import Callable
from pathlib import Path
from typing import Any

import highdicom as hd
import numpy as np
import numpy.typing as npt
import pytest

from aimi.dicom import selection, study
from aimi.dicom.header import Stack
from aimi.dicom.selection import NothingSuitableError
from aimi.image import LabelMap
from aimi.tasks.liver_ct import LIVER_CT
from aimi.tasks.task import Cleaned
from tests.stacks import make_mr, make_report, make_stack, make_study

Labels = npt.NDArray[np.uint8]


def numbers(*stacks: Stack) -> list[int | None]:
    chosen = selection.choose(make_study(*stacks), LIVER_CT.rules)
    return [one.stacks["ct"].header.series_number for one in chosen]


def clean(labels: Labels, rule_set: str = "paper") -> Cleaned:
    affine = np.array([[0, 0, 0.5, 10], [0, 0.5, 0, 20], [2.0, 0, 0, 30], [0, 0, 0, 1]])
    grid = hd.Volume(labels, affine, coordinate_system="PATIENT")
    return LIVER_CT.clean_ups[rule_set]({"Task773_Liver": LabelMap(grid, (), None)}, {})


def two_blocks() -> Labels:
    labels = np.zeros((6, 8, 8), np.uint8)
    labels[1:3, 1:4, 1:4] = 1
    labels[5, 6:8, 6:8] = 1
    return labels


@pytest.mark.parametrize(
    "header",
    [
        {"image_type": ("ORIGINAL", "PRIMARY", "LOCALIZER")},
        {"image_type": ("DERIVED", "SECONDARY", "REFORMATTED")},
        {"image_type": ("DERIVED", "SECONDARY", "MIP")},
        {"sop_class_uid": "1.2.840.10008.5.1.4.1.1.7"},
        {"sop_class_uid": "1.2.840.10008.5.1.4.1.1.88.67", "modality": "SR"},
        {"body_part_examined": "CHEST"},
        {"normal": (0.0, 1.0, 0.0)},
        {"series_description": "SmartPrep"},
    ],
)
def test_only_axial_originals_of_the_abdomen_suit(header: dict[str, Any]) -> None:
    with pytest.raises(NothingSuitableError):
        numbers(make_stack(**header), make_mr(series_number=3))


def test_oblique_by_18_degrees_suits() -> None:
    assert numbers(make_stack(normal=(0.0, 0.309017, 0.9510565))) == [2]


@pytest.mark.parametrize(
    ("better", "worse"),
    [
        ({"body_part_examined": "ABDOMEN", "convolution_kernel": ("LUNG",)}, {"contrast_bolus_route": "IV"}),
        ({"convolution_kernel": ("B30f",)}, {"convolution_kernel": ("B70f",), "contrast_bolus_route": "IV"}),
        ({"contrast_bolus_route": "IV", "spacing": (8.0, 1, 1)}, {"contrast_bolus_route": "ORAL"}),
        ({"spacing": (5.0, 1, 1)}, {"spacing": (0.6, 1, 1), "count": 200}),
        ({"spacing": (2.5, 1, 1), "count": 100}, {"spacing": (1.0, 1, 1), "count": 50}),
        ({"series_description": "portal", "spacing": (1.0, 1, 1)}, {"series_description": "arterial"}),
    ],
)
def test_ranking_goes_kernel_then_contrast_then_gap_then_slices(better: dict[str, Any], worse: dict[str, Any]) -> None:
    assert numbers(make_stack(**worse), make_stack(series_number=3, **better)) == [3, 2]


def test_report_never_stands_for_the_ct() -> None:
    chosen = selection.choose(make_study(make_report(1), make_stack()), LIVER_CT.rules)
    assert [one.rank for one in chosen[0].candidates] == [None, 1]


def test_paper_keeps_the_single_largest_component() -> None:
    cleaned = clean(two_blocks())
    assert int(cleaned.labels.sum()) == 18
    assert cleaned.labels[1:3, 1:4, 1:4].all()
    assert cleaned.labels.dtype == np.uint8


def test_removed_component_is_told_in_patient_coordinates() -> None:
    (removed,) = clean(two_blocks()).removed
    assert removed.voxels == 4
    assert removed.volume_ml == pytest.approx(4 * 2.0 * 0.5 * 0.5 / 1000)
    assert removed.centroid == pytest.approx((10 + 6.5 * 0.5, 20 + 6.5 * 0.5, 30 + 5 * 2.0))


def test_of_two_equal_components_the_first_stays() -> None:
    labels = np.zeros((3, 5, 5), np.uint8)
    labels[0, 0, 0] = labels[2, 4, 4] = 1
    cleaned = clean(labels)
    assert cleaned.labels[0, 0, 0] == 1
    assert int(cleaned.labels.sum()) == 1


def test_nothing_found_stays_empty() -> None:
    cleaned = clean(np.zeros((3, 5, 5), np.uint8))
    assert not cleaned.labels.any()
    assert cleaned.removed == ()


@pytest.mark.parametrize("rule_set", ["published-code", "mhub"])
def test_published_code_and_port_have_no_clean_up(rule_set: str) -> None:
    cleaned = clean(two_blocks(), rule_set)
    assert np.array_equal(cleaned.labels, two_blocks())
    assert cleaned.removed == ()


def test_segment_is_coded_as_published() -> None:
    (liver,) = LIVER_CT.segments
    assert (liver.number, liver.label, liver.color) == (1, "Liver", (221, 130, 101))
    assert (liver.category.value, liver.category.scheme) == ("123037004", "SCT")
    assert (liver.property_type.value, liver.property_type.scheme) == ("10200004", "SCT")


def test_model_record_is_the_published_one() -> None:
    (model,) = LIVER_CT.models
    assert (model.name, model.record, model.file) == ("Task773_Liver", "8274976", "Task773_Liver.zip")
    assert (model.algorithm_name, model.orientation, model.mirroring) == ("BAMF-Liver-CT", "dcm2niix", True)
    assert (model.licence, model.licence_must_be_accepted) == ("CC-BY-NC-4.0", True)


def test_demo_model_stands_in_under_its_own_name() -> None:
    (demo,) = LIVER_CT.demo_models
    assert (demo.name, demo.algorithm_name, demo.licence_must_be_accepted) == ("DEMO-liver-ct", "DEMO-liver-ct", False)
    assert (demo.channels, demo.labels) == (LIVER_CT.models[0].channels, LIVER_CT.models[0].labels)


def test_series_number_stays_below_five_digits() -> None:
    assert 3000 + LIVER_CT.number == 3007


def test_real_series_is_chosen_by_its_headers(real_data: Callable[[str], Path]) -> None:
    (chosen,) = selection.choose(study.read(real_data("ct_abdomen_crlm_1004")), LIVER_CT.rules)
    assert selection.require_sound([chosen]).stacks["ct"].header.series_number == 2
    assert selection.notes(chosen) == ()
