"""What must be refused is refused: the status, the message, a report with the reason, no .dcm."""

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate
from pydicom.uid import UID

from aimi.options import RunOptions
from tests.end_to_end import roads
from tests.end_to_end.threshold_task import PROOF, make_models
from tests.made import Made, make_slices, write_made, write_series

pytestmark = [pytest.mark.torch, pytest.mark.holoscan]

RealData = Callable[[str], Path]
ROADS = roads.ROADS


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_models(tmp_path_factory.mktemp("models"), (2.5, 0.9, 0.7), 100.0)


AWKWARD = {
    "gantry_tilt": "gantry tilt of 14.0 degrees is not supported",
    "not_a_volume": "of its 4 images 3 repeat a position",
    "slice_increment_a": "1 slice is missing between position 28.11 and 38.11 mm",
    "slice_increment_b": "1 slice is missing between position -133.75 and -132.25 mm",
    "slice_count_two": "has 2 slices; at least 8 are needed",
    "slice_orientation_mixed": r"ImageOrientationPatient=1\] .* has 2 slices; at least 8 are needed",
    "missing_slice_prostatex_bval": "1 slice is missing between position -15.88 and -9.88 mm",
    "localizer_three_planes": r"ImageOrientationPatient=3\] .* has 5 slices; at least 8 are needed",
    "mosaic_siemens": "2 of 2 objects: each image is a mosaic of several slices",
    "dose_reports": "more than one patient .6 different Patient IDs",
    "dicomdir": "more than one patient .3 different Patient IDs",
    "enhanced/pydicom": "6 of 7 objects have no Patient ID and the others have one",
    "made/missing_slice_10": "1 slice is missing between position -24.88 and -18.88 mm",
    "made/same_position_new_uid_same_pixels": "of its 20 images 1 repeat a position",
    "made/same_position_new_uid_other_pixels": "of its 20 images 1 repeat a position",
    "made/same_uid_other_pixels": "2 files have one SOP Instance UID but different pixels",
    "made/truncated_last_file": "1 of 19 objects: the file is cut off inside its pixels",
    "made/truncated_header": "1 slice is missing .* do not say to which series they belong: 1",
    "made/jitter_0.2mm": "smallest step is 2.80 mm and the largest 3.20 mm",
    "made/sheared_gantry_tilt": "gantry tilt of 12.4 degrees is not supported",
    "made/one_slice_other_orientation": "1 slice is missing between position -42.88 and -36.88 mm",
    "made/one_slice_other_size": "1 slice is missing between position -42.88 and -36.88 mm",
    "made/one_position_missing": "lack Image Position, Image Orientation or Pixel Spacing: 1",
}


@pytest.mark.parametrize("road", ROADS)
@pytest.mark.parametrize("name", AWKWARD)
def test_awkward_sets_are_refused(name: str, road: str, real_data: RealData, models: Path, tmp_path: Path) -> None:
    end = roads.run(road, PROOF, real_data("awkward") / name, tmp_path / "out", models)
    _assert_refused(end, 4, AWKWARD[name])


ACCEPTED = ["missing_end_slices", "same_instance_twice", "no_preamble", "big_endian", "deflated", "implicit",
            "non_square_pixels", "rescale_per_slice", "instance_numbers_all_1", "two_echoes_one_series",
            "not_dicom_around", "no_meta_explicit"]  # fmt: skip


@pytest.mark.parametrize("name", ACCEPTED)
def test_odd_but_sound_sets_are_annotated(name: str, real_data: RealData, models: Path, tmp_path: Path) -> None:
    end = roads.run("command", PROOF, real_data("awkward") / "made" / name, tmp_path / "out", models)
    assert (end.status, end.message) == (0, "")


def test_every_made_set_of_the_real_data_is_in_one_of_the_lists(real_data: RealData) -> None:
    folder = real_data("awkward") / "made"
    present = {path.name for path in folder.iterdir() if path.is_dir()}
    listed = {name.removeprefix("made/") for name in AWKWARD if name.startswith("made/")} | set(ACCEPTED)
    assert present == listed


def _slices(**attributes: Any) -> list[Dataset]:
    array = np.arange(9 * 12 * 10, dtype=np.int16).reshape(9, 12, 10)
    return make_slices(Made(array, attributes=attributes))


def _with(change: Callable[[Dataset], object], index: int | None = None) -> list[Dataset]:
    slices = _slices()
    for one in slices if index is None else [slices[index]]:
        change(one)
    return slices


def _drop(*keywords: str) -> Callable[[Dataset], object]:
    def change(ds: Dataset) -> None:
        for keyword in keywords:
            if keyword in ds:
                delattr(ds, keyword)

    return change


