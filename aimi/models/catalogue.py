"""The published models as data, one record each.

Sources: Table 10 of the AIMI paper for the DOI, the Dockerfiles of the bamf-health/aimi-* repositories for record,
file and address; TotalSegmentator, libs.py, for the addresses of its models. Licences are those of the ports'
meta.json (MHubAI/models); the repositories state none for the weights. No checksum was published. The paper's DOI is
the concept; ``record`` is the version whose file the code fetches.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

from aimi.engine.orientation import Orientation
from aimi.models import totalsegmentator_classes as classes

__all__ = [
    "CATALOGUE",
    "DEMO_BREAST_REGION",
    "DEMO_KIDNEY",
    "DEMO_LIVER_CT",
    "DEMO_LIVER_MR",
    "DEMO_LUNG_CT_LUNGS",
    "DEMO_LUNG_CT_NODULES",
    "DEMO_LUNG_PET_CT_REGION",
    "DEMO_PET_CT_TUMOR",
    "DEMO_PROSTATE",
    "TASK762_PET_CT",
    "TASK773_LIVER",
    "TASK775_LUNGS",
    "TASK777_NODULES",
    "TASK779_KIDNEYS",
    "TASK788_PROSTATE",
    "TASK822_LIVER",
    "TOTALSEGMENTATOR_3MM",
    "TOTALSEGMENTATOR_BREASTS",
    "TOTALSEGMENTATOR_PARTS",
    "ModelSpec",
]


@dataclass(frozen=True, slots=True)
class ModelSpec:
    """A model that a task uses.

    Parameters
    ----------
    name : the name of its sub-folder below the models folder.
    channels : what each input channel holds, by role of the task ("ct", "pet", "mr"), in order.
    labels : name of each network label, background left out: label n is ``labels[n - 1]``.
    algorithm_name : Segment Algorithm Name of results (DECISIONS 4.2).
    licence : SPDX identifier of the weights; a licence that is not free must be accepted once.
    address : of the published archive ``file``; empty for a model that is not published.
    sha256 : of that archive, where it is known.
    generation : 1 for weights of nnU-Net v1 (all published ones), 2 for v2.
    labels_are_certain : False where sources contradict each other on the labels and the task needs none of them
        by itself: then a folder with another number of labels is taken, too, and folds vote on the union.
    resample_mm : spacing to which the image is resampled first, as TotalSegmentator does; None for nnU-Net's own way.
    step : distance of tiles as a share of the patch; 0.5 is nnU-Net's own (``tile_step_size`` of v2, ``step_size``
        of v1).
    """

    name: str
    version: str
    channels: tuple[str, ...]
    labels: tuple[str, ...]
    orientation: Orientation
    algorithm_name: str
    licence: str
    licence_must_be_accepted: bool
    doi: str = ""
    record: str = ""
    file: str = ""
    address: str = ""
    sha256: str = ""
    ensemble: str = "mean"
    mirroring: bool = False
    generation: int = 1
    labels_are_certain: bool = True
    resample_mm: float | None = None
    step: float = 0.5


_NON_COMMERCIAL = "CC-BY-NC-4.0"


def _published(
    name: str, labels: tuple[str, ...], algorithm_name: str, *, doi: str, record: str, file: str, channel: str = "ct"
) -> ModelSpec:
    """Give a published model of one channel, run as nnUNet_predict does: mirrored passes and mean softmax."""
    return ModelSpec(
        name=name,
        version=record,
        channels=(channel,),
        labels=labels,
        orientation=Orientation.DCM2NIIX,
        algorithm_name=algorithm_name,
        licence=_NON_COMMERCIAL,
        licence_must_be_accepted=True,
        doi=f"10.5281/zenodo.{doi}",
        record=record,
        file=file,
        address=f"https://zenodo.org/record/{record}/files/{file}",
        mirroring=True,
    )


def _voted(published: ModelSpec) -> ModelSpec:
    """Give a model that its container runs on SimpleITK's arrays, without mirroring, by a vote of the folds."""
    return replace(published, orientation=Orientation.ITK, ensemble="vote", mirroring=False)


def _demo(name: str, labels: tuple[str, ...], channel: str = "ct") -> ModelSpec:
    """Give a model trained on samples; for trying the software, never for patients."""
    return ModelSpec(
        name=name,
        version="1",
        channels=(channel,),
        labels=labels,
        orientation=Orientation.ITK,
        algorithm_name=name,
        licence="Apache-2.0",
        licence_must_be_accepted=False,
        generation=2,
    )


TASK773_LIVER = _published(
    "Task773_Liver",
    ("liver",),
    "BAMF-Liver-CT",
    doi="8270230",
    record="8274976",
    file="Task773_Liver.zip",
)
TASK775_LUNGS = replace(
    _voted(
        _published(
            "Task775_CT_NSCLC_RG",
            ("lung", "tumor"),
            "BAMF-Lung-CT",
            doi="8290169",
            record="8290169",
            file="Task775_CT_NSCLC_RG.zip",
        )
    ),
    labels_are_certain=False,
)
"""Which label is the lung is told differently by port, container and others'
projects: only the union of all labels is used."""
TASK777_NODULES = _voted(
    _published(
        "Task777_CT_Nodules",
        ("nodule",),
        "BAMF-Lung-CT",
        doi="8290146",
        record="8290147",
        file="Task777_CT_Nodules.zip",
    )
)
TASK779_KIDNEYS = _published(
    "Task779_Kidneys_KIRC",
    ("kidney", "tumor", "cyst"),
    "BAMF-Kidney-CT",
    doi="8277845",
    record="8277846",
    file="Task779_Kidney.zip",
)
"""The folder's name is not the archive's."""
TASK788_PROSTATE = _published(
    "Task788_ProstateX",
    ("prostate",),
    "BAMF-Prostate-MR",
    doi="8290092",
    record="8290093",
    file="Task788_Prostate.zip",
    channel="mr",
)
"""The folder's name is not the archive's."""
TASK822_LIVER = _published(
    "Task822_Liver_AMD",
    ("liver",),
    "BAMF-Liver-MR",
    doi="8290123",
    record="8290124",
    file="Task882_MR_Liver.zip",
    channel="mr",
)
"""882 in the archive's name, 822 inside."""

