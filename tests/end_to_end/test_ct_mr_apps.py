"""lung_ct, kidney, prostate and liver_mr on real series: `python apps/...` and the command give the same, right object.

Threshold models stand in for the published ones, under their names. What must be marked is worked out from the source's
pixels, read with pydicom alone. No T1-weighted liver MR is at hand: liver_mr runs on a T1-weighted series of the pelvis
that is asked for by its UID.
"""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pydicom
import pytest
from scipy import ndimage

from aimi import tasks
from aimi.options import RunOptions
from tests.end_to_end import roads
from tests.end_to_end.proof import Planes, original_texts, read_planes
from tests.end_to_end.threshold_task import WHOLE_SLICES
from tests.engine.threshold_model import make_threshold_model

pytestmark = [pytest.mark.torch, pytest.mark.holoscan, pytest.mark.slow]

ROOT = Path(__file__).resolve().parents[2]
RealData = Callable[[str], Path]
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Case:
    """A task on a real series, with the rising thresholds of each model's labels and how many components stay."""

    data: str
    folder: str
    series: str
    spacing: tuple[float, float, float]
    models: tuple[tuple[float, ...], ...]
    components: int
    is_forced: bool = False


LIDC = "1.3.6.1.4.1.14519.5.2.1.6279.6001.154677396354641150280013275227"
CRLM = "1.3.6.1.4.1.14519.5.2.1.9203.8273.254242588659825836950462054011"
T2_TRA = "1.3.6.1.4.1.14519.5.2.1.7311.5101.160028252338004527274326500702"
T1_VIBE = "1.3.6.1.4.1.14519.5.2.1.7310.5101.639354588949115821084303985720"
CASES = {
    "lung_ct": Case("ct_chest_lidc_0314", "", LIDC, (1.0, 0.78125, 0.78125), ((150.0, 700.0), (400.0,)), 2),
    "kidney": Case("ct_abdomen_crlm_1004", "", CRLM, (5.0, 0.796875, 0.796875), ((150.0, 250.0, 400.0),), 2),
    "prostate": Case("mr_prostatex", "ProstateX-0000", T2_TRA, (3.0, 0.5, 0.5), ((250.0,),), 1),
    "liver_mr": Case("mr_prostatex", "0218_T1_vibe", T1_VIBE, (3.6, 1.625, 1.625), ((150.0,),), 1, is_forced=True),
}


@dataclass(frozen=True)
class Finished:
    """What both roads left."""

    task: str
    case: Case
    source: Path
    application: Path
    command: roads.End


