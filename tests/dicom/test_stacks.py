"""How the instances of a series become found: grouping, splitting, defects, names."""

import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from pydicom.config import IGNORE
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.uid import UID, SecondaryCaptureImageStorage

from aimi.dicom import criteria, selection, stacks, study
from aimi.dicom.elements import read_header
from aimi.dicom.header import Stack
from aimi.dicom.parsing import ParsedInstance, parse
from tests.made import Made, make_slices, write_series

COUNT = 9
SPACING = (3.0, 0.9, 0.7)


def make_part(
    modality: str = "MR", shift: float = 0.0, count: int = COUNT, number: int = 0, **attributes: Any
) -> list[Dataset]:
    """Make slices of series 2 whose UIDs and Instance Numbers follow those of part ``number - 1``."""
    made = Made(
        np.zeros((count, 4, 5), np.int16),
        spacing=SPACING,
        modality=modality,
        origin=(-20.0, -30.0, -100.0 + shift),
        attributes={"SOPInstanceUID": "", **attributes},
    )
    slices = make_slices(made)
    for index, ds in enumerate(slices, start=1 + 100 * number):
        ds.SOPInstanceUID = ds.file_meta.MediaStorageSOPInstanceUID = UID(f"2.25.7.{index}")
        if "InstanceNumber" not in attributes:
            ds.InstanceNumber = index
    return slices


def read_stacks(folder: Path, *parts: Sequence[Dataset]) -> tuple[Stack, ...]:
    write_series(folder, [ds for part in parts for ds in part])
    (series,) = study.read(folder).series
    return series.stacks


def codes(stack: Stack) -> list[str]:
    return [defect.code for defect in stack.defects]


def shape(found: Sequence[Stack]) -> list[tuple[int, tuple[tuple[str, str], ...]]]:
    return [(len(stack.planes), stack.split) for stack in found]


SPLITS: list[tuple[str, Mapping[str, Any], Mapping[str, Any], tuple[str, str]]] = [
    ("AcquisitionNumber", {"AcquisitionNumber": 3}, {"AcquisitionNumber": 4}, ("3", "4")),
    ("EchoTime", {"EchoTime": "63"}, {"EchoTime": "99.0"}, ("63", "99")),
    ("EchoNumbers", {"EchoNumbers": 1}, {"EchoNumbers": 2}, ("1", "2")),
    (
        "ImageType",
        {"ImageType": ["ORIGINAL", "PRIMARY", "M", "ND"]},
        {"ImageType": ["ORIGINAL", "PRIMARY", "P", "ND"]},
        ("M-ND", "P-ND"),
    ),
    ("TemporalPositionIdentifier", {"TemporalPositionIdentifier": 1}, {"TemporalPositionIdentifier": 10}, ("1", "10")),
    ("TriggerTime", {"TriggerTime": "0"}, {"TriggerTime": "12.5"}, ("0", "12.5")),
    ("DiffusionBValue", {"DiffusionBValue": 50.0}, {"DiffusionBValue": 800.0}, ("50", "800")),
    (
        "ContrastBolusAgentPhase",
        {"ContrastBolusAgentPhase": "PRE"},
        {"ContrastBolusAgentPhase": "PORTAL"},
        ("PORTAL", "PRE"),
    ),
    ("AcquisitionDateTime", {"AcquisitionTime": "120000"}, {"AcquisitionTime": "120130"}, ("1", "2")),
    ("ContentTime", {"ContentTime": "120000"}, {"ContentTime": "120130"}, ("1", "2")),
]


@pytest.mark.parametrize(("keyword", "first", "second", "values"), SPLITS, ids=[each[0] for each in SPLITS])
def test_each_splitting_attribute_tells_two_volumes_apart(
    tmp_path: Path, keyword: str, first: Mapping[str, Any], second: Mapping[str, Any], values: tuple[str, str]
) -> None:
    found = read_stacks(tmp_path, make_part(**first), make_part(number=1, **second))
    assert shape(found) == [(COUNT, ((keyword, value),)) for value in values]
    assert [codes(stack) for stack in found] == [[], []]
    assert found[0].notes[0].code == "split-series"


