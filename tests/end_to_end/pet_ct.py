"""Threshold models in the place of the published PET/CT models, so that what must come out can be computed.

The tumor model marks the PET above a threshold, the region model the CT above another. Both stand in as demo models
do: labels are known by their names.
"""

from dataclasses import replace
from pathlib import Path

from aimi.tasks.breast import BREAST
from aimi.tasks.lung_pet_ct import LUNG_PET_CT
from tests.end_to_end.threshold_task import MODEL
from tests.engine.threshold_model import make_threshold_model

Spacing = tuple[float, float, float]

TUMOR_MODEL = replace(MODEL, name="PROOF-tumor", channels=("pet", "ct"), labels=("tumor",))
LUNG_MODEL = replace(MODEL, name="PROOF-region", channels=("ct",), labels=("lung",))
BREAST_MODEL = replace(MODEL, name="PROOF-region", channels=("ct",), labels=("breast",))

LUNG_PROOF = replace(LUNG_PET_CT, demo_models=(LUNG_MODEL, TUMOR_MODEL))
BREAST_PROOF = replace(BREAST, demo_models=(*(BREAST_MODEL for _ in BREAST.models[:-1]), TUMOR_MODEL))


def make_pet_ct_models(
    folder: Path,
    *,
    ct: Spacing,
    pet: Spacing,
    hu: float,
    activity: float,
    region_patch: tuple[int, int, int] = (32, 128, 128),
) -> Path:
    """Write the folders of both models; tiles of the tumor model are small, so that some are left out."""
    make_threshold_model(folder / LUNG_MODEL.name, ct, hu, patch=region_patch)
    make_threshold_model(folder / TUMOR_MODEL.name, pet, activity, channels=2, patch=(32, 64, 64))
    return folder
