"""A real PET/CT whose CT lies elsewhere and in another frame of reference: refused, or registered on request.

PET and CT of the study come from one table, so what was added to the CT's positions is the truth, as far as the patient
lay and breathed alike in both.
"""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from aimi.options import RunOptions
from tests.end_to_end import roads
from tests.end_to_end.coarse_pair import CT_SPACING, PET_SPACING, write_coarse_pair
from tests.end_to_end.pet_ct import LUNG_PROOF, make_pet_ct_models

pytestmark = [pytest.mark.torch, pytest.mark.slow]

MOVED_BY = (17.0, -23.0, 29.0)
PET_VOXEL = PET_SPACING[::-1]


@pytest.fixture(scope="module")
def study(real_data: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("study") / "pair"
    return write_coarse_pair(real_data("petct_acrin_042"), folder, MOVED_BY)


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    return make_pet_ct_models(folder, ct=CT_SPACING, pet=PET_SPACING, hu=180.0, activity=9000.5)


def test_it_is_refused_with_3_without_being_asked(study: Path, models: Path, tmp_path: Path) -> None:
    end = roads.run("command", LUNG_PROOF, study, tmp_path / "out", models, demo=True)
    assert (end.status, "frames of reference differ" in end.message) == (3, True)
    assert roads.segmentations(end.folder) == []


def test_the_registration_finds_the_way_back_within_a_voxel(study: Path, models: Path, tmp_path: Path) -> None:
    end = roads.run("command", LUNG_PROOF, study, tmp_path / "out", models, RunOptions(register=True), demo=True)
    assert (end.status, end.message) == (0, "")
    assert end.report is not None
    found = np.array(end.report["registration"]["translation_lps_mm"])
    assert (np.abs(found + MOVED_BY) < PET_VOXEL).all()
    assert end.report["registration"]["metric"] < end.report["registration"]["metric_at_start"]
    assert not [note for note in end.report["notes"] if note["code"].startswith("registration-")]
    (note,) = [note for note in end.report["notes"] if note["code"] == "registered"]
    assert "moved by" in note["sentence"]
    (tumor,) = [segment for segment in end.report["segments"] if segment["number"] == 2]
    assert tumor["voxels"] > 0
