"""What a models folder remembers: each kind apart, whole files only, none lost between processes."""

import subprocess
import sys
from pathlib import Path

import pytest

from aimi.errors import ModelError, OutputError
from aimi.models import ledger

ADD = """
import sys
from pathlib import Path
from aimi.models import ledger
ledger.hold_model(Path(sys.argv[1]), sys.argv[2], "x")
"""


def test_models_archives_and_licences_are_kept_apart(tmp_path: Path) -> None:
    ledger.hold_model(tmp_path, "a", "1")
    ledger.hold_archive(tmp_path, "a", "2")
    ledger.accept_licence(tmp_path, "a")
    assert (ledger.model_sha256(tmp_path, "a"), ledger.archive_sha256(tmp_path, "a")) == ("1", "2")
    assert ledger.accepted_licences(tmp_path) == {"a"}
    assert sorted(path.name for path in tmp_path.iterdir()) == [".hashes.json", ".licences.json"]


def test_nothing_is_known_of_a_folder_that_is_not_there(tmp_path: Path) -> None:
    assert ledger.model_sha256(tmp_path / "none", "a") is None
    assert ledger.accepted_licences(tmp_path / "none") == frozenset()


def test_what_several_processes_add_is_all_there(tmp_path: Path) -> None:
    names = [f"model {number}" for number in range(4)]
    started = [subprocess.Popen([sys.executable, "-c", ADD, str(tmp_path), name]) for name in names]
    assert [process.wait() for process in started] == [0] * 4
    assert list(ledger.held_models(tmp_path)) == names


@pytest.mark.parametrize("text", ["[]", '{"models": 3}'])
def test_a_record_of_another_shape_holds_nothing(tmp_path: Path, text: str) -> None:
    (tmp_path / ".hashes.json").write_text(text)
    assert ledger.held_models(tmp_path) == ()


def test_a_record_that_cannot_be_read_is_told_rather_than_forgotten(tmp_path: Path) -> None:
    (tmp_path / ".hashes.json").write_text("{")
    with pytest.raises(ModelError, match="what was held there is lost"):
        ledger.hold_model(tmp_path, "a", "1")


def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot be written"):
        ledger.write_json(tmp_path / "file" / "x.json", {})


def test_another_digest_than_the_first_is_refused(tmp_path: Path) -> None:
    ledger.require_same(tmp_path, "a", "1")
    ledger.hold_model(tmp_path, "a", "1")
    ledger.require_same(tmp_path, "a", "1")
    with pytest.raises(ModelError, match="was altered"):
        ledger.require_same(tmp_path, "a", "2")
