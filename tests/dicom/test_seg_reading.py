from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pydicom
import pytest
from pydicom.errors import InvalidDicomError

from aimi.dicom.seg_reading import SegmentationObject, read
from aimi.errors import InputError

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
