"""Segmentations: what was meant stands in the file, where the source stands, and three readers agree."""

import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import highdicom as hd
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from pydicom import config, dcmread
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.valuerep import DSfloat

from aimi.dicom import seg_reading
from aimi.dicom.header import Stack
from aimi.dicom.segmentation import Encoded, SegmentationType, encode, to_bytes
from aimi.errors import InputError
from tests.conftest import ROOT
from tests.dicom.segs import DESCRIPTION, KIDNEY, MADE, MORNING, errors_of, file_of, scattered, verdict_of, written
from tests.dicom.stacks import label_map, read_stack
from tests.made import Made, make_slices, write_made, write_series

REAL = {
    "CT": ("ct_abdomen_crlm_1004", "DICOM", 0),
    "PET": ("petct_acrin_042", "DICOM", 1),
    "oblique MR": ("mr_prostatex", "ProstateX-0000/4.000000-t2tsetra-00702", 0),
    "sagittal MR": ("mr_prostatex", "ProstateX-0000/3.000000-t2tsesag-87368", 0),
    "enhanced MR": ("awkward", "enhanced/siemens_multiframe_anatomical", 0),
    "one of four volumes in an enhanced MR": ("awkward", "enhanced/philips_fmri_4d", 2),
    "one of four files of enhanced MR": ("awkward", "enhanced/dcm_qa_enh/Siemens", 1),
    "enhanced PET": ("awkward", "enhanced/made_legacy_enhanced_pet", 0),
}
RealData = Callable[[str], Path]
Texts = tuple[str, str, str] | None


def position_of(frame: Dataset) -> Texts:
    x, y, z = frame.PlanePositionSequence[0].ImagePositionPatient
    return str(x), str(y), str(z)


def frames_of(path: Path) -> Mapping[tuple[int, Texts], npt.NDArray[np.uint8]]:
    """Decode a BINARY object by hand: frames by segment number and position string."""
    ds = dcmread(path)
    count = int(ds.NumberOfFrames)
    bits = np.unpackbits(np.frombuffer(ds.PixelData, np.uint8), bitorder="little")
    frames = bits[: count * ds.Rows * ds.Columns].reshape(count, ds.Rows, ds.Columns)
    items = ds.PerFrameFunctionalGroupsSequence
    keys = [
        (
            int(item.SegmentIdentificationSequence[0].ReferencedSegmentNumber),
            position_of(item),
        )
        for item in items
    ]
    assert len(set(keys)) == count
    return dict(zip(keys, frames, strict=True))


@dataclass(frozen=True)
class Case:
    """A stack, the labels meant, and the object written."""

    stack: Stack
    labels: npt.NDArray[np.uint8]
    path: Path

    @property
    def dataset(self) -> Dataset:
        return dcmread(self.path)


@pytest.fixture(scope="module", params=[*MADE, *REAL])
def case(request: pytest.FixtureRequest, real_data: RealData, tmp_path_factory: pytest.TempPathFactory) -> Case:
    folder = tmp_path_factory.mktemp("case")
    if request.param in MADE:
        stack = read_stack(write_made(folder / "source", MADE[request.param]))
    else:
        name, place, number = REAL[request.param]
        stack = read_stack(real_data(name) / place, number)
    labels = scattered(stack)
    return Case(stack, labels, file_of(written(stack, labels), folder))


@pytest.fixture
def axial(tmp_path: Path) -> Stack:
    return read_stack(write_made(tmp_path / "axial", MADE["axial"]))


def test_each_frame_lies_at_the_position_string_of_its_source_plane(case: Case) -> None:
    frames = frames_of(case.path)
    expected = {
        (number, plane.position_text): case.labels[k] == number
        for k, plane in enumerate(case.stack.planes)
        for number in (1, 2, 3)
        if (case.labels[k] == number).any()
    }
    assert frames.keys() == expected.keys()
    assert all(np.array_equal(frames[key], expected[key]) for key in expected)


def test_no_object_has_an_error(case: Case) -> None:
    assert errors_of(case.path) == []


