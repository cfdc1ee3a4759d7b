"""Stacks of test data, and label maps on them."""

from collections.abc import Sequence
from pathlib import Path

import highdicom as hd
import numpy as np
import numpy.typing as npt

from aimi.dicom.header import Plane, Stack
from aimi.dicom.study import read
from aimi.image import LabelMap, Segment, SliceSource, SourceGrid


def read_stack(folder: Path, number: int = 0) -> Stack:
    """Give one stack of a study, counted over all its series."""
    return [stack for series in read(folder).series for stack in series.stacks][number]


def label_map(stack: Stack, labels: npt.NDArray[np.uint8], segments: Sequence[Segment]) -> LabelMap:
    """Lay labels of shape (k, j, i) on a stack's planes; the affine is wrong, for writing must not use it."""
    volume = hd.Volume(labels, np.eye(4), coordinate_system="PATIENT")
    header = stack.header
    grid = SourceGrid(
        header.study_instance_uid,
        header.series_instance_uid,
        header.frame_of_reference_uid,
        header.modality,
        tuple(_slice_source(stack, plane) for plane in stack.planes),
    )
    return LabelMap(volume, tuple(segments), grid)


def _slice_source(stack: Stack, plane: Plane) -> SliceSource:
    instance = stack.instances[plane.instance]
    assert plane.position is not None
    assert plane.position_text is not None
    return SliceSource(
        instance.sop_class_uid, instance.sop_instance_uid, plane.frame_number, plane.position, plane.position_text
    )
