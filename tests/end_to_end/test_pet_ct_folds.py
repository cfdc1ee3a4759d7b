"""Case L13 of the published code: a tumor inside the lung that 2, and one that 3, of the 5 folds mark.

The folds' thresholds are such that a vote and a mean come to opposite ends, so that the rule sets cannot be mixed up.
The PET is 20000 in the tumor, and a fold's logit is the value less its threshold: 20000 less the mean threshold is the
mean logit (a v2 folder averages logits).
"""

from dataclasses import replace
from pathlib import Path

import pytest

from aimi.models.catalogue import TASK762_PET_CT
from aimi.options import RunOptions
from aimi.tasks.lung_pet_ct import LUNG_PET_CT
from tests.end_to_end import roads
from tests.end_to_end.pet_ct import LUNG_MODEL, TUMOR_MODEL
from tests.engine.threshold_model import make_threshold_model
from tests.made_pet_ct import CT_SPACING, PET_SPACING, MadePetCt, write_pet_ct

pytestmark = [pytest.mark.torch]

MADE = MadePetCt(tumors=MadePetCt().tumors[:1], lung_hu=(600, 900))
SIDES = replace(LUNG_MODEL, labels=("lung_left", "lung_right"))
VOTED = replace(TUMOR_MODEL, ensemble=TASK762_PET_CT.ensemble, mirroring=TASK762_PET_CT.mirroring)
TASK = replace(LUNG_PET_CT, demo_models=(SIDES, VOTED))
TWO_OF_FIVE = (9000.0, 9000.0, 21000.0, 21000.0, 21000.0)  # mean 16200: the mean marks it
THREE_OF_FIVE = (19000.0, 19000.0, 19000.0, 40000.0, 40000.0)  # mean 27400: it does not


def make_models(folder: Path, thresholds: tuple[float, ...]) -> Path:
    """Write the region model of both sides, and a tumor model whose folds have thresholds of their own."""
    make_threshold_model(folder / SIDES.name, CT_SPACING, 300.0, further=(700.0,))
    for fold, threshold in reversed(list(enumerate(thresholds))):
        model = make_threshold_model(folder / VOTED.name, PET_SPACING, threshold, channels=2, patch=(32, 64, 64))
        (model / "fold_0").rename(model / f"fold_{fold}")
    return folder


@pytest.mark.parametrize(
    ("thresholds", "rules", "kept"),
    [
        (TWO_OF_FIVE, "paper", 0),  # the vote that the model's record names
        (TWO_OF_FIVE, "published-code", 0),
        (TWO_OF_FIVE, "mhub", 27),
        (THREE_OF_FIVE, "paper", 27),
        (THREE_OF_FIVE, "published-code", 27),
        (THREE_OF_FIVE, "mhub", 0),
    ],
)
def test_l13_the_ensemble_decides_and_what_is_no_tumor_stays_lung(
    thresholds: tuple[float, ...], rules: str, kept: int, tmp_path: Path
) -> None:
    models = make_models(tmp_path / "models", thresholds)
    source, options = write_pet_ct(tmp_path / "study", MADE), RunOptions(rule_set=rules)
    end = roads.run("command", TASK, source, tmp_path / "out", models, options, demo=True)
    assert (end.status, end.message) == (0, "")
    assert end.report is not None
    found = {segment["number"]: segment["voxels"] for segment in end.report["segments"]}
    assert found == {1: MADE.lung_mask.sum() - kept, 2: kept}
