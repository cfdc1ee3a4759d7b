"""The command line as a user meets it: every command, every wrong turn, one sentence, the right status."""

import json
import resource
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pydicom
import pytest
from typer.testing import CliRunner, Result

from aimi.cli.main import app
from aimi.dicom import seg_reading
from aimi.errors import AimiError
from tests.engine.threshold_model import make_threshold_model
from tests.made import Made, write_made

RealData = Callable[[str], Path]
COMMANDS = ["tasks", "select", "run", "convert", "preview", "sample", "models list", "models verify"]


def aimi(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments], env={"COLUMNS": "200"})


def status(result: Result) -> int:
    return result.exception.status if isinstance(result.exception, AimiError) else result.exit_code


def process(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "aimi", *(str(argument) for argument in arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def cpu_seconds(*arguments: str) -> float:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert process(*arguments).returncode == 0
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


@pytest.fixture
def study(tmp_path: Path) -> Path:
    array = np.random.default_rng(3).integers(-200, 300, (10, 20, 20), dtype=np.int16)
    return write_made(tmp_path / "study", Made(array, attributes={"BodyPartExamined": "ABDOMEN"}))


@pytest.mark.parametrize("command", ["", *COMMANDS])
def test_help_teaches(command: str) -> None:
    result = aimi(*command.split(), "--help")
    assert result.exit_code == 0
    assert "Usage" in result.output


def test_help_takes_less_than_half_a_second_of_cpu() -> None:
    # The least of some runs: the processor's time of the same work doubles where others share its caches.
    assert any(cpu_seconds("--help") < 0.5 for _ in range(5))


def test_help_imports_nothing_heavy() -> None:
    script = "import sys, aimi.cli.main; print([m for m in ('torch', 'numpy', 'pydicom', 'rich') if m in sys.modules])"
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert ended.stdout.strip() in {"[]", "['rich']"}


def test_tasks_are_listed_without_torch() -> None:
    script = (
        "import sys; from typer.testing import CliRunner; from aimi.cli.main import app; "
        "result = CliRunner().invoke(app, ['tasks', '--json']); print(result.output); "
        "assert not {'torch', 'openvino'} & set(sys.modules)"
    )
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert "liver_ct" in [task["name"] for task in json.loads(ended.stdout)]


def test_select_names_the_chosen_series_and_why(study: Path) -> None:
    result = aimi("select", "liver_ct", study)
    assert result.exit_code == 0
    assert "Chosen ct: 2.25.1000.1.2" in result.output


def test_select_as_json_has_chosen_and_candidates(study: Path) -> None:
    facts = json.loads(aimi("select", "liver_ct", study, "--json").output)
    assert facts["chosen"]["ct"]["series_instance_uid"] == "2.25.1000.1.2"
    assert facts["candidates"][0]["rank"] == 1


def test_select_ends_with_3_where_nothing_suits(tmp_path: Path) -> None:
    source = write_made(tmp_path / "mr", Made(np.zeros((9, 8, 8), np.int16), modality="MR"))
    result = aimi("select", "liver_ct", source)
    assert result.exit_code == 3
    assert "It is MR, not CT" in result.output


def test_select_ends_with_4_where_the_best_has_a_defect(tmp_path: Path) -> None:
    source = write_made(tmp_path / "short", Made(np.zeros((5, 8, 8), np.int16)))
    assert aimi("select", "liver_ct", source).exit_code == 4


@pytest.mark.torch
@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["run", "lung_xray", "STUDY", "-o", "OUT"], 2),
        (["run", "liver_ct", "nowhere", "-o", "OUT"], 2),
        (["run", "liver_ct", "STUDY"], 2),
        (["run", "liver_ct", "STUDY", "-o", "OUT", "--seg-type", "png"], 2),
        (["run", "liver_ct", "STUDY", "-o", "OUT", "--max-memory", "lots"], 2),
        (["run", "liver_ct", "STUDY", "-o", "OUT", "--series", "1.2.3", "-m", "MODELS"], 2),
        (["run", "liver_ct", "STUDY", "-o", "OUT", "-m", "nowhere"], 6),
        (["run", "liver_ct", "STUDY", "-o", "STUDY/0000.dcm", "-m", "MODELS"], 7),
        (["select", "liver_ct", "nowhere"], 2),
        (["convert", "nowhere.dcm", "OUT.nii.gz"], 2),
        (["convert", "STUDY/0000.dcm", "OUT.nii.gz"], 4),
        (["models", "verify", "-m", "nowhere"], 6),
        (["sample", "lung_xray", "OUT"], 2),
        (["preview", "STUDY/0000.dcm", "STUDY"], 4),
    ],
)
def test_wrong_turns_end_with_their_status_and_one_sentence(
    arguments: list[str], expected: int, study: Path, tmp_path: Path
) -> None:
    make_threshold_model(tmp_path / "models" / "Task773_Liver", (2.5, 0.9, 0.7), 100.0)
    places = {"STUDY": str(study), "MODELS": str(tmp_path / "models"), "OUT": str(tmp_path / "out")}
    filled = [_fill(argument, places) for argument in arguments]
    result = aimi(*filled)
    assert status(result) == expected, (result.output, result.exception)
    assert "Traceback" not in result.output
    assert list(tmp_path.rglob("*.seg.dcm")) == []