@pytest.mark.parametrize(
    ("group", "creator", "element", "representation", "values"),
    [
        (0x0019, "SIEMENS MR HEADER", 0x0C, "IS", ["50", "800"]),
        (0x0043, "GEMS_PARM_01", 0x39, "IS", [["1000000050", "8", "0", "0"], ["1000000800", "8", "0", "0"]]),
        (0x2001, "Philips Imaging DD 001", 0x03, "FL", [50.0, 800.0]),
    ],
)
def test_private_b_values_tell_volumes_apart(
    tmp_path: Path, group: int, creator: str, element: int, representation: str, values: list[Any]
) -> None:
    parts = [make_part(), make_part(number=1)]
    for part, value in zip(parts, values, strict=True):
        for ds in part:
            ds.private_block(group, creator, create=True).add_new(element, representation, value)
    found = read_stacks(tmp_path, *parts)
    assert shape(found) == [(COUNT, (("DiffusionBValue", "50"),)), (COUNT, (("DiffusionBValue", "800"),))]


def test_first_attribute_of_the_list_wins(tmp_path: Path) -> None:
    first = make_part(EchoTime="63", AcquisitionNumber=1)
    second = make_part(EchoTime="99", AcquisitionNumber=2, number=1)
    assert [stack.split for stack in read_stacks(tmp_path, first, second)] == [
        (("AcquisitionNumber", "1"),),
        (("AcquisitionNumber", "2"),),
    ]


def test_attribute_that_leaves_positions_twice_is_passed_over(tmp_path: Path) -> None:
    parts = [
        make_part(EchoTime=echo, TriggerTime=time, number=n) for n, (echo, time) in enumerate([(1, 5), (1, 6), (2, 7)])
    ]
    found = read_stacks(tmp_path, *parts)
    assert [stack.split for stack in found] == [(("TriggerTime", value),) for value in ("5", "6", "7")]


def test_pairs_of_attributes_split_what_one_cannot(tmp_path: Path) -> None:
    pairs = [(1, 10), (1, 20), (2, 10), (2, 20)]
    found = read_stacks(
        tmp_path, *[make_part(EchoTime=a, DiffusionBValue=float(b), number=n) for n, (a, b) in enumerate(pairs)]
    )
    assert shape(found) == [(COUNT, (("EchoTime", str(a)), ("DiffusionBValue", str(b)))) for a, b in pairs]


def test_parts_need_not_be_equal_in_size(tmp_path: Path) -> None:
    found = read_stacks(tmp_path, make_part(EchoTime=1), make_part(EchoTime=2, count=4, number=1))
    assert [len(stack.planes) for stack in found] == [9, 4]


def test_runs_of_instance_numbers_are_the_last_resort_and_noted(tmp_path: Path) -> None:
    found = read_stacks(tmp_path, make_part(), make_part(number=1), make_part(number=2))
    assert shape(found) == [(COUNT, (("InstanceNumberRun", str(run)),)) for run in (1, 2, 3)]
    assert {note.code for note in found[0].notes} == {"split-series", "split-by-instance-number"}
    assert [stack.planes[0].instance_number for stack in found] == [1, 101, 201]


def test_runs_in_different_orders_are_not_split(tmp_path: Path) -> None:
    backwards = make_part(number=1)
    for ds, number in zip(backwards, range(200, 100, -1), strict=False):
        ds.InstanceNumber = number
    (stack,) = read_stacks(tmp_path, make_part(), backwards)
    assert codes(stack) == ["repeated-positions"]


def test_equal_instance_numbers_are_no_runs(tmp_path: Path) -> None:
    (stack,) = read_stacks(tmp_path, make_part(InstanceNumber=1), make_part(InstanceNumber=1, number=1))
    assert codes(stack) == ["repeated-positions"]


def test_times_of_single_images_do_not_split(tmp_path: Path) -> None:
    slices = [*make_part(InstanceNumber=1), *make_part(InstanceNumber=1, number=1)]
    for index, ds in enumerate(slices):
        ds.AcquisitionTime = f"1200{index:02d}"
    (stack,) = read_stacks(tmp_path, slices)
    assert codes(stack) == ["repeated-positions"]


