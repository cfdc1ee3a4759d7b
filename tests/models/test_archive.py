"""Zips that nobody vouches for: nothing lands elsewhere, nothing grows without bound."""

import contextlib
import shutil
import stat
import struct
import zipfile
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aimi.errors import ModelError, ResourceError
from aimi.models.archive import Limits, unpack
from tests.models.zips import zip_of

PLANS = ("3d_fullres/Task779_X/T__P/plans.pkl", b"plans")


def link(name: str, kind: int = stat.S_IFLNK) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(name)
    entry.create_system, entry.external_attr = 3, (kind | 0o777) << 16
    return entry


def files_below(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


@pytest.fixture
def target(tmp_path: Path) -> Path:
    (tmp_path / "outside" / "target").mkdir(parents=True)
    return tmp_path / "outside" / "target"


def test_only_what_inference_reads_is_unpacked(tmp_path: Path, target: Path) -> None:
    fold = "3d_fullres/Task779_X/T__P/fold_0"
    kept = (PLANS, (f"{fold}/model_final_checkpoint.model", b"w"), (f"{fold}/model_final_checkpoint.model.pkl", b"d"))
    left = (
        (f"{fold}/model_best.model", b"w"),
        (f"{fold}/progress.png", b"p"),
        (f"{fold}/validation_raw/a.nii.gz", b"v"),
    )
    unpack(zip_of(tmp_path / "m.zip", *kept, *left), target)
    assert files_below(target) == sorted(name for name, _ in kept)


@pytest.mark.parametrize(
    "name", ["../plans.pkl", "a/../../plans.pkl", "/plans.pkl", "..\\plans.pkl", "C:/plans.pkl", "\\plans.pkl"]
)
def test_an_entry_that_would_lie_elsewhere_is_refused(tmp_path: Path, target: Path, name: str) -> None:
    with pytest.raises(ModelError, match="outside its folder"):
        unpack(zip_of(tmp_path / "m.zip", PLANS, (name, b"x")), target)
    assert files_below(tmp_path) == ["m.zip"]


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFIFO, stat.S_IFCHR])
def test_links_and_devices_are_refused(tmp_path: Path, target: Path, kind: int) -> None:
    with pytest.raises(ModelError, match="link or a device"):
        unpack(zip_of(tmp_path / "m.zip", PLANS, (link("fold_0", kind), b"/etc")), target)
    assert files_below(target) == []


@pytest.mark.parametrize(
    ("limits", "words"),
    [
        (Limits(entries=2), "3 entries, more than 2"),
        (Limits(size=1 << 20), "unpack to 2 MiB, more than 1 MiB"),
        (Limits(ratio=50, ratio_from=1 << 20), "-fold when unpacked"),
    ],
)
def test_a_bomb_is_refused_before_anything_is_written(tmp_path: Path, target: Path, limits: Limits, words: str) -> None:
    bomb = zip_of(tmp_path / "m.zip", PLANS, ("a/plans.pkl", bytes(2 << 20)), ("b/progress.png", b"x"))
    with pytest.raises(ModelError, match=words):
        unpack(bomb, target, limits)
    assert files_below(target) == []


def test_entries_that_share_their_bytes_are_refused(tmp_path: Path, target: Path) -> None:
    path = zip_of(tmp_path / "m.zip", ("plans.pkl", b"1"), ("fold_0/plans.pkl", b"2"))
    content = bytearray(path.read_bytes())
    struct.pack_into("<I", content, content.index(b"PK\x01\x02") + 20, len(content))
    path.write_bytes(content)
    with pytest.raises(ModelError, match="overlap"):
        unpack(path, target)
    assert files_below(target) == []


@pytest.mark.parametrize("declared", [10, 5000])
def test_an_entry_that_declares_another_size_is_refused(tmp_path: Path, target: Path, declared: int) -> None:
    path = zip_of(tmp_path / "m.zip", ("plans.pkl", bytes(1000)))
    content = bytearray(path.read_bytes())
    struct.pack_into("<I", content, content.index(b"PK\x01\x02") + 24, declared)
    path.write_bytes(content)
    with pytest.raises(ModelError, match="damaged"):
        unpack(path, target)
    assert all((target / name).stat().st_size <= declared for name in files_below(target))


