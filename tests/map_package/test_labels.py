"""Labels that come from the checkout, the licences and the date."""

import subprocess
from pathlib import Path

import pytest

from aimi.map_package import labels
from tests.map_package.kit import ROOT

PREFIX = "org.opencontainers.image"


def git(folder: Path, *arguments: str) -> str:
    who = ("-c", "user.name=a", "-c", "user.email=a@example.invalid", "-c", "commit.gpgsign=false")
    command = ["git", "-C", str(folder), *who, *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """Make a checkout with one commit."""
    (tmp_path / "pyproject.toml").write_text('[project]\nauthors = [{ name = "A" }, { name = "B" }]\n')
    (tmp_path / "aimi").mkdir()
    (tmp_path / "aimi" / "one.py").write_text("")
    git(tmp_path, "init", "--quiet")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "--quiet", "-m", "one")
    return tmp_path


def test_authors_and_revision_are_the_checkouts(checkout: Path) -> None:
    expected = {f"{PREFIX}.authors": "A, B", f"{PREFIX}.revision": git(checkout, "rev-parse", "HEAD")}
    assert labels.of_checkout(checkout) == expected


@pytest.mark.parametrize("name", ["aimi/one.py", "aimi/new.py"])
def test_a_checkout_whose_source_was_changed_is_of_no_revision(checkout: Path, name: str) -> None:
    (checkout / name).write_text("changed = True\n")
    assert labels.of_checkout(checkout) == {f"{PREFIX}.authors": "A, B"}


def test_a_change_that_is_in_no_image_leaves_the_revision(checkout: Path) -> None:
    (checkout / "notes.md").write_text("x")
    assert f"{PREFIX}.revision" in labels.of_checkout(checkout)


def test_the_source_without_git_is_of_no_revision(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_bytes((ROOT / "pyproject.toml").read_bytes())
    assert labels.of_checkout(tmp_path) == {f"{PREFIX}.authors": "The AIMI developers"}


@pytest.mark.parametrize(
    ("weights", "expected"),
    [
        ([], "Apache-2.0"),
        (["Apache-2.0"], "Apache-2.0"),
        (["CC-BY-NC-4.0", "Apache-2.0", "CC-BY-NC-4.0"], "Apache-2.0 AND CC-BY-NC-4.0"),
        ([None, "CC-BY-NC-4.0"], "Apache-2.0 AND LicenseRef-not-known AND CC-BY-NC-4.0"),
    ],
)
def test_licences_are_one_expression(weights: list[str | None], expected: str) -> None:
    assert labels.of_licences(weights) == {f"{PREFIX}.licenses": expected}
