"""Every command of the README runs as it stands there."""

import re
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.end_to_end.threshold_task import WHOLE_SLICES, make_models

pytestmark = [pytest.mark.torch, pytest.mark.holoscan, pytest.mark.slow]

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text()


def commands() -> list[str]:
    """Give the README's commands, comments left out, in order."""
    blocks = re.findall(r"^```(?:sh|bash|console)?\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
    lines = [line.split("#")[0].strip() for block in blocks for line in block.splitlines()]
    inline = re.findall(r"`(python apps/[^`]+)`", README)
    return [line for line in lines if line.startswith(("aimi ", "python "))] + inline


def test_the_readme_names_its_two_first_commands() -> None:
    assert "```\nmake demo\nmake test\n```" in README


def test_the_commands_of_the_readme_run(real_data: Callable[[str], Path], tmp_path: Path) -> None:
    study = real_data("ct_abdomen_crlm_1004")
    models = make_models(tmp_path / "models", (5.0, 0.796875, 0.796875), 150.0, "Task773_Liver", WHOLE_SLICES)
    places = {"STUDY": str(study), "MODELS": str(models), "OUT": "out"}
    environment = {"PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin"}
    assert len(commands()) >= 5
    for command in commands():
        words = [re.sub("STUDY|MODELS|OUT", lambda found: places[found[0]], word) for word in shlex.split(command)]
        words = [str(ROOT / word) if word.startswith("apps/") else word for word in words]
        ended = subprocess.run(words, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
        assert ended.returncode == 0, (command, ended.stderr)
    assert (tmp_path / "liver.nii.gz").is_file()


@pytest.mark.parametrize("link", re.findall(r"\]\(([^)#]+)\)", README))
def test_links_of_the_readme_lead_somewhere(link: str) -> None:
    assert link.startswith("http") or (ROOT / link).exists()
