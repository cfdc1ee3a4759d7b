"""Draw what the rule sets of each task keep of the same network output: the pictures of docs/rule_sets.md.

``python -m tools.draw_rule_sets`` writes docs/pictures/rule_sets_TASK.png and prints the table of voxels that stay.
Each scene is one small volume made of ellipsoids, 1 mm isotropic; the picture shows its middle slice, left to right
what the networks gave and what each rule set keeps of it.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import highdicom as hd
import numpy as np
import numpy.typing as npt
from PIL import Image as Picture
from PIL import ImageDraw, ImageFont

from aimi import tasks
from aimi.image import LabelMap

__all__ = ["SCENES", "Scene", "draw", "kept_by_rule_set", "table"]

FOLDER = Path(__file__).resolve().parents[1] / "docs" / "pictures"

Labels = npt.NDArray[np.uint8]
Drawn = Callable[[], tuple[Labels, ...]]

_SHAPE = (40, 90, 120)
_MIDDLE = _SHAPE[0] // 2
_SCALE = 2
_GAP, _CAPTION = 8, 22
_GROUND, _PANEL, _TEXT = (255, 255, 255), (24, 26, 30), (20, 20, 20)


@dataclass(frozen=True, slots=True)
class Scene:
    """What the networks of a task give.

    Parameters
    ----------
    task : its name.
    outputs : one label array for each model of the task, in their order.
    shown_as : label of model m, value v -> segment number in the picture.
    """

    task: str
    outputs: Drawn
    shown_as: tuple[Mapping[int, int], ...]


def _ball(
    center: tuple[float, float], radii: tuple[float, float, float], depth: float = _MIDDLE
) -> npt.NDArray[np.bool_]:
    """Give an ellipsoid; center (row, column), radii (slices, rows, columns)."""
    k, j, i = np.ogrid[: _SHAPE[0], : _SHAPE[1], : _SHAPE[2]]
    inside: npt.NDArray[np.bool_] = ((k - depth) / radii[0]) ** 2 + ((j - center[0]) / radii[1]) ** 2 + (
        (i - center[1]) / radii[2]
    ) ** 2 <= 1
    return inside


def _sphere(row: float, column: float, radius: float) -> npt.NDArray[np.bool_]:
    return _ball((row, column), (radius, radius, radius))


def _lung_ct() -> tuple[Labels, ...]:
    """Give lungs with a hole and a far speck; nodules: tiny, huge, at the pleura, in the hole, outside."""
    lungs = _ball((45, 32), (18, 40, 24)) | _ball((45, 90), (18, 40, 24))
    hole = _sphere(25, 92, 5)
    lungs = (lungs & ~hole) | _sphere(4, 61, 3)
    nodules = (
        _sphere(20.5, 32.5, 0.75) | _ball((58, 34), (12, 16.5, 16.5)) | _sphere(55, 113, 6) | hole | _sphere(80, 61, 3)
    )
    return lungs.astype(np.uint8), nodules.astype(np.uint8)


def _kidney() -> tuple[Labels, ...]:
    """Give two kidneys with a tumor and a cyst, and a third piece in the spleen."""
    labels = (_ball((50, 30), (16, 18, 11)) | _ball((50, 90), (16, 18, 11))).astype(np.uint8)
    labels[_sphere(40, 32, 6)] = 2
    labels[_sphere(66, 96, 6)] = 3
    labels[_sphere(14, 84, 7)] = 1
    labels[_sphere(14, 84, 3)] = 2
    return (labels,)


def _prostate() -> tuple[Labels, ...]:
    """Give a prostate in the middle and a larger piece of the bladder."""
    return ((_ball((52, 60), (12, 14, 18)) | _ball((16, 88), (14, 15, 24))).astype(np.uint8),)


def _liver() -> tuple[Labels, ...]:
    """Give a liver and specks in spleen and kidney."""
    return ((_ball((42, 40), (18, 32, 34)) | _sphere(30, 104, 5) | _sphere(74, 98, 3)).astype(np.uint8),)


_SAME = ({1: 1, 2: 2, 3: 3},)
SCENES: Mapping[str, Scene] = {
    scene.task: scene
    for scene in (
        Scene("lung_ct", _lung_ct, ({1: 1, 2: 1}, {1: 2})),
        Scene("kidney", _kidney, _SAME),
        Scene("prostate", _prostate, _SAME),
        Scene("liver_mr", _liver, _SAME),
        Scene("liver_ct", _liver, _SAME),
    )
}


def kept_by_rule_set(scene: Scene) -> dict[str, Labels]:
    """Give the segments under each rule set."""
    task = tasks.get(scene.task)
    affine = np.array([[0, 0, 1, 0], [0, 1, 0, 0], [1, 0, 0, 0], [0, 0, 0, 1]], float)
    grids = {
        model.name: LabelMap(hd.Volume(labels, affine, coordinate_system="PATIENT"), (), None)
        for model, labels in zip(task.models, scene.outputs(), strict=True)
    }
    return {name: clean_up(grids, {}).labels for name, clean_up in task.clean_ups.items()}


def draw(scene: Scene) -> Picture.Image:
    """Give the picture of a scene: the networks' labels, then one panel a rule set."""
    colors = {segment.number: segment.color for segment in tasks.get(scene.task).segments}
    panels = {"networks": _as_segments(scene), **kept_by_rule_set(scene)}
    height, width = _SHAPE[1] * _SCALE, _SHAPE[2] * _SCALE
    size = (len(panels) * (width + _GAP) + _GAP, height + _CAPTION + _GAP)
    picture = Picture.new("RGB", size, _GROUND)
    pen = ImageDraw.Draw(picture)
    for place, (name, labels) in enumerate(panels.items()):
        left = _GAP + place * (width + _GAP)
        pen.text((left, 3), name, font=ImageFont.load_default(15), fill=_TEXT)
        picture.paste(
            _panel(labels[_MIDDLE], colors).resize((width, height), Picture.Resampling.NEAREST), (left, _CAPTION)
        )
    return picture


def _as_segments(scene: Scene) -> Labels:
    shown = np.zeros(_SHAPE, np.uint8)
    for labels, numbers in zip(scene.outputs(), scene.shown_as, strict=True):
        for value, number in numbers.items():
            shown[labels == value] = number
    return shown


def _panel(labels: Labels, colors: Mapping[int, tuple[int, int, int]]) -> Picture.Image:
    pixels = np.full((*labels.shape, 3), _PANEL, np.uint8)
    for number, color in colors.items():
        pixels[labels == number] = color
    return Picture.fromarray(pixels)


def table() -> str:
    """Give the voxels that stay, as a Markdown table: one row a segment, one column a rule set."""
    rows = ["| task | segment | networks | paper | published-code | mhub |", "|---|---|---|---|---|---|"]
    for scene in SCENES.values():
        kept = [_as_segments(scene), *kept_by_rule_set(scene).values()]
        for segment in tasks.get(scene.task).segments:
            counts = " | ".join(str(np.count_nonzero(labels == segment.number)) for labels in kept)
            rows.append(f"| {scene.task} | {segment.label} | {counts} |")
    return "\n".join(rows)


def main() -> None:
    """Write the pictures and print the table."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    for scene in SCENES.values():
        if scene.task == "liver_mr":
            continue  # the same as liver_ct
        draw(scene).quantize(32).save(FOLDER / f"rule_sets_{scene.task}.png", optimize=True)
    print(table())


if __name__ == "__main__":
    main()