def _set(**values: Any) -> Callable[[Dataset], object]:
    def change(ds: Dataset) -> None:
        for keyword, value in values.items():
            setattr(ds, keyword, value)

    return change


def _halve_pixels(ds: Dataset) -> None:
    ds.PixelData = ds.PixelData[: len(ds.PixelData) // 2]


def _other_size(index: int) -> list[Dataset]:
    slices = _slices()
    slices[index].Rows = 6
    slices[index].PixelData = slices[index].PixelData[: 6 * 10 * 2]
    return slices


def _moved(move: Callable[[int], tuple[float, float, float]]) -> list[Dataset]:
    """Move each slice by so many mm."""
    slices = _slices()
    for number, one in enumerate(slices):
        at = zip(one.ImagePositionPatient, move(number), strict=True)
        one.ImagePositionPatient = [float(value) + by for value, by in at]
    return slices


def _twice() -> list[Dataset]:
    """Give one instance twice, with other pixels."""
    slices = _slices()
    slices.append(_slices()[3])
    slices[-1].PixelData = bytes(len(slices[-1].PixelData))
    return slices


def _pet_without_slope() -> list[Dataset]:
    slices = make_slices(Made(np.zeros((9, 12, 10), np.int16), modality="PT"))
    for one in slices:
        del one.RescaleSlope
    return slices


def _float_pixels(ds: Dataset) -> None:
    del ds.PixelData
    ds.FloatPixelData = np.zeros((12, 10), np.float32).tobytes()
    ds.BitsAllocated = 32


def _spectral_jpeg(ds: Dataset) -> None:
    ds.file_meta.TransferSyntaxUID = UID("1.2.840.10008.1.2.4.53")
    ds.PixelData = encapsulate([ds.PixelData])
    ds["PixelData"].VR = "OB"
    ds["PixelData"].is_undefined_length = True


EIGHT_BITS = {"BitsAllocated": 8, "BitsStored": 8, "HighBit": 7}
LOSSY = {"BitsStored": 10, "HighBit": 9, "LossyImageCompression": "01"}
COARSER = {"PixelSpacing": [1.8, 1.4], "ImagePositionPatient": [-23.15, -34.95, -80.0]}
"""The last slice reconstructed at twice the spacing about the same center."""

MADE: dict[str, tuple[Callable[[], list[Dataset]], str]] = {
    "too few slices": (lambda: _slices()[:7], "has 7 slices; at least 8"),
    "slice missing": (lambda: _slices()[:4] + _slices()[5:], "1 slice is missing between position -92.50 and -87.50"),
    "irregular spacing": (lambda: _moved(lambda k: (0, 0, 0.4 * (k == 4))), "Irregular slice spacing: the smallest"),
    "in-plane drift": (lambda: _moved(lambda k: (0, 0.4 * (k % 2), 0)), "slices drift by 0.40 mm .0.6 pixels"),
    "shear": (lambda: _moved(lambda k: (0, 0.25 * k, 0)), "gantry tilt of 5.7 degrees is not supported"),
    "orientation not unit": (
        lambda: _with(_set(ImageOrientationPatient=[1, 0, 0, 0, 0.5, 0])),
        "not orthogonal unit vectors: they depart by 0.5,",
    ),
    "orientation not orthogonal": (
        lambda: _with(_set(ImageOrientationPatient=[1, 0, 0, 0.6, 0.8, 0])),
        "not orthogonal unit vectors: they depart by 0.6,",
    ),
    "orientation mixed": (
        lambda: _with(_set(ImageOrientationPatient=[0, 1, 0, -1, 0, 0]), 8),
        "orientation that continue the positions of the stack: 1;",
    ),
    "zero spacing": (lambda: _with(_set(PixelSpacing=[0.0, 0.7])), "pixel spacing is 0 mm"),
    "negative spacing": (lambda: _with(_set(PixelSpacing=[-0.9, 0.7])), "pixel spacing is -0.9 mm"),
    "no spacing in one": (lambda: _with(_drop("PixelSpacing"), 4), "lack Image Position, .* or Pixel Spacing: 1;"),
    "no orientation in one": (lambda: _with(_drop("ImageOrientationPatient"), 4), "lack Image Position, .*: 1;"),
    "no position in one": (lambda: _with(_drop("ImagePositionPatient"), 8), "lack Image Position, .*: 1;"),
    "other size at the end": (lambda: _other_size(8), "another size, .* that continue .* stack: 1;"),
    "other spacing at the end": (lambda: _with(_set(**COARSER), 8), "another size, spacing .* stack: 1;"),
    "two frames of reference": (lambda: _with(_set(FrameOfReferenceUID="2.25.77"), 8), "in 2 frames of reference"),
    "pixels absent": (lambda: _with(_drop("PixelData"), 3), "1 of 9 objects: there are no pixels in the file"),
    "pixels short": (lambda: _with(_halve_pixels, 3), "1 of 9 objects: the file is cut off .* or holds fewer"),
    "no rows": (lambda: _with(_set(Rows=0)), "9 of 9 objects: Rows is 0 and Columns is 10"),
    "columns absent": (lambda: _with(_drop("Columns")), "9 of 9 objects: Rows is 12 and Columns is 0"),
    "unknown transfer syntax": (lambda: _with(_spectral_jpeg), r"cannot be decoded: .*1\.2\.840\.10008\.1\.2\.4\.53"),
    "RGB": (lambda: _with(_set(PhotometricInterpretation="RGB", SamplesPerPixel=3)), "RGB images are not read"),
    "palette": (lambda: _with(_set(PhotometricInterpretation="PALETTE COLOR")), "PALETTE COLOR images are not read"),
    "bits allocated": (lambda: _with(_set(BitsAllocated=12)), "12 bits are allocated for a pixel"),
    "bits stored": (lambda: _with(_set(BitsStored=17)), "Bits Stored 17 and High Bit 15 do not fit"),
    "CT of 8 bits": (lambda: _with(_set(**EIGHT_BITS)), "CT of 8 bits cannot hold Hounsfield units"),
    "lossy below 12 bits": (lambda: _with(_set(**LOSSY)), "compressed with loss and holds 10 bits"),
    "float CT": (lambda: _with(_float_pixels), "floating point numbers, which are read in PET only"),
    "mosaic": (lambda: _with(_set(ImageType=["ORIGINAL", "PRIMARY", "MOSAIC"])), "a mosaic of several slices"),
    "CT without rescale": (lambda: _with(_drop("RescaleSlope", "RescaleIntercept")), "9 of 9 CT slices have no Resc"),
    "slope of zero": (lambda: _with(_set(RescaleSlope="0")), "Rescale Slope of zero"),
    "PET without slope": (_pet_without_slope, "A PET slice has no Rescale Slope"),
    "one UID for two images": (_twice, "2 files have one SOP Instance UID but different pixels"),
    "patient ID in part": (lambda: _with(_drop("PatientID"), 8), "1 of 9 objects have no Patient ID and the others"),
    "no series in one": (lambda: _with(_drop("SeriesInstanceUID"), 8), "do not say to which series they belong: 1;"),
    "no series": (lambda: _with(_drop("SeriesInstanceUID")), "9 of 9 .* the Series Instance UID is missing"),
    "no study": (lambda: _with(_set(StudyInstanceUID="")), "9 of 9 .* the Study Instance UID is missing"),
    "two studies in one value": (
        lambda: _with(_set(StudyInstanceUID=["2.25.1", "2.25.2"])),
        "9 of 9 .* the Study Instance UID is missing or is not one valid UID",
    ),
    "no SOP class": (lambda: _with(_set(SOPClassUID="")), "9 of 9 .* the SOP Class UID is missing"),
}


@pytest.mark.parametrize("name", MADE)
def test_made_defects_are_refused(name: str, models: Path, tmp_path: Path) -> None:
    slices, words = MADE[name]
    source = write_series(tmp_path / "study", slices())
    _assert_refused(roads.run("command", PROOF, source, tmp_path / "out", models), 4, words)


@pytest.mark.parametrize("road", ROADS)
def test_slice_that_cannot_be_opened_is_no_slice_less(road: str, models: Path, tmp_path: Path) -> None:
    source = write_series(tmp_path / "study", _slices())
    (source / "0008.dcm").unlink()
    (source / "0008.dcm").symlink_to(tmp_path / "nowhere")
    end = roads.run(road, PROOF, source, tmp_path / "out", models)
    _assert_refused(end, 4, "Files or folders that cannot be read, .*: 1;")


def test_linked_folder_is_no_slice_less(models: Path, tmp_path: Path) -> None:
    slices = _slices()
    source = write_series(tmp_path / "study", slices[:8])
    write_series(tmp_path / "elsewhere", slices[8:])
    (source / "link").symlink_to(tmp_path / "elsewhere")
    end = roads.run("command", PROOF, source, tmp_path / "out", models)
    assert end.status == 0, end.message
    assert end.report is not None
    (candidate,) = end.report["selection"]["candidates"]
    assert candidate["images"] == 9


def test_series_that_is_asked_for_must_be_sound(models: Path, tmp_path: Path) -> None:
    write_made(tmp_path / "study" / "a", Made(np.zeros((9, 12, 10), np.int16), series=3))
    write_series(tmp_path / "study" / "b", _slices()[:4] + _slices()[5:])
    options = RunOptions(series_uid="2.25.1000.1.2")
    end = roads.run("command", PROOF, tmp_path / "study", tmp_path / "out", models, options)
    _assert_refused(end, 4, "1 slice is missing between position -92.50 and -87.50 mm")


@pytest.mark.parametrize("road", ROADS)
@pytest.mark.parametrize("kept", [slice(0, 9), slice(4, 5)])
def test_series_thinner_than_half_a_voxel_of_the_training_is_refused(road: str, kept: slice, tmp_path: Path) -> None:
    array = np.zeros((9, 12, 10), np.int16)
    array[kept] = 200
    thickness = array[kept].shape[0]
    source = write_made(tmp_path / "study", Made(array, spacing=(1.0, 0.9, 0.7)))
    coarse = make_models(tmp_path / "models", (2.0 * thickness, 0.9, 0.7), 100.0, patch=(8, 16, 16))
    end = roads.run(road, PROOF, source, tmp_path / "out", coarse)
    _assert_refused(end, 4, f"is {thickness} mm thin along one axis, not more than half of the {2 * thickness} mm")


def test_sheared_nifti_image_is_refused(models: Path, tmp_path: Path) -> None:
    affine = np.diag([0.7, 0.9, 2.5, 1.0])
    affine[1, 2] = 2.5 * np.tan(np.radians(0.5))
    image = nib.Nifti1Image(np.zeros((10, 12, 9), np.int16), affine)  # type: ignore[no-untyped-call]
    nib.save(image, tmp_path / "image.nii")
    end = roads.run("command", PROOF, tmp_path / "image.nii", tmp_path / "out", models)
    _assert_refused(end, 4, r"axes of the file are not orthogonal: 0\.50 degrees")


def test_two_patients_are_refused_whatever_series_is_named(models: Path, tmp_path: Path) -> None:
    array = np.zeros((9, 12, 10), np.int16)
    write_made(tmp_path / "study" / "a", Made(array))
    write_made(tmp_path / "study" / "b", Made(array, patient="MADE-2", study=2, series=3))
    options = RunOptions(series_uid="2.25.1000.1.2")
    end = roads.run("command", PROOF, tmp_path / "study", tmp_path / "out", models, options)
    _assert_refused(end, 4, "more than one patient .2 different Patient IDs")


def test_two_studies_of_a_patient_are_refused_by_name(models: Path, tmp_path: Path) -> None:
    array = np.zeros((9, 12, 10), np.int16)
    write_made(tmp_path / "study" / "a", Made(array))
    write_made(tmp_path / "study" / "b", Made(array, study=2, series=3))
    end = roads.run("command", PROOF, tmp_path / "study", tmp_path / "out", models)
    _assert_refused(end, 3, "holds 2 studies of one patient: .* Name one with --study UID")


@pytest.mark.parametrize("road", ROADS)
def test_an_empty_folder_holds_no_suitable_series(road: str, models: Path, tmp_path: Path) -> None:
    (tmp_path / "study").mkdir()
    _assert_refused(
        roads.run(road, PROOF, tmp_path / "study", tmp_path / "out", models), 3, "holds no usable DICOM object"
    )


@pytest.mark.parametrize("road", ROADS)
def test_a_missing_model_names_the_command_that_gets_it(road: str, tmp_path: Path) -> None:
    source = write_made(tmp_path / "study", Made(np.zeros((9, 12, 10), np.int16)))
    end = roads.run(road, PROOF, source, tmp_path / "out", tmp_path)
    _assert_refused(end, 6, "aimi models fetch PROOF-threshold")


def test_the_next_candidate_is_named_with_the_option_that_takes_it(models: Path, tmp_path: Path) -> None:
    array = np.zeros((20, 12, 10), np.int16)
    gap = make_slices(Made(array, spacing=(1.0, 0.9, 0.7)))
    write_series(tmp_path / "study" / "a", gap[:9] + gap[10:])
    write_made(tmp_path / "study" / "b", Made(array[:9], series=3))
    end = roads.run("command", PROOF, tmp_path / "study", tmp_path / "out", models)
    _assert_refused(end, 4, r"--series '2\.25\.1000\.1\.3'")


def _assert_refused(end: roads.End, status: int, words: str) -> None:
    assert end.status == status, end.message
    assert end.message
    assert re.search(words, end.message), end.message
    assert str(end.folder) not in end.message
    assert roads.segmentations(end.folder) == []
    report = json.loads((end.folder / f"{PROOF.name}.report.json").read_bytes())
    assert report["status"] == status
    assert report["reason"] in end.message


@pytest.fixture(autouse=True)
def _no_leftovers(tmp_path: Path) -> Iterator[None]:
    yield
    assert [path for path in tmp_path.rglob(".*") if path.name.endswith(".partial")] == []
