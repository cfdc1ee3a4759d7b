"""PET/CT on a real study: the published pair, exact on both grids by both roads, the uptake, and refusals."""

import json
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pydicom
import pytest
import SimpleITK
from scipy import ndimage

from aimi.options import RunOptions
from aimi.tasks.task import Task
from tests.end_to_end import coarse_pair, roads
from tests.end_to_end.coarse_pair import CT, PET, PET_SPACING
from tests.end_to_end.pet_ct import BREAST_PROOF, LUNG_PROOF, make_pet_ct_models
from tests.end_to_end.proof import assert_marks, read_planes
from tests.end_to_end.threshold_task import WHOLE_SLICES

pytestmark = [pytest.mark.torch, pytest.mark.holoscan, pytest.mark.slow]

sitk: Any = SimpleITK
RealData = Callable[[str], Path]
CT_SPACING = (3.27, 0.976562, 0.976562)
HU, ACTIVITY = 180.0, 9000.5
SUV_FACTOR = 4.21110070e-4


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    return make_pet_ct_models(
        folder, ct=CT_SPACING, pet=PET_SPACING, hu=HU, activity=ACTIVITY, region_patch=WHOLE_SLICES
    )


@pytest.fixture(scope="module")
def finished(
    real_data: RealData, models: Path, tmp_path_factory: pytest.TempPathFactory
) -> dict[tuple[str, str], roads.End]:
    """Run the study on both grids by both roads."""
    out = tmp_path_factory.mktemp("out")
    source = real_data("petct_acrin_042")
    return {
        (road, grid): roads.run(road, LUNG_PROOF, source, out / road / grid, models, RunOptions(grid=grid), demo=True)
        for road in roads.ROADS
        for grid in ("pet", "ct")
    }


@cache
def image_of(source: Path, series_uid: str) -> Any:
    """Read a series by SimpleITK's own reader, rescaled slice by slice by pydicom."""
    files = sitk.ImageSeriesReader.GetGDCMSeriesFileNames(str(source / "DICOM"), series_uid)
    first, last = (pydicom.dcmread(files[n], stop_before_pixels=True) for n in (0, -1))
    slices = []
    for name in files:
        ds = pydicom.dcmread(name)
        slices.append(ds.pixel_array.astype(np.float64) * float(ds.RescaleSlope) + float(ds.RescaleIntercept))
    image = sitk.GetImageFromArray(np.stack(slices))
    gap = (last.ImagePositionPatient[2] - first.ImagePositionPatient[2]) / (len(files) - 1)
    image.SetOrigin([float(value) for value in first.ImagePositionPatient])
    image.SetSpacing([float(first.PixelSpacing[1]), float(first.PixelSpacing[0]), float(gap)])
    return image


@cache
def expected_tumors(source: Path) -> Any:
    """Give, by other programs' means, the tumors that touch the two largest pieces of dense tissue."""
    pet, ct = image_of(source, PET), image_of(source, CT)
    dense = sitk.GetImageFromArray((sitk.GetArrayFromImage(ct) > HU).astype(np.uint8))
    dense.CopyInformation(ct)
    region = sitk.GetArrayFromImage(sitk.Resample(dense, pet, sitk.Transform(), sitk.sitkNearestNeighbor, 0))
    covered = sitk.Resample(ct * 0 + 1, pet, sitk.Transform(), sitk.sitkNearestNeighbor, 0)
    cube = np.ones((3, 3, 3), np.bool_)
    numbered, count = ndimage.label(region, cube)
    sizes = ndimage.sum_labels(region, numbered, np.arange(1, count + 1))
    pieces = np.isin(numbered, 1 + np.argsort(-sizes, kind="stable")[:2])
    near = ndimage.binary_dilation(ndimage.binary_fill_holes(pieces), cube)
    tumors = (sitk.GetArrayFromImage(pet) > ACTIVITY) & (sitk.GetArrayFromImage(covered) > 0)
    numbered, _ = ndimage.label(tumors, cube)
    kept = np.isin(numbered, np.setdiff1d(np.unique(numbered[near & tumors]), 0))
    assert 0 < kept.sum() < tumors.sum()
    image = sitk.GetImageFromArray(kept.astype(np.uint8))
    image.CopyInformation(pet)
    return image


def tumor_frames(seg: Path, segment: int, folder: Path) -> Path:
    """Write a copy of a segmentation that holds the frames of one segment alone."""
    ds = pydicom.dcmread(seg)
    groups = list(ds.PerFrameFunctionalGroupsSequence)
    chosen = [
        n for n, one in enumerate(groups) if one.SegmentIdentificationSequence[0].ReferencedSegmentNumber == segment
    ]
    frames = np.atleast_3d(ds.pixel_array)[chosen]
    ds.PerFrameFunctionalGroupsSequence = [groups[n] for n in chosen]
    ds.NumberOfFrames = len(chosen)
    ds.PixelData = np.packbits(frames.astype(bool).ravel(), bitorder="little").tobytes()
    path = folder / "tumor.dcm"
    ds.save_as(path)
    return path


def by_slice(planes: dict[Any, Any], expected: npt.NDArray[Any]) -> Callable[[npt.NDArray[np.float64]], Any]:
    """Give the expected mask of a plane by its pixels."""
    keys = sorted(planes, key=lambda key: float(planes[key].position[2]))
    table = {planes[key].pixels.tobytes(): mask for key, mask in zip(keys, expected, strict=True)}
    return lambda pixels: table[pixels.tobytes()].astype(bool)


