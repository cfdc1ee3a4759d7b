from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.errors import InvalidDicomError
from pydicom.uid import UID

from aimi.dicom import study as studies
from aimi.dicom.codes import segments
from aimi.dicom.geometry import stack_affine
from aimi.dicom.header import Stack
from aimi.dicom.seg_reading import SegmentationObject, read
from aimi.dicom.segmentation import Algorithm, Description, SegmentationType, encode, to_bytes
from aimi.dicom.slice_sources import describe_source
from aimi.errors import InputError
from tests.dicom.stacks import label_map
from tests.made import Made, make_slices, write_made, write_series

RealData = Callable[[str], Path]
Points = npt.NDArray[np.float64]

# Voxel counts per segment: DATA_FACTS 1.8, 8.2, 8.3. None: refused.
LIVER = (107098,)
ADC = (6961, 1759)
ON_A_SLIDE = "lies on a microscope slide"
ZOO: dict[str, tuple[int, ...] | str] = {
    "dcmqi_ct3/liver.dcm": LIVER,
    "dcmqi_ct3/partial_overlaps.dcm": (9602, 11888, 10743, 6693, 4713),
    "dcmqi_labelmap/sparse-labelmap-noppv.dcm": (630,),
    "dcmqi_labelmap/sparse-labelmap-ppv5.dcm": (630,),
    "dcmqi_pet_sr/seg.dcm": (795,),
    "dcmqi_phantom_23x38x3/seg/label.seg": (322,),
    "dcmqi_phantom_24x38x3/seg/label.seg": (315,),
    "dicom4qi_23x38x3/mask/mask.dcm": (322,),
    "highdicom_cr/seg_image_cr_binary.dcm": "no position, orientation or pixel spacing in a patient",
    "highdicom_ct/seg_image_ct_binary.dcm": (638,),
    "highdicom_ct/seg_image_ct_binary_fractional.dcm": (638,),
    "highdicom_ct/seg_image_ct_binary_overlap.dcm": (64, 16),
    "highdicom_ct/seg_image_ct_binary_single_frame.dcm": (1832,),
    "highdicom_ct/seg_image_ct_true_fractional.dcm": (638,),
    "highdicom_sm_labelmap/seg_image_sm_control.dcm": ON_A_SLIDE,
    "highdicom_sm_labelmap/seg_image_sm_control_labelmap.dcm": ON_A_SLIDE,
    "highdicom_sm_labelmap/seg_image_sm_control_labelmap_palette_color.dcm": ON_A_SLIDE,
    "made_on_prostatex_adc/dcmqi_binary.dcm": ADC,
    "made_on_prostatex_adc/dcmqi_binary_deflate.dcm": ADC,
    "made_on_prostatex_adc/dcmqi_labelmap.dcm": ADC,
    "made_on_prostatex_adc/highdicom_binary.dcm": ADC,
    "made_on_prostatex_adc/highdicom_binary_no_empty_omitted.dcm": ADC,
    "made_on_prostatex_adc/highdicom_empty_binary.dcm": (0,),
    "made_on_prostatex_adc/highdicom_empty_labelmap.dcm": (0,),
    "made_on_prostatex_adc/highdicom_fractional_probability.dcm": ADC,
    "made_on_prostatex_adc/highdicom_labelmap.dcm": ADC,
    "made_on_prostatex_adc/highdicom_labelmap_rle.dcm": ADC,
    "made_on_prostatex_adc/highdicom_overlap_binary.dcm": (8720, 1759),
    "pixelmed_multiframe_source/mask/mask.dcm": (74,),
    "pydicom_transfer_syntaxes/liver.dcm": LIVER,
    "pydicom_transfer_syntaxes/liver_1frame.dcm": (36233,),
    "pydicom_transfer_syntaxes/liver_deflate.dcm": LIVER,
    "pydicom_transfer_syntaxes/liver_expb.dcm": LIVER,
    "pydicom_transfer_syntaxes/liver_expb_1frame.dcm": (36233,),
    "pydicom_transfer_syntaxes/liver_j2k.dcm": LIVER,
    "pydicom_transfer_syntaxes/liver_nonbyte_aligned.dcm": LIVER,
    "pydicom_transfer_syntaxes/liver_nonbyte_aligned_deflate.dcm": LIVER,
    "pydicom_transfer_syntaxes/liver_nonbyte_aligned_j2k.dcm": LIVER,
    "pydicom_transfer_syntaxes/liver_nonbyte_aligned_rle.dcm": LIVER,
    "pydicom_transfer_syntaxes/liver_rle.dcm": LIVER,
    "qiicr_iowa/QIN-HEADNECK-01-0139_11_lesions.dcm": (1697, 113, 457, 4230, 211, 375, 922, 950, 222, 43, 62),
    "qiicr_iowa/tumor_User1_Manual_Trial1.dcm": (54, 212),
    "ucsf_breast_mr/mask/1-1.dcm": (82527,),
}
SLICER = {
    "SEG_100_PT_2_Segmentation_162308_SEG0001.dcm": (118130,),
    "SEG_100_PT_Segmentation_504365_SEG0001.dcm": (2548, 23730),
    "SEG_100_Segmentation_760111_SEG0001.dcm": (602948, 576543),
}
READABLE = {name: counts for name, counts in ZOO.items() if not isinstance(counts, str)}
REFUSED = {name: reason for name, reason in ZOO.items() if isinstance(reason, str)}