def test_an_altered_byte_is_found(tmp_path: Path, target: Path) -> None:
    path = tmp_path / "m.zip"
    with zipfile.ZipFile(path, "w") as packed:
        packed.writestr("plans.pkl", b"0123456789")
    path.write_bytes(path.read_bytes().replace(b"0123456789", b"0123456780"))
    with pytest.raises(ModelError, match="damaged"):
        unpack(path, target)


@pytest.mark.parametrize(
    "second", ["a/PLANS.pkl", "a/plans.pkl/b", "./a/plans.pkl", "a//plans.pkl", "a/./plans.pkl", "a/plans.pkl/."]
)
def test_two_entries_of_one_name_are_refused(tmp_path: Path, target: Path, second: str) -> None:
    with pytest.raises(ModelError, match="damaged: two entries have one name"):
        unpack(zip_of(tmp_path / "m.zip", ("a/plans.pkl", b"1"), (second, b"2")), target)
    assert files_below(target) == []


@pytest.mark.parametrize("name", ["./a/plans.pkl", "a//plans.pkl", "a" * 255 + "/plans.pkl"])
def test_an_unusual_name_of_one_file_is_taken(tmp_path: Path, target: Path, name: str) -> None:
    unpack(zip_of(tmp_path / "m.zip", (name, b"1"), ("./", b"")), target)
    assert files_below(target) == [Path(name).as_posix()]


@pytest.mark.parametrize(
    "name",
    ["a" * 256 + "/plans.pkl", "\u00e4" * 128 + "/plans.pkl", "a" * 300 + "/left.png", "a/" * 3000 + "plans.pkl"],
)
def test_a_name_that_no_disk_takes_is_told_as_damage(tmp_path: Path, target: Path, name: str) -> None:
    with pytest.raises(ModelError, match="damaged"):
        unpack(zip_of(tmp_path / "m.zip", (name, b"1")), target)
    assert files_below(target) == []


def test_an_encrypted_archive_is_refused(tmp_path: Path, target: Path) -> None:
    path = zip_of(tmp_path / "m.zip", PLANS)
    content = bytearray(path.read_bytes())
    content[content.index(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(content)
    with pytest.raises(ModelError, match="encrypted"):
        unpack(path, target)


@pytest.mark.parametrize("content", [b"", b"no zip", b"PK\x03\x04" + bytes(60)])
def test_what_is_no_zip_is_refused(tmp_path: Path, target: Path, content: bytes) -> None:
    (tmp_path / "m.zip").write_bytes(content)
    with pytest.raises(ModelError, match="no zip"):
        unpack(tmp_path / "m.zip", target)


def test_a_full_disk_is_told_before_anything_is_written(
    tmp_path: Path, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=4))
    with pytest.raises(ResourceError, match="0 MiB are free"):
        unpack(zip_of(tmp_path / "m.zip", PLANS), target)
    assert files_below(target) == []


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_an_unusual_compression_is_refused(tmp_path: Path, target: Path, method: int) -> None:
    with zipfile.ZipFile(tmp_path / "m.zip", "w", method) as packed:
        packed.writestr(*PLANS)
    with pytest.raises(ModelError, match="unusual way"):
        unpack(tmp_path / "m.zip", target)


@given(place=st.integers(min_value=0), value=st.integers(0, 255))
def test_a_byte_that_was_changed_gives_the_model_or_an_error_of_ours(
    tmp_path_factory: pytest.TempPathFactory, place: int, value: int
) -> None:
    folder = tmp_path_factory.mktemp("fuzz")
    (folder / "target").mkdir()
    content = bytearray(zip_of(folder / "m.zip", PLANS, ("a/fold_0.safetensors", b"weights")).read_bytes())
    content[place % len(content)] = value
    (folder / "m.zip").write_bytes(content)
    with contextlib.suppress(ModelError):
        unpack(folder / "m.zip", folder / "target")
    assert [path.name for path in folder.iterdir() if path.name not in ("m.zip", "target")] == []