def test_each_frame_names_the_plane_it_lies_on(case: Case) -> None:
    by_position = {plane.position_text: plane for plane in case.stack.planes}
    for frame in case.dataset.PerFrameFunctionalGroupsSequence:
        source = frame.DerivationImageSequence[0].SourceImageSequence[0]
        plane = by_position[position_of(frame)]
        instance = case.stack.instances[plane.instance]
        assert source.ReferencedSOPInstanceUID == instance.sop_instance_uid
        assert source.ReferencedSOPClassUID == instance.sop_class_uid
        assert source.get("ReferencedFrameNumber") == plane.frame_number
        assert source.SpatialLocationsPreserved == "YES"


def test_orientation_and_pixel_spacing_are_those_of_the_source(case: Case) -> None:
    shared = case.dataset.SharedFunctionalGroupsSequence[0]
    first = case.stack.planes[0]
    orientation = tuple(float(value) for value in shared.PlaneOrientationSequence[0].ImageOrientationPatient)
    assert orientation == first.orientation
    assert tuple(float(value) for value in shared.PixelMeasuresSequence[0].PixelSpacing) == first.pixel_spacing


def test_every_source_instance_is_named_once_also_without_a_frame(case: Case) -> None:
    used = {case.stack.instances[plane.instance].sop_instance_uid for plane in case.stack.planes}
    listed = [item.ReferencedSOPInstanceUID for item in case.dataset.SourceImageSequence]
    (series,) = case.dataset.ReferencedSeriesSequence
    assert sorted(listed) == sorted(used)
    assert [item.ReferencedSOPInstanceUID for item in series.ReferencedInstanceSequence] == listed
    assert series.SeriesInstanceUID == case.stack.header.series_instance_uid