def find_segmentations(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file() and _is_seg(path)}


def _is_seg(path: Path) -> bool:
    try:
        return str(pydicom.dcmread(path, specific_tags=["Modality"]).get("Modality")) == "SEG"
    except InvalidDicomError:
        return False


def counts(read_object: SegmentationObject) -> tuple[int, ...]:
    return tuple(int(mask.mask.sum()) for mask in read_object.masks)


def points(mask: npt.NDArray[np.bool_], affine: Points) -> Points:
    """Give the patient positions of a mask's voxels, (n, 3), to 0.01 mm, sorted."""
    where = np.argwhere(mask) @ affine[:3, :3].T + affine[:3, 3]
    return np.unique(np.round(where, 2) + 0.0, axis=0)


def nrrd_points(path: Path, label: int) -> Points:
    sitk: Any = import_module("SimpleITK")
    image = sitk.ReadImage(str(path))
    affine = np.eye(4)
    affine[:3, :3] = np.reshape(image.GetDirection(), (3, 3)) * image.GetSpacing()
    affine[:3, 3] = image.GetOrigin()
    return points(label == sitk.GetArrayFromImage(image).T, affine)


def seg_points(read_object: SegmentationObject, number: int) -> Points:
    mask = next(mask for mask in read_object.masks if mask.segment.number == number)
    return points(mask.mask, read_object.geometry.affine)


def assert_same_points(one: Points, other: Points) -> None:
    assert one.shape == other.shape
    np.testing.assert_allclose(one, other, atol=0.011, rtol=0)


@pytest.mark.parametrize("name", READABLE)
def test_other_writers_segmentation_has_its_voxels(name: str, real_data: RealData) -> None:
    read_object = read(real_data("seg_zoo") / name)
    assert counts(read_object) == READABLE[name]
    assert tuple(mask.voxel_count for mask in read_object.masks) == READABLE[name]


@pytest.mark.parametrize("name", REFUSED)
def test_segmentation_outside_a_patient_is_refused_with_the_reason(name: str, real_data: RealData) -> None:
    with pytest.raises(InputError, match=REFUSED[name]):
        read(real_data("seg_zoo") / name)


def test_every_segmentation_of_the_zoo_is_listed(real_data: RealData) -> None:
    assert find_segmentations(real_data("seg_zoo")) == set(ZOO)


def test_every_segmentation_of_the_pet_ct_is_listed(real_data: RealData) -> None:
    assert find_segmentations(real_data("petct_acrin_042") / "DICOM") == set(SLICER)