@pytest.fixture(scope="module", params=CASES)
def finished(request: pytest.FixtureRequest, real_data: RealData, tmp_path_factory: pytest.TempPathFactory) -> Finished:
    case = CASES[request.param]
    source = real_data(case.data) / case.folder
    folder = tmp_path_factory.mktemp(request.param)
    task = tasks.get(request.param)
    for model, (first, *further) in zip(task.models, case.models, strict=True):
        make_threshold_model(
            folder / "models" / model.name, case.spacing, first, patch=WHOLE_SLICES, further=tuple(further)
        )
    paths = ["-i", str(source), "-o", str(folder / "app"), "-m", str(folder / "models")]
    environ = os.environ | {"SOURCE_DATE_EPOCH": str(int(roads.fixed_clock().timestamp()))}
    options = RunOptions(series_uid=case.series if case.is_forced else None)
    if case.is_forced:
        environ["AIMI_SERIES"] = case.series
    ended = subprocess.run(
        [sys.executable, f"apps/{task.name}", *paths],
        cwd=ROOT,
        env=environ,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    command = roads.run("command", task, source, folder / "command", folder / "models", options)
    assert (command.status, command.message) == (0, "")
    return Finished(task.name, case, source, folder / "app", command)


def test_both_roads_give_the_same_bytes(finished: Finished) -> None:
    for last in ("seg.dcm", "preview.png"):
        name = f"{finished.task}.{last}"
        assert (finished.application / name).read_bytes() == (finished.command.folder / name).read_bytes()


def test_the_result_lies_on_the_voxels_that_the_rule_keeps(finished: Finished) -> None:
    planes = read_planes(finished.source.rglob("*"), finished.case.series)
    keys = sorted(planes, key=lambda key: float(planes[key].position[2]))
    above = np.stack([planes[key].pixels > finished.case.models[0][0] for key in keys])
    expected = dict(zip(keys, expected_components(above, finished.case.components), strict=True))
    marked = marked_by_instance(finished.application / f"{finished.task}.seg.dcm", planes)
    assert set(marked) <= set(expected)
    for key, mask in expected.items():
        np.testing.assert_array_equal(marked.get(key, np.zeros_like(mask)), mask)


def expected_components(above: Mask, count: int) -> Mask:
    """Give the largest components; for these thresholds the prostate's largest one is also the centermost."""
    numbered, _ = ndimage.label(above, np.ones((3, 3, 3)))
    sizes = np.bincount(numbered.ravel())
    sizes[0] = 0
    return np.isin(numbered, np.argsort(-sizes, kind="stable")[:count])


def marked_by_instance(path: Path, planes: Planes) -> dict[tuple[str, int], Mask]:
    """Give the union of all segments by source instance; each frame must lie where its source says, to the letter."""
    seg = pydicom.dcmread(path)
    marked: dict[tuple[str, int], Mask] = {}
    for frame, groups in zip(seg.pixel_array, seg.PerFrameFunctionalGroupsSequence, strict=True):
        key = (groups.DerivationImageSequence[0].SourceImageSequence[0].ReferencedSOPInstanceUID, 1)
        assert original_texts(groups.PlanePositionSequence[0].ImagePositionPatient) == planes[key].position
        marked[key] = marked.get(key, np.zeros(frame.shape, np.bool_)) | (frame > 0)
    return marked


def test_segments_carry_the_published_codes(finished: Finished) -> None:
    seg = pydicom.dcmread(finished.application / f"{finished.task}.seg.dcm")
    found = [
        (item.SegmentLabel, item.SegmentedPropertyTypeCodeSequence[0].CodeValue, item.SegmentAlgorithmType)
        for item in seg.SegmentSequence
    ]
    segments = tasks.get(finished.task).segments
    assert found == [(one.label, one.property_type.value, "AUTOMATIC") for one in segments]
    assert seg.SeriesNumber == 3000 + tasks.get(finished.task).number


def test_dciodvfy_finds_no_error(finished: Finished) -> None:
    if shutil.which("dciodvfy") is None:
        pytest.fail("dciodvfy is not installed (Debian package dicom3tools; make install brings it)")
    seg = str(finished.application / f"{finished.task}.seg.dcm")
    checked = subprocess.run(["dciodvfy", "-new", seg], capture_output=True, text=True, check=False)
    assert [line for line in checked.stderr.splitlines() if line.startswith("Error")] == []


def test_each_finding_of_the_report_is_a_component_of_the_written_object(finished: Finished) -> None:
    report = report_of(finished)
    for segment in report["segments"]:
        found = components_of(finished, segment["number"])
        assert segment["components"] == len(segment["findings"]) == len(found)
        assert [one for one in found if not is_told(one, segment["findings"], finished.case.spacing)] == []


@pytest.mark.parametrize("finished", ["lung_ct"], indirect=True)
def test_nodules_are_told_one_by_one_with_their_diameters(finished: Finished) -> None:
    _, nodules = report_of(finished)["segments"]
    assert nodules["label"] == "Nodule"
    assert len(nodules["findings"]) == nodules["components"] > 1
    assert all(3.0 <= one["axial_diameter_mm"] <= 30.0 for one in nodules["findings"])
    assert all(one["axial_diameter_mm"] <= one["diameter_mm"] for one in nodules["findings"])
    volumes = [one["volume_ml"] for one in nodules["findings"]]
    assert volumes == sorted(volumes, reverse=True)
    assert [one["code"] for one in report_of(finished)["notes"] if one["code"] == "findings-left-out"] == []


def report_of(finished: Finished) -> dict[str, Any]:
    report: dict[str, Any] = json.loads((finished.application / f"{finished.task}.report.json").read_bytes())
    return report


@dataclass(frozen=True)
class Found:
    """A component: its size, its first and last slice from below, its centroid in patient coordinates."""

    voxels: int
    slices: list[int]
    centroid: npt.NDArray[np.float64]


def components_of(finished: Finished, number: int) -> list[Found]:
    """Give the 26-connected components of a segment, from the object and the positions of its source's slices alone."""
    planes = read_planes(finished.source.rglob("*"), finished.case.series)
    corners = np.array(sorted((plane.position for plane in planes.values()), key=lambda one: float(one[2])), float)
    seg = pydicom.dcmread(finished.application / f"{finished.task}.seg.dcm")
    shared = seg.SharedFunctionalGroupsSequence[0]
    mask = np.zeros((len(corners), seg.Rows, seg.Columns), np.bool_)
    for frame, groups in zip(seg.pixel_array, seg.PerFrameFunctionalGroupsSequence, strict=True):
        owner = groups if "SegmentIdentificationSequence" in groups else shared
        if owner.SegmentIdentificationSequence[0].ReferencedSegmentNumber == number:
            corner = np.array(groups.PlanePositionSequence[0].ImagePositionPatient, float)
            mask[np.abs(corners - corner).sum(axis=1).argmin()] = frame > 0
    orientation = shared.PlaneOrientationSequence[0].ImageOrientationPatient
    along_row, along_column = np.array(orientation, float).reshape(2, 3)
    rows_apart, columns_apart = (float(one) for one in shared.PixelMeasuresSequence[0].PixelSpacing)
    numbered, count = ndimage.label(mask, np.ones((3, 3, 3)))
    found = []
    for one, box in zip(range(1, count + 1), ndimage.find_objects(numbered), strict=True):
        k, j, i = np.nonzero(numbered[box] == one)
        k, j, i = k + box[0].start, j + box[1].start, i + box[2].start
        points = corners[k] + np.outer(j * rows_apart, along_column) + np.outer(i * columns_apart, along_row)
        found.append(Found(len(k), [int(k.min()), int(k.max())], points.mean(axis=0)))
    return found


def is_told(one: Found, findings: list[dict[str, Any]], spacing: tuple[float, float, float]) -> bool:
    """Tell whether a finding of the report has the size, slices and position of a component."""
    return any(
        (finding["voxels"], finding["slices"]) == (one.voxels, one.slices)
        and np.allclose(finding["centroid_lps_mm"], one.centroid, atol=0.02)
        and abs(finding["volume_ml"] - one.voxels * np.prod(spacing) / 1000) < 1e-3
        for finding in findings
    )


def test_report_tells_what_was_run_measured_and_removed(finished: Finished) -> None:
    report: dict[str, Any] = json.loads((finished.application / f"{finished.task}.report.json").read_bytes())
    task = tasks.get(finished.task)
    assert [model["name"] for model in report["models"]] == [model.name for model in task.models]
    assert [group["label"] for group in report["groups"]] == [group.label for group in task.groups]
    for group in report["groups"]:
        parts = [one["voxels"] for one in report["segments"] if one["number"] in group["segments"]]
        assert group["voxels"] == sum(parts)
    assert len(report["removed"]) == min(report["removed_count"], 100) > 0
    volumes = [one["volume_ml"] for one in report["removed"]]
    assert volumes == sorted(volumes, reverse=True)
    assert all(one["reason"] and one["centroid_lps_mm"] for one in report["removed"])
