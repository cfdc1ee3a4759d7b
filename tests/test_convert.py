import errno
import os
import re
import subprocess
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import numpy.typing as npt
import pytest

from aimi.convert import convert
from aimi.dicom import study as studies
from aimi.errors import InputError, OutputError, ResourceError, UsageError

RealData = Callable[[str], Path]
nib: Any = nibabel
sitk: Any = import_module("SimpleITK")

ADC = "made_on_prostatex_adc"
LABELS = f"{ADC}/highdicom_binary.dcm"
OVERLAPPING = "dcmqi_ct3/partial_overlaps.dcm"
SUFFIXES = (".nii.gz", ".nii", ".nrrd")


def read_array(path: Path) -> npt.NDArray[np.int64]:
    array: npt.NDArray[np.int64] = sitk.GetArrayFromImage(sitk.ReadImage(str(path)))
    return array


def place(path: Path) -> list[float]:
    image = sitk.ReadImage(str(path))
    return [*image.GetOrigin(), *image.GetDirection(), *image.GetSpacing()]


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_label_map_on_its_source_is_the_truth(suffix: str, real_data: RealData, tmp_path: Path) -> None:
    zoo = real_data("seg_zoo")
    out = tmp_path / f"out{suffix}"
    assert convert(zoo / LABELS, out, study=zoo / ADC / "source") == (out,)
    truth = zoo / ADC / "truth_labels.nrrd"
    np.testing.assert_array_equal(read_array(out), read_array(truth))
    np.testing.assert_allclose(place(out), place(truth), atol=2e-5)


def test_study_that_was_read_before_serves_as_well(real_data: RealData, tmp_path: Path) -> None:
    zoo = real_data("seg_zoo")
    study = studies.read(zoo / ADC / "source")
    convert(zoo / LABELS, tmp_path / "a.nrrd", study=study)
    convert(zoo / LABELS, tmp_path / "b.nrrd", study=study.series[0].stacks[0])
    convert(zoo / LABELS, tmp_path / "c.nrrd", study=zoo / ADC / "source")
    assert len({path.read_bytes() for path in tmp_path.glob("*.nrrd")}) == 1


def test_overlapping_segments_get_a_file_each(real_data: RealData, tmp_path: Path) -> None:
    written = convert(real_data("seg_zoo") / OVERLAPPING, tmp_path / "out.nii.gz")
    assert [path.name for path in written] == [
        "out-1-tissue.nii.gz",
        "out-2-artery.nii.gz",
        "out-3-capillary.nii.gz",
        "out-4-edema.nii.gz",
        "out-5-vein.nii.gz",
    ]
    voxels = [np.asarray(nib.load(path).dataobj) for path in written]
    assert [int(each.sum()) for each in voxels] == [9602, 11888, 10743, 6693, 4713]
    assert {int(each.max()) for each in voxels} == {1}
    assert sorted(tmp_path.iterdir()) == sorted(written)


def test_dcmqi_writes_the_same_voxels_at_the_same_positions(real_data: RealData, tmp_path: Path) -> None:
    source = real_data("seg_zoo") / OVERLAPPING
    program = Path(sys.executable).parent / "segimage2itkimage"
    options = ["--inputDICOM", str(source), "--outputDirectory", str(tmp_path), "--outputType", "nrrd", "-p", "dcmqi"]
    subprocess.run([str(program), *options], check=True, capture_output=True)
    for number, ours in enumerate(convert(source, tmp_path / "out.nrrd"), start=1):
        theirs = tmp_path / f"dcmqi-{number}.nrrd"
        assert positions(ours) == positions(theirs)


def positions(path: Path) -> set[tuple[float, ...]]:
    image = sitk.ReadImage(str(path))
    index = np.argwhere(sitk.GetArrayFromImage(image))[:, ::-1]
    direction = np.reshape(image.GetDirection(), (3, 3)) * image.GetSpacing()
    return {tuple(point) for point in np.round(index @ direction.T + image.GetOrigin(), 2).tolist()}