@pytest.mark.parametrize("name", SLICER)
def test_slicers_segmentation_has_its_voxels(name: str, real_data: RealData) -> None:
    assert counts(read(real_data("petct_acrin_042") / "DICOM" / name)) == SLICER[name]


@pytest.mark.parametrize(
    ("name", "truth", "number", "label"),
    [
        ("dcmqi_ct3/liver.dcm", "dcmqi_ct3/truth/liver_seg.nrrd", 1, 1),
        ("dcmqi_ct3/partial_overlaps.dcm", "dcmqi_ct3/truth/partial_overlaps-1.nrrd", 1, 1),
        ("dcmqi_phantom_23x38x3/seg/label.seg", "dcmqi_phantom_23x38x3/nrrd/label.nrrd", 1, 1),
        ("dcmqi_phantom_24x38x3/seg/label.seg", "dcmqi_phantom_24x38x3/nrrd/label.nrrd", 1, 1),
        ("dcmqi_labelmap/sparse-labelmap-ppv5.dcm", "dcmqi_labelmap/sparse_labelmap_ppv5_seg.nrrd", 1, 1),
        ("dcmqi_labelmap/sparse-labelmap-noppv.dcm", "dcmqi_labelmap/sparse_labelmap_noppv_seg.nrrd", 1, 1),
    ],
)
def test_voxels_lie_at_the_truths_patient_positions(
    name: str, truth: str, number: int, label: int, real_data: RealData
) -> None:
    zoo = real_data("seg_zoo")
    assert_same_points(seg_points(read(zoo / name), number), nrrd_points(zoo / truth, label))


ADC_READABLE = [name for name in READABLE if name.startswith("made_on_prostatex_adc") and READABLE[name] == ADC]


@pytest.mark.parametrize("number", [1, 2])
@pytest.mark.parametrize("name", ADC_READABLE)
def test_each_writing_of_one_truth_gives_the_truths_positions(name: str, number: int, real_data: RealData) -> None:
    zoo = real_data("seg_zoo")
    truth = nrrd_points(zoo / "made_on_prostatex_adc/truth_labels.nrrd", number)
    assert_same_points(seg_points(read(zoo / name), number), truth)


@pytest.mark.parametrize("name", [name for name in READABLE if READABLE[name] == LIVER])
def test_every_encoding_gives_the_same_liver(name: str, real_data: RealData) -> None:
    zoo = real_data("seg_zoo")
    crop = np.s_[:, :510, :510]
    plain = read(zoo / "dcmqi_ct3/liver.dcm").masks[0].mask
    np.testing.assert_array_equal(read(zoo / name).masks[0].mask[crop], plain[crop])


def test_slices_rise_along_the_normal(real_data: RealData) -> None:
    affine = read(real_data("seg_zoo") / "pixelmed_multiframe_source/mask/mask.dcm").geometry.affine
    np.testing.assert_allclose(affine[:3, 0], np.cross(affine[:3, 2], affine[:3, 1]))


# On the grid of the source


@pytest.mark.parametrize("name", ADC_READABLE)
def test_masks_lie_on_the_slices_of_the_given_source(name: str, real_data: RealData) -> None:
    folder = real_data("seg_zoo") / "made_on_prostatex_adc"
    study = studies.read(folder / "source")
    read_object = read(real_data("seg_zoo") / name, study=study)
    truth = nrrd_array(folder / "truth_labels.nrrd")
    np.testing.assert_array_equal(read_object.to_label_map().labels, truth)
    stack = study.series[0].stacks[0]
    assert read_object.source is not None
    assert [one.position for one in read_object.source.slices] == [plane.position for plane in stack.planes]
    np.testing.assert_array_equal(read_object.geometry.affine, stack_affine(stack))
    assert not {"source-not-found", "source-grid-differs"} & codes_of(read_object)