def labels_read(stack: Stack, origins: npt.NDArray[np.float64], slices: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """Lay slices at given positions (n, 3) on the source's planes, each of which may be hit once."""
    planes = np.array([plane.position for plane in stack.planes])
    laid = np.zeros((len(planes), *slices.shape[1:]), np.uint8)
    for origin, one in zip(origins, slices, strict=True):
        distances = np.linalg.norm(planes - origin, axis=1)
        assert distances.min() < 0.03  # DECISIONS 1.4: a plane lies within 0.03 mm of the regular grid
        laid[int(distances.argmin())] |= one
    return laid


def highdicom_reads(stack: Stack, path: Path) -> npt.NDArray[np.uint8]:
    """Give labels on the stack's planes as highdicom's volume places them."""
    volume = hd.seg.segread(path).get_volume(combine_segments=True, allow_missing_positions=True, atol=0.05)
    corners = np.array([volume.map_indices_to_reference(np.array([[k, 0, 0]]))[0] for k in range(volume.shape[0])])
    cosines = np.array(stack.planes[0].orientation)
    assert np.allclose(volume.direction[:, 2], cosines[:3], atol=1e-6)
    assert np.allclose(volume.direction[:, 1], cosines[3:], atol=1e-6)
    return labels_read(stack, corners, volume.array)


def dcmqi_reads(stack: Stack, path: Path) -> list[npt.NDArray[np.uint8]]:
    """Give the images that dcmqi makes of an object, on the stack's planes, in the order of their numbers."""
    import SimpleITK as sitk  # noqa: N813 - its own short name

    tool = Path(sys.executable).with_name("segimage2itkimage")  # beside Python, on the search path or not
    command = [str(tool), "--inputDICOM", str(path), "--outputDirectory", str(path.parent)]
    subprocess.run([*command, "--outputType", "nrrd"], check=True, capture_output=True)
    read = []
    for file in sorted(path.parent.glob("*.nrrd")):
        image: Any = sitk.ReadImage(str(file))
        array = sitk.GetArrayFromImage(image)
        direction = np.array(image.GetDirection()).reshape(3, 3)
        steps = np.arange(len(array))[:, None] * direction[:, 2] * image.GetSpacing()[2]
        assert np.allclose(direction[:, :2].T.ravel(), np.array(stack.planes[0].orientation), atol=1e-4)
        read.append(labels_read(stack, np.array(image.GetOrigin()) + steps, array.astype(np.uint8)))
    return read


def test_highdicom_reads_the_voxels_back_at_their_places(case: Case) -> None:
    assert np.array_equal(highdicom_reads(case.stack, case.path), case.labels)


def test_dcmqi_reads_the_voxels_back_at_their_places(case: Case) -> None:
    found = dcmqi_reads(case.stack, case.path)
    assert len(found) == 3
    assert all(np.array_equal(found[number - 1] > 0, case.labels == number) for number in (1, 2, 3))


def test_our_own_reader_gives_labels_segments_and_places_back(case: Case) -> None:
    read = seg_reading.read(case.path, study=case.stack).to_label_map()
    assert np.array_equal(read.labels, case.labels)
    assert read.segments == KIDNEY
    assert read.source == label_map(case.stack, case.labels, KIDNEY).source


def test_every_warning_is_explained_in_the_documents(case: Case) -> None:
    table = (ROOT / "docs" / "dicom_seg.md").read_text().partition("## Warnings")[2]
    explained = [line.split("`")[1] for line in table.splitlines() if line.startswith("| `")]
    unexplained = [line for line in verdict_of(case.path, "Warning") if not any(one in line for one in explained)]
    assert unexplained == []


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(labels=arrays(np.uint8, (10, 9, 7), elements=st.integers(0, 3)))
def test_any_labels_are_written_as_they_are(axial: Stack, tmp_path: Path, labels: npt.NDArray[np.uint8]) -> None:
    frames = frames_of(file_of(written(axial, labels), tmp_path))
    places = [plane.position_text for plane in axial.planes]
    laid = np.zeros_like(labels)
    for (number, place), frame in frames.items():
        laid[places.index(place)] += number * frame
    assert np.array_equal(laid, labels)


def test_a_label_map_keeps_the_strings_of_the_source(tmp_path: Path) -> None:
    odd = {"PixelSpacing": ["0.90", "7.0e-01"], "ImageOrientationPatient": ["1.000", "0", "-0.0", "0", "1.0", "0.00"]}
    stack = read_stack(write_made(tmp_path / "odd", Made(np.zeros((8, 9, 7), np.int16), attributes=odd)))
    shared = written(stack, scattered(stack)).dataset.SharedFunctionalGroupsSequence[0]
    assert [str(one) for one in shared.PixelMeasuresSequence[0].PixelSpacing] == odd["PixelSpacing"]
    orientation = shared.PlaneOrientationSequence[0].ImageOrientationPatient
    assert [str(one) for one in orientation] == odd["ImageOrientationPatient"]


def test_a_position_of_more_than_16_characters_is_rounded_with_a_note(tmp_path: Path) -> None:
    slices = make_slices(MADE["axial"])
    for ds in slices:
        texts = ["-20.000000000000001", "-30", str(ds.ImagePositionPatient[2])]
        values = [DSfloat(text, validation_mode=config.IGNORE) for text in texts]
        ds["ImagePositionPatient"] = DataElement(0x00200032, "DS", values, validation_mode=config.IGNORE)
    stack = read_stack(write_series(tmp_path / "long", slices))
    encoded = written(stack, scattered(stack))
    assert [note.code for note in encoded.notes] == ["position-rounded"]
    assert errors_of(file_of(encoded, tmp_path)) == []
    assert position_of(encoded.dataset.PerFrameFunctionalGroupsSequence[-1]) == ("-20.0", "-30", "-100")


def test_slice_thickness_is_the_gap_where_the_source_has_none(tmp_path: Path) -> None:
    thin = Made(np.zeros((8, 9, 7), np.int16), attributes={"SliceThickness": None})
    stack = read_stack(write_made(tmp_path / "thin", thin))
    measures = written(stack, scattered(stack)).dataset.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence[0]
    assert (measures.SliceThickness, measures.SpacingBetweenSlices) == (2.5, 2.5)


def test_frames_of_absent_segments_are_left_out_and_every_segment_is_described(axial: Stack) -> None:
    labels = np.zeros((10, 9, 7), np.uint8)
    labels[3, 4, 5] = 2
    dataset = written(axial, labels).dataset
    (frame,) = dataset.PerFrameFunctionalGroupsSequence
    assert frame.SegmentIdentificationSequence[0].ReferencedSegmentNumber == 2
    assert [segment.SegmentNumber for segment in dataset.SegmentSequence] == [1, 2, 3]


def test_an_empty_label_map_gives_one_blank_frame_a_segment_on_the_middle_slice(axial: Stack, tmp_path: Path) -> None:
    path = file_of(written(axial, np.zeros((10, 9, 7), np.uint8)), tmp_path)
    frames = frames_of(path)
    assert list(frames) == [(number, axial.planes[5].position_text) for number in (1, 2, 3)]
    assert not any(frame.any() for frame in frames.values())
    assert errors_of(path) == []
    assert len(dcmread(path).SourceImageSequence) == 10


def test_an_empty_object_is_read_as_empty_by_highdicom_and_dcmqi(axial: Stack, tmp_path: Path) -> None:
    path = file_of(written(axial, np.zeros((10, 9, 7), np.uint8)), tmp_path)
    assert not hd.seg.segread(path).get_volume(combine_segments=True).array.any()
    assert not any(one.any() for one in dcmqi_reads(axial, path))


FALSE_ALARMS = ["SegmentNumber not monotonically increasing from one by one", "Information Object Not found"]


@pytest.mark.parametrize("is_empty", [False, True])
def test_a_labelmap_has_no_error_but_the_two_false_alarms(axial: Stack, tmp_path: Path, is_empty: bool) -> None:
    labels = np.zeros((10, 9, 7), np.uint8) if is_empty else scattered(axial)
    errors = errors_of(file_of(written(axial, labels, segmentation_type=SegmentationType.LABELMAP), tmp_path))
    assert len(errors) == len(FALSE_ALARMS)
    assert all(alarm in error for alarm, error in zip(FALSE_ALARMS, errors, strict=True))


@pytest.mark.parametrize("name", ["sagittal", "oblique, pixels not square"])
def test_a_labelmap_is_read_back_by_highdicom_and_dcmqi(tmp_path: Path, name: str) -> None:
    stack = read_stack(write_made(tmp_path / "source", MADE[name]))
    labels = scattered(stack)
    path = file_of(written(stack, labels, segmentation_type=SegmentationType.LABELMAP), tmp_path)
    assert np.array_equal(highdicom_reads(stack, path), labels)
    (found,) = dcmqi_reads(stack, path)
    assert np.array_equal(found, labels)


def test_a_labelmap_has_the_position_strings_of_the_source(axial: Stack) -> None:
    labels = scattered(axial)
    dataset = written(axial, labels, segmentation_type=SegmentationType.LABELMAP).dataset
    occupied = {plane.position_text for plane, one in zip(axial.planes, labels, strict=True) if one.any()}
    frames = dataset.PerFrameFunctionalGroupsSequence
    assert {position_of(frame) for frame in frames} == occupied
    assert len(frames) == len(occupied)


def test_a_segment_says_what_made_it(axial: Stack) -> None:
    segment = written(axial, scattered(axial)).dataset.SegmentSequence[1]
    (algorithm,) = segment.SegmentationAlgorithmIdentificationSequence
    assert segment.SegmentAlgorithmType == "AUTOMATIC"
    assert segment.SegmentAlgorithmName == algorithm.AlgorithmName == "DEMO-Kidney"
    assert algorithm.AlgorithmVersion == "1.0"
    assert algorithm.AlgorithmParameters == f"device=cpu,precision=f32,weights_sha256={'ab' * 32}"


def test_a_segment_has_the_codes_modifiers_and_color_of_its_record(axial: Stack) -> None:
    kidney, tumor, _ = written(axial, scattered(axial)).dataset.SegmentSequence
    (kind,), (region,) = kidney.SegmentedPropertyTypeCodeSequence, tumor.AnatomicRegionSequence
    assert kind.CodeValue == region.CodeValue == "64033007"
    assert kind.SegmentedPropertyTypeModifierCodeSequence[0].CodeValue == "51440002"
    assert region.AnatomicRegionModifierSequence[0].CodeValue == "51440002"
    assert (tumor.SegmentLabel, tumor.SegmentDescription) == (KIDNEY[1].label, KIDNEY[1].description)
    assert tumor.RecommendedDisplayCIELabValue == [56720, 20990, 42391]


def test_the_object_says_that_it_is_for_research_and_who_made_it(axial: Stack) -> None:
    dataset = written(axial, scattered(axial)).dataset
    assert dataset.ContentDescription == "Research use only. Not for diagnosis. Weights CC BY-NC 4.0."
    assert dataset.ContentCreatorName == "AIMI^AI"
    assert (dataset.SeriesNumber, dataset.SeriesDescription) == (3004, "Kidney AI")
    assert (dataset.BodyPartExamined, dataset.ContentLabel) == ("KIDNEY", "KIDNEY")
    (equipment,) = dataset.ContributingEquipmentSequence
    assert (equipment.Manufacturer, equipment.SoftwareVersions) == ("AIMI", "0.1.0")


def test_a_licence_note_that_does_not_fit_is_refused() -> None:
    with pytest.raises(ValueError, match="longer than 64 characters"):
        replace(DESCRIPTION, licence_note="x" * 27)


def test_tracking_identifiers_tell_the_segments_apart(axial: Stack) -> None:
    described = written(axial, scattered(axial)).dataset.SegmentSequence
    assert len({segment.TrackingUID for segment in described}) == 3
    assert len({segment.TrackingID for segment in described}) == 3


def test_the_other_series_of_a_pair_is_named_as_source(tmp_path: Path, axial: Stack) -> None:
    other = read_stack(write_made(tmp_path / "other", replace(MADE["made PET"], series=7)))
    dataset = written(axial, scattered(axial), further_sources=[other]).dataset
    first, second = dataset.ReferencedSeriesSequence
    assert (len(first.ReferencedInstanceSequence), len(second.ReferencedInstanceSequence)) == (10, 11)
    assert second.SeriesInstanceUID == other.header.series_instance_uid
    assert len(dataset.SourceImageSequence) == 21
    assert errors_of(file_of(Encoded(dataset, ()), tmp_path)) == []


def test_frames_of_another_volume_in_the_same_object_are_not_named(real_data: RealData) -> None:
    stack = read_stack(real_data("awkward") / "enhanced" / "philips_fmri_4d", 2)
    (source,) = written(stack, scattered(stack)).dataset.SourceImageSequence
    assert source.ReferencedFrameNumber == sorted(plane.frame_number or 0 for plane in stack.planes)


def test_free_text_of_series_and_images_is_not_copied(tmp_path: Path) -> None:
    keywords = ["SeriesDescription", "ProtocolName", "ImageComments", "AcquisitionComments", "DerivationDescription"]
    keywords += ["StationName", "InstitutionName", "OperatorsName", "PerformedProcedureStepDescription"]
    planted = Made(np.zeros((8, 9, 7), np.int16), attributes=dict.fromkeys(keywords, "PLANTED"))
    stack = read_stack(write_made(tmp_path / "planted", planted))
    content = to_bytes(written(stack, scattered(stack)).dataset)
    assert b"PLANTED" not in content
    assert b"Made^Patient" in content


def test_a_source_that_vanished_is_named_by_its_uid_not_its_path(axial: Stack) -> None:
    axial.instances[axial.planes[0].instance].path.unlink()
    with pytest.raises(InputError, match="cannot be read any more") as caught:
        written(axial, scattered(axial))
    assert "axial" not in str(caught.value)


def test_labels_of_another_shape_are_refused(axial: Stack) -> None:
    with pytest.raises(ValueError, match="does not fit a stack of shape"):
        encode(label_map(axial, np.zeros((10, 7, 9), np.uint8), KIDNEY), axial, DESCRIPTION, clock=lambda: MORNING)


def test_labels_of_another_stack_are_refused(axial: Stack, tmp_path: Path) -> None:
    other = read_stack(write_made(tmp_path / "other", replace(MADE["axial"], series=9)))
    with pytest.raises(ValueError, match="another stack"):
        encode(label_map(other, scattered(other), KIDNEY), axial, DESCRIPTION, clock=lambda: MORNING)


def test_a_further_source_of_another_study_is_refused(axial: Stack, tmp_path: Path) -> None:
    other = read_stack(write_made(tmp_path / "other", replace(MADE["axial"], study=9)))
    with pytest.raises(ValueError, match="another study"):
        written(axial, scattered(axial), further_sources=[other])


def test_a_label_without_a_segment_is_refused(axial: Stack) -> None:
    with pytest.raises(ValueError, match="lack descriptions"):
        written(axial, np.full((10, 9, 7), 4, np.uint8))
