"""PET/CT where something covers less than the PET: what the report says of findings that are not shown."""

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pydicom
import pytest

from aimi.image import Image
from aimi.options import RunOptions
from aimi.paired import lesions_not_shown
from tests.end_to_end import roads
from tests.end_to_end.pet_ct import LUNG_PROOF, make_pet_ct_models, region_of_masks
from tests.made_pet_ct import CT_SPACING, PET_SPACING, MadePetCt, write_pet_ct
from tests.tasks.grids import on_grid

pytestmark = [pytest.mark.torch, pytest.mark.holoscan]

MADE = MadePetCt()
THIN, THICK = np.s_[9:10, 8:11, 5:8], np.s_[12:15, 8:11, 15:18]
FACTOR = 5
"""Of the CT's slices of 2 mm every fifth is left: 10 mm apart, and the PET's 4 mm."""
Models = Path


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    return make_pet_ct_models(folder, ct=CT_SPACING, pet=PET_SPACING, hu=300.0, activity=9000.0)


def sentences(end: roads.End, code: str) -> list[str]:
    assert (end.status, end.message) == (0, "")
    report: Any = end.report
    return [note["sentence"] for note in report["notes"] if note["code"] == code]


def write_with_thick_ct(folder: Path, made: MadePetCt, first: int) -> Path:
    """Write the pair with every fifth slice of its CT, from one on."""
    write_pet_ct(folder, made)
    files = [path for path in (folder / "ct").rglob("*") if path.is_file()]
    files.sort(key=lambda path: float(pydicom.dcmread(path).ImagePositionPatient[2]))
    for path in set(files) - set(files[first::FACTOR]):
        path.unlink()
    return folder


@pytest.mark.parametrize("grid", ["pet", "ct"])
@pytest.mark.parametrize(("first", "thin_voxels"), [(0, 0), (3, 9 * 4)])
def test_a_lesion_between_the_slices_of_the_ct_is_told(
    first: int, thin_voxels: int, grid: str, tmp_path: Path, models: Models
) -> None:
    source = write_with_thick_ct(tmp_path / "study", MadePetCt(tumors=(THIN, THICK)), first)
    options = RunOptions(grid=grid, allow_partial_ct=True)
    end = roads.run("command", LUNG_PROOF, source, tmp_path / "out", models, options, demo=True)
    told = sentences(end, "lesions-not-shown")
    report: Any = end.report
    assert sorted(one["voxels"] for one in report["uptake"]["lesions"]) == [9, 27]
    if grid == "ct":
        thick_voxels = report["segments"][1]["voxels"] - thin_voxels
        assert thick_voxels in {9 * 4, 2 * 9 * 4}  # one or two slices of the CT lie in 12 mm
    missing = grid == "ct" and thin_voxels == 0
    assert [sentence[:42] for sentence in told] == ["1 of 2 lesions lie between the slices of t"] * missing


ROUNDED = MADE.lung_mask
ROUNDED[4, 7:], ROUNDED[15, 7:] = False, False
"""Lungs that end in a tenth of their width, in slices 4 to 15 of 20."""
CUT = ROUNDED.copy()
CUT[8:] = False


@pytest.mark.parametrize(
    ("lungs", "without_sources", "kept", "said"),
    [
        (ROUNDED, False, 27 + 18, []),
        (CUT, False, 27, ["The region's file seems to be cut and shows organs on 20 % of the PET's slices"]),
        (CUT, True, 27, ["The region's file covers 20 % of the PET's slices"]),
    ],
)
def test_a_region_of_a_part_of_the_pet_is_told(
    lungs: npt.NDArray[np.bool_], without_sources: bool, kept: int, said: list[str], tmp_path: Path, models: Models
) -> None:
    region = region_of_masks(tmp_path / "other", {"lung": lungs})
    if without_sources:
        unreferenced(region)
    source = write_pet_ct(tmp_path / "study", MADE)
    end = roads.run("command", LUNG_PROOF, source, tmp_path / "out", models, RunOptions(region=str(region)), demo=True)
    told = sentences(end, "region-covers-part")
    assert [sentence.split(":")[0] for sentence in told] == said
    report: Any = end.report
    assert report["segments"][1]["voxels"] == kept


def unreferenced(path: Path) -> None:
    """Take from a segmentation the names of its sources, so that its grid is that of its frames."""
    ds = pydicom.dcmread(path)
    del ds.ReferencedSeriesSequence, ds.SourceImageSequence
    for groups in ds.PerFrameFunctionalGroupsSequence:
        del groups.DerivationImageSequence
    ds.save_as(path)


def test_each_of_more_lesions_than_a_label_map_has_numbers_is_counted(tmp_path: Path) -> None:
    labels = np.zeros((40, 1, 60), np.uint8)
    labels[::2, :, ::2] = 2  # 600 lesions, on every second slice
    job = roads.make_job(LUNG_PROOF, tmp_path, None, demo=True)
    coarse = Image(on_grid(np.zeros((10, 1, 60), np.uint8), (4.0, 1.0, 1.0)).volume, "HU", None)
    (note,) = lesions_not_shown(job, on_grid(labels), coarse)
    assert note.sentence.startswith("300 of 600 lesions")