def nrrd_array(path: Path) -> npt.NDArray[np.int64]:
    sitk: Any = import_module("SimpleITK")
    array: npt.NDArray[np.int64] = sitk.GetArrayFromImage(sitk.ReadImage(str(path)))
    return array


def codes_of(read_object: SegmentationObject) -> set[str]:
    return {note.code for note in read_object.notes}


@pytest.mark.parametrize("name", SLICER)
def test_slicers_frames_find_their_slices_among_those_of_the_pet_ct(name: str, real_data: RealData) -> None:
    folder = real_data("petct_acrin_042") / "DICOM"
    read_object = read(folder / name, study=studies.read(folder))
    assert read_object.source is not None
    assert read_object.geometry.spatial_shape[0] == len(read_object.source.slices) == 135
    assert read_object.source.modality == ("PT" if "_PT_" in name else "CT")
    assert counts(read_object) == SLICER[name]
    for placed, alone in zip(read_object.masks, read(folder / name).masks, strict=True):
        np.testing.assert_array_equal(placed.bits, alone.bits)
    assert np.abs(heights(read_object) - heights(read(folder / name))).max() <= 0.03


def heights(read_object: SegmentationObject) -> npt.NDArray[np.float64]:
    """Give the z of each slice that holds voxels."""
    affine = read_object.geometry.affine
    return np.array([affine[2, 3] + index * affine[2, 0] for mask in read_object.masks for index in mask.slices])


def test_cut_frames_are_put_back_on_the_whole_source(real_data: RealData) -> None:
    zoo = real_data("seg_zoo")
    study = studies.read(zoo / "dcmqi_ct3/source")
    cut = read(zoo / "pydicom_transfer_syntaxes/liver_nonbyte_aligned.dcm", study=study)
    whole = read(zoo / "dcmqi_ct3/liver.dcm", study=study)
    np.testing.assert_array_equal(cut.masks[0].mask, whole.masks[0].mask)
    assert cut.source == whole.source


def test_single_frame_lies_on_its_single_slice(real_data: RealData) -> None:
    folder = real_data("seg_zoo") / "highdicom_ct"
    stack = studies.read(folder / "ct_image.dcm").series[0].stacks[0]
    read_object = read(folder / "seg_image_ct_binary_single_frame.dcm", study=stack)
    assert read_object.source is not None
    assert read_object.geometry.spatial_shape == (1, 128, 128)


def test_source_with_a_hole_is_noted_and_the_frames_keep_their_own_grid(real_data: RealData) -> None:
    folder = real_data("seg_zoo") / "highdicom_ct"
    name = "seg_image_ct_binary_overlap.dcm"
    read_object = read(folder / name, study=studies.read(folder / "source"))
    assert read_object.source is None
    assert "source-grid-differs" in codes_of(read_object)
    assert counts(read_object) == ZOO[f"highdicom_ct/{name}"]


def test_study_without_the_referenced_series_is_noted(real_data: RealData) -> None:
    zoo = real_data("seg_zoo")
    read_object = read(zoo / "dcmqi_ct3/liver.dcm", study=studies.read(zoo / "made_on_prostatex_adc/source"))
    assert read_object.source is None
    assert "source-not-found" in codes_of(read_object)


# What the object says


def test_segment_is_described_by_its_codes_and_color(real_data: RealData) -> None:
    read_object = read(real_data("seg_zoo") / "dcmqi_pet_sr/seg.dcm")
    segment = read_object.masks[0].segment
    assert segment.property_type.meaning == "Neoplasm, Primary"
    assert segment.anatomic_region is not None
    assert segment.anatomic_region.meaning == "pharyngeal tonsil (adenoid)"
    assert segment.color == (128, 174, 128)  # Slicer's "tissue" green
    assert read_object.referenced_series_uid is not None
    assert read_object.referenced_series_uid.endswith("130542397405")


def test_algorithm_name_is_given(real_data: RealData) -> None:
    zoo = real_data("seg_zoo")
    assert read(zoo / "dcmqi_ct3/liver.dcm").algorithm_name == "SlicerEditor"
    assert read(zoo / "dcmqi_pet_sr/seg.dcm").algorithm_name == ""


