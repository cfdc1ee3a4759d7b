"""Threshold models in the place of the published PET/CT models, so that what must come out can be computed.

The tumor model marks the PET above a threshold, the region model the CT above another. Both stand in as demo models
do: labels are known by their names.
"""

from dataclasses import replace
from pathlib import Path

import highdicom as hd
import numpy as np
import numpy.typing as npt
import pydicom
from pydicom.sr.codedict import codes

from aimi.tasks.breast import BREAST
from aimi.tasks.lung_pet_ct import LUNG_PET_CT
from tests.end_to_end.threshold_task import MODEL
from tests.engine.threshold_model import make_threshold_model
from tests.made_pet_ct import write_pet_ct

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


def region_of_masks(folder: Path, masks: dict[str, npt.NDArray[np.bool_]]) -> Path:
    """Write a segmentation of the made PET, whose segments may overlap: masks on its grid, by label."""
    write_pet_ct(folder / "study")
    files = [pydicom.dcmread(path) for path in (folder / "study" / "pet").rglob("*") if path.is_file()]
    files = sorted(files, key=lambda ds: float(ds.ImagePositionPatient[2]))
    described = [
        hd.seg.SegmentDescription(number, name, codes.SCT.Organ, codes.SCT.Lung, "MANUAL")
        for number, name in enumerate(masks, start=1)
    ]
    written = hd.seg.Segmentation(
        files,
        np.stack(list(masks.values()), axis=-1).astype(np.uint8),
        hd.seg.SegmentationTypeValues.BINARY,
        described,
        series_instance_uid="2.25.71",
        series_number=9,
        sop_instance_uid="2.25.72",
        instance_number=1,
        manufacturer="Another",
        manufacturer_model_name="Writer",
        software_versions="1",
        device_serial_number="1",
    )
    written.save_as(folder / "region.dcm")
    return folder / "region.dcm"
