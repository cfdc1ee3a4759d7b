"""Staging follows imports wherever they stand."""

from pathlib import Path

from aimi.map_package import staging


def write(root: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)


FILES = {
    "aimi/__init__.py": "",
    "aimi/used/__init__.py": "",
    "aimi/used/direct.py": "from aimi.used import sibling",
    "aimi/used/sibling.py": "def f():\n    import aimi.lazy",
    "aimi/lazy.py": "NAME = 'aimi.by_name'",
    "aimi/by_name.py": "",
    "aimi/unused.py": "",
    "apps/one/app.py": "from aimi.used.direct import x\nimport json",
}


def test_what_is_imported_at_any_depth_is_staged_and_nothing_else(tmp_path: Path) -> None:
    write(tmp_path, FILES)
    staging.stage(tmp_path, [tmp_path / "apps/one"], tmp_path / "lib")
    staged = {str(path.relative_to(tmp_path / "lib")) for path in (tmp_path / "lib").rglob("*.py")}
    assert staged == {name for name in FILES if name.startswith("aimi/")} - {"aimi/unused.py"}


def test_staging_again_leaves_nothing_of_before(tmp_path: Path) -> None:
    write(tmp_path, FILES)
    write(tmp_path, {"lib/aimi/old.py": ""})
    staging.stage(tmp_path, [tmp_path / "apps/one"], tmp_path / "lib")
    assert not (tmp_path / "lib/aimi/old.py").exists()
