"""The page on rule sets shows what the code does: its pictures and its table are what the command makes."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Picture

from tools.draw_rule_sets import SCENES, Scene, draw, kept_by_rule_set, table

DOCS = Path(__file__).resolve().parents[1] / "docs"
PICTURES = sorted((DOCS / "pictures").glob("rule_sets_*.png"))


@pytest.mark.parametrize("path", PICTURES, ids=lambda path: path.stem)
def test_picture_is_what_the_command_draws(path: Path) -> None:
    drawn = draw(SCENES[path.stem.removeprefix("rule_sets_")]).quantize(32).convert("RGB")
    assert np.array_equal(np.asarray(Picture.open(path).convert("RGB")), np.asarray(drawn))


@pytest.mark.parametrize("path", PICTURES, ids=lambda path: path.stem)
def test_picture_is_small_and_shown(path: Path) -> None:
    assert path.stat().st_size < 100_000
    assert f"(pictures/{path.name})" in (DOCS / "rule_sets.md").read_text()


def test_table_is_what_the_command_prints() -> None:
    assert table() in (DOCS / "rule_sets.md").read_text()


@pytest.mark.parametrize("scene", SCENES.values(), ids=lambda scene: scene.task)
def test_scene_shows_a_difference(scene: Scene) -> None:
    kept = kept_by_rule_set(scene)
    assert any(not np.array_equal(kept["paper"], other) for other in kept.values())
