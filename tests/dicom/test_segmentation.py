"""Segmentations: what was meant stands in the file, where the source stands, and three readers agree."""

import subprocess
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import highdicom as hd
import numpy as np
import numpy.typing as npt
import pytest
from pydicom import dcmread
from pydicom.dataset import Dataset

from aimi.dicom.codes import segments
from aimi.dicom.header import Stack
from aimi.dicom.segmentation import (
    Algorithm,
    Description,
    Encoded,
    encode,
    to_bytes,
)
from tests.dicom.stacks import label_map, read_stack
from tests.made import Made, write_made

ALGORITHM = Algorithm("DEMO-Kidney", "1.0", "ab" * 32, {"device": "cpu", "precision": "f32"})
DESCRIPTION = Description(3004, "Kidney AI", "KIDNEY", ALGORITHM, "KIDNEY", "0.1.0", "Weights CC BY-NC 4.0.")
MORNING = datetime(2026, 1, 2, 3, 4, 5)
TILTED = (0.9, 0.3, -0.316227766, -0.316227766, 0.948683298, 0.0)
SAGITTAL = (0.0, 1.0, 0.0, 0.0, 0.0, -1.0)
KIDNEY = segments("kidney")

MADE = {
    "axial": Made(np.zeros((10, 9, 7), np.int16)),
    "descending coronal": Made(np.zeros((9, 8, 6), np.int16), orientation=(1, 0, 0, 0, 0, -1), modality="MR"),
    "sagittal": Made(np.zeros((10, 6, 11), np.int16), orientation=SAGITTAL, modality="MR"),
    "oblique, pixels not square": Made(np.zeros((12, 5, 9), np.int16), orientation=TILTED, origin=(1.25, -7.5, 33.3)),
    "PET": Made(np.zeros((11, 8, 8), np.int16), modality="PT", slope=1.5),
}
REAL = {
    "CT": ("ct_abdomen_crlm_1004", "DICOM"),
    "oblique MR": ("mr_prostatex", "ProstateX-0000/4.000000-t2tsetra-00702"),
    "sagittal MR": ("mr_prostatex", "ProstateX-0000/3.000000-t2tsesag-87368"),
    "enhanced MR": ("awkward", "enhanced/siemens_multiframe_anatomical"),
    "enhanced PET": ("awkward", "enhanced/made_legacy_enhanced_pet"),
}
RealData = Callable[[str], Path]
Texts = tuple[str, str, str] | None


def scattered(stack: Stack) -> npt.NDArray[np.uint8]:
    """Give labels 0 to 3 at random on two planes of three, with the first plane full and the last empty."""
    pixels = stack.instances[0].pixels
    labels = np.random.default_rng(7).integers(0, 4, (len(stack.planes), pixels.rows, pixels.columns), np.uint8)
    labels[1::3] = 0
    labels[-1] = 0
    return labels


def written(stack: Stack, labels: npt.NDArray[np.uint8], **options: Any) -> Encoded:
    return encode(label_map(stack, labels, KIDNEY), stack, DESCRIPTION, clock=lambda: MORNING, **options)


def file_of(encoded: Encoded, folder: Path) -> Path:
    path = folder / "segmentation.dcm"
    path.write_bytes(to_bytes(encoded.dataset))
    return path


def errors_of(path: Path) -> list[str]:
    """Give the errors that dciodvfy finds, without the path."""
    found = subprocess.run(["dciodvfy", "-new", str(path)], check=False, capture_output=True, text=True)
    assert "Segmentation" in found.stderr or "Error" in found.stderr
    return [line for line in found.stderr.splitlines() if line.startswith("Error")]


def position_of(frame: Dataset) -> Texts:
    x, y, z = frame.PlanePositionSequence[0].ImagePositionPatient
    return str(x), str(y), str(z)


def frames_of(path: Path) -> Mapping[tuple[int, Texts], npt.NDArray[np.uint8]]:
    """Decode a BINARY object by hand: frames by segment number and position string."""
    ds = dcmread(path)
    count = int(ds.NumberOfFrames)
    bits = np.unpackbits(np.frombuffer(ds.PixelData, np.uint8), bitorder="little")
    frames = bits[: count * ds.Rows * ds.Columns].reshape(count, ds.Rows, ds.Columns)
    items = ds.PerFrameFunctionalGroupsSequence
    keys = [
        (
            int(item.SegmentIdentificationSequence[0].ReferencedSegmentNumber),
            position_of(item),
        )
        for item in items
    ]
    assert len(set(keys)) == count
    return dict(zip(keys, frames, strict=True))


@pytest.fixture(params=[*MADE, *REAL])
def stack(request: pytest.FixtureRequest, real_data: RealData, tmp_path: Path) -> Stack:
    if request.param in MADE:
        return read_stack(write_made(tmp_path / "source", MADE[request.param]))
    name, folder = REAL[request.param]
    return read_stack(real_data(name) / folder)


@pytest.fixture
def axial(tmp_path: Path) -> Stack:
    return read_stack(write_made(tmp_path / "axial", MADE["axial"]))


