"""A region that is looked at grows with the labels that are sought, corner by corner, and with no others."""

from pathlib import Path

import highdicom as hd
import numpy as np
import numpy.typing as npt
import pytest

from aimi.engine.ensemble import Options, load, predict
from aimi.engine.folder import open_folder
from aimi.engine.orientation import Orientation
from aimi.image import Image
from tests.engine.threshold_model import make_threshold_model

pytestmark = [pytest.mark.torch]

SHAPE = (12, 14, 16)
CENTER = (5, 5, 5)


def diagonal() -> npt.NDArray[np.float32]:
    """Give an image with a bright line from corner to corner of voxels."""
    values = np.ones(SHAPE, np.float32)
    for step in range(5):
        values[5 + step, 5 + step, 5 + step] = 100.0
    return values


def cross() -> npt.NDArray[np.bool_]:
    """Give a region that holds the line's first voxel and its six neighbours, but not where the line goes on."""
    region = np.zeros(SHAPE, np.bool_)
    region[4:7, 5, 5] = region[5, 4:7, 5] = region[5, 5, 4:7] = True
    return region


def label(folder: Path, sought: tuple[int, ...] | None) -> npt.NDArray[np.uint8]:
    model_path = make_threshold_model(folder / "model", (1.0, 1.0, 1.0), 50.0, patch=(4, 4, 4))
    options = Options(orientation=Orientation.ITK)
    image = Image(hd.Volume(diagonal(), np.eye(4), coordinate_system="PATIENT"), "arbitrary", None)
    return predict([image], load(open_folder(model_path), options), options, region=cross(), sought=sought).labels


@pytest.mark.parametrize("sought", [None, (1,)])
def test_a_finding_that_goes_on_at_a_corner_is_followed(sought: tuple[int, ...] | None, tmp_path: Path) -> None:
    np.testing.assert_array_equal(label(tmp_path, sought), diagonal() > 50)


def test_a_label_that_is_not_sought_is_not_followed(tmp_path: Path) -> None:
    expected = np.zeros(SHAPE, np.uint8)
    expected[CENTER] = 1
    np.testing.assert_array_equal(label(tmp_path, (2,)), expected)
