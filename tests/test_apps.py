"""Every application is complete, small, and says of itself what its task and models are."""

import ast
import io
import re
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
def test_card_names_models_and_records_and_the_use(name: str) -> None:
    card = (ROOT / "apps" / name / "README.md").read_text()
    published = [model for model in tasks.get(name).models if model.licence_must_be_accepted]
    for model in published:
        assert all(fact in card for fact in (model.name, model.doi, model.record, model.file))
    assert "Research use only. Not for diagnosis." in card


def licences_of_weights(card: str) -> set[str]:
    """Give the licences that a card states of weights: the sentences that speak of them, and not of AIMI alone."""
    words = " ".join(card.split()).replace("CC BY-NC 4.0", "CC-BY-NC-4.0")
    about_weights = [one for one in re.split(r"(?<=[.:|]) ", words) if not one.startswith("AIMI itself")]
    return set(re.findall(r"CC-BY-NC-4\.0|Apache-2\.0", " ".join(about_weights)))


@pytest.mark.parametrize("name", APPS)
def test_card_states_the_licences_of_its_own_models_and_no_other(name: str) -> None:
    card = (ROOT / "apps" / name / "README.md").read_text()
    models = tasks.get(name).models
    assert licences_of_weights(card) == {model.licence for model in models}
    assert ("**not free**" in card) == any(model.licence_must_be_accepted for model in models)


def test_licence_of_the_software_is_none_of_weights() -> None:
    assert licences_of_weights("The weights are free.\nAIMI itself is\nApache-2.0.") == set()
    assert licences_of_weights("The weights are CC BY-NC\n4.0. AIMI itself is Apache-2.0.") == {"CC-BY-NC-4.0"}
    assert licences_of_weights("TotalSegmentator's weights are Apache-2.0, as AIMI is.") == {"Apache-2.0"}


# Of the published review, as computed anew from its masks: printed figures, and those of the scans with a correction;
# and what else a reader of figures must know.
FACTS = {
    "lung_ct": ["2.34 (5.89) / 0.30 (1.70) mm", "56.72 (64.36) / 26.06 (48.63) mm", "67.31 (n 38) / 26.06 mm (n 45)"],
    "kidney": [
        "`published-code` votes label by label and loses a component that is larger than the background",
        "0.91 (0.23) / 0.87 (0.32) / 0.87 (0.32) | 0.843 / 0.763 / 0.766 (n 24)",
        "tumor + cyst, Dice, non-expert | 0.96 (0.19) | 0.448 (n 3)",
        "| tumor, Dice, non-expert | 0.96 (0.19) | 0.448 (n 3)",
        "0.98 (0.09) / 0.95 (0.20) / 0.95 (0.20) | 0.719 / 0.408 / 0.404 (n 3)",
    ],
    "prostate": ["on PI-CAI, Prostate158 or NCI-ISBI is evaluating on training data"],
    "liver_mr": ["0.89 (0.20) / 0.85 (0.20) | 0.689 / 0.705", "14.7 / 33.2 mm | 32.1 / 58.1 mm"],
}


@pytest.mark.parametrize("name", FACTS)
def test_card_has_the_published_figures_beside_the_honest_ones(name: str) -> None:
    card = " ".join((ROOT / "apps" / name / "README.md").read_text().split())
    assert [fact for fact in FACTS[name] if fact not in card] == []


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