@pytest.mark.parametrize(("grid", "series"), [("pet", PET), ("ct", CT)])
def test_tumors_are_exact_on_either_grid(
    grid: str, series: str, finished: dict[tuple[str, str], roads.End], real_data: RealData, tmp_path: Path
) -> None:
    end = finished["command", grid]
    assert (end.status, end.message) == (0, "")
    source = real_data("petct_acrin_042")
    expected = expected_tumors(source)
    if grid == "ct":
        expected = sitk.Resample(expected, image_of(source, CT), sitk.Transform(), sitk.sitkNearestNeighbor, 0)
    planes = read_planes(source.rglob("*.dcm"), series)
    tumors = tumor_frames(end.folder / "lung_pet_ct.seg.dcm", 2, tmp_path)
    marked = assert_marks(tumors, planes, by_slice(planes, sitk.GetArrayFromImage(expected)))
    assert marked == sitk.GetArrayFromImage(expected).sum()


def test_both_roads_give_the_same_bytes(finished: dict[tuple[str, str], roads.End]) -> None:
    for name in ("lung_pet_ct.seg.dcm", "lung_pet_ct.preview.png"):
        contents = {
            grid: {(finished[road, grid].folder / name).read_bytes() for road in roads.ROADS} for grid in ("pet", "ct")
        }
        assert {len(one) for one in contents.values()} == {1}


@pytest.mark.parametrize(("grid", "reference", "further"), [("pet", PET, CT), ("ct", CT, PET)])
def test_the_object_references_one_series_and_names_the_other(
    grid: str, reference: str, further: str, finished: dict[tuple[str, str], roads.End]
) -> None:
    ds = pydicom.dcmread(finished["command", grid].folder / "lung_pet_ct.seg.dcm")
    series = {one.SeriesInstanceUID for one in ds.ReferencedSeriesSequence}
    assert series == {reference, further}
    assert [segment.SegmentLabel for segment in ds.SegmentSequence] == ["Lung", "FDG-Avid Tumor"]


@pytest.mark.parametrize("grid", ["pet", "ct"])
def test_dciodvfy_finds_no_error(grid: str, finished: dict[tuple[str, str], roads.End]) -> None:
    if shutil.which("dciodvfy") is None:
        pytest.fail("dciodvfy is not installed (Debian package dicom3tools; make install brings it)")
    seg = str(finished["command", grid].folder / "lung_pet_ct.seg.dcm")
    checked = subprocess.run(["dciodvfy", "-new", seg], capture_output=True, text=True, check=False)
    assert [line for line in checked.stderr.splitlines() if line.startswith("Error")] == []


def test_the_report_has_the_pair_the_calibration_and_the_uptake_of_each_lesion(
    finished: dict[tuple[str, str], roads.End], real_data: RealData
) -> None:
    report = json.loads((finished["command", "pet"].folder / "lung_pet_ct.report.json").read_bytes())
    chosen = {role: one["series_instance_uid"] for role, one in report["selection"]["chosen"].items()}
    assert chosen == {"pet": PET, "ct": CT}
    uptake = report["uptake"]
    (factor,) = uptake["suv"]["factors"]["body-weight"]
    assert factor == pytest.approx(SUV_FACTOR, rel=1e-8)
    source = real_data("petct_acrin_042")
    pet = sitk.GetArrayFromImage(image_of(source, PET))
    mask = sitk.GetArrayFromImage(expected_tumors(source)) > 0
    patient = uptake["patient"]
    assert patient["suv_max"] == pytest.approx(pet[mask].max() * SUV_FACTOR, abs=1e-3)
    assert patient["mtv_ml"] == pytest.approx(mask.sum() * 4.6875**2 * 3.27 / 1000, rel=1e-3)
    assert patient["tlg"] == pytest.approx(pet[mask].sum() * SUV_FACTOR * 4.6875**2 * 3.27 / 1000, rel=1e-3)
    assert sum(one["voxels"] for one in uptake["lesions"]) == mask.sum()


def test_uptake_is_the_same_whatever_the_grid_of_the_result(finished: dict[tuple[str, str], roads.End]) -> None:
    reports = [
        json.loads((finished["command", grid].folder / "lung_pet_ct.report.json").read_bytes())
        for grid in ("pet", "ct")
    ]
    assert reports[0]["uptake"] == reports[1]["uptake"]


def everywhere(task: Task) -> Task:
    """Give the task as it would be if the tumor model looked everywhere."""
    assert task.region is not None
    return replace(task, region=replace(task.region, support={}))


def frames_of(end: roads.End, task: Task) -> bytes:
    assert (end.status, end.message) == (0, "")
    frames = bytes(pydicom.dcmread(end.folder / f"{task.name}.seg.dcm").PixelData)
    assert any(frames)
    return frames


def test_looking_at_the_lungs_alone_changes_no_voxel(
    finished: dict[tuple[str, str], roads.End], models: Path, real_data: RealData, tmp_path: Path
) -> None:
    source = real_data("petct_acrin_042")
    end = roads.run("command", everywhere(LUNG_PROOF), source, tmp_path, models, demo=True)
    assert frames_of(end, LUNG_PROOF) == frames_of(finished["command", "pet"], LUNG_PROOF)


def test_looking_at_the_breasts_alone_changes_no_voxel(real_data: RealData, tmp_path: Path) -> None:
    source = coarse_pair.write_coarse_pair(real_data("petct_acrin_042"), tmp_path / "study")
    models = make_pet_ct_models(
        tmp_path / "models", ct=coarse_pair.CT_SPACING, pet=PET_SPACING, hu=HU, activity=ACTIVITY
    )
    ends = [
        roads.run("command", task, source, tmp_path / f"{number}", models, demo=True)
        for number, task in enumerate((BREAST_PROOF, everywhere(BREAST_PROOF)))
    ]
    assert frames_of(ends[0], BREAST_PROOF) == frames_of(ends[1], BREAST_PROOF)
