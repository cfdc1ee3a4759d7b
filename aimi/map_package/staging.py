"""Stage the part of the source that an application runs: what it imports, directly or not, at any depth.

Found by reading, not by running: every ``import`` statement counts, also inside functions. What no application
imports (the command line, samples, this package) does not get into an image.
"""

import ast
import shutil
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

__all__ = ["imports_of", "main", "reached", "stage"]

_OURS = ("aimi", "operators")


def imports_of(source: str) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Give every absolute import of a source text: the module, and the names taken from it."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from ((alias.name, ()) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module, tuple(alias.name for alias in node.names)


def reached(root: Path, starts: Iterable[Path]) -> tuple[Path, ...]:
    """Give the files of our own modules that files import, directly or not, sorted.

    Parameters
    ----------
    root : the folder that holds the packages ``aimi`` and ``operators``.
    """
    waiting = list(starts)
    seen: set[Path] = set()
    while waiting:
        for file in _imported_files(root, waiting.pop()):
            if file not in seen:
                seen.add(file)
                waiting.append(file)
    return tuple(sorted(seen))


def _imported_files(root: Path, file: Path) -> Iterator[Path]:
    for module, names in imports_of(file.read_text(encoding="utf-8")):
        for name in (module, *(f"{module}.{name}" for name in names)):
            yield from _files_of(root, name)
    yield from _string_imports(root, file)


def _string_imports(root: Path, file: Path) -> Iterator[Path]:
    """Give modules that a source names in a string, as lazily loading packages do."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if (
            isinstance(node, ast.Constant)
            and isinstance(node.value, str)
            and node.value.startswith(("aimi.", "operators."))
        ):
            yield from _files_of(root, node.value)


def _files_of(root: Path, module: str) -> Iterator[Path]:
    """Give the file of a module and of every package above it; nothing for what is no module of ours."""
    parts = module.split(".")
    if parts[0] not in _OURS:
        return
    for length in range(1, len(parts) + 1):
        place = root.joinpath(*parts[:length])
        for candidate in (place / "__init__.py", place.with_suffix(".py")):
            if candidate.is_file():
                yield candidate


def stage(root: Path, applications: Iterable[Path], target: Path) -> tuple[Path, ...]:
    """Copy what applications import below a folder, which is emptied first; give the copied files.

    Parameters
    ----------
    applications : application folders.
    """
    starts = [file for folder in applications for file in sorted(folder.rglob("*.py"))]
    files = reached(root, starts)
    if target.exists():
        shutil.rmtree(target)
    for file in files:
        copy = target / file.relative_to(root)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, copy)
    return files


def main(arguments: list[str]) -> int:
    """Stage all applications of a checkout: ``python -m aimi.map_package.staging build/lib``."""
    root = Path(__file__).resolve().parents[2]
    applications = sorted(path.parent for path in root.glob("apps/*/__main__.py"))
    stage(root, applications, Path(arguments[0]))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