def test_two_phases_half_a_gap_apart_are_two_volumes(tmp_path: Path) -> None:
    found = read_stacks(tmp_path, make_part(EchoTime=1), make_part(EchoTime=2, shift=1.5, number=1))
    assert shape(found) == [(COUNT, (("EchoTime", "1"),)), (COUNT, (("EchoTime", "2"),))]
    assert {stack.spacing for stack in found} == {SPACING}


@pytest.mark.parametrize("keyword", ["AcquisitionTime", "ContentTime"])
def test_interleaved_acquisition_is_one_volume(tmp_path: Path, keyword: str) -> None:
    early: dict[str, Any] = {keyword: "120000"}
    late: dict[str, Any] = {keyword: "120100"}
    (stack,) = read_stacks(tmp_path, make_part(**early), make_part(shift=1.5, number=1, **late))
    assert stack.spacing == (1.5, 0.9, 0.7)
    assert codes(stack) == []


def test_stations_that_follow_each_other_are_one_volume(tmp_path: Path) -> None:
    (stack,) = read_stacks(
        tmp_path, make_part(AcquisitionNumber=1), make_part(AcquisitionNumber=2, shift=27.0, number=1)
    )
    assert len(stack.planes) == 2 * COUNT
    assert codes(stack) == []


def test_overlapping_parts_that_are_no_grids_stay_together(tmp_path: Path) -> None:
    slices = make_part(count=12)
    for ds, number in zip(slices, [1, 2, 2, 1, 1, 2, 1, 2, 2, 2, 1, 1], strict=True):
        ds.AcquisitionNumber = number
    (stack,) = read_stacks(tmp_path, slices)
    assert codes(stack) == []


@pytest.mark.parametrize(
    ("attributes", "name", "values"),
    [
        ({"PixelSpacing": [0.9, 0.7002]}, "PixelSpacing", {"1", "2"}),
        ({"ImageOrientationPatient": [1, 0, 0, 0, 0.9999, 0.0141]}, "ImageOrientationPatient", {"1", "2"}),
        ({"PhotometricInterpretation": "MONOCHROME1"}, "PhotometricInterpretation", {"MONOCHROME1", "MONOCHROME2"}),
        ({"Columns": 4}, "Columns", {"4", "5"}),
        ({"Rows": 3}, "Rows", {"3", "4"}),
    ],
)
def test_planes_that_one_array_cannot_hold_are_kept_apart(
    tmp_path: Path, attributes: Mapping[str, Any], name: str, values: set[str]
) -> None:
    found = read_stacks(tmp_path, make_part(), make_part(number=1, shift=100.0, **attributes))
    assert {stack.split for stack in found} == {((name, value),) for value in values}


@pytest.mark.parametrize(
    "attributes",
    [
        {"PixelSpacing": [0.9, 0.70005]},
        {"ImageOrientationPatient": [1, 0.0005, 0, 0, 1, 0]},
    ],
)
def test_rounding_keeps_planes_together(tmp_path: Path, attributes: Mapping[str, Any]) -> None:
    (stack,) = read_stacks(tmp_path, make_part(), make_part(number=1, shift=27.0, **attributes))
    assert len(stack.planes) == 2 * COUNT


def test_plane_without_position_is_a_defect_of_the_stack(tmp_path: Path) -> None:
    slices = make_part()
    del slices[-1].ImagePositionPatient
    (stack,) = read_stacks(tmp_path, slices)
    assert len(stack.planes) == COUNT - 1
    assert codes(stack) == ["plane-without-geometry"]
    assert "Pixel Spacing: 1;" in stack.defects[0].sentence


def test_series_without_any_position_is_one_stack_in_order_of_instance_numbers(tmp_path: Path) -> None:
    slices = make_part()
    for number, ds in zip(range(20, 0, -1), slices, strict=False):
        del ds.PixelSpacing
        ds.InstanceNumber = number
    (stack,) = read_stacks(tmp_path, slices)
    assert (stack.spacing, stack.normal, codes(stack)) == (None, None, ["plane-without-geometry"])
    assert [plane.instance_number for plane in stack.planes] == list(range(12, 21))


def test_screenshot_in_a_series_is_no_defect_of_its_volume(tmp_path: Path) -> None:
    screenshot = make_part(count=1, number=1)[0]
    screenshot.SOPClassUID = screenshot.file_meta.MediaStorageSOPClassUID = SecondaryCaptureImageStorage
    del screenshot.ImagePositionPatient
    volume, shot = read_stacks(tmp_path, make_part(), [screenshot])
    assert codes(volume) == []
    assert codes(shot) == ["plane-without-geometry"]