def test_each_frame_lies_at_the_position_string_of_its_source_plane(stack: Stack, tmp_path: Path) -> None:
    labels = scattered(stack)
    frames = frames_of(file_of(written(stack, labels), tmp_path))
    expected = {
        (number, plane.position_text): labels[k] == number
        for k, plane in enumerate(stack.planes)
        for number in (1, 2, 3)
        if (labels[k] == number).any()
    }
    assert frames.keys() == expected.keys()
    assert all(np.array_equal(frames[key], expected[key]) for key in expected)


def test_no_object_has_an_error(stack: Stack, tmp_path: Path) -> None:
    assert errors_of(file_of(written(stack, scattered(stack)), tmp_path)) == []


def test_each_frame_names_the_plane_it_lies_on(stack: Stack) -> None:
    dataset = written(stack, scattered(stack)).dataset
    by_position = {plane.position_text: plane for plane in stack.planes}
    for frame in dataset.PerFrameFunctionalGroupsSequence:
        source = frame.DerivationImageSequence[0].SourceImageSequence[0]
        plane = by_position[position_of(frame)]
        instance = stack.instances[plane.instance]
        assert source.ReferencedSOPInstanceUID == instance.sop_instance_uid
        assert source.ReferencedSOPClassUID == instance.sop_class_uid
        assert source.get("ReferencedFrameNumber") == plane.frame_number
        assert source.SpatialLocationsPreserved == "YES"


def test_orientation_and_pixel_spacing_are_the_strings_of_the_source(stack: Stack) -> None:
    shared = written(stack, scattered(stack)).dataset.SharedFunctionalGroupsSequence[0]
    first = stack.planes[0]
    orientation = tuple(float(value) for value in shared.PlaneOrientationSequence[0].ImageOrientationPatient)
    assert orientation == first.orientation
    assert tuple(float(value) for value in shared.PixelMeasuresSequence[0].PixelSpacing) == first.pixel_spacing


def test_every_source_instance_is_named_once_also_without_a_frame(stack: Stack) -> None:
    dataset = written(stack, scattered(stack)).dataset
    used = {stack.instances[plane.instance].sop_instance_uid for plane in stack.planes}
    listed = [item.ReferencedSOPInstanceUID for item in dataset.SourceImageSequence]
    (series,) = dataset.ReferencedSeriesSequence
    assert sorted(listed) == sorted(used)
    assert [item.ReferencedSOPInstanceUID for item in series.ReferencedInstanceSequence] == listed
    assert series.SeriesInstanceUID == stack.header.series_instance_uid


def labels_read(stack: Stack, origins: npt.NDArray[np.float64], slices: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """Lay slices at given positions (n, 3) on the source's planes, each of which may be hit once."""
    planes = np.array([plane.position for plane in stack.planes])
    laid = np.zeros((len(planes), *slices.shape[1:]), np.uint8)
    for origin, one in zip(origins, slices, strict=True):
        distances = np.linalg.norm(planes - origin, axis=1)
        assert distances.min() < 0.03  # DECISIONS 1.4: a plane lies within 0.03 mm of the regular grid
        laid[int(distances.argmin())] |= one
    return laid


def test_highdicom_reads_the_voxels_back_at_their_places(stack: Stack, tmp_path: Path) -> None:
    labels = scattered(stack)
    read = hd.seg.segread(file_of(written(stack, labels), tmp_path))
    volume = read.get_volume(combine_segments=True, allow_missing_positions=True, atol=0.05)
    corners = np.array([volume.map_indices_to_reference(np.array([[k, 0, 0]]))[0] for k in range(volume.shape[0])])
    assert np.array_equal(labels_read(stack, corners, volume.array), labels)
    cosines = np.array(stack.planes[0].orientation)
    assert np.allclose(volume.direction[:, 2], cosines[:3], atol=1e-6)
    assert np.allclose(volume.direction[:, 1], cosines[3:], atol=1e-6)


def test_dcmqi_reads_the_voxels_back_at_their_places(stack: Stack, tmp_path: Path) -> None:
    import SimpleITK as sitk  # noqa: PLC0415, N813 - heavy; its own short name

    labels = scattered(stack)
    path = file_of(written(stack, labels), tmp_path)
    command = [
        "segimage2itkimage",
        "--inputDICOM",
        str(path),
        "--outputDirectory",
        str(tmp_path),
        "--outputType",
        "nrrd",
    ]
    subprocess.run(command, check=True, capture_output=True)
    for number in (1, 2, 3):
        image: Any = sitk.ReadImage(str(tmp_path / f"{number}.nrrd"))
        array = sitk.GetArrayFromImage(image)
        direction = np.array(image.GetDirection()).reshape(3, 3)
        steps = np.arange(len(array))[:, None] * direction[:, 2] * image.GetSpacing()[2]
        corners = np.array(image.GetOrigin()) + steps
        assert np.array_equal(labels_read(stack, corners, (array > 0).astype(np.uint8)), labels == number)
        assert np.allclose(direction[:, :2].T.ravel(), np.array(stack.planes[0].orientation), atol=1e-4)
