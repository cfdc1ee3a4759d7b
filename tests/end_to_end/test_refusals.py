"""What must be refused is refused: the status, the message, a report with the reason, no .dcm."""

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydicom.dataset import Dataset

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
    "gantry_tilt": (4, "slices"),
    "not_a_volume": (4, "one position|slices"),
    "slice_increment_a": (4, "slices"),
    "slice_increment_b": (4, "slices"),
    "slice_count_two": (4, "slices"),
    "slice_orientation_mixed": (4, "slices"),
    "missing_slice_prostatex_bval": (4, "1 slice is missing"),
    "localizer_three_planes": (4, "slice"),
    "mosaic_siemens": (4, "mosaic|MOSAIC"),
    "dose_reports": (4, "more than one patient"),
    "dicomdir": (4, "patient"),
    "enhanced/pydicom": (4, "."),
    "made/missing_slice_10": (4, "1 slice is missing"),
    "made/same_position_new_uid_same_pixels": (4, "one position"),
    "made/same_position_new_uid_other_pixels": (4, "one position"),
    "made/same_uid_other_pixels": (4, "SOP Instance UID"),
    "made/truncated_last_file": (4, "pixels"),
    "made/truncated_header": (4, "slice"),
    "made/jitter_0.2mm": (4, "2.80 mm and the largest 3.20 mm"),
    "made/sheared_gantry_tilt": (4, "tilt"),
    "made/one_slice_other_orientation": (4, "1 slice is missing"),
    "made/one_slice_other_size": (4, "1 slice is missing"),
    "made/one_position_missing": (4, "Image Position"),
}


@pytest.mark.parametrize("road", ROADS)
@pytest.mark.parametrize("name", AWKWARD)
def test_awkward_sets_are_refused(name: str, road: str, real_data: RealData, models: Path, tmp_path: Path) -> None:
    status, words = AWKWARD[name]
    end = roads.run(road, PROOF, real_data("awkward") / name, tmp_path / "out", models)
    _assert_refused(end, status, words)


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
    return lambda ds: [delattr(ds, keyword) for keyword in keywords if keyword in ds]


def _set(**values: Any) -> Callable[[Dataset], object]:
    return lambda ds: [setattr(ds, keyword, value) for keyword, value in values.items()]


def _halve_pixels(ds: Dataset) -> None:
    ds.PixelData = ds.PixelData[: len(ds.PixelData) // 2]


def _other_size(index: int) -> list[Dataset]:
    slices = _slices()
    slices[index].Rows = 6
    slices[index].PixelData = slices[index].PixelData[: 6 * 10 * 2]
    return slices


def _drifting() -> list[Dataset]:
    slices = _slices()
    for number, one in enumerate(slices):
        x, y, z = (float(value) for value in one.ImagePositionPatient)
        one.ImagePositionPatient = [x, y + 0.25 * number, z]
    return slices


MADE: dict[str, tuple[Callable[[], list[Dataset]], str]] = {
    "too few slices": (lambda: _slices()[:7], "7 slices; at least 8"),
    "pixels absent": (lambda: _with(_drop("PixelData"), 3), "pixels"),
    "pixels short": (lambda: _with(_halve_pixels, 3), "pixels|short"),
    "orientation not unit": (lambda: _with(_set(ImageOrientationPatient=[1, 0, 0, 0, 0.5, 0])), "orientation|unit"),
    "orientation not orthogonal": (lambda: _with(_set(ImageOrientationPatient=[1, 0, 0, 0.6, 0.8, 0])), "orthogonal"),
    "zero spacing": (lambda: _with(_set(PixelSpacing=[0.0, 0.7])), "spacing"),
    "negative spacing": (lambda: _with(_set(PixelSpacing=[-0.9, 0.7])), "spacing"),
    "no spacing in one": (lambda: _with(_drop("PixelSpacing"), 4), "Pixel Spacing"),
    "no orientation in one": (lambda: _with(_drop("ImageOrientationPatient"), 4), "Image Orientation"),
    "no position in one": (lambda: _with(_drop("ImagePositionPatient"), 4), "Image Position"),
    "CT without rescale": (lambda: _with(_drop("RescaleSlope", "RescaleIntercept")), "escale"),
    "slice of other size at the end": (lambda: _other_size(8), "size"),
    "colour": (lambda: _with(_set(PhotometricInterpretation="RGB", SamplesPerPixel=3)), "colour|color|RGB"),
    "end of a two-millimetre drift": (_drifting, "tilt|drift|shear"),
}


@pytest.mark.parametrize("name", MADE)
def test_made_defects_are_refused(name: str, models: Path, tmp_path: Path) -> None:
    slices, words = MADE[name]
    source = write_series(tmp_path / "study", slices())
    _assert_refused(roads.run("command", PROOF, source, tmp_path / "out", models), 4, words)


def test_two_patients_are_refused_whatever_series_is_named(models: Path, tmp_path: Path) -> None:
    array = np.zeros((9, 12, 10), np.int16)
    write_made(tmp_path / "study" / "a", Made(array))
    write_made(tmp_path / "study" / "b", Made(array, patient="MADE-2", study=2, series=3))
    options = RunOptions(series_uid="2.25.1000.1.2")
    end = roads.run("command", PROOF, tmp_path / "study", tmp_path / "out", models, options)
    _assert_refused(end, 4, "more than one patient")


def test_two_studies_of_a_patient_are_refused_by_name(models: Path, tmp_path: Path) -> None:
    array = np.zeros((9, 12, 10), np.int16)
    write_made(tmp_path / "study" / "a", Made(array))
    write_made(tmp_path / "study" / "b", Made(array, study=2, series=3))
    end = roads.run("command", PROOF, tmp_path / "study", tmp_path / "out", models)
    _assert_refused(end, 3, "--study")


@pytest.mark.parametrize("road", ROADS)
def test_an_empty_folder_holds_no_suitable_series(road: str, models: Path, tmp_path: Path) -> None:
    (tmp_path / "study").mkdir()
    _assert_refused(roads.run(road, PROOF, tmp_path / "study", tmp_path / "out", models), 3, ".")


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
