"""All or nothing, the .dcm last; a finished result is not touched."""

import json
import os
from pathlib import Path

import pytest

from aimi.errors import AlreadyDoneError, OutputError
from aimi.output_place import OutputPlace, sha256_of

SEG = b"segmentation"


def finish(folder: Path, fingerprint: str = "a", seg: bytes = SEG) -> OutputPlace:
    report = {"status": 0, "fingerprint": fingerprint, "files": {"seg.dcm": sha256_of(SEG)}}
    place = OutputPlace(folder, "liver_ct")
    place.prepare()
    place.write({"report.json": json.dumps(report).encode(), "seg.dcm": seg})
    return place


def test_files_appear_under_their_names_and_nothing_else(tmp_path: Path) -> None:
    finish(tmp_path / "new" / "out")
    assert sorted(os.listdir(tmp_path / "new" / "out")) == ["liver_ct.report.json", "liver_ct.seg.dcm"]


def test_every_dcm_goes_last(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    order: list[str] = []
    replace = Path.replace

    def noted(self: Path, target: Path) -> Path:
        order.append(target.name)
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", noted)
    OutputPlace(tmp_path, "t").write({"a.dcm": b"", "seg.dcm": b"", "report.json": b"", "preview.png": b""})
    assert order == ["t.preview.png", "t.report.json", "t.a.dcm", "t.seg.dcm"]


def test_the_same_result_is_not_made_twice(tmp_path: Path) -> None:
    with pytest.raises(AlreadyDoneError, match="Already done"):
        finish(tmp_path).require_free("a")


def test_a_result_of_another_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="other models, options, input or software"):
        finish(tmp_path).require_free("b")


def test_a_changed_segmentation_is_not_already_done(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="no longer whole"):
        finish(tmp_path, seg=b"changed").require_free("a")


def test_a_segmentation_without_a_report_is_refused(tmp_path: Path) -> None:
    (tmp_path / "liver_ct.seg.dcm").write_bytes(b"of somebody")
    with pytest.raises(OutputError, match="without its report"):
        OutputPlace(tmp_path, "liver_ct").require_free("a")


def test_overwrite_replaces_another_result(tmp_path: Path) -> None:
    finish(tmp_path)
    place = OutputPlace(tmp_path, "liver_ct", overwrite=True)
    place.require_free("b")
    place.write({"seg.dcm": b"new"})
    assert (tmp_path / "liver_ct.seg.dcm").read_bytes() == b"new"


def test_a_report_of_a_refusal_is_no_result(tmp_path: Path) -> None:
    (tmp_path / "liver_ct.report.json").write_text('{"status": 4}')
    OutputPlace(tmp_path, "liver_ct").require_free("a")


def test_a_file_in_the_place_of_the_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("")
    with pytest.raises(OutputError, match="cannot be written"):
        OutputPlace(tmp_path / "out", "liver_ct").prepare()


def test_what_is_not_finished_is_removed(tmp_path: Path) -> None:
    place = OutputPlace(tmp_path, "liver_ct")
    (tmp_path / "liver_ct.seg.dcm").mkdir()
    with pytest.raises(OutputError):
        place.write({"report.json": b"{}", "seg.dcm": b""})
    assert [name for name in os.listdir(tmp_path) if name.startswith(".")] == []


def test_a_folder_in_the_place_of_a_file_changes_nothing(tmp_path: Path) -> None:
    (tmp_path / "liver_ct.seg.dcm").mkdir()
    with pytest.raises(OutputError):
        OutputPlace(tmp_path, "liver_ct", overwrite=True).write({"report.json": b"{}", "seg.dcm": b""})
    assert os.listdir(tmp_path) == ["liver_ct.seg.dcm"]


def test_what_a_killed_run_left_goes_with_the_next_result(tmp_path: Path) -> None:
    (tmp_path / ".liver_ct.seg.dcm.0badcafe.partial").write_bytes(b"half")
    finish(tmp_path)
    assert [name for name in os.listdir(tmp_path) if name.startswith(".")] == []