def test_fractional_threshold_is_noted(real_data: RealData) -> None:
    read_object = read(real_data("seg_zoo") / "ucsf_breast_mr/mask/1-1.dcm")
    assert "occupancy" in next(note.sentence for note in read_object.notes if note.code == "fractional-threshold")


def test_masks_and_their_slices_are_read_only(real_data: RealData) -> None:
    mask = read(real_data("seg_zoo") / "dcmqi_ct3/liver.dcm").masks[0]
    assert not mask.mask.flags.writeable
    assert not mask.bits.flags.writeable


def test_overlapping_segments_make_no_label_map(real_data: RealData) -> None:
    read_object = read(real_data("seg_zoo") / "dcmqi_ct3/partial_overlaps.dcm")
    assert read_object.overlapping
    with pytest.raises(InputError, match="overlap"):
        read_object.to_label_map()


# Objects that other writers could have written


Change = Callable[[Dataset], object]


@pytest.fixture
def edited(real_data: RealData, tmp_path: Path) -> Callable[[str, Change], Path]:
    """Give a copy of an object of the zoo with a change."""

    def edit(name: str, change: Change) -> Path:
        dataset = pydicom.dcmread(real_data("seg_zoo") / name)
        change(dataset)
        dataset.save_as(tmp_path / "edited.dcm")
        return tmp_path / "edited.dcm"

    return edit


Edit = Callable[[str, Change], Path]
LABELMAP = "made_on_prostatex_adc/highdicom_labelmap.dcm"
BINARY = "made_on_prostatex_adc/highdicom_binary.dcm"
FRACTIONAL = "made_on_prostatex_adc/highdicom_fractional_probability.dcm"


def per_frame(change: Callable[[Dataset, int], object]) -> Change:
    def apply(dataset: Dataset) -> None:
        for index, frame in enumerate(dataset.PerFrameFunctionalGroupsSequence):
            change(frame, index)

    return apply


def set_all(**values: object) -> Change:
    def apply(dataset: Dataset) -> None:
        for keyword, value in values.items():
            setattr(dataset, keyword, value)

    return apply


def move(step: Callable[[int], float]) -> Change:
    """Put the frame of each plane at another height along z, in a straight stack."""

    def apply(dataset: Dataset) -> None:
        dataset.SharedFunctionalGroupsSequence[0].PlaneOrientationSequence[0].ImageOrientationPatient = [
            *(1, 0, 0),
            *(0, 1, 0),
        ]
        del dataset.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence[0].SpacingBetweenSlices
        for index, frame in enumerate(dataset.PerFrameFunctionalGroupsSequence):
            frame.PlanePositionSequence[0].ImagePositionPatient = [0, 0, step(index)]

    return apply


def test_label_map_in_palette_color_has_its_labels(edited: Edit) -> None:
    assert counts(read(edited(LABELMAP, set_all(PhotometricInterpretation="PALETTE COLOR")))) == ADC


def test_pixel_padding_of_a_label_map_is_background(edited: Edit) -> None:
    def pad(dataset: Dataset) -> None:
        labels = np.frombuffer(dataset.PixelData, np.uint8).copy()
        labels[labels == 0] = 77
        dataset.PixelData = labels.tobytes()
        dataset.PixelPaddingValue = 77

    assert counts(read(edited(LABELMAP, pad))) == ADC


def test_label_that_is_not_described_is_refused(edited: Edit) -> None:
    with pytest.raises(InputError, match="label 2 occurs in the frames and is not described"):
        read(edited(LABELMAP, lambda dataset: dataset.SegmentSequence.pop()))


