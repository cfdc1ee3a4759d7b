"""Frames of every encoding against the uncompressed original, and damage that must be told."""

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pydicom
import pytest
from pydicom.encaps import encapsulate, encapsulate_extended

from aimi.dicom import pixel_data, pixels, study
from aimi.dicom.header import Instance
from aimi.dicom.pixel_rules import DECODABLE, find_pixel_defects
from aimi.errors import InputError
from tests.made import Made, make_slices, write_made, write_series

RealData = Callable[[str], Path]

JPEG_LS, JPEG_2000, RLE = "1.2.840.10008.1.2.4.80", "1.2.840.10008.1.2.4.90", "1.2.840.10008.1.2.5"
BIG_ENDIAN, DEFLATED = "1.2.840.10008.1.2.2", "1.2.840.10008.1.2.1.99"


def instance_of(path: Path) -> Instance:
    (series,) = study.read(path).series
    return series.instances[0]


def values_of(instance: Instance) -> npt.NDArray[Any]:
    """Give all frames, shape (frames, rows, columns)."""
    frames = pixels.find_frames(instance)
    dtype = pixels.stored_dtype(instance.pixels, frames)
    values = np.empty((instance.pixels.number_of_frames, instance.pixels.rows, instance.pixels.columns), dtype)
    for frame, out in zip(frames.frames, values, strict=True):
        pixels.read_frame(instance, frame, out)
    return values


def ct_slice(real_data: RealData, suffix: str) -> Path:
    folder = real_data("awkward") / "transfer_syntaxes_ct"
    (path,) = (path for path in folder.iterdir() if path.name.endswith(f"_{suffix}.dcm"))
    return path


@pytest.fixture
def plain_ct(real_data: RealData) -> npt.NDArray[Any]:
    return values_of(instance_of(ct_slice(real_data, "1.2.840.10008.1.2.1")))


def test_the_plain_ct_slice_is_what_pydicom_reads(real_data: RealData, plain_ct: npt.NDArray[Any]) -> None:
    expected = pydicom.dcmread(ct_slice(real_data, "1.2.840.10008.1.2.1")).pixel_array
    assert plain_ct.dtype == expected.dtype
    assert np.array_equal(plain_ct[0], expected)


@pytest.mark.parametrize(
    "syntax",
    ["1.2", "1.2.2", "1.2.1.99", "1.2.5", "1.2.4.57", "1.2.4.70", "1.2.4.80", "1.2.4.90"],
)
def test_lossless_syntaxes_give_the_same_slice(real_data: RealData, plain_ct: npt.NDArray[Any], syntax: str) -> None:
    assert np.array_equal(values_of(instance_of(ct_slice(real_data, f"1.2.840.10008.{syntax}"))), plain_ct)


# The bounds are those measured with three decoders (DATA_FACTS 7.1).
@pytest.mark.parametrize(("syntax", "bound"), [("1.2.4.81", 1), ("1.2.4.91", 5)])
def test_lossy_syntaxes_stay_within_their_bounds(
    real_data: RealData, plain_ct: npt.NDArray[Any], syntax: str, bound: int
) -> None:
    decoded = values_of(instance_of(ct_slice(real_data, f"1.2.840.10008.{syntax}")))
    difference = np.abs(decoded.astype(int) - plain_ct)
    assert 0 < difference.max() <= bound


# Rescaled to Hounsfield units: JPEG noise around the same slice, on scales of 32 and 2 HU a step.
@pytest.mark.parametrize(("syntax", "step"), [("1.2.4.50", 32.1216), ("1.2.4.51", 2.0002442)])
def test_lossy_jpeg_of_8_and_12_bits_shows_the_same_slice(
    real_data: RealData, plain_ct: npt.NDArray[Any], syntax: str, step: float
) -> None:
    units = values_of(instance_of(ct_slice(real_data, f"1.2.840.10008.{syntax}"))) * step - 4047
    body = plain_ct > 0
    difference = units[body] - (plain_ct[body] - 1024)
    assert abs(float(difference.mean())) < step


@pytest.mark.parametrize("syntax", ["1.2.840.10008.1.2.4.53", "1.2.840.10008.1.2.4.55"])
def test_retired_jpeg_processes_are_refused_by_name(real_data: RealData, syntax: str) -> None:
    with pytest.raises(InputError, match=rf"JPEG .*Non-Hierarchical.*\({syntax}\) cannot be decoded"):
        pixels.find_frames(instance_of(ct_slice(real_data, syntax)))


