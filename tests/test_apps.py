"""Every application is complete, small, and says of itself what its task and models are."""

import ast
import io
import tokenize
from pathlib import Path

import pytest
import yaml

from aimi import tasks

ROOT = Path(__file__).resolve().parents[1]
APPS = sorted(path.parent.name for path in (ROOT / "apps").glob("*/app.py"))
FOUR = ("lung_ct", "kidney", "prostate", "liver_mr")


def test_every_task_is_an_application() -> None:
    assert set(APPS) == set(tasks.TASKS)


@pytest.mark.parametrize("name", APPS)
def test_application_has_its_files(name: str) -> None:
    names = {path.name for path in (ROOT / "apps" / name).iterdir()}
    assert names >= {"__main__.py", "app.py", "app.yaml", "requirements.txt", "README.md"}


@pytest.mark.parametrize("name", APPS)
def test_card_names_every_code_of_the_segments(name: str) -> None:
    card = (ROOT / "apps" / name / "README.md").read_text()
    for segment in tasks.get(name).segments:
        codes = [segment.category, segment.property_type, *segment.property_type_modifiers]
        codes += [*([segment.anatomic_region] if segment.anatomic_region else []), *segment.anatomic_region_modifiers]
        assert f"| {segment.number} | {segment.label} |" in card
        assert all(f"{code.meaning} ({code.value}, {code.scheme})" in card for code in codes)


@pytest.mark.parametrize("name", APPS)
def test_card_names_models_records_and_licence(name: str) -> None:
    card = (ROOT / "apps" / name / "README.md").read_text()
    published = [model for model in tasks.get(name).models if model.licence_must_be_accepted]
    for model in published:
        assert all(fact in card for fact in (model.name, model.doi, model.record, model.file))
    assert "CC BY-NC 4.0" in card
    assert "Research use only. Not for diagnosis." in card


@pytest.mark.parametrize("name", APPS)
def test_resources_can_be_read(name: str) -> None:
    described = yaml.safe_load((ROOT / "apps" / name / "app.yaml").read_text())
    assert set(described["resources"]) >= {"cpu", "memory", "gpuMemory"}
    assert described["application"]["title"].startswith("AIMI ")


def code_lines(path: Path) -> int:
    """Count lines that hold code: no blank ones, comments or docstrings."""
    text = path.read_text()
    if path.suffix != ".py":
        return sum(bool(line.strip()) and not line.strip().startswith("#") for line in text.splitlines())
    strings = {
        line
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
        for line in range(node.lineno, (node.end_lineno or node.lineno) + 1)
    }
    silent = {tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER}
    tokens = tokenize.generate_tokens(io.StringIO(text).readline)
    lines = {line for token in tokens if token.type not in silent for line in range(token.start[0], token.end[0] + 1)}
    return len(lines - strings)


def test_four_tasks_with_their_applications_take_less_than_900_lines_of_code() -> None:
    files = [ROOT / "aimi" / "tasks" / f"{name}.py" for name in FOUR]
    files += [path for name in FOUR for path in (ROOT / "apps" / name).iterdir() if path.suffix in {".py", ".yaml"}]
    assert 0 < sum(code_lines(path) for path in files) < 900


def test_only_code_is_counted(tmp_path: Path) -> None:
    path = tmp_path / "module.py"
    path.write_text(
        '"""Doc."""\n\n# why\nx = (\n    1,\n)  # here\n\n\ndef f() -> None:\n    """Doc\n\n    more."""\n    x\n'
    )
    assert code_lines(path) == 5