TASK762_PET_CT = replace(
    _voted(
        _published(
            "Task762_PET_CT_Breast",
            ("liver", "kidney", "urinary_bladder", "spleen", "lung", "brain", "heart", "stomach", "tumor"),
            "BAMF-Lung-FDG-PET-CT",
            doi="8290054",
            record="8290055",
            file="Task762_PET_CT_Breast.zip",
        )
    ),
    channels=("ct", "pet"),
)
"""One model for both PET/CT tasks. The CT lies on the PET's grid; the PET is in its stored unit: the network
normalises it by itself. Label 8 is the stomach: one port calls it small intestine, which the paper does not list."""


_STEP_OF_TOTAL = 0.8
"""Of the tiles of task ``total``: TotalSegmentator 2.18.0, nnunet.py, ``nnUNet_predict_image``, ``step_size``.
Its other tasks have nnU-Net's."""


def _totalsegmentator(
    name: str, version: str, labels: tuple[str, ...], resample_mm: float, *, step: float = 0.5
) -> ModelSpec:
    """Give a model of TotalSegmentator: run without mirroring, on closest canonical axes, at one spacing.

    The version is the name of the release that holds the weights.
    """
    return ModelSpec(
        name=name,
        version=version,
        channels=("ct",),
        labels=labels,
        orientation=Orientation.RAS,
        algorithm_name=name,
        licence="Apache-2.0",
        licence_must_be_accepted=False,
        file=f"{name}.zip",
        address=f"https://github.com/wasserth/TotalSegmentator/releases/download/{version}/{name}.zip",
        generation=2,
        resample_mm=resample_mm,
        step=step,
    )


TOTALSEGMENTATOR_PARTS: Mapping[int, ModelSpec] = MappingProxyType(
    {
        number: _totalsegmentator(
            f"Dataset{number}_TotalSegmentator_{part}",
            "v2.0.0-weights",
            classes.V2_PARTS[number],
            1.5,
            step=_STEP_OF_TOTAL,
        )
        for number, part in (
            (291, "part1_organs_1559subj"),
            (292, "part2_vertebrae_1532subj"),
            (293, "part3_cardiac_1559subj"),
            (294, "part4_muscles_1559subj"),
            (295, "part5_ribs_1559subj"),
        )
    }
)
"""The five models of task ``total``; folder names as in TotalSegmentator 2.18.0, map_tasks_config.py."""
TOTALSEGMENTATOR_3MM = _totalsegmentator(
    "Dataset297_TotalSegmentator_total_3mm_1559subj", "v2.0.0-weights", classes.V2_TOTAL, 3.0, step=_STEP_OF_TOTAL
)
TOTALSEGMENTATOR_BREASTS = _totalsegmentator("Dataset527_breasts_1559subj", "v2.5.0-weights", classes.BREASTS, 1.5)

DEMO_LIVER_CT = _demo("DEMO-liver-ct", ("liver",))
DEMO_LUNG_CT_LUNGS = _demo("DEMO-lung-ct-lungs", ("lung",))
DEMO_LUNG_CT_NODULES = _demo("DEMO-lung-ct-nodules", ("nodule",))
DEMO_KIDNEY = _demo("DEMO-kidney", ("kidney", "tumor", "cyst"))
DEMO_PROSTATE = _demo("DEMO-prostate", ("prostate",), "mr")
DEMO_LIVER_MR = _demo("DEMO-liver-mr", ("liver",), "mr")
DEMO_PET_CT_TUMOR = replace(_demo("DEMO-pet-ct-tumor", ("tumor",)), channels=("ct", "pet"))
DEMO_LUNG_PET_CT_REGION = _demo("DEMO-lung-pet-ct-region", ("lung_left", "lung_right"))
DEMO_BREAST_REGION = _demo("DEMO-breast-region", ("breast", "lung", "heart", "liver", "spleen"))

CATALOGUE: Mapping[str, ModelSpec] = MappingProxyType(
    {
        spec.name: spec
        for spec in (
            TASK762_PET_CT,
            *TOTALSEGMENTATOR_PARTS.values(),
            TOTALSEGMENTATOR_3MM,
            TOTALSEGMENTATOR_BREASTS,
            TASK773_LIVER,
            TASK775_LUNGS,
            TASK777_NODULES,
            TASK779_KIDNEYS,
            TASK788_PROSTATE,
            TASK822_LIVER,
            DEMO_LIVER_CT,
            DEMO_LUNG_CT_LUNGS,
            DEMO_LUNG_CT_NODULES,
            DEMO_KIDNEY,
            DEMO_PROSTATE,
            DEMO_LIVER_MR,
            DEMO_PET_CT_TUMOR,
            DEMO_LUNG_PET_CT_REGION,
            DEMO_BREAST_REGION,
        )
    }
)
"""Every model that a task names, by name."""