def test_every_syntax_that_headers_call_decodable_has_a_decoder() -> None:
    assert set(pixels.TRANSFER_SYNTAXES) == set(DECODABLE)


@pytest.mark.parametrize("encoding", ["_big_endian", "_RLE", "_jpeg_2k_lossless", "_jpeg_ls_lossless"])
def test_encodings_of_a_multi_frame_object_are_equal(real_data: RealData, encoding: str) -> None:
    folder = real_data("awkward") / "enhanced" / "pydicom"
    plain = values_of(instance_of(folder / "emri_small.dcm"))
    assert plain.shape == (10, 64, 64)
    assert np.array_equal(values_of(instance_of(folder / f"emri_small{encoding}.dcm")), plain)


def test_sign_of_the_header_wins_over_that_of_the_code_stream(real_data: RealData) -> None:
    path = real_data("awkward") / "single_files" / "J2K_pixelrep_mismatch.dcm"
    values = values_of(instance_of(path))
    assert (values.min(), values.max()) == (-2000, 1896)
    assert np.array_equal(values[0], pydicom.dcmread(path).pixel_array)


@pytest.mark.filterwarnings("ignore:The pixel data is 8320 bytes")
@pytest.mark.parametrize("name", ["MR_small_padded.dcm", "image_dfl.dcm", "explicit_VR-UN.dcm"])
def test_odd_files_are_read_as_pydicom_reads_them(real_data: RealData, name: str) -> None:
    path = real_data("awkward") / "single_files" / name
    assert np.array_equal(values_of(instance_of(path))[0], pydicom.dcmread(path).pixel_array)


def test_fragments_without_an_offset_table_are_parted_by_their_end_markers(real_data: RealData) -> None:
    path = real_data("awkward") / "single_files" / "CT0012.fragmented_no_bot_jpeg_baseline.51.dcm"
    values = values_of(instance_of(path))
    assert values.shape == (2, 512, 512)
    assert [int(frame.max()) for frame in values] == pytest.approx([2223, 2197], abs=1)


def test_cut_pixels_name_the_instance(real_data: RealData) -> None:
    instance = instance_of(real_data("awkward") / "single_files" / "MR_truncated.dcm")
    with pytest.raises(InputError, match=rf"{instance.sop_instance_uid} .*hold 8130 of 8192 bytes"):
        values_of(instance)


def test_file_that_vanished_names_the_instance(tmp_path: Path) -> None:
    instance = instance_of(write_made(tmp_path, Made(np.zeros((1, 4, 4), np.int16))))
    instance.path.unlink()
    with pytest.raises(InputError, match=rf"{instance.sop_instance_uid} .*file cannot be read"):
        values_of(instance)


def test_file_that_was_cut_after_its_header_was_read_names_the_instance(tmp_path: Path) -> None:
    instance = instance_of(write_made(tmp_path, Made(np.zeros((1, 4, 4), np.int16))))
    with instance.path.open("r+b") as file:
        file.truncate(instance.path.stat().st_size - 3)
    with pytest.raises(InputError, match=rf"{instance.sop_instance_uid} .*ends inside the pixel data"):
        values_of(instance)


@pytest.mark.parametrize("kind", ["i1", "u1", "i2", "u2", "i4", "u4"])
@pytest.mark.parametrize("syntax", ["1.2.840.10008.1.2", "1.2.840.10008.1.2.1", DEFLATED, BIG_ENDIAN])
def test_native_values_of_every_type_are_exact(tmp_path: Path, kind: str, syntax: str) -> None:
    # 3 x 5: an odd number of bytes for 8 bit samples.
    stored = np.random.default_rng(1).integers(np.iinfo(kind).min, np.iinfo(kind).max, (1, 3, 5), kind, endpoint=True)
    (made,) = make_slices(Made(stored, modality="MR"))
    write_as(tmp_path, made, syntax)
    values = values_of(instance_of(tmp_path))
    assert values.dtype == stored.dtype
    assert np.array_equal(values, stored)


