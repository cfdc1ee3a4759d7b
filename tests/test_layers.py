"""The rooms of the house and the arrows between them: who may import whom (DESIGN section 2)."""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent

# Each room with the rooms it may import. A room is the longest prefix that matches a module's name.
MAY_IMPORT: dict[str, set[str]] = {
    "aimi": set(),
    "aimi.errors": {"aimi"},
    "aimi.image": {"aimi", "aimi.errors"},
}
_BASE = {"aimi", "aimi.errors", "aimi.image"}
MAY_IMPORT |= {
    room: _BASE
    for room in ("aimi.dicom", "aimi.nifti", "aimi.engine", "aimi.resample", "aimi.regions", "aimi.registration")
}
_SECOND = _BASE | {"aimi.dicom", "aimi.nifti", "aimi.engine", "aimi.resample", "aimi.regions", "aimi.registration"}
_OUTSIDE = _BASE | {"aimi.options", "aimi.interruption", "aimi.log_format", "aimi.output_place"}
MAY_IMPORT |= {
    "aimi.options": _BASE,
    "aimi.interruption": _BASE,
    "aimi.log_format": _BASE,
    "aimi.output_place": _BASE,
    "aimi.models": _SECOND,
    "aimi.measure": _SECOND,
    "aimi.convert": _SECOND | {"aimi.output_place"},
    "aimi.preview": _SECOND | {"aimi.measure"},
    "aimi.uptake": _SECOND | {"aimi.measure"},
    "aimi.report": _SECOND | {"aimi.measure", "aimi.options", "aimi.uptake"},
    "aimi.run_record": _SECOND,
}
_THIRD = _SECOND | {"aimi.models", "aimi.measure", "aimi.preview", "aimi.report", "aimi.uptake"}
MAY_IMPORT["aimi.tasks"] = _THIRD
_FOURTH = _THIRD | _OUTSIDE | {"aimi.tasks", "aimi.run_record"}
MAY_IMPORT["aimi.result"] = _FOURTH
MAY_IMPORT["aimi.outputs"] = _FOURTH | {"aimi.result"}
MAY_IMPORT["aimi.selection_view"] = _FOURTH
MAY_IMPORT["aimi.seg_picture"] = _FOURTH
MAY_IMPORT["aimi.job"] = _FOURTH
MAY_IMPORT["aimi.model_runs"] = _FOURTH | {"aimi.result", "aimi.job"}
MAY_IMPORT["aimi.paired"] = MAY_IMPORT["aimi.model_runs"] | {"aimi.model_runs"}
MAY_IMPORT["aimi.pipeline"] = MAY_IMPORT["aimi.paired"] | {"aimi.paired", "aimi.outputs"}
MAY_IMPORT["aimi.outcome"] = MAY_IMPORT["aimi.pipeline"] | {"aimi.pipeline"}
MAY_IMPORT["aimi.bf16_trial"] = MAY_IMPORT["aimi.outcome"]
MAY_IMPORT["aimi.batch"] = MAY_IMPORT["aimi.outcome"]
_ALL = MAY_IMPORT["aimi.outcome"] | {
    "aimi.outcome",
    "aimi.batch",
    "aimi.bf16_trial",
    "aimi.selection_view",
    "aimi.seg_picture",
    "aimi.convert",
}
_PACKAGING = {"aimi.samples", "aimi.map_package", "aimi.map_package.inside"}
MAY_IMPORT |= {"aimi.samples": _ALL, "aimi.cli": _ALL | _PACKAGING, "operators": _ALL}
MAY_IMPORT |= {"aimi.map_package": _ALL | _PACKAGING, "aimi.map_package.inside": _ALL | {"operators"}}
MAY_IMPORT["aimi.__main__"] = {"aimi.cli"}
MAY_IMPORT["apps"] = _ALL | {"operators"}

NEVER_AT_IMPORT = {"torch", "openvino", "matplotlib", "SimpleITK", "nnunetv2", "pandas", "monai"}
NEVER_IN_AIMI = {"holoscan", "monai", "totalsegmentator"}


def modules() -> list[Path]:
    return sorted(path for folder in ("aimi", "operators", "apps") for path in (ROOT / folder).rglob("*.py"))


def name_of(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def room_of(module: str) -> str | None:
    rooms = [room for room in MAY_IMPORT if module == room or module.startswith(room + ".")]
    return max(rooms, key=len, default=None)


def imports(tree: ast.AST) -> Iterator[str]:
    """Give every imported module; `from aimi import x` counts as aimi.x where that is a module."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                full = f"{node.module}.{alias.name}"
                is_module = (ROOT / full.replace(".", "/")).is_dir() or (
                    ROOT / (full.replace(".", "/") + ".py")
                ).is_file()
                yield full if is_module else node.module


def at_import(tree: ast.Module) -> Iterator[str]:
    """Give what is imported when the module is."""
    for node in tree.body:
        yield from imports(node) if isinstance(node, ast.Import | ast.ImportFrom) else ()


@pytest.mark.parametrize("path", modules(), ids=name_of)
def test_imports_follow_the_arrows(path: Path) -> None:
    room = room_of(name_of(path))
    assert room is not None, f"{name_of(path)} lies in no known room"
    rooms = {room_of(module) for module in imports(ast.parse(path.read_text()))} - {None, room}
    assert rooms <= MAY_IMPORT[room]


@pytest.mark.parametrize("path", modules(), ids=name_of)
def test_heavy_packages_are_not_imported_at_the_top(path: Path) -> None:
    roots = {module.split(".")[0] for module in at_import(ast.parse(path.read_text()))}
    assert not roots & NEVER_AT_IMPORT


@pytest.mark.parametrize("path", [path for path in modules() if name_of(path).startswith("aimi")], ids=name_of)
def test_the_library_knows_no_platform(path: Path) -> None:
    roots = {module.split(".")[0] for module in imports(ast.parse(path.read_text()))}
    assert not roots & NEVER_IN_AIMI


@pytest.mark.parametrize("path", modules(), ids=name_of)
def test_a_module_is_below_500_lines(path: Path) -> None:
    assert len(path.read_text().splitlines()) < 500


def test_no_module_shadows_one_of_the_standard_library() -> None:
    names = {part for path in modules() for part in path.relative_to(ROOT).with_suffix("").parts}
    assert not (names - {"__init__", "__main__"}) & set(sys.stdlib_module_names)


def test_a_forbidden_arrow_would_be_seen() -> None:
    tree = ast.parse("from aimi import pipeline\nimport aimi.dicom.study")
    assert {room_of(module) for module in imports(tree)} == {"aimi.pipeline", "aimi.dicom"}
    assert "aimi.dicom" not in MAY_IMPORT["aimi.engine"]
    assert "aimi.pipeline" not in MAY_IMPORT["aimi.dicom"]
