"""The table of codes: what the paper's annotations say, and that it can be written."""

import doctest

import highdicom as hd
import pytest
from pydicom.sr.codedict import codes as standard

from aimi.dicom import codes
from aimi.dicom.codes import PUBLISHED, PublishedSegment, segments

TASKS = ("lung_pet_ct", "lung_ct", "breast", "kidney", "prostate", "liver_mr", "liver_ct")


def test_the_example_is_true() -> None:
    assert doctest.testmod(codes).failed == 0


@pytest.mark.parametrize("publisher", ["BAMF", "MHub"])
@pytest.mark.parametrize("task", TASKS)
def test_segment_numbers_of_a_task_run_from_one(task: str, publisher: str) -> None:
    numbers = [row.segment.number for row in PUBLISHED if (row.task, row.publisher) == (task, publisher)]
    assert numbers == list(range(1, len(numbers) + 1))
    assert numbers


def test_an_unknown_task_has_no_segments() -> None:
    with pytest.raises(KeyError):
        segments("spleen")


@pytest.mark.parametrize(
    ("task", "published"),
    [
        ("lung_pet_ct", [("123037004", "39607008", "51440002", None), ("C35869", "C168968", None, "39607008")]),
        ("lung_ct", [("123037004", "39607008", "51440002", None), ("49755003", "27925004", None, "39607008")]),
        ("breast", [("C35869", "C168968", None, "76752008")]),
        (
            "kidney",
            [
                ("123037004", "64033007", "51440002", None),
                ("49755003", "4147007", None, "64033007"),
                ("49755003", "367643001", None, "64033007"),
            ],
        ),
        ("prostate", [("123037004", "41216001", None, None)]),
        ("liver_mr", [("123037004", "10200004", None, None)]),
        ("liver_ct", [("123037004", "10200004", None, None)]),
    ],
)
def test_codes_are_those_of_the_published_annotations(
    task: str, published: list[tuple[str, str, str | None, str | None]]
) -> None:
    found = [
        (
            segment.category.value,
            segment.property_type.value,
            segment.property_type_modifiers[0].value if segment.property_type_modifiers else None,
            segment.anatomic_region.value if segment.anatomic_region else None,
        )
        for segment in segments(task)
    ]
    assert found == published


def test_every_region_of_a_published_lesion_is_right_and_left() -> None:
    lesions = [segment for task in TASKS for segment in segments(task) if segment.anatomic_region]
    assert [segment.anatomic_region_modifiers for segment in lesions] == [(codes.BOTH_SIDES,)] * len(lesions)


@pytest.mark.parametrize("number", [2, 3])
def test_renal_lesions_convert_back_to_the_cielab_values_of_the_published_objects(number: int) -> None:
    published = {2: (56720, 20990, 42391), 3: (52752, 29255, 46161)}
    color = segments("kidney")[number - 1].color
    assert hd.color.CIELabColor.from_rgb(*color).value == published[number]


@pytest.mark.parametrize("row", PUBLISHED, ids=lambda row: f"{row.task}-{row.publisher}-{row.segment.number}")
def test_every_row_can_be_written_and_names_its_source(row: PublishedSegment) -> None:
    segment = row.segment
    concepts = [segment.category, segment.property_type, *segment.property_type_modifiers]
    concepts += [segment.anatomic_region] if segment.anatomic_region else []
    assert all(len(concept.value) <= 16 for concept in concepts)  # SH, PS3.5 6.2
    assert all(0 < len(concept.meaning) <= 64 for concept in concepts)  # LO
    assert {concept.scheme for concept in concepts} <= {"SCT", "NCIt"}
    assert all(0 <= part <= 255 for part in segment.color)
    assert "bamf-health" in row.source or "MHubAI" in row.source


def test_codes_of_the_standard_are_the_standards() -> None:
    assert codes.ARTIFICIAL_INTELLIGENCE.value == standard.cid7162.ArtificialIntelligence.value
    assert codes.PROCESSING_EQUIPMENT.value == standard.DCM.ProcessingEquipment.value
    assert segments("kidney")[1].category.meaning == standard.SCT.MorphologicallyAbnormalStructure.meaning
