"""Which files an input has: through links, each folder once."""

from pathlib import Path

from aimi.dicom.file_list import list_files


def names(folder: Path) -> list[str]:
    return [str(path.relative_to(folder)) for path in list_files(folder).paths]


def fill(folder: Path, *files: str) -> Path:
    for file in files:
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        (folder / file).touch()
    return folder


def test_files_of_any_depth_are_in_order(tmp_path: Path) -> None:
    assert names(fill(tmp_path, "b/2", "b/1", "a/x/1", "c")) == ["a/x/1", "b/1", "b/2", "c"]


def test_links_are_followed(tmp_path: Path) -> None:
    fill(tmp_path / "elsewhere", "1", "deep/2")
    folder = fill(tmp_path / "in", "3")
    (folder / "link").symlink_to(tmp_path / "elsewhere")
    (folder / "file").symlink_to(tmp_path / "elsewhere" / "1")
    assert names(folder) == ["3", "file", "link/1", "link/deep/2"]


def test_links_in_a_circle_end(tmp_path: Path) -> None:
    folder = fill(tmp_path, "a/1", "b/2")
    (folder / "a" / "up").symlink_to(folder)
    (folder / "a" / "aside").symlink_to(folder / "b")
    (folder / "b" / "back").symlink_to(folder / "a")
    found = list_files(folder)
    assert sorted(path.name for path in found.paths) == ["1", "2"]
    assert found.closed == ()


def test_folder_has_its_own_name_beside_a_link_to_it(tmp_path: Path) -> None:
    folder = fill(tmp_path, "b/2")
    (folder / "a").symlink_to(folder / "b")
    assert names(folder) == ["b/2"]


def test_link_to_nowhere_is_a_path(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    assert names(tmp_path) == ["link"]


def test_folder_that_vanished_is_closed(tmp_path: Path) -> None:
    assert list_files(tmp_path / "gone").closed == (tmp_path / "gone",)
