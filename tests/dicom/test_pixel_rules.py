"""Which pixels are refused from their headers alone."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydicom.dataset import Dataset

from aimi.dicom import study
from aimi.dicom.header import Defect
from aimi.dicom.pixel_rules import DECODABLE
from tests.made import Made, make_slices, write_series


def read_defects(folder: Path, modality: str, change: Callable[[Dataset], object]) -> list[Defect]:
    slices = make_slices(Made(np.zeros((9, 4, 6), np.int16), modality=modality))
    for ds in slices:
        change(ds)
    (series,) = study.read(write_series(folder, slices)).series
    (stack,) = series.stacks
    return list(stack.defects)


def set_values(**attributes: Any) -> Callable[[Dataset], None]:
    def change(ds: Dataset) -> None:
        for keyword, value in attributes.items():
            setattr(ds, keyword, value)

    return change


def remove(*keywords: str) -> Callable[[Dataset], None]:
    def change(ds: Dataset) -> None:
        for keyword in keywords:
            delattr(ds, keyword)

    return change


def make_float(ds: Dataset) -> None:
    del ds.PixelData
    ds.FloatPixelData = np.zeros((4, 6), np.float32).tobytes()
    ds.BitsAllocated = 32


@pytest.mark.parametrize(
    ("modality", "change", "codes", "words"),
    [
        ("CT", remove("PixelData"), ["pixels-absent"], "there are no pixels"),
        ("CT", set_values(PixelData=bytes(46)), ["pixels-short"], "fewer than its header says"),
        ("CT", set_values(Rows=0), ["no-matrix"], "Rows is 0 and Columns is 6"),
        ("CT", remove("Columns"), ["no-matrix"], "Rows is 4 and Columns is 0"),
        (
            "MR",
            set_values(SamplesPerPixel=3, PhotometricInterpretation="RGB", BitsAllocated=8, PixelData=bytes(72)),
            ["color"],
            "RGB images are not read",
        ),
        ("MR", set_values(PhotometricInterpretation="PALETTE COLOR"), ["color"], "PALETTE COLOR images"),
        ("MR", set_values(PhotometricInterpretation="MADE"), ["color"], "color images"),
        ("MR", set_values(BitsAllocated=1), ["bits-allocated"], "1 bits are allocated"),
        ("MR", set_values(BitsAllocated=12), ["bits-allocated"], "8, 16 and 32 are read"),
        ("CT", remove("RescaleSlope", "RescaleIntercept"), ["ct-without-rescale"], "9 of 9 CT slices have no Rescale"),
        ("CT", remove("RescaleIntercept"), ["ct-without-rescale"], "never guessed"),
        (
            "CT",
            set_values(BitsAllocated=8, BitsStored=8, HighBit=7, PixelData=bytes(24)),
            ["ct-of-8-bits"],
            "CT of 8 bits",
        ),
        ("MR", make_float, ["float-pixels"], "read in PET only"),
        ("MR", set_values(ImageType=["ORIGINAL", "PRIMARY", "M", "MOSAIC"]), ["mosaic"], "mosaic of several slices"),
    ],
)
def test_pixels_are_refused_by_name(
    tmp_path: Path, modality: str, change: Callable[[Dataset], object], codes: list[str], words: str
) -> None:
    defects = read_defects(tmp_path, modality, change)
    assert [defect.code for defect in defects] == codes
    assert words in defects[0].sentence


@pytest.mark.parametrize(
    ("modality", "change"),
    [
        ("PT", make_float),
        ("MR", remove("HighBit")),
        ("MR", set_values(BitsAllocated=8, BitsStored=8, HighBit=7, PixelData=bytes(24))),
        ("MR", set_values(BitsAllocated=32, BitsStored=32, HighBit=31, PixelData=bytes(96))),
        ("MR", set_values(PhotometricInterpretation="MONOCHROME1")),
        ("CT", set_values(BitsStored=12)),
        ("CT", set_values(PixelData=bytes(50))),
    ],
)
def test_pixels_that_can_be_read_have_no_defect(
    tmp_path: Path, modality: str, change: Callable[[Dataset], object]
) -> None:
    assert read_defects(tmp_path, modality, change) == []


def test_broken_objects_are_counted(tmp_path: Path) -> None:
    slices = make_slices(Made(np.zeros((9, 4, 6), np.int16)))
    del slices[3].PixelData
    (series,) = study.read(write_series(tmp_path, slices)).series
    assert series.stacks[0].defects[0].sentence.startswith("1 of 9 objects: ")


SYNTAXES = "transfer_syntaxes_ct"


def test_undecodable_transfer_syntaxes_are_named(real_data: Callable[[str], Path]) -> None:
    files = sorted((real_data("awkward") / SYNTAXES).iterdir())
    stacks = [study.read(path).series[0].stacks[0] for path in files]
    refused = {
        stack.instances[0].pixels.transfer_syntax_uid: defect.sentence
        for stack in stacks
        for defect in stack.defects
        if defect.code == "unknown-transfer-syntax"
    }
    assert sorted(refused) == ["1.2.840.10008.1.2.4.53", "1.2.840.10008.1.2.4.55"]
    assert all(uid in sentence and "JPEG" in sentence for uid, sentence in refused.items())
    assert len({stack.instances[0].pixels.transfer_syntax_uid for stack in stacks} & DECODABLE) == 13


def test_ct_of_8_bit_jpeg_is_refused(real_data: Callable[[str], Path]) -> None:
    (path,) = (real_data("awkward") / SYNTAXES).glob("*4.50.dcm")
    defects = [defect.code for defect in study.read(path).series[0].stacks[0].defects]
    assert "ct-of-8-bits" in defects