def write_as(folder: Path, made: pydicom.Dataset, syntax: str) -> None:
    made.file_meta.TransferSyntaxUID = pydicom.uid.UID(syntax)
    is_big = syntax == BIG_ENDIAN
    if is_big:
        stored = np.frombuffer(made.PixelData, f"<u{made.BitsAllocated // 8}")
        # Samples of 8 bits are written as bytes here; words are shown by the next test.
        made["PixelData"].VR = "OB" if made.BitsAllocated == 8 else "OW"
        made.PixelData = stored.byteswap().tobytes()
    made.PixelData += b"\0" * (len(made.PixelData) % 2)
    folder.mkdir(exist_ok=True)
    encoding = {"implicit_vr": syntax == "1.2.840.10008.1.2", "little_endian": not is_big}
    pydicom.dcmwrite(folder / "0.dcm", made, force_encoding=True, **encoding)


def test_big_endian_words_hold_8_bit_samples_in_swapped_pairs(tmp_path: Path) -> None:
    (made,) = make_slices(Made(np.array([[[1, 2], [3, 4]]], np.uint8), modality="MR"))
    made.PixelData = b"\2\1\4\3"
    made["PixelData"].VR = "OW"
    made.file_meta.TransferSyntaxUID = pydicom.uid.ExplicitVRBigEndian
    pydicom.dcmwrite(tmp_path / "0.dcm", made, implicit_vr=False, little_endian=False, force_encoding=True)
    assert values_of(instance_of(tmp_path)).tolist() == [[[1, 2], [3, 4]]]


@pytest.mark.parametrize(("signed", "expected"), [(0, [0x830, 0x7FF, 1]), (1, [-2000, 2047, 1])])
def test_bits_above_bits_stored_are_no_part_of_the_value(tmp_path: Path, signed: int, expected: list[int]) -> None:
    (made,) = make_slices(Made(np.array([[[0x5830, 0x97FF, 0xF001]]], np.uint16)))
    made.BitsStored, made.HighBit, made.PixelRepresentation = 12, 11, signed
    instance = instance_of(write_series(tmp_path, [made]))
    (frame,) = pixels.find_frames(instance).frames
    values = np.empty((1, 3), np.int16 if signed else np.uint16)
    assert pixels.read_frame(instance, frame, values)
    assert values.tolist() == [expected]


def test_values_that_fit_bits_stored_lose_nothing(tmp_path: Path) -> None:
    (made,) = make_slices(Made(np.array([[[-2048, 2047, -1]]], np.int16)))
    made.BitsStored, made.HighBit = 12, 11
    instance = instance_of(write_series(tmp_path, [made]))
    values = np.empty((1, 3), np.int16)
    assert not pixels.read_frame(instance, pixels.find_frames(instance).frames[0], values)
    assert values.tolist() == [[-2048, 2047, -1]]


def test_high_bit_tells_where_the_value_lies(tmp_path: Path) -> None:
    (made,) = make_slices(Made(np.array([[[0x830F, 0x7FF0]]], np.uint16)))
    made.BitsStored, made.HighBit, made.PixelRepresentation = 12, 15, 1
    assert values_of(instance_of(write_series(tmp_path, [made]))).tolist() == [[[-2000, 2047]]]


def encode(made: pydicom.Dataset, syntax: str) -> pydicom.Dataset:
    plugin = {JPEG_LS: "pyjpegls", RLE: "pydicom"}[syntax]
    made.compress(pydicom.uid.UID(syntax), encoding_plugin=plugin, generate_instance_uid=False)
    return made


@pytest.mark.parametrize("syntax", [JPEG_LS, RLE])
@pytest.mark.parametrize(("kind", "bits"), [("u2", 12), ("u2", 16), ("i2", 12), ("i2", 16), ("u1", 8), ("i1", 8)])
def test_code_streams_keep_sign_and_depth(tmp_path: Path, syntax: str, kind: str, bits: int) -> None:
    lowest, highest = (-(1 << bits - 1), (1 << bits - 1) - 1) if kind[0] == "i" else (0, (1 << bits) - 1)
    stored = np.linspace(lowest, highest, 15 * 17).round().astype(kind).reshape(1, 15, 17)
    (made,) = make_slices(Made(stored, modality="MR"))
    made.BitsStored, made.HighBit = bits, bits - 1
    assert np.array_equal(values_of(instance_of(write_series(tmp_path, [encode(made, syntax)]))), stored)


