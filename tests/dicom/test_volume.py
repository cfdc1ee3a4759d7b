"""Stacks as images: voxels, places and refusals."""

import dataclasses
import tracemalloc
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pydicom
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aimi.dicom import study, volume
from aimi.dicom.header import Defect, Stack
from aimi.errors import GeometryError, InputError, ResourceError
from aimi.image import Image
from tests.made import Made, make_slices, write_made, write_series

RealData = Callable[[str], Path]

AXIAL = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)
SAGITTAL = (0.0, 1.0, 0.0, 0.0, 0.0, -1.0)
CORONAL = (1.0, 0.0, 0.0, 0.0, 0.0, -1.0)


def stacks_of(path: Path) -> list[Stack]:
    return [stack for series in study.read(path).series for stack in series.stacks]


def stack_of(path: Path) -> Stack:
    (stack,) = stacks_of(path)
    return stack


def small(stack: Stack) -> Stack:
    """Take a stack as if it had enough slices."""
    kept = tuple(defect for defect in stack.defects if defect.code != "too-few-slices")
    return dataclasses.replace(stack, defects=kept)


def load(path: Path, units: str = "arbitrary") -> Image:
    return volume.load(small(stack_of(path)), units=units)


def ramp(slices: int = 8, rows: int = 3, columns: int = 4, dtype: str = "i2") -> npt.NDArray[Any]:
    return np.arange(slices * rows * columns, dtype=dtype).reshape(slices, rows, columns)


def series_of(made: Made, **per_slice: Sequence[Any]) -> list[pydicom.Dataset]:
    """Make slices whose attributes differ, by keyword."""
    slices = make_slices(made)
    for keyword, values in per_slice.items():
        for ds, value in zip(slices, values, strict=True):
            setattr(ds, keyword, value)
    return slices


def test_whole_values_stay_int16_in_one_read_only_array(tmp_path: Path) -> None:
    image = volume.load(stack_of(write_made(tmp_path, Made(ramp(), intercept=-1024.0))), units="HU")
    assert image.volume.array.dtype == np.int16
    assert np.array_equal(image.volume.array, ramp() - 1024)
    assert not image.volume.array.flags.writeable
    assert (image.units, image.notes) == ("HU", ())


def test_slope_that_is_not_one_gives_float32(tmp_path: Path) -> None:
    image = load(write_made(tmp_path, Made(ramp(), slope=0.5, intercept=-1.25)))
    assert image.volume.array.dtype == np.float32
    assert np.array_equal(image.volume.array, ramp() * 0.5 - 1.25)


def test_values_beyond_int16_give_float32(tmp_path: Path) -> None:
    stored = ramp(dtype="u2")
    stored[5, 1, 1] = 40000
    image = load(write_made(tmp_path, Made(stored, modality="MR")))
    assert image.volume.array.dtype == np.float32
    assert np.array_equal(image.volume.array, stored)


def test_each_slice_has_its_own_rescale(tmp_path: Path) -> None:
    slopes = [0.25 * (1 + k) for k in range(8)]
    slices = series_of(Made(ramp(), modality="PT"), RescaleSlope=slopes, RescaleIntercept=list(range(8)))
    image = load(write_series(tmp_path, slices), "BQML")
    expected = ramp() * np.array(slopes)[:, None, None] + np.arange(8)[:, None, None]
    assert np.array_equal(image.volume.array, expected)


def test_whole_intercepts_may_differ_and_stay_int16(tmp_path: Path) -> None:
    slices = series_of(Made(ramp()), RescaleIntercept=[-1000 - k for k in range(8)])
    image = load(write_series(tmp_path, slices))
    assert image.volume.array.dtype == np.int16
    assert np.array_equal(image.volume.array, ramp() - 1000 - np.arange(8)[:, None, None])


