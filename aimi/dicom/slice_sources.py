"""Which instances and frames lie behind the slices of a stack: what an image and a label map keep of it."""

from aimi.dicom.header import Plane, Stack
from aimi.errors import GeometryError
from aimi.image import SliceSource, SourceGrid

__all__ = ["describe_source"]


def describe_source(stack: Stack) -> SourceGrid:
    """Give the series behind the slices of a stack.

    Raises
    ------
    GeometryError
        A slice has no position.
    """
    header = stack.header
    return SourceGrid(
        study_instance_uid=header.study_instance_uid,
        series_instance_uid=header.series_instance_uid,
        frame_of_reference_uid=header.frame_of_reference_uid,
        modality=header.modality,
        slices=tuple(_slice_source(stack, plane) for plane in stack.planes),
    )


def _slice_source(stack: Stack, plane: Plane) -> SliceSource:
    if plane.position is None or plane.position_text is None:
        raise GeometryError("A slice has no Image Position (Patient).", "Choose another series.")
    instance = stack.instances[plane.instance]
    return SliceSource(
        sop_class_uid=instance.sop_class_uid,
        sop_instance_uid=instance.sop_instance_uid,
        frame_number=plane.frame_number,
        position=plane.position,
        position_text=plane.position_text,
    )
