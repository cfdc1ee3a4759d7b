"""Identity of written segmentations: the same work gives the same object, other work another."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aimi.dicom.header import Stack
from aimi.dicom.segmentation import Description, Encoded, SegmentationType, encode, to_bytes
from aimi.dicom.uids import CLOCK_KEYWORDS
from tests.dicom.segs import ALGORITHM, DESCRIPTION, KIDNEY, MADE, MORNING, scattered, written
from tests.dicom.stacks import label_map, read_stack
from tests.made import make_slices, write_made, write_series


@pytest.fixture
def axial(tmp_path: Path) -> Stack:
    return read_stack(write_made(tmp_path / "axial", MADE["axial"]))


@given(order=st.permutations(range(10)))
@settings(max_examples=4, deadline=None)
def test_names_and_order_of_files_change_nothing(order: list[int]) -> None:
    slices = make_slices(MADE["axial"])
    with TemporaryDirectory() as folder:
        plain = read_stack(write_series(Path(folder) / "plain", slices))
        mixed = read_stack(write_series(Path(folder) / "a" / "b", [slices[index] for index in order]))
        labels = scattered(plain)
        assert to_bytes(written(plain, labels).dataset) == to_bytes(written(mixed, labels).dataset)


def test_two_runs_at_the_same_time_give_the_same_bytes(axial: Stack) -> None:
    labels = scattered(axial)
    assert to_bytes(written(axial, labels).dataset) == to_bytes(written(axial, labels).dataset)


def test_a_later_run_differs_in_its_times_only(axial: Stack) -> None:
    meant = label_map(axial, scattered(axial), KIDNEY)
    first = encode(meant, axial, DESCRIPTION, clock=lambda: MORNING).dataset
    later = encode(meant, axial, DESCRIPTION, clock=lambda: MORNING.replace(year=2031, hour=9)).dataset
    differing = {element.keyword for element in first if element != later[element.tag]}
    assert differing == set(CLOCK_KEYWORDS)


def one_voxel_less(labels: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    changed = labels.copy()
    changed[tuple(np.argwhere(changed)[0])] = 0
    return changed


CHANGES: dict[str, Callable[[Stack, npt.NDArray[np.uint8]], Encoded]] = {
    "a voxel": lambda stack, labels: written(stack, one_voxel_less(labels)),
    "the weights": lambda stack, labels: rewritten(
        stack, labels, replace(DESCRIPTION, algorithm=replace(ALGORITHM, weights_sha256="cd" * 32))
    ),
    "an option": lambda stack, labels: rewritten(
        stack, labels, replace(DESCRIPTION, algorithm=replace(ALGORITHM, parameters={"device": "cuda"}))
    ),
    "the version": lambda stack, labels: rewritten(stack, labels, replace(DESCRIPTION, software_version="0.2.0")),
    "the task": lambda stack, labels: rewritten(stack, labels, replace(DESCRIPTION, series_number=3005)),
    "the type": lambda stack, labels: written(stack, labels, segmentation_type=SegmentationType.LABELMAP),
    "a further source": lambda stack, labels: written(stack, labels, further_sources=[stack]),
}


def rewritten(stack: Stack, labels: npt.NDArray[np.uint8], description: Description) -> Encoded:
    return encode(label_map(stack, labels, KIDNEY), stack, description, clock=lambda: MORNING)


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_changes_every_uid(axial: Stack, change: str) -> None:
    labels = scattered(axial)
    plain, changed = written(axial, labels).dataset, CHANGES[change](axial, labels).dataset
    assert plain.SOPInstanceUID != changed.SOPInstanceUID
    assert plain.SeriesInstanceUID != changed.SeriesInstanceUID
    first, second = plain.DimensionOrganizationSequence[0], changed.DimensionOrganizationSequence[0]
    assert first.DimensionOrganizationUID != second.DimensionOrganizationUID
    assert plain.SegmentSequence[-1].TrackingUID != changed.SegmentSequence[-1].TrackingUID


def test_the_order_of_parameters_changes_nothing(axial: Stack) -> None:
    labels = scattered(axial)
    turned = replace(ALGORITHM, parameters={"precision": "f32", "device": "cpu"})
    again = rewritten(axial, labels, replace(DESCRIPTION, algorithm=turned))
    assert to_bytes(written(axial, labels).dataset) == to_bytes(again.dataset)


def test_an_attribute_of_the_patient_changes_the_uid(axial: Stack, tmp_path: Path) -> None:
    other = read_stack(write_made(tmp_path / "other", replace(MADE["axial"], patient="MADE-2")))
    labels = scattered(axial)
    assert written(axial, labels).dataset.SOPInstanceUID != written(other, labels).dataset.SOPInstanceUID