@settings(max_examples=15, deadline=None)
@given(
    dtype=st.sampled_from(["u1", "i1", "u2", "i2", "u4", "i4"]),
    slope=st.sampled_from([1.0, 0.5, 3.0]),
    intercept=st.sampled_from([0.0, -1000.0, 0.5, 60000.0]),
    seed=st.integers(0, 1000),
)
def test_values_are_those_of_the_modality(
    tmp_path_factory: pytest.TempPathFactory, dtype: str, slope: float, intercept: float, seed: int
) -> None:
    limits = np.iinfo(dtype)
    stored = np.random.default_rng(seed).integers(limits.min, limits.max, (8, 2, 3), dtype, endpoint=True)
    made = Made(stored, modality="PT", slope=slope, intercept=intercept)
    values = load(write_made(tmp_path_factory.mktemp("made"), made)).volume.array
    expected = stored.astype(np.float64) * slope + intercept
    assert np.array_equal(values, expected.astype(values.dtype))
    is_whole = slope == 1 and intercept.is_integer() and np.abs(expected + 0.5).max() < 32768
    assert values.dtype == (np.int16 if is_whole else np.float32)


def test_monochrome1_changes_no_value(tmp_path: Path) -> None:
    inverted = Made(ramp(), modality="MR", attributes={"PhotometricInterpretation": "MONOCHROME1"})
    assert np.array_equal(load(write_made(tmp_path, inverted)).volume.array, ramp())


def test_float_pet_is_read_and_rescaled(tmp_path: Path) -> None:
    activity = np.random.default_rng(1).random((8, 3, 4)).astype(np.float32) * 1e4
    slices = make_slices(Made(activity.view(np.int32), modality="PT", slope=2.0))
    for ds, plane in zip(slices, activity, strict=True):
        del ds.PixelData
        ds.FloatPixelData = plane.tobytes()
    assert np.array_equal(load(write_series(tmp_path, slices), "BQML").volume.array, activity * 2)


def test_pet_without_a_rescale_slope_is_refused(tmp_path: Path) -> None:
    slices = make_slices(Made(ramp(), modality="PT"))
    del slices[3].RescaleSlope
    with pytest.raises(GeometryError, match="PET slice has no Rescale Slope"):
        load(write_series(tmp_path, slices), "BQML")


def test_float_pet_of_64_bits_is_refused(tmp_path: Path) -> None:
    slices = make_slices(Made(ramp(), modality="PT", attributes={"BitsAllocated": 64}))
    for ds in slices:
        del ds.PixelData
        ds.DoubleFloatPixelData = np.zeros((3, 4)).tobytes()
    with pytest.raises(GeometryError, match="stored in 64 bits; 32 are read"):
        load(write_series(tmp_path, slices), "BQML")


def test_float_pet_with_a_voxel_that_is_no_number_is_refused(tmp_path: Path) -> None:
    activity = np.ones((8, 3, 4), np.float32)
    activity[4, 1, 1] = np.nan
    slices = make_slices(Made(activity.view(np.int32), modality="PT"))
    for ds, plane in zip(slices, activity, strict=True):
        del ds.PixelData
        ds.FloatPixelData = plane.tobytes()
    with pytest.raises(InputError, match=r"2\.25\.1000\.1\.2\.5 holds pixels that are no numbers"):
        load(write_series(tmp_path, slices), "BQML")


def test_notes_tell_dropped_bits_excess_loss_and_padding(tmp_path: Path) -> None:
    made = Made(ramp(), attributes={"BitsStored": 12, "HighBit": 11, "LossyImageCompression": "01"})
    slices = series_of(made, PixelPaddingValue=[0] * 8)
    slices[2].PixelData = np.full((3, 4), 0x4001, "<i2").tobytes()
    slices[3].PixelData += b"\0\0"
    notes = {note.code: note.sentence for note in load(write_series(tmp_path, slices)).notes}
    assert notes["lossy-source"].startswith("8 of 8 slices")
    assert notes["bits-dropped"].startswith("1 of 8 slices")
    assert notes["excess-pixel-data"].startswith("1 of 8 slices")
    # Only the first slice of the ramp holds the value 0, which is water and no padding.
    assert notes["padding-not-used"].startswith("1 of 8 slices")


