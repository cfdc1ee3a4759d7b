"""Exact in, exact out: the segmentation's voxels are those of a threshold of the source's pixels, plane by plane.

A network that marks voxels above a threshold is run through the whole pipeline, by both roads. What it must
give is computed from the source files by pydicom alone.
"""

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from scipy.spatial.transform import Rotation

from aimi.dicom import study as studies
from aimi.dicom.header import Stack
from aimi.options import RunOptions
from tests.end_to_end import roads
from tests.end_to_end.proof import assert_marks, read_planes
from tests.end_to_end.threshold_task import PROOF, WHOLE_SLICES, make_models
from tests.made import Made, write_made

pytestmark = [pytest.mark.torch, pytest.mark.holoscan]

RealData = Callable[[str], Path]
ACRIN = "1.3.6.1.4.1.14519.5.2.1.7009.2403."


@dataclass(frozen=True)
class Case:
    """A real series: where it lies, which one it is, above which value it is marked."""

    name: str
    data: str
    folder: str
    threshold: float
    series_number: int | None = None
    series_uid: str | None = None


REAL = [
    Case("ct-abdomen", "ct_abdomen_crlm_1004", ".", 100.0, series_number=2),
    Case("ct-of-pet-ct", "petct_acrin_042", ".", 100.0, series_uid=ACRIN + "226151125820845824875394858561"),
    Case("pet", "petct_acrin_042", ".", 5000.5, series_uid=ACRIN + "879445243400782656317561081015"),
    Case("ct-chest", "ct_chest_lidc_0314", ".", 100.0),
    Case("mr-axial", "mr_abdomen_cmb_crc", ".", 300.0, series_number=901),
    Case("mr-sagittal", "mr_prostatex", "ProstateX-0000", 300.0, series_number=3),
    Case("mr-oblique-axial", "mr_prostatex", "ProstateX-0000", 300.0, series_number=4),
    Case("mr-oblique-coronal", "mr_prostatex", "ProstateX-0000", 300.0, series_number=5),
    Case("enhanced-mr-philips", "awkward", "enhanced/philips_anatomical", 300.0),
    Case("enhanced-mr-siemens", "awkward", "enhanced/siemens_multiframe_anatomical", 127.0),
    Case("enhanced-pet-legacy", "awkward", "enhanced/made_legacy_enhanced_pet", 5000.5),
]


@pytest.mark.slow
@pytest.mark.parametrize("case", REAL, ids=lambda case: case.name)
def test_real_series_are_marked_exactly_by_both_roads(case: Case, real_data: RealData, tmp_path: Path) -> None:
    source = real_data(case.data) / case.folder
    stack = _find_stack(source, case)
    assert stack.spacing is not None
    models = make_models(tmp_path / "models", stack.spacing, case.threshold, patch=_patch(stack))
    planes = read_planes({stack.instances[plane.instance].path for plane in stack.planes})
    objects = []
    for road in roads.ROADS:
        options = RunOptions(series_uid=stack.name)
        end = roads.run(road, PROOF, source, tmp_path / road, models, options)
        assert (end.status, end.message) == (0, "")
        objects.append((end.folder / "proof.seg.dcm").read_bytes())
    marked = assert_marks(tmp_path / "command" / "proof.seg.dcm", planes, lambda pixels: pixels > case.threshold)
    assert marked > 0
    assert objects[0] == objects[1]


def _patch(stack: Stack) -> tuple[int, int, int]:
    pixels = stack.instances[0].pixels
    return WHOLE_SLICES if pixels.rows * pixels.columns > 256 * 256 else (32, 128, 128)


def _find_stack(source: Path, case: Case) -> Stack:
    study = studies.read(source)
    return next(
        stack
        for series in study.series
        for stack in series.stacks
        if (case.series_number is None or series.header.series_number == case.series_number)
        and (case.series_uid is None or series.header.series_instance_uid == case.series_uid)
    )


def _orders_and_signs() -> list[tuple[tuple[float, ...], tuple[float, ...]]]:
    """Give all 48 ways to lay rows, columns and slices along the patient's axes.

    The third axis is the order of the files: 24 of them run against the normal.
    """
    axes = np.eye(3)
    return [
        (
            tuple(float(v) for v in [*(a * axes[order[0]]), *(b * axes[order[1]])]),
            tuple(float(v) for v in c * axes[order[2]]),
        )
        for order in itertools.permutations(range(3))
        for a, b, c in itertools.product((1, -1), repeat=3)
    ]


def _random_volume(seed: int) -> npt.NDArray[np.int16]:
    return np.random.default_rng(seed).integers(-1000, 1000, (9, 11, 14), dtype=np.int16)


def _assert_made_is_exact(made: Made, tmp_path: Path, road: str) -> None:
    source = write_made(tmp_path / "study", made)
    models = make_models(tmp_path / "models", made.spacing, 200.0)
    end = roads.run(road, PROOF, source, tmp_path / "out", models)
    assert (end.status, end.message) == (0, "")
    planes = read_planes(source.iterdir())
    marked = assert_marks(tmp_path / "out" / "proof.seg.dcm", planes, lambda pixels: pixels > 200)
    assert marked == int((made.array > 200).sum())


@pytest.mark.parametrize("number", range(48))
def test_every_order_and_sign_of_axes_is_exact(number: int, tmp_path: Path) -> None:
    orientation, step = _orders_and_signs()[number]
    normal = np.cross(orientation[:3], orientation[3:])
    array = _random_volume(number)
    against = float(normal @ step) < 0
    made = Made(array[::-1] if against else array, spacing=(3.0, 0.9, 0.7), orientation=orientation)
    _assert_made_is_exact(made, tmp_path, roads.ROADS[number % 2])


@pytest.mark.parametrize("seed", range(20))
def test_random_obliques_are_exact(seed: int, tmp_path: Path) -> None:
    turned = Rotation.random(rng=np.random.default_rng(seed)).as_matrix()
    made = Made(_random_volume(seed), spacing=(2.3, 0.8, 1.1), orientation=[*turned[0], *turned[1]])
    _assert_made_is_exact(made, tmp_path, roads.ROADS[seed % 2])
