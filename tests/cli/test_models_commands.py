"""``aimi models`` as a user meets it: import, fetch and verify, each wrong turn with its status and sentence."""

import contextlib
import json
import os
import pickle
import signal
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from aimi.cli import models_command
from aimi.cli.main import app, main
from aimi.engine import checkpoint
from aimi.errors import AimiError
from aimi.interruption import Interruption
from aimi.models import fetching, ledger
from aimi.models.catalogue import TASK773_LIVER, TASK779_KIDNEYS, TOTALSEGMENTATOR_3MM
from tests.models.archive_server import Shelf, serve
from tests.models.zips import make_model, zip_folder, zip_of

pytestmark = pytest.mark.torch  # the models are written by it

BELOW = "3d_fullres/Task773_Liver/nnUNetTrainerV2__nnUNetPlansv2.1/"


def aimi(*arguments: str | Path, env: dict[str, str] | None = None, answer: str = "") -> Result:
    named = {"COLUMNS": "300", **(env or {})}
    return CliRunner().invoke(app, [str(argument) for argument in arguments], env=named, input=answer)


def status(result: Result) -> int:
    return result.exception.status if isinstance(result.exception, AimiError) else result.exit_code


def start(*arguments: str | Path, env: dict[str, str]) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "aimi", *(str(argument) for argument in arguments)]
    return subprocess.Popen(
        command, env={**os.environ, **env}, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


@pytest.fixture
def models(tmp_path: Path) -> Path:
    return tmp_path / "models"


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    return zip_folder(make_model(tmp_path / "m"), tmp_path / TASK773_LIVER.file, BELOW)


@pytest.fixture
def shelf(archive: Path) -> Shelf:
    return Shelf(archive.read_bytes())


@pytest.fixture
def mirror(shelf: Shelf, tmp_path: Path) -> Iterator[dict[str, str]]:
    with serve(shelf) as base:
        yield {fetching.SOURCE: base, "AIMI_CACHE": str(tmp_path / "cache")}


@pytest.mark.parametrize("command", ["import", "fetch", "verify", "list"])
def test_help_teaches(command: str) -> None:
    assert "Usage" in aimi("models", command, "--help").output


def test_an_archive_is_imported_listed_and_verified(models: Path, archive: Path) -> None:
    assert "Task773_Liver: imported, 1 fold(s), 1 label(s)" in aimi("models", "import", archive, "-m", models).output
    listed = json.loads(aimi("models", "list", "-m", models, "--json").output)
    assert [row["name"] for row in listed if row["present"] and not row["name"].startswith("DEMO-")] == [
        "Task773_Liver"
    ]
    assert aimi("models", "verify", "-m", models).exit_code == 0


def test_the_users_own_folder_is_the_default(tmp_path: Path, archive: Path) -> None:
    home = {"XDG_DATA_HOME": str(tmp_path / "data"), "HOME": str(tmp_path), "AIMI_MODELS": ""}
    assert aimi("models", "import", archive, env=home).exit_code == 0
    assert (tmp_path / "data" / "aimi" / "models" / "Task773_Liver" / "model.json").is_file()
    (row,) = json.loads(aimi("models", "verify", "--json", env=home).output)
    assert (row["name"], row["sound"]) == ("Task773_Liver", True)


def test_altered_weights_end_with_6_and_the_sentence(models: Path, archive: Path) -> None:
    aimi("models", "import", archive, "-m", models)
    weights = models / "Task773_Liver" / "fold_0.safetensors"
    content = weights.read_bytes()
    weights.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    ended = aimi("models", "verify", "-m", models)
    assert ended.exit_code == 6
    assert "The weights fold_0.safetensors are missing or altered: their SHA-256 differs." in ended.output


def test_an_import_without_enough_memory_ends_with_5_and_leaves_nothing(
    models: Path, archive: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def short(*_: object, **__: object) -> None:
        raise MemoryError

    monkeypatch.setattr(checkpoint, "save_file", short)
    monkeypatch.setattr(sys, "argv", ["aimi", "models", "import", str(archive), "-m", str(models)])
    with pytest.raises(SystemExit) as ended:
        main(Interruption())
    assert (ended.value.code, list(models.iterdir())) == (5, [])
    assert "There is not enough memory for this command. Free memory" in capsys.readouterr().err


class _Caller:
    def __reduce__(self) -> tuple[object, ...]:
        return (print, ("it ran",))


def test_a_malicious_archive_ends_with_6_and_nothing_runs(tmp_path: Path, models: Path) -> None:
    fold = f"{BELOW}fold_0/model_final_checkpoint.model"
    bad = zip_of(tmp_path / "m.zip", (f"{BELOW}plans.pkl", pickle.dumps(_Caller())), (fold, b""), (f"{fold}.pkl", b""))
    ended = aimi("models", "import", bad, "-m", models)
    assert status(ended) == 6
    assert "it ran" not in ended.output
    assert list(models.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["import", "nowhere.zip"], 2),
        (["import", "ARCHIVE", "--name", "../x"], 2),
        (["import", "ARCHIVE", "--name", "Task779_Kidneys_KIRC"], 6),
        (["import", "ARCHIVE", "-m", "demo"], 2),
        (["fetch", "spleen"], 2),
        (["fetch", "kidney", "--rules", "none"], 2),
        (["fetch", "kidney", "--fast-region"], 2),
        (["fetch", "DEMO-liver-ct"], 2),
        (["fetch", "liver_ct"], 2),
        (["fetch"], 2),
        (["verify"], 6),
    ],
)
def test_wrong_turns_end_with_their_status(tmp_path: Path, archive: Path, arguments: list[str], expected: int) -> None:
    named = [str(archive) if word == "ARCHIVE" else word for word in arguments]
    home = {"HOME": str(tmp_path), "XDG_DATA_HOME": str(tmp_path), "AIMI_MODELS": "", fetching.SOURCE: "http://[::1]:1"}
    assert status(aimi("models", *named, env=home)) == expected