def test_a_defect_is_raised_with_its_sentence(tmp_path: Path) -> None:
    stack = stack_of(write_made(tmp_path, Made(ramp())))
    first, second = Defect("one", "The first thing is wrong."), Defect("two", "So is the second.")
    with pytest.raises(GeometryError, match="The first thing is wrong"):
        volume.load(dataclasses.replace(stack, defects=(first, second)), units="HU")


@pytest.mark.parametrize(
    ("attributes", "message"),
    [
        ({"RescaleSlope": "0"}, "Rescale Slope of zero"),
        ({"BitsStored": 12, "HighBit": 10}, "Bits Stored 12 and High Bit 10"),
        ({"LossyImageCompression": "01", "BitsStored": 10, "HighBit": 9}, "with loss and holds 10 bits"),
    ],
)
def test_pixels_that_may_not_be_read_are_refused(tmp_path: Path, attributes: dict[str, Any], message: str) -> None:
    with pytest.raises(GeometryError, match=message):
        load(write_made(tmp_path, Made(ramp(), attributes=attributes)))


def test_an_image_beyond_the_memory_is_refused_with_its_size(tmp_path: Path) -> None:
    stack = stack_of(write_made(tmp_path, Made(ramp())))
    wide = [
        dataclasses.replace(instance, pixels=dataclasses.replace(instance.pixels, rows=10**8, columns=10**8))
        for instance in stack.instances
    ]
    with pytest.raises(ResourceError, match=r"needs up to 320000000\.0 GB"):
        volume.load(dataclasses.replace(stack, instances=tuple(wide)), units="HU")


def test_a_plane_whose_position_was_not_kept_as_text_is_refused(tmp_path: Path) -> None:
    stack = stack_of(write_made(tmp_path, Made(ramp())))
    planes = tuple(dataclasses.replace(plane, position_text=None) for plane in stack.planes)
    with pytest.raises(GeometryError, match="no Image Position"):
        volume.load(dataclasses.replace(stack, planes=planes), units="HU")


def test_first_damaged_slice_is_named_whatever_thread_met_it(tmp_path: Path) -> None:
    stack = stack_of(write_made(tmp_path, Made(ramp(slices=12))))
    for number in (4, 9):
        path = stack.instances[stack.planes[number].instance].path
        path.write_bytes(path.read_bytes()[:-5])
    with pytest.raises(InputError, match=r"2\.25\.1000\.1\.2\.5 .*ends inside the pixel data"):
        volume.load(stack, units="HU", threads=4)