def test_sign_lies_at_the_top_of_the_code_streams_sample(tmp_path: Path) -> None:
    stored = np.linspace(-2048, 2047, 15 * 17).round().astype(np.int16).reshape(1, 15, 17)
    (made,) = make_slices(Made(stored, modality="MR"))
    made.BitsStored, made.HighBit = 12, 11
    encode(made, JPEG_LS)
    # The stream holds 12 bits, and the header now says 16.
    made.BitsStored, made.HighBit = 16, 15
    assert np.array_equal(values_of(instance_of(write_series(tmp_path, [made]))), stored)


def three_streams() -> list[bytes]:
    """Give three JPEG-LS frames of 8 x 8, of different lengths."""
    rng = np.random.default_rng(3)
    frames = [(rng.random((1, 8, 8)) * 4**n).astype(np.uint16) for n in (1, 3, 6)]
    made = [encode(make_slices(Made(frame))[0], JPEG_LS) for frame in frames]
    return [next(pydicom.encaps.generate_frames(ds.PixelData, number_of_frames=1)) for ds in made]


def cut(value: bytes, **kwargs: Any) -> Sequence[bytes]:
    return pixel_data.encapsulated_frames(value, 0, count=3, **kwargs)


@pytest.mark.parametrize("has_table", [True, False])
@pytest.mark.parametrize("fragments", [1, 2])
def test_frames_are_cut_with_and_without_a_basic_offset_table(fragments: int, has_table: bool) -> None:
    streams = three_streams()
    found = cut(encapsulate(streams, fragments_per_frame=fragments, has_bot=has_table))
    assert [frame.rstrip(b"\0") for frame in found] == [stream.rstrip(b"\0") for stream in streams]


def test_frames_are_cut_by_the_extended_offset_table() -> None:
    streams = three_streams()
    # Two fragments that end like images: only the table tells that they are one frame.
    split = [streams[0] + b"\xff\xd9", streams[0], *streams[1:]]
    value, offsets, _ = encapsulate_extended(split)
    starts = np.frombuffer(offsets, "<u8")[[0, 2, 3]].tolist()
    assert cut(value, starts=starts)[0] == split[0] + split[1]


@pytest.mark.parametrize("count", [4, 7])
def test_fewer_fragments_than_frames_are_refused(count: int) -> None:
    with pytest.raises(pixel_data.DamagedError, match=f"3 fragments for {count} frames"):
        pixel_data.encapsulated_frames(encapsulate(three_streams()), 0, count=count)