def _fill(argument: str, places: dict[str, str]) -> str:
    for word, path in places.items():
        argument = argument.replace(word, path)
    return argument


WRONG_USAGE = [
    ["foo"],
    ["--nope"],
    ["models"],
    ["run", "liver_ct", "STUDY"],
    ["convert", "a"],
    ["run", "liver_ct", "STUDY", "-o", "OUT", "--nope"],
    ["run", "liver_ct", "STUDY", "-o", "OUT", "--max-memory", "inf"],
    ["sample", "liver_ct", "OUT", "--seed", "x"],
    ["preview", "a.dcm", "STUDY", "-o", "OUT.dcm"],
    ["sbom", "--task", "nope", "-o", "OUT"],
]


@pytest.mark.parametrize("arguments", WRONG_USAGE, ids=" ".join)
def test_wrong_usage_ends_with_2_and_names_no_defect_of_ours(arguments: list[str], study: Path, tmp_path: Path) -> None:
    filled = [_fill(argument, {"STUDY": str(study), "OUT": str(tmp_path / "out")}) for argument in arguments]
    ended = process(*filled)
    assert ended.returncode == 2, ended.stderr
    assert "defect" not in ended.stderr
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize("variable", ["AIMI_MIRROR", "SOURCE_DATE_EPOCH", "AIMI_DEBUG", "AIMI_MAX_MEMORY"])
def test_a_variable_without_sense_is_wrong_usage(
    variable: str, study: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, "maybe")
    ended = process("run", "liver_ct", study, "-o", tmp_path / "out")
    assert ended.returncode == 2, ended.stderr
    assert "defect" not in ended.stderr


