"""All files of an input: below a folder, through links, each folder once.

A linked folder is part of the input as any other. A folder that was seen under another name is not entered
again, so that links in a circle end; what a link leads to nowhere is a path that cannot be read.
"""

import os
from dataclasses import dataclass
from pathlib import Path

__all__ = ["FileList", "list_files"]


@dataclass(frozen=True, slots=True)
class FileList:
    """What was found below a folder, in order of paths.

    Parameters
    ----------
    paths : everything that is no folder.
    closed : folders that cannot be opened.
    """

    paths: tuple[Path, ...]
    closed: tuple[Path, ...]


def list_files(folder: Path) -> FileList:
    """Give the files below a folder, at any depth."""
    paths: list[Path] = []
    closed: list[Path] = []
    visited: set[str] = set()
    waiting = [folder]
    while waiting:
        current = waiting.pop()
        real = os.path.realpath(current)
        if real in visited:
            continue
        visited.add(real)
        try:
            files, folders = _list_folder(current)
        except OSError:
            closed.append(current)
            continue
        paths += files
        waiting += reversed(folders)
    return FileList(tuple(sorted(paths)), tuple(sorted(closed)))


def _list_folder(folder: Path) -> tuple[list[Path], list[Path]]:
    """Give the files and the folders in a folder; of the folders in order of names, links go last."""
    with os.scandir(folder) as scan:
        entries = sorted(scan, key=lambda entry: (entry.is_symlink(), entry.name))
    folders = [entry for entry in entries if _is_folder(entry)]
    files = [entry for entry in entries if entry not in folders]
    return [Path(entry.path) for entry in files], [Path(entry.path) for entry in folders]


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:
        # Neither can it be opened as a file, which is told then.
        return False
