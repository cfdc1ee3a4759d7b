"""Stacks made straight from headers, so that tests of writing do not depend on study reading."""

from collections.abc import Callable, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

import highdicom as hd
import numpy as np
import numpy.typing as npt
from pydicom import dcmread
from pydicom.dataset import Dataset

from aimi.dicom.header import Instance, PixelFormat, Plane, SeriesHeader, Stack
from aimi.image import LabelMap, Segment, SliceSource, SourceGrid


def read_stack(folder: Path, keep: Callable[[Dataset, Dataset], bool] = lambda _header, _frame: True) -> Stack:
    """Give one stack of the planes below a folder; ``keep`` chooses by header and frame item."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    instances, planes = [], []
    for path in files:
        header = dcmread(path, stop_before_pixels=True, force=True)
        instances.append(_instance(path, header))
        planes += [plane for plane in _planes(header, len(instances) - 1, keep)]
    return make_stack(instances, planes)


def make_stack(instances: Sequence[Instance], planes: Sequence[Plane]) -> Stack:
    orientation = np.array(planes[0].orientation)
    normal = np.cross(orientation[:3], orientation[3:])
    ordered = sorted(planes, key=lambda plane: float(np.dot(normal, plane.position or ())))
    places = [float(np.dot(normal, plane.position or ())) for plane in ordered]
    gap = float(np.median(np.diff(places))) if len(places) > 1 else 1.0
    rows, columns = ordered[0].pixel_spacing or (1.0, 1.0)
    x, y, z = (float(value) for value in normal)
    return Stack(
        header=instances[0].header,
        instances=tuple(instances),
        planes=tuple(ordered),
        split=(),
        spacing=(gap, rows, columns),
        normal=(x, y, z),
        defects=(),
        notes=(),
    )


def _planes(header: Dataset, instance: int, keep: Callable[[Dataset, Dataset], bool]) -> list[Plane]:
    frames = header.get("PerFrameFunctionalGroupsSequence")
    if not frames:
        return [_plane(header, header, instance, None)] if keep(header, Dataset()) else []
    shared = header.get("SharedFunctionalGroupsSequence") or [Dataset()]
    planes = []
    for number, frame in enumerate(frames, 1):
        flat = Dataset()
        for group in (shared[0], frame):
            for macro in ("PixelMeasuresSequence", "PlaneOrientationSequence", "PlanePositionSequence"):
                if group.get(macro):
                    flat.update(group[macro][0])
        if keep(header, frame):
            planes.append(_plane(header, flat, instance, number))
    return planes


def _plane(header: Dataset, geometry: Dataset, instance: int, frame: int | None) -> Plane:
    x, y, z = geometry.ImagePositionPatient
    rows, columns = geometry.PixelSpacing
    a, b, c, d, e, f = geometry.ImageOrientationPatient
    return Plane(
        instance=instance,
        frame_number=frame,
        position=(float(x), float(y), float(z)),
        position_text=(str(x), str(y), str(z)),
        orientation=(float(a), float(b), float(c), float(d), float(e), float(f)),
        pixel_spacing=(float(rows), float(columns)),
        rescale_slope=None,
        rescale_intercept=None,
        instance_number=header.get("InstanceNumber"),
        split={},
    )


def _instance(path: Path, header: Dataset) -> Instance:
    pixels = PixelFormat(
        transfer_syntax_uid=str(header.file_meta.TransferSyntaxUID),
        rows=header.Rows,
        columns=header.Columns,
        bits_allocated=header.BitsAllocated,
        bits_stored=header.BitsStored,
        pixel_representation=header.PixelRepresentation,
        samples_per_pixel=header.SamplesPerPixel,
        photometric_interpretation=header.PhotometricInterpretation,
        number_of_frames=int(header.get("NumberOfFrames", 1)),
        has_pixel_data=True,
        pixel_padding_value=None,
        pixel_padding_range_limit=None,
    )
    return Instance(
        path=path,
        sop_class_uid=str(header.SOPClassUID),
        sop_instance_uid=str(header.SOPInstanceUID),
        patient_id=None,
        issuer_of_patient_id="",
        patient_birth_date="",
        header=_series_header(header),
        pixels=pixels,
    )


def _series_header(header: Dataset) -> SeriesHeader:
    """Fill what writing needs; the rest is silent."""
    silent: dict[Any, Any] = {str: "", tuple[str, ...]: ()}
    values: dict[str, Any] = {field.name: silent.get(field.type) for field in fields(SeriesHeader)}
    values |= {
        "modality": header.Modality,
        "sop_class_uid": str(header.SOPClassUID),
        "study_instance_uid": str(header.StudyInstanceUID),
        "series_instance_uid": str(header.SeriesInstanceUID),
        "frame_of_reference_uid": header.get("FrameOfReferenceUID"),
        "lossy_image_compression": header.get("LossyImageCompression", ""),
    }
    return SeriesHeader(**values)


def label_map(stack: Stack, labels: npt.NDArray[np.uint8], segments: Sequence[Segment]) -> LabelMap:
    """Lay labels of shape (k, j, i) on a stack's planes; the affine is wrong, for writing must not use it."""
    volume = hd.Volume(labels, np.eye(4), coordinate_system="PATIENT")
    slices = [_slice_source(stack, plane) for plane in stack.planes]
    header = stack.header
    grid = SourceGrid(
        header.study_instance_uid,
        header.series_instance_uid,
        header.frame_of_reference_uid,
        header.modality,
        tuple(slices),
    )
    return LabelMap(volume, tuple(segments), grid)


def _slice_source(stack: Stack, plane: Plane) -> SliceSource:
    instance = stack.instances[plane.instance]
    assert plane.position is not None
    assert plane.position_text is not None
    return SliceSource(
        instance.sop_class_uid, instance.sop_instance_uid, plane.frame_number, plane.position, plane.position_text
    )