@pytest.mark.parametrize(
    "attributes",
    [
        {"Rows": 3},
        {"PixelSpacing": [1.8, 1.4]},
        {"PixelSpacing": [1.8, 1.4], "ImagePositionPatient": [-21.4, -31.35, -73.0]},
        {"Rows": 3, "ImagePositionPatient": [-20.0, -29.55, -73.0]},
        {"ImageOrientationPatient": [0, 1, 0, -1, 0, 0]},
        {"ImageOrientationPatient": [1, 0, 0, 0, 0, -1]},
        {"ImageOrientationPatient": [1, 0, 0, 0, 0.8, 0.6], "ImagePositionPatient": [-20.0, -29.73, -73.81]},
    ],
    ids=[
        "cut",
        "coarser",
        "coarser about its center",
        "cut about its center",
        "turned in its plane",
        "turned about its corner",
        "tilted about its center",
    ],
)
def test_odd_end_slice_does_not_vanish(tmp_path: Path, attributes: Mapping[str, Any]) -> None:
    slices = make_part(count=10)
    for keyword, value in attributes.items():
        setattr(slices[-1], keyword, value)
    found = read_stacks(tmp_path, slices)
    (volume,) = [stack for stack in found if len(stack.planes) == COUNT]
    assert codes(volume) == ["odd-slice-split-off"]


def test_localizer_in_a_series_is_no_odd_slice(tmp_path: Path) -> None:
    scout = make_part(count=1, number=1, ImageOrientationPatient=[1, 0, 0, 0, 0, -1], shift=90.0)
    volume = max(read_stacks(tmp_path, make_part(), scout), key=lambda stack: len(stack.planes))
    assert codes(volume) == []


def test_volume_of_another_matrix_that_follows_is_no_odd_slice(tmp_path: Path) -> None:
    found = read_stacks(tmp_path, make_part(count=10), make_part(number=1, shift=30.0, Rows=3))
    assert [codes(stack) for stack in found] == [[], []]


def test_image_of_another_kind_is_no_odd_slice(tmp_path: Path) -> None:
    picture = make_part(count=1, number=1, shift=27.0)[0]
    picture.SOPClassUID = picture.file_meta.MediaStorageSOPClassUID = SecondaryCaptureImageStorage
    volume = max(read_stacks(tmp_path, make_part(), [picture]), key=lambda stack: len(stack.planes))
    assert codes(volume) == []


def test_two_frames_of_reference_are_no_volume(tmp_path: Path) -> None:
    slices = make_part()
    slices[4].FrameOfReferenceUID = "2.25.99"
    (stack,) = read_stacks(tmp_path, slices)
    assert codes(stack) == ["several-frames-of-reference"]


def test_names_are_unique_and_hold_no_free_text(tmp_path: Path) -> None:
    first = make_part()
    for ds in first:
        ds["ImageType"] = DataElement("ImageType", "CS", ["ORIGINAL", "PRIMARY", "Jane!"], validation_mode=IGNORE)
    second = make_part(number=1, ImageType=["ORIGINAL", "PRIMARY", "M"])
    assert [stack.name for stack in read_stacks(tmp_path, first, second)] == [
        "2.25.1000.1.2[ImageType=1]",
        "2.25.1000.1.2[ImageType=2]",
    ]


@pytest.mark.parametrize(
    "keyword", ["ImageType", "EchoNumbers", "ContrastBolusAgentPhase", "PhotometricInterpretation"]
)
def test_word_of_a_name_that_is_no_defined_term_is_a_number(tmp_path: Path, keyword: str) -> None:
    parts = [make_part(), make_part(number=1, shift=100.0 if keyword.startswith("Photo") else 0.0)]
    for part, word in zip(parts, ("JANEDOE", "12345678X"), strict=True):
        for ds in part:
            value = ["ORIGINAL", "PRIMARY", word] if keyword == "ImageType" else word
            representation = "CS" if keyword != "EchoNumbers" else "IS"
            ds[keyword] = DataElement(keyword, "CS" if representation == "CS" else "LO", value, validation_mode=IGNORE)
    assert [stack.split for stack in read_stacks(tmp_path, *parts)] == [((keyword, "1"),), ((keyword, "2"),)]


