import zlib
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import UID, ExplicitVRLittleEndian, RLELossless

from aimi.dicom.seg_frames import DEFLATED_IMAGE_FRAME, iterate
from aimi.errors import InputError

Frames = npt.NDArray[Any]
SHAPES = arrays.array_shapes(min_dims=3, max_dims=3, max_side=13)
BITS = arrays.arrays(np.uint8, SHAPES, elements=st.integers(0, 1))


def make(syntax: UID, frames: Frames, bits: int, pixel_data: bytes) -> Dataset:
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = syntax
    dataset.Rows, dataset.Columns = frames.shape[1:]
    dataset.BitsAllocated = bits
    dataset.PixelData = pixel_data
    return dataset


def pack(frame: Frames) -> bytes:
    return np.packbits(frame.ravel(), bitorder="little").tobytes()


def deflate(content: bytes) -> bytes:
    compressor = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    packed = compressor.compress(content) + compressor.flush()
    return packed + b"\0" * (len(packed) % 2)


def run_length(content: bytes) -> bytes:
    """Encode bytes one by one: runs of two or more as a run, others as literals, after a byte without meaning."""
    encoded = bytearray(b"\x01\0\0\0\x40\0\0\0".ljust(64, b"\0") + b"\x80")
    position = 0
    while position < len(content):
        length = 1
        while position + length < len(content) and content[position + length] == content[position] and length < 128:
            length += 1
        encoded += bytes([257 - length if length > 1 else 0, content[position]])
        position += length
    return bytes(encoded) + b"\0" * (len(encoded) % 2)


def decoded(dataset: Dataset, frames: Frames) -> Frames:
    return np.stack(list(iterate(dataset, len(frames))))


@given(frames=BITS)
def test_frames_of_any_size_follow_each_other_bit_by_bit(frames: Frames) -> None:
    dataset = make(ExplicitVRLittleEndian, frames, 1, pack(frames))
    np.testing.assert_array_equal(decoded(dataset, frames), frames)


@given(frames=BITS)
def test_deflated_frames_of_one_bit(frames: Frames) -> None:
    dataset = make(DEFLATED_IMAGE_FRAME, frames, 1, encapsulate([deflate(pack(frame)) for frame in frames]))
    np.testing.assert_array_equal(decoded(dataset, frames), frames)


@pytest.mark.parametrize(("dtype", "bits"), [("u1", 8), ("<u2", 16)])
def test_deflated_frames_of_whole_bytes(dtype: str, bits: int) -> None:
    frames = np.arange(210).reshape(2, 15, 7).astype(dtype) * (bits // 8)
    dataset = make(DEFLATED_IMAGE_FRAME, frames, bits, encapsulate([deflate(frame.tobytes()) for frame in frames]))
    np.testing.assert_array_equal(decoded(dataset, frames), frames)


@given(frames=BITS)
def test_run_length_encoded_frames_of_one_bit(frames: Frames) -> None:
    dataset = make(RLELossless, frames, 1, encapsulate([run_length(pack(frame)) for frame in frames]))
    np.testing.assert_array_equal(decoded(dataset, frames), frames)


FULL = np.ones((2, 9, 9), np.uint8)


@pytest.mark.parametrize(
    ("syntax", "encoded", "sentence"),
    [
        (DEFLATED_IMAGE_FRAME, [b"\xff\xff\xff\xff"] * 2, "deflated frame of the segmentation is damaged"),
        (DEFLATED_IMAGE_FRAME, [deflate(b"\xff" * 5)] * 2, "has 5 bytes where 11 are needed"),
        (RLELossless, [run_length(b"\xff" * 5)] * 2, "run length encoded frame .* is damaged: 11 bytes"),
        (RLELossless, [run_length(b"\xff" * 11)], "holds 1 encoded frames and announces 2"),
    ],
)
def test_damaged_frames_are_refused(syntax: UID, encoded: Sequence[bytes], sentence: str) -> None:
    dataset = make(syntax, FULL, 1, encapsulate(list(encoded)))
    with pytest.raises(InputError, match=sentence):
        decoded(dataset, FULL)


def test_unknown_transfer_syntax_is_named() -> None:
    with pytest.raises(InputError, match=r"1\.2\.3\.4"):
        decoded(make(UID("1.2.3.4"), FULL, 8, encapsulate([b"\0" * 82] * 2)), FULL)