def test_progress_counts_every_plane(tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    stack = stack_of(write_made(tmp_path, Made(ramp())))
    volume.load(stack, units="HU", threads=3, progress=lambda done, total: seen.append((done, total)))
    assert seen == [(done, 8) for done in range(1, 9)]


def test_one_allocation_holds_the_image(tmp_path: Path) -> None:
    stack = stack_of(write_made(tmp_path, Made(np.ones((16, 128, 256), np.int16))))
    tracemalloc.start()
    image = volume.load(stack, units="HU", threads=2)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1.1 * image.volume.array.nbytes + 200_000


@pytest.mark.parametrize(
    "orientation",
    [
        AXIAL,
        CORONAL,
        SAGITTAL,
        (0.0, -1.0, 0.0, 1.0, 0.0, 0.0),
        (-1.0, 0.0, 0.0, 0.0, -1.0, 0.0),
        (0.6, 0.8, 0.0, 0.0, 0.0, -1.0),
        (0.98480775, 0.0, 0.17364818, 0.0, 1.0, 0.0),
    ],
)
@pytest.mark.parametrize("spacing", [(2.5, 0.9, 0.7), (3.0, 1.0, 1.0), (0.5, 0.7, 2.0)])
def test_each_voxel_lies_where_its_slice_says(
    tmp_path: Path, orientation: tuple[float, ...], spacing: tuple[float, float, float]
) -> None:
    made = Made(ramp(), spacing=spacing, orientation=orientation, modality="MR")
    image = load(write_made(tmp_path, made))
    row, column = np.array(orientation[:3]), np.array(orientation[3:])
    normal = np.cross(row, column)
    # PS3.3 C.7.6.2.1.1: down a column by the distance between rows, along a row by that between columns.
    index = np.array([7, 2, 3])
    expected = np.array(made.origin) + normal * 7 * spacing[0] + column * 2 * spacing[1] + row * 3 * spacing[2]
    assert np.allclose(image.volume.map_indices_to_reference(index[None])[0], expected, atol=1e-5)
    assert image.volume.array[7, 2, 3] == ramp()[7, 2, 3]


def assert_slices_lie_at_their_positions(image: Image, tolerance: float) -> None:
    assert image.source is not None
    count = len(image.source.slices)
    corners = np.zeros((count, 3), np.int64)
    corners[:, 0] = np.arange(count)
    positions = np.array([source.position for source in image.source.slices])
    assert np.abs(image.volume.map_indices_to_reference(corners) - positions).max() <= tolerance


# The tolerance of a regular grid (DECISIONS 1.4) is 0.03 mm or 5 % of the gap; these series are better than that.
@pytest.mark.parametrize(
    ("data", "series", "tolerance"),
    [
        ("ct_abdomen_crlm_1004", 2, 1e-4),
        ("ct_chest_lidc_0314", None, 1e-4),
        ("petct_acrin_042", 1, 0.03),
        ("mr_abdomen_cmb_crc", 901, 0.01),
    ],
)
def test_real_slices_lie_at_their_image_positions(
    real_data: RealData, data: str, series: int | None, tolerance: float
) -> None:
    stack = next(
        stack
        for stack in stacks_of(real_data(data))
        if len(stack.planes) > 8 and series in {None, stack.header.series_number}
    )
    image = volume.load(stack, units="arbitrary")
    assert_slices_lie_at_their_positions(image, tolerance)
    assert_equal_to_pydicom(image, stack)


def assert_equal_to_pydicom(image: Image, stack: Stack) -> None:
    """Compare the first, the middle and the last slice with pydicom's pixels, floored as CT is."""
    assert image.source is not None
    for k in (0, len(stack.planes) // 2, len(stack.planes) - 1):
        ds = pydicom.dcmread(stack.instances[stack.planes[k].instance].path)
        values = ds.pixel_array * float(ds.get("RescaleSlope", 1)) + float(ds.get("RescaleIntercept", 0))
        floored = np.maximum(values, -1024) if stack.header.modality == "CT" else values
        assert np.array_equal(image.volume.array[k], floored.astype(image.volume.array.dtype))
        assert image.source.slices[k].sop_instance_uid == ds.SOPInstanceUID
        assert image.source.slices[k].position_text == tuple(str(value) for value in ds.ImagePositionPatient)


@pytest.mark.parametrize("number", [3, 4, 5])
def test_sagittal_oblique_and_coronal_mr_lie_at_their_positions(real_data: RealData, number: int) -> None:
    folder = real_data("mr_prostatex")
    (stack,) = (
        stack
        for path in sorted({path.parent for path in folder.rglob("*.dcm")})
        for stack in stacks_of(path)
        if stack.header.series_number == number
    )
    image = volume.load(stack, units="arbitrary")
    assert_slices_lie_at_their_positions(image, 0.01)
    assert_equal_to_pydicom(image, stack)


def test_legacy_converted_pet_equals_its_135_files(real_data: RealData) -> None:
    (single,) = (
        stack
        for stack in stacks_of(real_data("petct_acrin_042"))
        if (stack.header.modality, stack.header.series_number) == ("PT", 1)
    )
    (multi,) = stacks_of(real_data("awkward") / "enhanced" / "made_legacy_enhanced_pet")
    assert len({plane.rescale_slope for plane in single.planes}) == 135
    one, other = volume.load(single, units="BQML"), volume.load(multi, units="BQML")
    assert one.volume.array.shape == (135, 128, 128)
    assert np.array_equal(one.volume.array, other.volume.array)
    assert np.allclose(one.volume.affine, other.volume.affine, atol=1e-6)
    assert other.source is not None
    assert {source.frame_number for source in other.source.slices} == set(range(1, 136))


def test_four_codecs_of_one_series_give_one_volume(real_data: RealData) -> None:
    folder = real_data("awkward") / "small_series"
    arrays = [load(folder / name).volume.array for name in ("rle", "jpegls", "j2k", "jpeg_lossless")]
    assert arrays[0].shape == (4, 256, 256)
    assert all(np.array_equal(array, arrays[0]) for array in arrays)


# Stacks of each set, as counted from the functional groups (DATA_FACTS 7.3).
@pytest.mark.parametrize(
    ("folder", "count"),
    [
        ("siemens_multiframe_anatomical", 1),
        ("philips_anatomical", 1),
        ("philips_fmri_4d", 4),
        ("dcm_qa_enh/Philips", 2),
        ("dcm_qa_enh/Siemens/XA10", 4),
    ],
)
def test_enhanced_objects_are_read_through_their_functional_groups(
    real_data: RealData, folder: str, count: int
) -> None:
    stacks = stacks_of(real_data("awkward") / "enhanced" / folder)
    assert len(stacks) == count
    for stack in stacks:
        image = volume.load(small(stack), units="arbitrary")
        assert_slices_lie_at_their_positions(image, 0.01)
        assert_frames_equal_pydicoms(image, stack)


def assert_frames_equal_pydicoms(image: Image, stack: Stack) -> None:
    frames = {index: pydicom.dcmread(stack.instances[index].path).pixel_array for index in instances_in(stack)}
    for k, plane in enumerate(stack.planes):
        assert plane.frame_number is not None
        slope, intercept = plane.rescale_slope or 1.0, plane.rescale_intercept or 0.0
        values = frames[plane.instance][plane.frame_number - 1] * slope + intercept
        assert np.array_equal(image.volume.array[k], values.astype(image.volume.array.dtype))


def instances_in(stack: Stack) -> set[int]:
    return {plane.instance for plane in stack.planes}


def test_enhanced_ct_is_read_with_its_rescale(real_data: RealData) -> None:
    stack = stack_of(real_data("awkward") / "enhanced" / "pydicom" / "eCT_Supplemental.dcm")
    stored = pydicom.dcmread(stack.instances[0].path).pixel_array
    image = volume.load(small(stack), units="arbitrary")
    for values, plane in zip(image.volume.array, stack.planes, strict=True):
        assert plane.frame_number is not None
        assert plane.rescale_slope is not None
        assert plane.rescale_intercept is not None
        rescaled = stored[plane.frame_number - 1] * plane.rescale_slope + plane.rescale_intercept
        assert np.array_equal(values, np.maximum(rescaled, -1024).astype(values.dtype))


def test_undecodable_syntax_is_named(real_data: RealData) -> None:
    folder = real_data("awkward") / "transfer_syntaxes_ct"
    (path,) = (path for path in folder.iterdir() if path.name.endswith("1.2.840.10008.1.2.4.55.dcm"))
    with pytest.raises(GeometryError, match=r"Process 10 and 12\) \(1\.2\.840\.10008\.1\.2\.4\.55\)"):
        load(path)


@pytest.mark.parametrize("intercept", [-1024, 0])
def test_real_ct_padding_becomes_the_lowest_value_of_ct(real_data: RealData, intercept: int) -> None:
    data = {-1024: "ct_abdomen_crlm_1004", 0: "petct_acrin_042"}[intercept]
    stack = next(
        stack for stack in stacks_of(real_data(data)) if stack.header.modality == "CT" and len(stack.planes) > 8
    )
    image = volume.load(stack, units="HU")
    assert {plane.rescale_intercept for plane in stack.planes} == {float(intercept)}
    assert image.volume.array.dtype == np.int16
    assert image.volume.array.min() == -1024
    assert [note.code for note in image.notes] == [note.code for note in stack.notes]