def test_a_model_is_fetched_and_its_licence_remembered(models: Path, mirror: dict[str, str], shelf: Shelf) -> None:
    ended = aimi("models", "fetch", "liver_ct", "-m", models, "--accept-licence", env=mirror)
    assert (ended.exit_code, shelf.asked) == (0, [("/Task773_Liver.zip", None)])
    assert ledger.accepted_licences(models) == {"CC-BY-NC-4.0"}
    again = aimi("models", "fetch", "Task773_Liver", "-m", models, env=mirror)
    assert "Task773_Liver: at hand already." in again.output
    assert len(shelf.asked) == 1


def test_a_licence_of_a_later_model_is_missed_before_an_earlier_one_is_downloaded(
    models: Path, mirror: dict[str, str], shelf: Shelf
) -> None:
    ended = aimi("models", "fetch", "lung_pet_ct", "-m", models, env=mirror)
    assert "CC-BY-NC-4.0 of Task762_PET_CT_Breast was not accepted" in str(ended.exception)
    assert (status(ended), shelf.asked) == (2, [])


@pytest.mark.parametrize(("answer", "expected"), [("y\n", 0), ("n\n", 2)])
def test_on_a_terminal_the_licence_is_asked_for(
    models: Path, mirror: dict[str, str], monkeypatch: pytest.MonkeyPatch, answer: str, expected: int
) -> None:
    monkeypatch.setattr(models_command, "_is_terminal", lambda: True)
    ended = aimi("models", "fetch", "liver_ct", "-m", models, env=mirror, answer=answer)
    assert status(ended) == expected
    assert "CC-BY-NC-4.0 (https://creativecommons.org/licenses/by-nc/4.0/legalcode). Do you accept it?" in ended.output


@pytest.mark.parametrize(
    ("words", "names"),
    [
        (["kidney"], ["Task779_Kidneys_KIRC"]),
        (["lung_ct"], ["Task775_CT_NSCLC_RG", "Task777_CT_Nodules"]),
        (["lung_pet_ct"], ["Dataset291_TotalSegmentator_part1_organs_1559subj", "Task762_PET_CT_Breast"]),
        (["lung_pet_ct", "--fast-region"], [TOTALSEGMENTATOR_3MM.name, "Task762_PET_CT_Breast"]),
    ],
)
def test_a_task_stands_for_what_its_run_needs(words: list[str], names: list[str]) -> None:
    specs = models_command._wanted([words[0]], None, "--fast-region" in words)
    assert sorted(spec.name for spec in specs) == sorted(names)


def test_several_tasks_share_a_model() -> None:
    names = [
        spec.name for spec in models_command._wanted(["lung_pet_ct", "breast", "Task779_Kidneys_KIRC"], None, False)
    ]
    assert names.count("Task762_PET_CT_Breast") == 1
    assert TASK779_KIDNEYS.name in names


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_during_a_download_leaves_what_arrived_and_no_model(
    models: Path, mirror: dict[str, str], shelf: Shelf, tmp_path: Path, number: signal.Signals
) -> None:
    shelf.stop = 1000
    command = ("models", "fetch", "liver_ct", "-m", models, "--accept-licence")
    place = tmp_path / "cache" / "downloads" / "8274976-Task773_Liver.zip.partial"
    with start(*command, env=mirror) as process:
        while process.poll() is None and (not place.is_file() or place.stat().st_size < 1000):
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(0.02)
        process.send_signal(number)
        assert process.wait(10) == 128 + number
    assert place.stat().st_size == 1000
    assert [path.name for path in models.iterdir()] == [".licences.json"]
    shelf.stop = None
    assert aimi(*command, env=mirror).exit_code == 0
    assert shelf.asked[-1] == ("/Task773_Liver.zip", "bytes=1000-")


def test_a_signal_during_an_import_leaves_nothing(tmp_path: Path, models: Path) -> None:
    plans = f"{BELOW}plans.pkl"
    with zipfile.ZipFile(tmp_path / "m.zip", "w") as packed:
        packed.writestr(plans, b"")
        packed.writestr(f"{BELOW}fold_0/model_final_checkpoint.model", bytes(200 << 20))
    with start("models", "import", tmp_path / "m.zip", "-m", models, env={}) as process:
        while process.poll() is None and not list(models.rglob("plans.pkl")):
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(0.005)
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 143
    assert list(models.iterdir()) == []
