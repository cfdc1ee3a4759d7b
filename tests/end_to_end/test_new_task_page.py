"""docs/new_task.md is followed word for word, in its order, in a copy of the checkout.

A reader writes the files, puts in the lines and runs the commands that stand on the page; so does :func:`follow`. In
the checkout of a reader who did so already the copy is first brought back to where the page begins.
"""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pydicom
import pytest

from tests.end_to_end.roads import fixed_clock
from tests.end_to_end.threshold_task import make_models
from tests.made import Made, write_made

pytestmark = [pytest.mark.torch, pytest.mark.holoscan, pytest.mark.slow]

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "new_task.md").read_text()
BLOCKS: list[tuple[str, str]] = re.findall(r"^```(\w+)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
COPIED = ("aimi", "apps", "docs", "operators", "tests", "tools", "pyproject.toml", "requirements.lock")
SPACING = (2.5, 0.9, 0.7)


@dataclass(frozen=True)
class Followed:
    """The copy, what each command of the page printed, and where those with OUT wrote."""

    checkout: Path
    printed: dict[str, str]
    results: list[Path]


@pytest.fixture(scope="module")
def followed(tmp_path_factory: pytest.TempPathFactory, real_data: Callable[[str], Path]) -> Followed:
    folder = tmp_path_factory.mktemp("new_task")
    array = np.full((10, 16, 14), 20, np.int16)
    array[2:6, 3:9, 3:9] = 500  # two bright blocks, the first is the larger
    array[8, 12:14, 10:12] = 500
    study = write_made(folder / "study", Made(array, spacing=SPACING, attributes={"BodyPartExamined": "ABDOMEN"}))
    models = make_models(folder / "models", SPACING, 300.0, "Dataset900_Spleen")
    unpacked = real_data("ct_abdomen_crlm_1004").parent
    return follow(copy_of_the_checkout(folder / "checkout", unpacked), {"STUDY": study, "MODELS": models})


def copy_of_the_checkout(checkout: Path, unpacked: Path) -> Path:
    """Copy what a reader changes; link what is only read."""
    checkout.mkdir()
    for name in COPIED:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, checkout / name)
        else:
            shutil.copy(ROOT / name, checkout / name)
    for path, content, is_new in files():
        if is_new:
            (checkout / path).unlink(missing_ok=True)
        else:
            (checkout / path).write_text(changed((checkout / path).read_text(), content, undo=True))
    shutil.rmtree(checkout / "apps" / "spleen_ct", ignore_errors=True)
    (checkout / "demo_models").symlink_to(ROOT / "demo_models")
    (checkout / "build").mkdir()
    (checkout / "build" / "test-data").symlink_to(unpacked)
    return checkout


def follow(checkout: Path, places: dict[str, Path]) -> Followed:
    """Do what each block of the page says."""
    printed: dict[str, str] = {}
    results: list[Path] = []
    for kind, text in BLOCKS:
        if kind == "sh":
            for line in text.replace("\\\n", "").splitlines():
                out = checkout.parent / f"out-{len(results)}"
                printed[line] = run(checkout, line, places | {"OUT": out})
                results += [out] if "OUT" in line else []
            continue
        path, content, is_new = file_of(kind, text)
        place = checkout / path
        assert place.parent.is_dir() and place.exists() != is_new
        place.write_text(content if is_new else changed(place.read_text(), content))
    return Followed(checkout, printed, results)


def file_of(kind: str, text: str) -> tuple[str, str, bool]:
    """Give the path of a block's file, what follows, and whether that is a new file."""
    first, content = text.split("\n", 1)
    return first.strip("<!-#> "), content, kind != "diff"


def files() -> list[tuple[str, str, bool]]:
    return [file_of(kind, text) for kind, text in BLOCKS if kind != "sh"]


def changed(text: str, parts: str, *, undo: bool = False) -> str:
    """Put the lines with + beside those with a blank, part by part; or take them away where they are."""
    for part in parts.split("@@\n"):
        lines = [line or " " for line in part.splitlines()]
        before, after = ("".join(f"{line[1:]}\n" for line in lines if line[0] in signs) for signs in (" ", " +"))
        assert undo or text.count(before) == 1
        text = text.replace(after, before) if undo else text.replace(before, after)
    return text


def run(checkout: Path, line: str, places: dict[str, Path]) -> str:
    """Run a command line in the copy; give what it printed."""
    command = re.sub("|".join(places), lambda found: str(places[found[0]]), line)
    variables = {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(checkout),
        "COLUMNS": "400",
        "SOURCE_DATE_EPOCH": str(int(fixed_clock().timestamp())),
        "AIMI_TEST_DATA": os.environ.get("AIMI_TEST_DATA", str(ROOT.parent / "shared" / "data")),
    }
    ended = subprocess.run(
        ["sh", "-c", command], cwd=checkout, env=os.environ | variables, capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, (line, ended.stdout, ended.stderr)
    return ended.stdout


@pytest.mark.parametrize(("path", "parts"), [(path, parts) for path, parts, is_new in files() if not is_new])
def test_lines_that_were_put_in_can_be_taken_away(path: str, parts: str) -> None:
    text = (ROOT / path).read_text()
    assert changed(changed(text, parts), parts, undo=True) == text
    assert changed(text, parts).count("\n") == text.count("\n") + sum(line[:1] == "+" for line in parts.splitlines())


def printed_by(followed: Followed, start: str) -> str:
    (text,) = [text for line, text in followed.printed.items() if line.startswith(start)]
    return text


def test_the_task_can_be_tried_before_it_is_in_the_table(followed: Followed) -> None:
    assert printed_by(followed, "python try.py") == "Spleen CT\n"


def test_the_tasks_are_listed_with_the_new_one_and_its_licence(followed: Followed) -> None:
    told = printed_by(followed, "aimi tasks")
    assert "spleen_ct" in told and "Spleen CT" in told and "Dataset900_Spleen (no, Apache-2.0)" in told


def test_the_series_is_selected(followed: Followed) -> None:
    told = printed_by(followed, "aimi select")
    assert "Spleen CT: candidates" in told and "Chosen ct: 2.25.1000.1.2." in told


def test_command_and_application_find_the_larger_block(followed: Followed) -> None:
    by_command, by_application = ((folder / "spleen_ct.seg.dcm").read_bytes() for folder in followed.results)
    assert by_command == by_application
    seg = pydicom.dcmread(followed.results[1] / "spleen_ct.seg.dcm")
    assert seg.SegmentSequence[0].SegmentedPropertyTypeCodeSequence[0].CodeValue == "78961009"
    assert int(seg.pixel_array.sum()) == 4 * 6 * 6
    assert seg.SeriesNumber == 3008


def test_what_holds_every_task_and_application_holds_the_new_one(followed: Followed) -> None:
    told = printed_by(followed, "python -m pytest")
    assert re.search(r"\d\d passed", told)
    assert not re.search("failed|skipped|error", told)


def test_the_code_of_the_page_is_in_the_style_of_the_project(followed: Followed) -> None:
    paths = {path for path, _, _ in files() if path.endswith(".py")} - {"try.py"}
    for command in ("check", "format --check"):
        run(followed.checkout, f"python -m ruff {command} {' '.join(sorted(paths))}", {"OUT": followed.checkout})