@pytest.mark.parametrize("keyword", ["SOPClassUID", "StudyInstanceUID"])
@pytest.mark.parametrize("value", [None, "", ["1.2.3", "1.2.4"]])
def test_object_without_one_valid_uid_is_a_defect_of_its_series(
    tmp_path: Path, keyword: str, value: str | list[str] | None
) -> None:
    slices = make_part("CT")
    del slices[-1][keyword]
    if value is not None:
        slices[-1][keyword] = DataElement(keyword, "UI", value, validation_mode=IGNORE)
    (stack,) = read_stacks(tmp_path, slices)
    assert (len(stack.planes), codes(stack)) == (COUNT, ["no-uid"])
    assert stack.defects[0].sentence.startswith("1 of 9 objects of the series: the S")


def test_series_without_any_sop_class_is_judged_by_its_modality(tmp_path: Path) -> None:
    slices = make_part("CT", SOPClassUID="")
    (stack,) = read_stacks(tmp_path, slices)
    (chosen,) = selection.choose(study.read(tmp_path), (selection.Rule("ct", (criteria.modality("CT"),)),))
    assert codes(chosen.stacks["ct"]) == codes(stack) == ["no-uid"]


def test_object_of_unknown_kind_is_a_defect_of_its_series(tmp_path: Path) -> None:
    slices = make_part("CT")
    slices[-1].SOPClassUID = slices[-1].Modality = ""
    assert {tuple(codes(stack)) for stack in read_stacks(tmp_path, slices)} == {
        ("no-uid",),
        ("too-few-slices", "no-uid"),
    }


def test_header_is_that_of_the_lowest_uid_of_the_stack(tmp_path: Path) -> None:
    first, second = make_part(EchoTime=1), make_part(EchoTime=2, number=1)
    assert [stack.header.echo_time for stack in read_stacks(tmp_path, first, second)] == [1.0, 2.0]


