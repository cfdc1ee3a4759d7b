"""A task for proofs: any modality, no tests, no clean-up, one label, a model that marks voxels above a threshold."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from aimi.dicom.selection import Rule
from aimi.engine.orientation import Orientation
from aimi.image import Code, Image, LabelMap, Segment
from aimi.models.catalogue import ModelSpec
from aimi.tasks.task import Cleaned, Task
from tests.engine.threshold_model import make_threshold_model

MODEL = ModelSpec(
    name="PROOF-threshold",
    version="1",
    channels=("image",),
    labels=("above",),
    orientation=Orientation.ITK,
    algorithm_name="PROOF-threshold",
    licence="Apache-2.0",
    licence_must_be_accepted=False,
    generation=2,
)


def keep_everything(labels: Mapping[str, LabelMap], _images: Mapping[str, Image]) -> Cleaned:
    return Cleaned(np.asarray(labels[MODEL.name].labels), ())


PROOF = Task(
    name="proof",
    title="Proof",
    needs="any CT",
    number=9,
    body_part="",
    rules=(Rule("image", ()),),
    reference="image",
    units={"image": "arbitrary"},
    models=(MODEL,),
    segments=(
        Segment(
            number=1,
            label="Above",
            description="Above the threshold",
            category=Code("85756007", "SCT", "Tissue"),
            property_type=Code("85756007", "SCT", "Tissue"),
            color=(220, 60, 40),
        ),
    ),
    clean_ups={"paper": keep_everything},
)


WHOLE_SLICES = (16, 512, 512)
"""Tiles for large series: one covers whole slices."""


def make_models(
    folder: Path,
    spacing: tuple[float, float, float],
    threshold: float,
    name: str = MODEL.name,
    patch: tuple[int, int, int] = (32, 128, 128),
) -> Path:
    """Write the models folder of the proof: one sub-folder with the threshold model."""
    make_threshold_model(folder / name, spacing, threshold, patch=patch)
    return folder