def test_label_map_of_sixteen_bits_is_read_and_makes_no_small_label_map(edited: Edit) -> None:
    def widen(dataset: Dataset) -> None:
        labels = np.frombuffer(dataset.PixelData, np.uint8).astype("<u2")
        labels[labels == 2] = 300
        dataset.PixelData = labels.tobytes()
        dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 16, 16, 15
        dataset.SegmentSequence[2].SegmentNumber = 300

    read_object = read(edited(LABELMAP, widen))
    assert counts(read_object) == ADC
    with pytest.raises(InputError, match="Segment Number 300"):
        read_object.to_label_map()


def test_half_is_inside_and_less_is_outside(edited: Edit) -> None:
    def fill(dataset: Dataset) -> None:
        dataset.MaximumFractionalValue = 200
        pixels = np.frombuffer(dataset.PixelData, np.uint8).copy()
        pixels[:] = 99
        pixels[:5] = 100
        dataset.PixelData = pixels.tobytes()

    assert counts(read(edited(FRACTIONAL, fill))) == (5, 0)


def test_label_map_of_fractional_segments_is_that_of_the_truth(real_data: RealData) -> None:
    zoo = real_data("seg_zoo")
    np.testing.assert_array_equal(
        read(zoo / FRACTIONAL).to_label_map().labels, read(zoo / LABELMAP).to_label_map().labels
    )


def test_order_of_frames_changes_nothing(edited: Edit, real_data: RealData) -> None:
    def reverse(dataset: Dataset) -> None:
        dataset.PerFrameFunctionalGroupsSequence = list(reversed(dataset.PerFrameFunctionalGroupsSequence))
        frames = np.frombuffer(dataset.PixelData, np.uint8).reshape(len(dataset.PerFrameFunctionalGroupsSequence), -1)
        dataset.PixelData = frames[::-1].tobytes()

    plain, turned = read(real_data("seg_zoo") / BINARY), read(edited(BINARY, reverse))
    np.testing.assert_array_equal(plain.to_label_map().labels, turned.to_label_map().labels)
    np.testing.assert_allclose(plain.geometry.affine, turned.geometry.affine, atol=1e-9)


