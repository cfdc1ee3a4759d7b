"""A sample on disk is a valid study with its truth."""

import subprocess
from pathlib import Path

import numpy as np
import pytest

from aimi.dicom import seg_reading, selection, study, suv, volume
from aimi.errors import OutputError
from aimi.samples import SamplePaths, make_sample
from aimi.samples.drawing import draw
from aimi.tasks import kidney, liver_mr, lung_ct, prostate
from aimi.tasks.liver_ct import LIVER_CT

COARSE = (8.0, 4.0, 4.0)


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> SamplePaths:
    return make_sample("liver_ct", tmp_path_factory.mktemp("sample"), seed=4, oblique=True, spacing=COARSE)


def test_study_holds_what_a_scanner_leaves(sample: SamplePaths) -> None:
    found = study.read(sample.study)
    kinds = sorted(series.header.image_type[2] for series in found.series)
    assert kinds == ["AXIAL", "LOCALIZER", "LOCALIZER", "REFORMATTED", "SCREEN SAVE"]
    assert not found.problems


def test_liver_task_takes_the_volume(sample: SamplePaths) -> None:
    chosen = selection.require_sound(selection.choose(study.read(sample.study), LIVER_CT.rules))
    assert chosen.stacks["ct"].header.image_type == ("ORIGINAL", "PRIMARY", "AXIAL")


def test_volume_reads_back_as_it_was_drawn(sample: SamplePaths) -> None:
    stack = selection.choose(study.read(sample.study), LIVER_CT.rules)[0].stacks["ct"]
    image = volume.load(stack, units="HU")
    drawing = draw("liver_ct", seed=4, oblique=True, spacing=COARSE)
    assert np.array_equal(image.volume.array, drawing.scans[0].image)
    assert np.allclose(image.volume.affine, drawing.scans[0].grid.affine, atol=1e-4)


def test_truth_reads_back_as_it_was_drawn(sample: SamplePaths) -> None:
    truth = seg_reading.read(sample.truth, study=study.read(sample.study))
    drawing = draw("liver_ct", seed=4, oblique=True, spacing=COARSE)
    assert [mask.segment.label for mask in truth.masks] == ["Liver"]
    assert np.array_equal(truth.masks[0].mask, drawing.labels == 1)


def test_every_file_is_valid(sample: SamplePaths) -> None:
    files = [*sample.study.rglob("*.dcm"), sample.truth]
    reports = [subprocess.run(["dciodvfy", "-new", str(file)], check=False, capture_output=True) for file in files]
    errors = [line for report in reports for line in report.stderr.splitlines() if line.startswith(b"Error")]
    assert len(files) > 30
    assert errors == []


def test_study_is_consistent(sample: SamplePaths) -> None:
    files = [str(file) for file in [*sample.study.rglob("*.dcm"), sample.truth]]
    assert subprocess.run(["dcentvfy", *files], check=False, capture_output=True, text=True).stderr == ""


def test_equal_arguments_give_equal_files(sample: SamplePaths, tmp_path: Path) -> None:
    again = make_sample("liver_ct", tmp_path, seed=4, oblique=True, spacing=COARSE)
    names = sorted(path.relative_to(sample.study) for path in sample.study.rglob("*.dcm"))
    assert names == sorted(path.relative_to(again.study) for path in again.study.rglob("*.dcm"))
    assert all((sample.study / name).read_bytes() == (again.study / name).read_bytes() for name in names)
    assert sample.truth.read_bytes() == again.truth.read_bytes()


def test_seeds_are_different_patients(sample: SamplePaths, tmp_path: Path) -> None:
    other = make_sample("liver_ct", tmp_path, seed=5, spacing=(12.0, 8.0, 8.0))
    first, second = (study.read(paths.study) for paths in (sample, other))
    assert first.study_instance_uid != second.study_instance_uid
    assert first.series[0].instances[0].patient_id != second.series[0].instances[0].patient_id


def test_reformat_shows_the_same_body(sample: SamplePaths) -> None:
    series = {one.header.image_type[2]: one.stacks[0] for one in study.read(sample.study).series}
    axial, coronal = (volume.load(series[kind], units="HU").volume for kind in ("AXIAL", "REFORMATTED"))
    middle = np.array(coronal.array.shape) // 2
    point = coronal.affine @ [*middle, 1]
    k, j, i = np.round(np.linalg.inv(axial.affine) @ point)[:3].astype(int)
    near = axial.array[k - 1 : k + 2, j - 2 : j + 3, i - 1 : i + 2]
    assert near.min() - 1 <= coronal.array[tuple(middle)] <= near.max() + 1


def test_second_sample_in_a_folder_is_refused(sample: SamplePaths) -> None:
    with pytest.raises(OutputError, match="already"):
        make_sample("liver_ct", sample.study.parent, spacing=COARSE)


@pytest.mark.parametrize(
    ("task", "rules", "series"),
    [
        ("kidney", kidney.RULES, 2),
        ("lung_ct", lung_ct.RULES, 2),
        ("prostate", prostate.RULES, 2),
        ("liver_mr", liver_mr.RULES, 2),
    ],
)
def test_each_task_finds_its_volume_in_its_sample(
    task: str, rules: tuple[selection.Rule, ...], series: int, tmp_path: Path
) -> None:
    paths = make_sample(task, tmp_path, seed=1, spacing=(8.0, 6.0, 6.0))
    chosen = selection.require_sound(selection.choose(study.read(paths.study), rules))
    assert [stack.header.series_number for stack in chosen.stacks.values()] == [series]
    files = [*paths.study.rglob("*.dcm"), paths.truth]
    reports = [subprocess.run(["dciodvfy", "-new", str(file)], check=False, capture_output=True) for file in files]
    assert not any(report.returncode for report in reports)


@pytest.fixture(scope="module")
def pet_ct(tmp_path_factory: pytest.TempPathFactory) -> SamplePaths:
    return make_sample("lung_pet_ct", tmp_path_factory.mktemp("pet"), seed=1, spacing=(12.0, 10.0, 10.0))


def test_pet_ct_study_is_valid_and_consistent(pet_ct: SamplePaths) -> None:
    files = [str(file) for file in [*pet_ct.study.rglob("*.dcm"), pet_ct.truth]]
    reports = [subprocess.run(["dciodvfy", "-new", file], check=False, capture_output=True) for file in files]
    assert not any(report.returncode for report in reports)
    assert subprocess.run(["dcentvfy", *files], check=False, capture_output=True).stderr == b""


def test_pet_gives_back_the_uptake_that_was_drawn(pet_ct: SamplePaths) -> None:
    series = {one.header.series_number: one.stacks[0] for one in study.read(pet_ct.study).series}
    factors = suv.suv_factors(series[1])
    assert factors.body_weight is not None
    image = suv.to_suv(volume.load(series[1], units="BQML"), factors.body_weight)
    scan = draw("lung_pet_ct", seed=1, spacing=(12.0, 10.0, 10.0)).scans[0]
    assert scan.injection is not None
    drawn = scan.image / scan.injection.bqml_per_suv
    # half a step of 16 bits, a slice's highest value being 32000 steps
    assert np.abs(image.volume.array - drawn).max() < 0.51 * drawn.max() / 32000 + 1e-3 * drawn.max()


def test_uncorrected_pet_has_no_suv(pet_ct: SamplePaths) -> None:
    series = {one.header.series_number: one.stacks[0] for one in study.read(pet_ct.study).series}
    assert suv.suv_factors(series[2]).body_weight is None
