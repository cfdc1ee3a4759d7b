"""Draw what the rule sets of each task keep of the same network output: the pictures of docs/rule_sets.md.

``python -m tools.draw_rule_sets`` writes docs/pictures/rule_sets_TASK.png and prints the table of voxels that stay.
Each scene is one small volume made of ellipsoids, 1 mm isotropic; the picture shows its middle slice, left to right
what the networks gave and what each rule set keeps of it, and below what the colors mean.
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
from aimi.image import Image, LabelMap
from aimi.models.catalogue import TASK762_PET_CT, TASK775_LUNGS, TASK777_NODULES
from aimi.models.totalsegmentator_classes import ANATOMY, LOBES_LEFT, LOBES_RIGHT
from aimi.tasks.task import REGION

__all__ = ["FOLDER", "SCENES", "Scene", "draw", "encode", "kept_by_rule_set", "pictures", "table"]

FOLDER = Path(__file__).resolve().parents[1] / "docs" / "pictures"

Labels = npt.NDArray[np.uint8]
Shape = tuple[int, int, int]
Color = tuple[int, int, int]

_SHAPE = (40, 90, 120)
_MIDDLE = _SHAPE[0] // 2
_SAGITTAL_SHAPE = (60, 80, 60)
_HEIGHT = 180
_GAP, _CAPTION = 8, 22
_SWATCH, _FONT_SIZE = 12, 15
_GROUND, _PANEL, _TEXT = (255, 255, 255), (24, 26, 30), (20, 20, 20)
_TUMOR = TASK762_PET_CT.labels.index("tumor") + 1


@dataclass(frozen=True, slots=True)
class Organs:
    """What a picture shows of the region behind the segments: numbers of :data:`ANATOMY`, in one color."""

    name: str
    numbers: tuple[int, ...]
    color: Color


@dataclass(frozen=True, slots=True)
class Scene:
    """What the networks of a task give.

    Parameters
    ----------
    task : its name.
    outputs : gives label arrays of one shape, by the name of the model, or REGION.
    shown_as : label of such an array, value v -> segment number in the picture.
    ct : gives the CT in HU, where a rule set looks at it.
    organs : shown behind the segments.
    across : the axis that the middle slice lies across: 0 axial, 2 sagittal with the head above and the front left.
    """

    task: str
    outputs: Callable[[], Mapping[str, Labels]]
    shown_as: Mapping[str, Mapping[int, int]]
    ct: Callable[[], npt.NDArray[np.int16]] | None = None
    organs: tuple[Organs, ...] = ()
    across: int = 0


def _ellipsoid(
    shape: Shape, center: tuple[float, float, float], radii: tuple[float, float, float]
) -> npt.NDArray[np.bool_]:
    """Give an ellipsoid; center and radii (slices, rows, columns)."""
    k, j, i = np.ogrid[: shape[0], : shape[1], : shape[2]]
    inside: npt.NDArray[np.bool_] = ((k - center[0]) / radii[0]) ** 2 + ((j - center[1]) / radii[1]) ** 2 + (
        (i - center[2]) / radii[2]
    ) ** 2 <= 1
    return inside


def _ball(center: tuple[float, float], radii: tuple[float, float, float]) -> npt.NDArray[np.bool_]:
    """Give an ellipsoid around the middle slice of an axial scene; center (row, column)."""
    return _ellipsoid(_SHAPE, (_MIDDLE, *center), radii)


def _sphere(row: float, column: float, radius: float) -> npt.NDArray[np.bool_]:
    return _ball((row, column), (radius, radius, radius))


def _lung_pet_ct() -> Mapping[str, Labels]:
    """Give lungs; tumors: in the right lung, at its pleura, in a cavity, a tiny one at the left pleura, one far off."""
    region = np.zeros(_SHAPE, np.uint8)
    region[_ball((45, 32), (18, 40, 24))] = LOBES_RIGHT[0]
    region[_ball((45, 90), (18, 40, 24))] = LOBES_LEFT[0]
    tumors = _sphere(36, 30, 8) | _sphere(56, 5, 4.5) | _CAVITY | _sphere(45, 115, 1.5) | _sphere(80, 61, 6)
    return {TASK762_PET_CT.name: _tumor(tumors), REGION: region}


def _lung_ct_of_the_pair() -> npt.NDArray[np.int16]:
    """Give a CT that has its smallest value in the cavity."""
    return np.where(_CAVITY, -1000, 0).astype(np.int16)


def _breast() -> Mapping[str, Labels]:
    """Give a breast, lung, liver and kidney in one sagittal plane; tumors in the breast, and elsewhere.

    The largest one of the breast reaches the lowest slices, the second is the smallest of all; the others lie in
    the arm pit, in the lung and behind the kidney.
    """
    region = np.zeros(_SAGITTAL_SHAPE, np.uint8)
    region[_ellipsoid(_SAGITTAL_SHAPE, (14, 16, 30), (16, 14, 22))] = ANATOMY["breast"]
    region[_ellipsoid(_SAGITTAL_SHAPE, (38, 54, 30), (18, 18, 20))] = LOBES_RIGHT[0]
    region[_ellipsoid(_SAGITTAL_SHAPE, (10, 42, 30), (9, 8, 18))] = ANATOMY["liver"]
    region[_ellipsoid(_SAGITTAL_SHAPE, (8, 58, 30), (6, 5, 8))] = ANATOMY["kidney_right"]
    centers = ((5.0, 18.0, 7.0), (23.0, 18.0, 3.5), (48.0, 20.0, 5.0), (38.0, 54.0, 4.5), (8.0, 71.0, 5.5))
    tumors = np.zeros(_SAGITTAL_SHAPE, np.bool_)
    for slice_, row, radius in centers:
        tumors |= _ellipsoid(_SAGITTAL_SHAPE, (slice_, row, _SAGITTAL_SHAPE[2] // 2), (radius, radius, radius))
    return {TASK762_PET_CT.name: _tumor(tumors), REGION: region}


def _ct_of_the_breast() -> npt.NDArray[np.int16]:
    """Give a CT that has its smallest value in a corner alone."""
    ct = np.zeros(_SAGITTAL_SHAPE, np.int16)
    ct[-1, 0, 0] = -1000
    return ct


def _tumor(mask: npt.NDArray[np.bool_]) -> Labels:
    return mask.astype(np.uint8) * np.uint8(_TUMOR)


def _lung_ct() -> Mapping[str, Labels]:
    """Give lungs with a hole and a far speck; nodules: tiny, huge, at the pleura, in the hole, outside."""
    lungs = _ball((45, 32), (18, 40, 24)) | _ball((45, 90), (18, 40, 24))
    hole = _sphere(25, 92, 5)
    lungs = (lungs & ~hole) | _sphere(4, 61, 3)
    nodules = (
        _sphere(20.5, 32.5, 0.75) | _ball((58, 34), (12, 16.5, 16.5)) | _sphere(55, 113, 6) | hole | _sphere(80, 61, 3)
    )
    return {TASK775_LUNGS.name: lungs.astype(np.uint8), TASK777_NODULES.name: nodules.astype(np.uint8)}


def _kidney() -> Labels:
    """Give two kidneys with a tumor and a cyst, and a third piece in the spleen."""
    labels = (_ball((50, 30), (16, 18, 11)) | _ball((50, 90), (16, 18, 11))).astype(np.uint8)
    labels[_sphere(40, 32, 6)] = 2
    labels[_sphere(66, 96, 6)] = 3
    labels[_sphere(14, 84, 7)] = 1
    labels[_sphere(14, 84, 3)] = 2
    return labels


def _prostate() -> Labels:
    """Give a prostate in the middle and a larger piece of the bladder."""
    return (_ball((52, 60), (12, 14, 18)) | _ball((16, 88), (14, 15, 24))).astype(np.uint8)


def _liver() -> Labels:
    """Give a liver and specks in spleen and kidney."""
    return (_ball((42, 40), (18, 32, 34)) | _sphere(30, 104, 5) | _sphere(74, 98, 3)).astype(np.uint8)


def _of_one_model(task: str, labels: Callable[[], Labels]) -> Scene:
    """Give the scene of a task whose one model's labels are the segments."""
    model = tasks.get(task).models[0].name
    return Scene(task, lambda: {model: labels()}, {model: {1: 1, 2: 2, 3: 3}})