def test_gap_is_the_common_step_of_sparse_frames(edited: Edit) -> None:
    heights = [0.0, 5.0, 7.5, 15.0]
    path = edited(LABELMAP, move(lambda index: heights[index % 4] + 30 * (index // 4)))
    read_object = read(path)
    assert read_object.geometry.spacing[0] == pytest.approx(2.5)
    assert read_object.geometry.spatial_shape[0] == 31
    assert counts(read_object) == ADC
    assert "gap-from-frames" in codes_of(read_object)


@pytest.mark.parametrize(
    ("name", "change", "sentence"),
    [
        (LABELMAP, move(lambda index: index**1.3), "on no regular grid"),
        (LABELMAP, move(lambda index: 0.5 * (index // 2)), "Several frames lie at one position"),
        (BINARY, move(lambda index: 2.0 * (index // 2)), "Several frames of one segment"),
        (LABELMAP, move(lambda index: 0.1 if index == 1 else 2500.0 * index), "would span"),
        (LABELMAP, lambda ds: ds.PerFrameFunctionalGroupsSequence.pop(), "12 frames and describes 11"),
        (LABELMAP, set_all(SegmentSequence=[]), "describes no segment"),
        (LABELMAP, lambda ds: delattr(ds, "Rows"), "incomplete, or a value in it is malformed"),
        (LABELMAP, lambda ds: setattr(ds.SegmentSequence[1], "SegmentNumber", 2), "Segment Numbers are to be"),
        (LABELMAP, lambda ds: delattr(ds.SegmentSequence[1], "SegmentNumber"), "no Segment Number"),
        (LABELMAP, set_all(SegmentationType="OTHER"), "Segmentation Type is none"),
        (LABELMAP, set_all(SamplesPerPixel=3), "in color"),
        (LABELMAP, lambda ds: delattr(ds, "PixelData"), "no Pixel Data"),
        (LABELMAP, lambda ds: setattr(ds, "PixelData", ds.PixelData[:-200]), "cannot be decoded"),
        (BINARY, lambda ds: setattr(ds, "PixelData", ds.PixelData[:-200]), "has 32056 bytes where 32256"),
        (BINARY, lambda ds: ds.SegmentSequence.pop(), "belongs to segment 2, which is not described"),
        (
            BINARY,
            per_frame(lambda frame, _: delattr(frame, "SegmentIdentificationSequence")),
            "does not say which of 2 segments",
        ),
        (FRACTIONAL, lambda ds: delattr(ds, "MaximumFractionalValue"), "does not say which value means one"),
        (
            BINARY,
            per_frame(lambda frame, _: setattr(frame.PlanePositionSequence[0], "ImagePositionPatient", [0, 0])),
            "is incomplete",
        ),
        (
            BINARY,
            lambda ds: setattr(
                ds.SharedFunctionalGroupsSequence[0].PlaneOrientationSequence[0],
                "ImageOrientationPatient",
                [1, 0, 0, 0.5, 1, 0],
            ),
            "orthogonal unit vectors",
        ),
        (
            BINARY,
            per_frame(
                lambda frame, index: setattr(
                    frame.PlanePositionSequence[0], "ImagePositionPatient", [0, index, 10 * index]
                )
            ),
            "within their plane",
        ),
    ],
)
def test_damaged_object_is_refused_with_the_reason(name: str, change: Change, sentence: str, edited: Edit) -> None:
    path = edited(name, change)
    with pytest.raises(InputError, match=sentence) as caught:
        read(path)
    assert caught.value.status == 4


def test_frames_in_two_orientations_are_refused(edited: Edit) -> None:
    def turn(frame: Dataset, index: int) -> None:
        frame.PlaneOrientationSequence = [Dataset()]
        turned = [0, 1, 0, 0, 0, -1] if index else [1, 0, 0, 0, 1, 0]
        frame.PlaneOrientationSequence[0].ImageOrientationPatient = turned

    with pytest.raises(InputError, match="several orientations"):
        read(edited(BINARY, per_frame(turn)))


def test_image_is_no_segmentation(real_data: RealData) -> None:
    with pytest.raises(InputError, match="is no segmentation"):
        read(real_data("seg_zoo") / "highdicom_ct/ct_image.dcm")


def test_text_is_not_dicom(tmp_path: Path) -> None:
    (tmp_path / "a.dcm").write_text("not DICOM")
    with pytest.raises(InputError, match="is not DICOM"):
        read(tmp_path / "a.dcm")


@pytest.mark.parametrize("name", ["liver_deflate.dcm", "liver_rle.dcm", "liver_j2k.dcm", "liver.dcm"])
def test_cut_off_file_is_refused(name: str, real_data: RealData, tmp_path: Path) -> None:
    content = (real_data("seg_zoo") / "pydicom_transfer_syntaxes" / name).read_bytes()
    (tmp_path / name).write_bytes(content[:-400])
    with pytest.raises(InputError):
        read(tmp_path / name)


def test_object_without_display_colors_gives_each_segment_its_own(real_data: RealData) -> None:
    colors = {mask.segment.color for mask in read(real_data("seg_zoo") / BINARY).masks}
    assert len(colors) == 2


def test_segments_without_codes_are_noted(edited: Edit) -> None:
    read_object = read(edited(BINARY, lambda ds: delattr(ds.SegmentSequence[0], "SegmentedPropertyTypeCodeSequence")))
    assert read_object.masks[0].segment.property_type.meaning == "Unknown"
    assert "uncoded-segments" in codes_of(read_object)


def test_big_endian_words_are_swapped(edited: Edit, real_data: RealData) -> None:
    def swap(dataset: Dataset) -> None:
        words = np.frombuffer(dataset.PixelData, "<u2")
        dataset["PixelData"].VR = "OW"
        dataset.PixelData = words.byteswap().tobytes()

    path = edited("pydicom_transfer_syntaxes/liver_expb.dcm", swap)
    plain = read(real_data("seg_zoo") / "dcmqi_ct3/liver.dcm")
    np.testing.assert_array_equal(read(path).masks[0].mask, plain.masks[0].mask)


@pytest.mark.parametrize("phase", [0, 1])
def test_of_two_phases_at_the_same_positions_the_named_one_is_the_source(phase: int, tmp_path: Path) -> None:
    for number in (0, 1):
        made = Made(np.zeros((10, 6, 7), np.int16), modality="MR", attributes={"TemporalPositionIdentifier": number})
        slices = make_slices(made)
        for index, one in enumerate(slices):
            one.SOPInstanceUID = one.file_meta.MediaStorageSOPInstanceUID = UID(f"2.25.77{number}{index}")
        write_series(tmp_path / str(number), slices)
    study = studies.read(tmp_path)
    stack = study.series[0].stacks[phase]
    labels = np.zeros((10, 6, 7), np.uint8)
    labels[4, 2:4, 2:4] = 1
    read_object = read(write_seg(tmp_path, stack, labels), study=study)
    assert len(study.series[0].stacks) == 2
    assert read_object.source == describe_source(stack)


@pytest.mark.parametrize("time", range(4))
def test_of_four_times_in_one_object_the_named_frames_are_the_source(
    time: int, real_data: RealData, tmp_path: Path
) -> None:
    study = studies.read(real_data("awkward") / "enhanced/philips_fmri_4d")
    stack = study.series[0].stacks[time]
    pixels = stack.instances[0].pixels
    labels = np.zeros((len(stack.planes), pixels.rows, pixels.columns), np.uint8)
    labels[3:5, 20:30, 20:24] = 1
    read_object = read(write_seg(tmp_path, stack, labels), study=study)
    assert read_object.source == describe_source(stack)
    np.testing.assert_array_equal(read_object.to_label_map().labels, labels)


def test_stack_of_another_frame_of_reference_is_no_source(tmp_path: Path) -> None:
    folder = write_made(tmp_path / "source", Made(np.zeros((10, 6, 7), np.int16)))
    stack = studies.read(folder).series[0].stacks[0]
    moved = replace(stack, header=replace(stack.header, frame_of_reference_uid="2.25.5"))
    path = write_seg(tmp_path, stack, np.ones((10, 6, 7), np.uint8))
    assert read(path, study=stack).source is not None
    assert read(path, study=moved).source is None


def write_seg(folder: Path, stack: Stack, labels: npt.NDArray[np.uint8], kind: str = "BINARY") -> Path:
    written = label_map(stack, labels, segments("kidney")[:2])
    description = Description(3004, "Kidney AI", "KIDNEY", Algorithm("DEMO", "1", "ab" * 32, {}), "KIDNEY", "0.1.0")
    encoded = encode(
        written, stack, description, segmentation_type=SegmentationType(kind), clock=lambda: datetime(2026, 1, 2)
    )
    (folder / "seg.dcm").write_bytes(to_bytes(encoded.dataset))
    return folder / "seg.dcm"


@pytest.mark.parametrize("kind", ["BINARY", "LABELMAP"])
def test_written_by_us_and_read_again_is_the_same(kind: str, tmp_path: Path) -> None:
    labels = np.zeros((10, 6, 7), np.uint8)
    labels[2:5, 1:4, 2:6], labels[6, 3:, :3] = 1, 2
    made = Made(labels.astype(np.int16), spacing=(3.0, 0.9, 0.7), orientation=(0, 1, 0, 0, 0, -1))
    stack = studies.read(write_made(tmp_path / "source", made)).series[0].stacks[0]
    again = read(write_seg(tmp_path, stack, labels, kind), study=stack).to_label_map()
    np.testing.assert_array_equal(again.labels, labels)
    np.testing.assert_array_equal(again.volume.affine, stack_affine(stack))
    assert again.source == describe_source(stack)
    assert [one.property_type for one in again.segments] == [one.property_type for one in segments("kidney")[:2]]