@given(order=st.permutations(range(COUNT)), depth=st.integers(0, 3))
@settings(deadline=None, max_examples=20, phases=[Phase.explicit, Phase.reuse, Phase.generate])
def test_names_order_and_nesting_of_files_change_nothing(order: list[int], depth: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        for place, ds in zip(order, make_part(), strict=True):
            target = Path(folder, *["nested"] * (depth * place % 4), f"{place}")
            target.parent.mkdir(parents=True, exist_ok=True)
            ds.save_as(target, enforce_file_format=True)
        (stack,) = study.read(Path(folder)).series[0].stacks
    assert [stack.instances[plane.instance].sop_instance_uid for plane in stack.planes] == [
        f"2.25.7.{number + 1}" for number in range(COUNT)
    ]


@pytest.fixture(scope="module")
def mixed(tmp_path_factory: pytest.TempPathFactory) -> list[ParsedInstance]:
    """Give two echoes, runs without an attribute, and a part of another matrix, in one series."""
    parts = [make_part(EchoTime=1), make_part(EchoTime=2, number=1), make_part(EchoTime=2, number=2)]
    odd = make_part(number=3, Rows=3, shift=0.5)
    folder = write_series(tmp_path_factory.mktemp("mixed"), [ds for part in (*parts, odd) for ds in part])
    headers = [(path, read_header(path)) for path in sorted(folder.iterdir())]
    return [parse(path, header) for path, header in headers if header is not None]


@given(order=st.permutations(range(4 * COUNT)))
@settings(deadline=None, max_examples=30)
def test_order_of_instances_changes_no_stack(mixed: list[ParsedInstance], order: list[int]) -> None:
    assert stacks.build([mixed[index] for index in order]) == stacks.build(mixed)


@pytest.mark.parametrize(
    ("folder", "expected"),
    [
        ("made/missing_slice_10", [(18, ["missing-slices"])]),
        ("made/missing_end_slices", [(17, [])]),
        ("made/same_instance_twice", [(19, [])]),
        ("made/same_position_new_uid_same_pixels", [(20, ["repeated-positions"])]),
        ("made/same_position_new_uid_other_pixels", [(20, ["repeated-positions"])]),
        ("made/truncated_last_file", [(19, ["pixels-short"])]),
        ("made/truncated_header", [(18, ["missing-slices", "unattributable-files"])]),
        ("made/no_preamble", [(19, [])]),
        ("made/no_meta_explicit", [(19, [])]),
        ("made/big_endian", [(19, [])]),
        ("made/deflated", [(19, [])]),
        ("made/implicit", [(19, [])]),
        ("made/non_square_pixels", [(19, [])]),
        ("made/jitter_0.2mm", [(19, ["irregular-spacing"])]),
        ("made/sheared_gantry_tilt", [(19, ["gantry-tilt"])]),
        ("made/one_slice_other_orientation", [(18, ["missing-slices"]), (1, ["too-few-slices"])]),
        ("made/one_slice_other_size", [(1, ["too-few-slices"]), (18, ["missing-slices"])]),
        ("made/rescale_per_slice", [(19, [])]),
        ("made/one_position_missing", [(18, ["missing-slices", "plane-without-geometry"])]),
        ("made/instance_numbers_all_1", [(19, [])]),
        ("made/two_echoes_one_series", [(19, []), (19, [])]),
        ("made/not_dicom_around", [(19, [])]),
        ("gantry_tilt", [(4, ["too-few-slices", "gantry-tilt"])]),
        ("not_a_volume", [(4, ["too-few-slices", "repeated-positions"])]),
        ("slice_increment_a", [(4, ["too-few-slices", "missing-slices"])]),
        ("slice_increment_b", [(4, ["too-few-slices", "missing-slices", "gantry-tilt"])]),
        ("slice_count_two", [(2, ["too-few-slices"])]),
        ("slice_orientation_mixed", [(2, ["too-few-slices"])] * 2),
        ("missing_slice_prostatex_bval", [(18, ["missing-slices"])]),
        ("localizer_three_planes", [(3, ["too-few-slices"]), (5, ["too-few-slices"]), (5, ["too-few-slices"])]),
        ("mosaic_siemens", [(2, ["too-few-slices", "repeated-positions", "mosaic"])]),
        ("dynamic_4d/breast_dce_sagittal_3_phases", [(12, [])] * 3),
        ("dynamic_4d/ge_fmri", [(4, ["too-few-slices"])] * 2),
        ("small_series/hitachi_mr", [(4, ["too-few-slices"])]),
        ("enhanced/philips_anatomical", [(8, [])]),
        ("enhanced/philips_fmri_4d", [(8, [])] * 4),
        ("enhanced/dcm_qa_enh/Philips", [(32, [])] * 2),
        ("enhanced/dcm_qa_enh/Siemens/XA10", [(6, ["too-few-slices"])] * 4),
        ("enhanced/siemens_multiframe_anatomical", [(8, [])]),
        ("enhanced/made_legacy_enhanced_pet", [(135, [])]),
    ],
)
def test_awkward_series_give_the_stated_stacks_and_defects(
    real_data: Callable[[str], Path], folder: str, expected: list[tuple[int, list[str]]]
) -> None:
    (series,) = study.read(real_data("awkward") / folder).series
    assert [(len(stack.planes), codes(stack)) for stack in series.stacks] == expected


def test_diffusion_series_of_three_b_values_is_three_volumes(real_data: Callable[[str], Path]) -> None:
    found = study.read(next((real_data("mr_prostatex") / "ProstateX-0000").glob("6*")))
    assert shape(found.series[0].stacks) == [(19, (("DiffusionBValue", value),)) for value in ("50", "400", "800")]


def test_legacy_enhanced_pet_has_the_planes_of_its_135_files(real_data: Callable[[str], Path]) -> None:
    (enhanced,) = study.read(real_data("awkward") / "enhanced" / "made_legacy_enhanced_pet").series[0].stacks
    pet = next(each for each in study.read(real_data("petct_acrin_042")).series if each.header.modality == "PT")
    (plain,) = pet.stacks
    assert [plane.position_text for plane in enhanced.planes] == [plane.position_text for plane in plain.planes]
    assert [plane.rescale_slope for plane in enhanced.planes] == [plane.rescale_slope for plane in plain.planes]
    assert enhanced.spacing == plain.spacing
