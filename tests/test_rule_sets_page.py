"""The page on rule sets shows what the code does: its pictures and its table are what the command makes."""

import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Picture

from aimi import tasks
from aimi.dicom.codes import PUBLISHED
from tools.draw_rule_sets import FOLDER, SCENES, Scene, draw, encode, kept_by_rule_set, pictures, table

PAGE = (Path(__file__).resolve().parents[1] / "docs" / "rule_sets.md").read_text()
NAMED = sorted(re.findall(r"\(pictures/(\S+)\)", PAGE))


def test_every_published_task_has_a_scene() -> None:
    assert set(SCENES) == {row.task for row in PUBLISHED}


def test_page_names_each_picture_once_and_folder_holds_no_other() -> None:
    assert sorted(pictures()) == NAMED
    assert sorted(path.name for path in FOLDER.glob("rule_sets_*")) == NAMED


def test_page_describes_every_scene() -> None:
    described = PAGE[PAGE.index("## What that looks like") : PAGE.index("Voxels that stay:")]
    assert [name for name in SCENES if f"**{name}**" not in described] == []


@pytest.mark.parametrize("name", NAMED)
def test_picture_is_what_the_command_draws(name: str) -> None:
    shown = Picture.open(FOLDER / name).convert("RGB")
    assert np.array_equal(np.asarray(shown), np.asarray(encode(draw(pictures()[name])).convert("RGB")))
    assert (FOLDER / name).stat().st_size < 100_000


@pytest.mark.parametrize("scene", pictures().values(), ids=lambda scene: scene.task)
def test_legend_has_the_color_of_each_segment_below_the_panels(scene: Scene) -> None:
    legend = np.asarray(encode(draw(scene)).convert("RGB")).reshape(-1, 3)[-22 * draw(scene).width :]
    colors = [segment.color for segment in tasks.get(scene.task).segments] + [one.color for one in scene.organs]
    assert [color for color in colors if not (legend == color).all(axis=1).any()] == []


def test_table_is_what_the_command_prints() -> None:
    assert table() in PAGE


@pytest.mark.parametrize("scene", SCENES.values(), ids=lambda scene: scene.task)
def test_scene_shows_a_difference(scene: Scene) -> None:
    kept = kept_by_rule_set(scene)
    assert any(not np.array_equal(kept["paper"], other) for other in kept.values())


@pytest.mark.parametrize(
    ("task", "place", "networks", "paper", "published", "mhub"),
    [
        ("lung_pet_ct", (20, 36, 30), 2, 2, 2, 2),  # inside the right lung
        ("lung_pet_ct", (20, 56, 5), 2, 2, 0, 2),  # at the pleura, smaller than the one inside
        ("lung_pet_ct", (20, 26, 92), 2, 2, 0, 0),  # where the CT has its smallest value
        ("lung_pet_ct", (20, 45, 115), 2, 2, 0, 2),  # at the pleura, not more than 20 voxels
        ("lung_pet_ct", (20, 80, 61), 2, 0, 2, 0),  # far from both lungs
        ("breast", (6, 18, 30), 1, 1, 1, 1),  # the largest of the breast
        ("breast", (1, 18, 30), 1, 1, 0, 0),  # its part in the lowest slices
        ("breast", (23, 18, 30), 1, 1, 0, 0),  # the third in size
        ("breast", (48, 20, 30), 1, 0, 1, 1),  # in the arm pit
        ("breast", (38, 54, 30), 1, 0, 0, 0),  # in the lung
        ("breast", (8, 71, 30), 1, 0, 0, 0),  # behind the kidney
    ],
)
def test_tumors_of_the_pet_ct_scenes_stay_as_the_page_says(
    task: str, place: tuple[int, int, int], networks: int, paper: int, published: int, mhub: int
) -> None:
    scene = SCENES[task]
    tumor_model = list(scene.shown_as)[-1]
    given = scene.shown_as[tumor_model][int(scene.outputs()[tumor_model][place])]
    kept = kept_by_rule_set(scene)
    assert (given, *(int(kept[rules][place]) for rules in kept)) == (networks, paper, published, mhub)