def test_notes_go_to_the_log(real_data: RealData, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    convert(real_data("seg_zoo") / "highdicom_ct/seg_image_ct_true_fractional.dcm", tmp_path / "out.nii")
    assert any("voxels of 0.5 and more are taken" in record.message for record in caplog.records)


def test_two_conversions_give_the_same_bytes_and_the_second_is_no_error(real_data: RealData, tmp_path: Path) -> None:
    source = real_data("seg_zoo") / LABELS
    (out,) = convert(source, tmp_path / "out.nii.gz")
    first = out.read_bytes()
    assert convert(source, out) == (out,)
    assert out.read_bytes() == first


def test_file_with_other_content_is_not_touched(real_data: RealData, tmp_path: Path) -> None:
    out = tmp_path / "image.nii.gz"
    out.write_bytes(b"precious")
    with pytest.raises(OutputError, match="taken by another file") as caught:
        convert(real_data("seg_zoo") / LABELS, out)
    assert caught.value.status == 7
    assert out.read_bytes() == b"precious"
    assert list(tmp_path.iterdir()) == [out]


def test_one_taken_place_leaves_no_other_file(real_data: RealData, tmp_path: Path) -> None:
    taken = tmp_path / "out-5-vein.nii.gz"
    taken.write_bytes(b"precious")
    with pytest.raises(OutputError):
        convert(real_data("seg_zoo") / OVERLAPPING, tmp_path / "out.nii.gz")
    assert list(tmp_path.iterdir()) == [taken]


def test_refused_segmentation_leaves_no_file(real_data: RealData, tmp_path: Path) -> None:
    with pytest.raises(InputError):
        convert(real_data("seg_zoo") / "highdicom_cr/seg_image_cr_binary.dcm", tmp_path / "out.nii.gz")
    assert not list(tmp_path.iterdir())


def test_unknown_suffix_is_wrong_usage(real_data: RealData, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="ends in none of"):
        convert(real_data("seg_zoo") / LABELS, tmp_path / "out.mha")


def test_missing_segmentation_is_wrong_usage(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="does not exist"):
        convert(tmp_path / "absent.dcm", tmp_path / "out.nii.gz")


def test_folder_is_made_where_it_is_missing(real_data: RealData, tmp_path: Path) -> None:
    (out,) = convert(real_data("seg_zoo") / LABELS, tmp_path / "new" / "out.nii.gz")
    assert out.is_file()


def test_folder_that_is_a_file_cannot_be_written(real_data: RealData, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(OutputError, match="cannot be written"):
        convert(real_data("seg_zoo") / LABELS, tmp_path / "file" / "out.nii.gz")


def test_full_disk_leaves_no_file(real_data: RealData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    flushed: list[int] = []

    def fill_up(descriptor: int) -> None:
        flushed.append(descriptor)
        if len(flushed) == 3:
            raise OSError(errno.ENOSPC, "full")

    monkeypatch.setattr(os, "fsync", fill_up)
    with pytest.raises(ResourceError):
        convert(real_data("seg_zoo") / OVERLAPPING, tmp_path / "out.nii.gz")
    assert not list(tmp_path.iterdir())


def test_free_text_of_labels_is_in_no_file_name(real_data: RealData, tmp_path: Path) -> None:
    written = convert(real_data("seg_zoo") / OVERLAPPING, tmp_path / "out.nrrd")
    assert not any(word in path.name.lower() for path in written for word in ("green", "orange", "purple"))


def test_nrrd_holds_the_names_of_segments(real_data: RealData, tmp_path: Path) -> None:
    (out,) = convert(real_data("seg_zoo") / LABELS, tmp_path / "out.nrrd")
    image = sitk.ReadImage(str(out))
    assert [image.GetMetaData(f"Segment{index}_Name") for index in (0, 1)] == ["label 1", "label 2"]


def documented(language: str) -> list[str]:
    """Give the blocks of a language in the document on reading segmentations."""
    text = (Path(__file__).parent.parent / "docs" / "reading_segs.md").read_text()
    return re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)


def test_commands_of_the_document_work(real_data: RealData, tmp_path: Path) -> None:
    zoo = real_data("seg_zoo")
    (tmp_path / "SEG.dcm").symlink_to(zoo / LABELS)
    (tmp_path / "STUDY").symlink_to(zoo / ADC / "source")
    environment = os.environ | {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    (commands,) = documented("sh")
    subprocess.run(["sh", "-ec", commands], cwd=tmp_path, env=environment, check=True, capture_output=True)
    assert read_array(tmp_path / "OUT.nii.gz").shape == (12, 128, 84)
    assert read_array(tmp_path / "OUT.nrrd").shape == (19, 128, 84)
    (program,) = documented("python")
    run = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, check=True, capture_output=True, text=True)
    assert run.stdout.splitlines() == ["1 Prostate 6961", "2 Prostate 1759"]
