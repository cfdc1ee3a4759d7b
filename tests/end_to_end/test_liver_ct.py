"""liver_ct itself on real CTs: the largest component of the threshold, clean by dciodvfy, read back by others."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import highdicom as hd
import numpy as np
import pydicom
import pytest
from scipy import ndimage

from tests.end_to_end import roads
from tests.end_to_end.proof import assert_marks, read_planes
from tests.end_to_end.threshold_task import WHOLE_SLICES, make_models

pytestmark = [pytest.mark.torch, pytest.mark.holoscan, pytest.mark.slow]

ROOT = Path(__file__).resolve().parents[2]
RealData = Callable[[str], Path]
THRESHOLD = 150.0
CASES = {
    "ct_abdomen_crlm_1004": (5.0, 0.796875, 0.796875),
    "petct_acrin_042": (3.27, 0.976562, 0.976562),
}


@pytest.fixture(scope="module", params=CASES)
def finished(
    request: pytest.FixtureRequest, real_data: RealData, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, Path]:
    """Run liver_ct as `python apps/liver_ct` with the threshold model in the place of the published one."""
    source = real_data(request.param)
    folder = tmp_path_factory.mktemp(request.param)
    models = make_models(folder / "models", CASES[request.param], THRESHOLD, "Task773_Liver", WHOLE_SLICES)
    command = [sys.executable, "apps/liver_ct", "-i", str(source), "-o", str(folder / "out"), "-m", str(models)]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    return source, folder / "out"


def largest_component(volume: np.ndarray) -> np.ndarray:
    numbered, _ = ndimage.label(volume, np.ones((3, 3, 3)))
    sizes = np.bincount(numbered.ravel())
    sizes[0] = 0
    return np.asarray(numbered == sizes.argmax())


def test_the_liver_is_the_largest_component_of_the_threshold(finished: tuple[Path, Path]) -> None:
    source, out = finished
    series = json.loads((out / "liver_ct.report.json").read_bytes())["selection"]["chosen"]["ct"]["series_instance_uid"]
    planes = read_planes(source.rglob("*"), series)
    keys = sorted(planes, key=lambda key: float(planes[key].position[2]))
    expected = largest_component(np.stack([planes[key].pixels > THRESHOLD for key in keys]))
    by_pixels = {planes[key].pixels.tobytes(): mask for key, mask in zip(keys, expected, strict=True)}
    marked = assert_marks(out / "liver_ct.seg.dcm", planes, lambda pixels: by_pixels[pixels.tobytes()])
    assert marked == expected.sum()


def test_dciodvfy_finds_no_error(finished: tuple[Path, Path]) -> None:
    if shutil.which("dciodvfy") is None:
        pytest.fail("dciodvfy is not installed (Debian package dicom3tools; make install brings it)")
    seg = str(finished[1] / "liver_ct.seg.dcm")
    checked = subprocess.run(["dciodvfy", "-new", seg], capture_output=True, text=True, check=False)
    assert [line for line in checked.stderr.splitlines() if line.startswith("Error")] == []


def test_highdicom_reads_back_the_voxels_at_their_positions(finished: tuple[Path, Path]) -> None:
    seg_path = finished[1] / "liver_ct.seg.dcm"
    volume = hd.seg.segread(seg_path).get_volume(combine_segments=True)
    dataset = pydicom.dcmread(seg_path)
    assert volume.array.sum() == dataset.pixel_array.sum()
    first = dataset.PerFrameFunctionalGroupsSequence[0].PlanePositionSequence[0].ImagePositionPatient
    index = volume.map_reference_to_indices(np.array([first], dtype=float), round_output=True)[0]
    frames = dataset.pixel_array if int(dataset.NumberOfFrames) > 1 else dataset.pixel_array[np.newaxis]
    np.testing.assert_array_equal(volume.array[index[0]], frames[0])


def test_dcmqi_reads_back_the_voxels_at_their_positions(finished: tuple[Path, Path], tmp_path: Path) -> None:
    import SimpleITK as sitk  # noqa: N813  (its customary name)

    seg_path = finished[1] / "liver_ct.seg.dcm"
    program = Path(sys.executable).with_name("segimage2itkimage")
    command = [str(program), "--inputDICOM", str(seg_path), "--outputDirectory", str(tmp_path), "--outputType", "nrrd"]
    subprocess.run(command, check=True, capture_output=True)
    image = sitk.ReadImage(str(tmp_path / "1.nrrd"))
    array = sitk.GetArrayFromImage(image)
    dataset = pydicom.dcmread(seg_path)
    for frame, groups in zip(dataset.pixel_array, dataset.PerFrameFunctionalGroupsSequence, strict=True):
        position = [float(value) for value in groups.PlanePositionSequence[0].ImagePositionPatient]
        index = image.TransformPhysicalPointToIndex(position)  # type: ignore[no-untyped-call]  # untyped
        assert index[:2] == (0, 0)
        np.testing.assert_array_equal(array[index[2]], frame)


def test_the_report_says_what_was_chosen_run_and_measured(finished: tuple[Path, Path]) -> None:
    report = json.loads((finished[1] / "liver_ct.report.json").read_bytes())
    assert report["status"] == 0
    assert [model["name"] for model in report["models"]] == ["Task773_Liver"]
    assert report["segments"][0]["components"] == 1
    assert report["removed"]
    assert set(report["files"]) == {"seg.dcm", "preview.png"}


@pytest.mark.parametrize("name", ["mr_abdomen_cmb_crc", "ct_chest_lidc_0314"])
def test_studies_without_an_abdominal_ct_are_refused(name: str, real_data: RealData, tmp_path: Path) -> None:
    from aimi.tasks.liver_ct import LIVER_CT

    models = make_models(tmp_path / "models", (1.0, 1.0, 1.0), THRESHOLD, name="Task773_Liver")
    end = roads.run("command", LIVER_CT, real_data(name), tmp_path / "out", models)
    assert end.status == 3
    assert roads.segmentations(tmp_path / "out") == []


def test_without_models_the_application_ends_with_6_and_says_what_to_do(real_data: RealData, tmp_path: Path) -> None:
    source = real_data("ct_abdomen_crlm_1004")
    command = [sys.executable, "apps/liver_ct", "-i", str(source), "-o", str(tmp_path / "out")]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert ended.returncode == 6
    assert "aimi models fetch Task773_Liver" in ended.stderr
    assert roads.segmentations(tmp_path / "out") == []
