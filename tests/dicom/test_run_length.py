"""Run length streams as pydicom writes them, and damaged ones."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom.pixels.encoders.base import RLELosslessEncoder

from aimi.dicom import run_length


def encode(cells: bytes, *, rows: int, columns: int, cell_bytes: int) -> bytes:
    stream: bytes = RLELosslessEncoder.encode(
        cells,
        encoding_plugin="pydicom",
        rows=rows,
        columns=columns,
        bits_allocated=8 * cell_bytes,
        bits_stored=8 * cell_bytes,
        pixel_representation=0,
        photometric_interpretation="MONOCHROME2",
        samples_per_pixel=1,
        number_of_frames=1,
    )
    return stream


@settings(deadline=None)
@given(
    rows=st.integers(1, 9),
    columns=st.integers(1, 300),
    cell_bytes=st.sampled_from([1, 2]),
    values=st.integers(1, 256),
    seed=st.integers(0, 99),
)
def test_what_was_encoded_comes_back(rows: int, columns: int, cell_bytes: int, values: int, seed: int) -> None:
    cells = np.random.default_rng(seed).integers(0, values, rows * columns * cell_bytes).astype(np.uint8).tobytes()
    stream = encode(cells, rows=rows, columns=columns, cell_bytes=cell_bytes)
    assert run_length.decode(stream, pixels=rows * columns, cell_bytes=cell_bytes) == cells


def test_a_header_byte_of_128_does_nothing() -> None:
    stream = bytes([1, 0, 0, 0, 64, *[0] * 59]) + bytes([128, 254, 7, 128, 0, 9])
    assert run_length.decode(stream, pixels=4, cell_bytes=1) == bytes([7, 7, 7, 9])


@pytest.mark.parametrize("kept", [0, 3, 63, 70])
def test_a_cut_stream_is_refused(kept: int) -> None:
    stream = encode(bytes(range(200)) * 2, rows=10, columns=20, cell_bytes=2)
    with pytest.raises(ValueError, match="segment"):
        run_length.decode(stream[:kept], pixels=200, cell_bytes=2)


def test_another_number_of_segments_is_refused() -> None:
    stream = encode(bytes(200), rows=10, columns=20, cell_bytes=1)
    with pytest.raises(ValueError, match="2 segments"):
        run_length.decode(stream, pixels=200, cell_bytes=2)