_CAVITY = _sphere(26, 92, 5)
_LUNGS_SHOWN = {REGION: {LOBES_RIGHT[0]: 1, LOBES_LEFT[0]: 1}}
_BREAST_SHOWN = (
    Organs("breast", (ANATOMY["breast"],), (150, 120, 130)),
    Organs("lung, liver, kidney", (LOBES_RIGHT[0], ANATOMY["liver"], ANATOMY["kidney_right"]), (92, 100, 112)),
)
SCENES: Mapping[str, Scene] = {
    scene.task: scene
    for scene in (
        Scene(
            "lung_pet_ct",
            _lung_pet_ct,
            {**_LUNGS_SHOWN, TASK762_PET_CT.name: {_TUMOR: 2}},
            ct=_lung_ct_of_the_pair,
        ),
        Scene(
            "breast",
            _breast,
            {TASK762_PET_CT.name: {_TUMOR: 1}},
            ct=_ct_of_the_breast,
            organs=_BREAST_SHOWN,
            across=2,
        ),
        Scene("lung_ct", _lung_ct, {TASK775_LUNGS.name: {1: 1, 2: 1}, TASK777_NODULES.name: {1: 2}}),
        _of_one_model("kidney", _kidney),
        _of_one_model("prostate", _prostate),
        _of_one_model("liver_mr", _liver),
        _of_one_model("liver_ct", _liver),
    )
}