def test_debug_that_is_off_shows_no_traceback(study: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIMI_DEBUG", "0")
    assert "Traceback" not in process("run", "liver_ct", study, "-o", tmp_path / "out").stderr


def test_root_options_may_stand_behind_the_command(study: Path, tmp_path: Path) -> None:
    ended = process("run", "liver_ct", study, "-o", tmp_path / "out", "--log-json")
    assert ended.returncode == 6
    assert all(line.startswith("{") for line in ended.stderr.splitlines())


@pytest.mark.torch
def test_a_refused_selection_names_each_series_and_why(tmp_path: Path) -> None:
    source = write_made(tmp_path / "mr", Made(np.zeros((9, 8, 8), np.int16), modality="MR"))
    make = make_threshold_model(tmp_path / "models" / "Task773_Liver", (2.5, 0.9, 0.7), 100.0)
    ended = process("run", "liver_ct", source, "-o", tmp_path / "out", "-m", make.parent)
    assert ended.returncode == 3
    assert "It is MR, not CT" in ended.stderr


def test_a_missing_model_is_one_sentence_without_traceback(study: Path, tmp_path: Path) -> None:
    ended = process("run", "liver_ct", study, "-o", tmp_path / "out")
    assert ended.returncode == 6
    assert "aimi models fetch Task773_Liver" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_debug_shows_the_traceback(study: Path, tmp_path: Path) -> None:
    assert "Traceback" in process("--debug", "run", "liver_ct", study, "-o", tmp_path / "out").stderr


def test_log_json_is_one_object_a_line(study: Path, tmp_path: Path) -> None:
    ended = process("--log-json", "run", "liver_ct", study, "-o", tmp_path / "out", "-m", tmp_path, "--json")
    lines = [json.loads(line) for line in ended.stderr.splitlines() if line.startswith("{")]
    assert lines
    assert lines[-1]["status"] == 6
    assert json.loads(ended.stdout)["status"] == 6


@pytest.mark.torch
def test_run_prints_segments_and_paths(study: Path, tmp_path: Path) -> None:
    make_threshold_model(tmp_path / "models" / "Task773_Liver", (2.5, 0.9, 0.7), 100.0)
    result = aimi("run", "liver_ct", study, "-o", tmp_path / "out", "-m", tmp_path / "models")
    assert result.exit_code == 0, result.exception
    assert "Liver" in result.output
    for name in ("seg.dcm", "preview.png", "report.json"):
        assert (tmp_path / "out" / f"liver_ct.{name}").is_file()


@pytest.mark.torch
def test_secondary_capture_is_written_on_request(study: Path, tmp_path: Path) -> None:
    make_threshold_model(tmp_path / "models" / "Task773_Liver", (2.5, 0.9, 0.7), 100.0)
    out = tmp_path / "out"
    result = aimi("run", "liver_ct", study, "-o", out, "-m", tmp_path / "models", "--secondary-capture")
    assert result.exit_code == 0, result.exception
    assert (out / "liver_ct.preview.dcm").is_file()


@pytest.mark.torch
def test_nifti_in_gives_nifti_out_on_the_same_voxels(tmp_path: Path) -> None:
    import nibabel as nib

    array = np.random.default_rng(4).integers(0, 300, (20, 18, 12)).astype(np.int16)
    affine = np.array([[-0.9, 0, 0, 30], [0, 0.7, 0, -20], [0, 0, 2.5, 7], [0, 0, 0, 1.0]])
    nib.save(nib.Nifti1Image(array, affine), tmp_path / "image.nii.gz")  # type: ignore[no-untyped-call]
    make_threshold_model(tmp_path / "models" / "Task773_Liver", (2.5, 0.7, 0.9), 0.5)
    result = aimi("run", "liver_ct", tmp_path / "image.nii.gz", "-o", tmp_path / "out", "-m", tmp_path / "models")
    assert result.exit_code == 0, result.exception
    out = nib.load(tmp_path / "out" / "liver_ct.seg.nii.gz")
    np.testing.assert_array_equal(np.asarray(out.dataobj), array > 0)  # type: ignore[attr-defined]
    source = nib.load(tmp_path / "image.nii.gz")
    np.testing.assert_array_equal(out.affine, source.affine)  # type: ignore[attr-defined]
    assert not list((tmp_path / "out").glob("*.dcm"))


@pytest.mark.torch
def test_models_are_listed_and_verified(tmp_path: Path) -> None:
    folder = make_threshold_model(tmp_path / "Task773_Liver", (2.5, 0.9, 0.7), 100.0)
    listed = json.loads(aimi("models", "list", "-m", tmp_path, "--json").output)
    assert next(row for row in listed if row["name"] == "Task773_Liver")["present"] is True
    assert aimi("models", "verify", "-m", tmp_path).exit_code == 0
    (folder / "plans.json").write_text("{")
    assert aimi("models", "verify", "-m", tmp_path).exit_code == 6


def test_a_picture_of_another_writers_segmentation_is_drawn(real_data: RealData, tmp_path: Path) -> None:
    zoo = real_data("seg_zoo") / "made_on_prostatex_adc"
    result = aimi("preview", zoo / "dcmqi_binary.dcm", zoo / "source", "-o", tmp_path / "picture.png")
    assert result.exit_code == 0, result.exception
    assert (tmp_path / "picture.png").read_bytes().startswith(b"\x89PNG")


def test_the_picture_is_written_as_dicom_on_request_and_replaces_nothing(real_data: RealData, tmp_path: Path) -> None:
    zoo = real_data("seg_zoo") / "made_on_prostatex_adc"
    arguments = ("preview", zoo / "dcmqi_binary.dcm", zoo / "source", "-o", tmp_path / "a.png", "--secondary-capture")
    assert aimi(*arguments).exit_code == 0
    assert pydicom.dcmread(tmp_path / "a.dcm").Modality == "OT"
    assert status(aimi(*arguments)) == 7


@pytest.mark.parametrize("kind", ["AUTOMATIC", "SEMIAUTOMATIC", "MANUAL"])
def test_what_a_program_alone_made_is_told_from_a_reviewers_work(
    kind: str, real_data: RealData, tmp_path: Path
) -> None:
    dataset = pydicom.dcmread(real_data("seg_zoo") / "made_on_prostatex_adc" / "dcmqi_binary.dcm")
    for item in dataset.SegmentSequence:
        item.SegmentAlgorithmType = kind
    dataset.save_as(tmp_path / "seg.dcm")
    assert seg_reading.identify(tmp_path / "seg.dcm").is_automatic is (kind == "AUTOMATIC")