def test_fragment_that_reaches_beyond_the_file_is_refused() -> None:
    value = encapsulate(three_streams())
    last = len(three_streams()[-1])
    with pytest.raises(pixel_data.DamagedError, match="cut"):
        cut(value[: -last // 2])


def test_pixels_without_a_fragment_are_refused() -> None:
    with pytest.raises(pixel_data.DamagedError, match="no fragment"):
        pixel_data.encapsulated_frames(encapsulate([b"\0\0"], has_bot=False)[:8], 0, count=1)


def test_offset_table_of_another_number_of_frames_is_refused() -> None:
    value = encapsulate(three_streams(), fragments_per_frame=2)
    with pytest.raises(pixel_data.DamagedError, match="3 frames of 4"):
        pixel_data.encapsulated_frames(value, 0, count=4)


@pytest.mark.parametrize("syntax", ["1.2.5", "1.2.4.70", "1.2.4.90"])
def test_code_stream_that_was_cut_is_refused(real_data: RealData, syntax: str) -> None:
    instance = instance_of(ct_slice(real_data, f"1.2.840.10008.{syntax}"))
    (stream,) = pixels.find_frames(instance).frames
    assert isinstance(stream, bytes)
    with pytest.raises(InputError, match="code stream cannot be decoded"):
        pixels.read_frame(instance, stream[: len(stream) // 2], np.empty((512, 512), np.int16))


def test_code_stream_of_another_size_is_refused(real_data: RealData) -> None:
    instance = instance_of(ct_slice(real_data, JPEG_LS))
    smaller = dataclasses.replace(instance, pixels=dataclasses.replace(instance.pixels, rows=511))
    with pytest.raises(InputError, match=f"gives {512 * 512 * 2} bytes for {511 * 512} pixels"):
        values_of(smaller)


def test_code_stream_of_another_format_is_refused(real_data: RealData) -> None:
    instance = instance_of(ct_slice(real_data, JPEG_LS))
    other = dataclasses.replace(instance.pixels, transfer_syntax_uid=JPEG_2000)
    with pytest.raises(InputError, match="JPEG 2000 code stream cannot be decoded"):
        values_of(dataclasses.replace(instance, pixels=other))


def by_hand(instance: Instance) -> Instance:
    """Give the record without the place of the pixels."""
    return dataclasses.replace(
        instance, pixels=dataclasses.replace(instance.pixels, pixel_offset=None, pixel_length=None)
    )


def test_file_without_pixels_is_refused(tmp_path: Path) -> None:
    (made,) = make_slices(Made(np.zeros((1, 4, 4), np.int16)))
    instance = instance_of(write_series(tmp_path, [made]))
    del made.PixelData
    write_series(tmp_path, [made])
    with pytest.raises(InputError, match="no pixel data of 8, 16 or 32 bits"):
        pixels.find_frames(by_hand(instance))
    instance.path.unlink()
    with pytest.raises(InputError, match="the file cannot be read"):
        pixels.find_frames(by_hand(instance))


def deflated(folder: Path, *, with_pixels: bool = True) -> Instance:
    (made,) = make_slices(Made(np.random.default_rng(4).integers(0, 99, (1, 8, 8)).astype(np.int16)))
    write_as(folder, made, DEFLATED)
    instance = instance_of(folder)
    if not with_pixels:
        del made.PixelData
        made.save_as(instance.path)
    return instance


def test_deflated_file_that_was_cut_is_refused(tmp_path: Path) -> None:
    instance = deflated(tmp_path)
    instance.path.write_bytes(instance.path.read_bytes()[:-40])
    with pytest.raises(InputError, match=f"{instance.sop_instance_uid} cannot be read"):
        pixels.find_frames(instance)


def test_deflated_file_with_garbage_in_its_stream_is_refused(tmp_path: Path) -> None:
    instance = deflated(tmp_path)
    content = bytearray(instance.path.read_bytes())
    content[-60:] = b"\xff" * 60
    instance.path.write_bytes(content)
    with pytest.raises(InputError, match=f"{instance.sop_instance_uid} cannot be read"):
        pixels.find_frames(instance)


def test_deflated_file_without_pixels_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no pixel data"):
        pixels.find_frames(deflated(tmp_path, with_pixels=False))


def test_encapsulated_pixels_under_a_native_syntax_are_refused(real_data: RealData) -> None:
    instance = instance_of(ct_slice(real_data, JPEG_LS))
    native = dataclasses.replace(instance.pixels, transfer_syntax_uid="1.2.840.10008.1.2.1")
    with pytest.raises(InputError, match="native are encapsulated"):
        values_of(dataclasses.replace(instance, pixels=native))


def test_records_without_a_place_of_the_pixels_lead_to_the_same_values(
    real_data: RealData, plain_ct: npt.NDArray[Any]
) -> None:
    instance = instance_of(ct_slice(real_data, "1.2.840.10008.1.2.1"))
    assert np.array_equal(values_of(by_hand(instance)), plain_ct)


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"bits_stored": 17}, "bits-stored"),
        ({"high_bit": 16}, "bits-stored"),
        ({"high_bit": 10, "bits_stored": 12}, "bits-stored"),
    ],
)
def test_bits_that_do_not_fit_their_cell_are_a_defect(tmp_path: Path, change: dict[str, Any], code: str) -> None:
    instance = instance_of(write_made(tmp_path, Made(np.zeros((1, 4, 4), np.int16))))
    broken = dataclasses.replace(instance, pixels=dataclasses.replace(instance.pixels, **change))
    assert [defect.code for defect in find_pixel_defects([broken, broken], [])] == [code]


@pytest.mark.parametrize(("bits", "codes"), [(8, ["ct-of-8-bits"]), (11, ["lossy"]), (12, [])])
def test_loss_needs_12_bits(tmp_path: Path, bits: int, codes: list[str]) -> None:
    attributes = {"LossyImageCompression": "01", "BitsStored": bits, "HighBit": bits - 1}
    instance = instance_of(write_made(tmp_path, Made(np.zeros((1, 4, 4), np.uint16), attributes=attributes)))
    assert [defect.code for defect in find_pixel_defects([instance], [])] == codes