def kept_by_rule_set(scene: Scene) -> dict[str, Labels]:
    """Give the segments under each rule set."""
    grids = {name: LabelMap(_volume(labels), (), None) for name, labels in scene.outputs().items()}
    images = {} if scene.ct is None else {"ct": Image(_volume(scene.ct()), "HU", None)}
    return {name: clean_up(grids, images).labels for name, clean_up in tasks.get(scene.task).clean_ups.items()}


def _volume(array: npt.NDArray[np.uint8] | npt.NDArray[np.int16]) -> hd.Volume:
    affine = np.array([[0, 0, 1, 0], [0, 1, 0, 0], [1, 0, 0, 0], [0, 0, 0, 1]], float)
    return hd.Volume(array, affine, coordinate_system="PATIENT")


def pictures() -> Mapping[str, Scene]:
    """Give the scene of each picture, by its file's name; the livers' is the same and drawn once."""
    return {f"rule_sets_{scene.task}.png": scene for scene in SCENES.values() if scene.task != "liver_mr"}


def draw(scene: Scene) -> Picture.Image:
    """Give the picture of a scene: the networks' labels, then one panel a rule set; below, the colors."""
    outputs = scene.outputs()
    panels = {"networks": _as_segments(scene), **kept_by_rule_set(scene)}
    drawn = {name: _panel(scene, labels, outputs.get(REGION)) for name, labels in panels.items()}
    width = drawn["networks"].width
    size = (len(panels) * (width + _GAP) + _GAP, _CAPTION + _HEIGHT + _CAPTION + _GAP)
    picture = Picture.new("RGB", size, _GROUND)
    pen = ImageDraw.Draw(picture)
    for place, (name, panel) in enumerate(drawn.items()):
        left = _GAP + place * (width + _GAP)
        pen.text((left, 3), name, font=ImageFont.load_default(_FONT_SIZE), fill=_TEXT)
        picture.paste(panel, (left, _CAPTION))
    _write_legend(pen, scene, _CAPTION + _HEIGHT + _GAP)
    return picture


def encode(picture: Picture.Image) -> Picture.Image:
    """Give a picture with few colors, as it is written."""
    return picture.quantize(64)


def _as_segments(scene: Scene) -> Labels:
    outputs = scene.outputs()
    shown = np.zeros(next(iter(outputs.values())).shape, np.uint8)
    for name, numbers in scene.shown_as.items():
        for value, number in numbers.items():
            shown[outputs[name] == value] = number
    return shown


def _panel(scene: Scene, labels: Labels, region: Labels | None) -> Picture.Image:
    segments = _section(scene, labels)
    pixels = np.full((*segments.shape, 3), _PANEL, np.uint8)
    if region is not None:
        for organs in scene.organs:
            pixels[np.isin(_section(scene, region), organs.numbers)] = organs.color
    for segment in tasks.get(scene.task).segments:
        pixels[segments == segment.number] = segment.color
    scale = _HEIGHT // segments.shape[0]
    size = (segments.shape[1] * scale, segments.shape[0] * scale)
    return Picture.fromarray(pixels).resize(size, Picture.Resampling.NEAREST)


def _section(scene: Scene, labels: Labels) -> Labels:
    """Give the middle slice, as it is looked at."""
    section: Labels = np.take(labels, labels.shape[scene.across] // 2, axis=scene.across)
    return section if scene.across == 0 else section[::-1]


def _write_legend(pen: ImageDraw.ImageDraw, scene: Scene, top: int) -> None:
    meanings = [(segment.label, segment.color) for segment in tasks.get(scene.task).segments]
    meanings += [(organs.name, organs.color) for organs in scene.organs]
    font = ImageFont.load_default(_FONT_SIZE)
    left = float(_GAP)
    for name, color in meanings:
        pen.rectangle((left, top + 2, left + _SWATCH, top + 2 + _SWATCH), fill=color, outline=_TEXT)
        left += _SWATCH + _GAP
        pen.text((left, top), name, font=font, fill=_TEXT)
        left += pen.textlength(name, font=font) + 3 * _GAP


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
    for name, scene in pictures().items():
        encode(draw(scene)).save(FOLDER / name, optimize=True)
    print(table())


if __name__ == "__main__":
    main()
