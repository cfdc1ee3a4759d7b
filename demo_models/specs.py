"""The demo models as a table: what each is trained on and how large it is."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

__all__ = ["FIRST_SCORE_SEED", "FIRST_SEED", "MODELS_OF", "SPECS", "Spec"]

FIRST_SEED = 100_000  # training samples; no test and no example uses seeds from here on
FIRST_SCORE_SEED = 90_000  # samples that a trained model is scored on


@dataclass(frozen=True, slots=True)
class Spec:
    """One demo model.

    Parameters
    ----------
    name : the model's folder.
    dataset : number of the nnU-Net data set.
    channels : channel names by which nnU-Net chooses the normalisation ("CT", anything else is z-scored).
    roles : the sample's scans behind the channels; the first is the grid of the labels.
    labels : names of the network's labels.
    tasks : of the samples, taken in turn.
    target : which of the sample's targets the network learns.
    cases : number of training samples, half of them oblique.
    spacing : target spacing (slices, rows, columns), mm.
    patch : patch size in voxels.
    features, convolutions, up_convolutions : of the network, stage by stage.
    epochs, iterations : length of the training; the learning rate falls from epoch to epoch.
    cycles : how many times over, each beginning anew with the whole learning rate.
    mirror : axes of the patch along which training flips at random; prediction is never mirrored.
    components : of the union of labels that are kept when the model is scored; 0 keeps all.
    """

    name: str
    tasks: tuple[str, ...]
    target: str
    labels: tuple[str, ...]
    dataset: int
    channels: tuple[str, ...]
    roles: tuple[str, ...]
    cases: int
    spacing: tuple[float, float, float]
    patch: tuple[int, int, int]
    features: tuple[int, ...] = (16, 32, 48, 64)
    convolutions: tuple[int, ...] = (1, 1, 1, 1)
    up_convolutions: tuple[int, ...] = (1, 1, 1)
    epochs: int = 24
    iterations: int = 10
    cycles: int = 1
    learning_rate: float = 3e-3
    mirror: tuple[int, ...] = ()
    components: int = 1


def _spec(
    name: str,
    dataset: int,
    tasks: tuple[str, ...],
    target: str,
    labels: tuple[str, ...],
    **rest: Any,  # noqa: ANN401
) -> Spec:
    return Spec(name=name, dataset=dataset, tasks=tasks, target=target, labels=labels, **rest)


_CT = {"channels": ("CT",), "roles": ("ct",)}
_LIVER = {"cases": 64, "spacing": (5.0, 5.0, 5.0), "patch": (40, 56, 56)}
_DEEPER = {"convolutions": (1, 2, 2, 2), "up_convolutions": (2, 2, 1)}
_KIDNEY = {
    "cases": 288,
    "spacing": (4.0, 3.0, 3.0),
    "patch": (40, 72, 72),
    "epochs": 200,
    "cycles": 2,
    "mirror": (2,),
    **_DEEPER,
}
_LUNGS = {"cases": 32, "spacing": (5.0, 5.0, 5.0), "patch": (48, 56, 56), "epochs": 20}
_NODULES = {
    "cases": 128,
    "spacing": (3.0, 3.0, 3.0),
    "patch": (48, 56, 56),
    "epochs": 130,
    "mirror": (0, 1, 2),
    **_DEEPER,
}
_PROSTATE = {"cases": 64, "spacing": (3.0, 1.8, 1.8), "patch": (24, 64, 64), "cycles": 2}
_PET = {
    "cases": 120,
    "spacing": (4.0, 4.46, 4.46),
    "patch": (56, 56, 56),
    "epochs": 130,
    "mirror": (2,),
    **_DEEPER,
}
_REGION = {"cases": 24, "spacing": (6.0, 6.0, 6.0), "patch": (56, 56, 56)}

SPECS: Mapping[str, Spec] = MappingProxyType(
    {
        "liver_ct": _spec(
            "DEMO-liver-ct",
            901,
            ("liver_ct",),
            "liver_ct",
            ("liver",),
            **_CT,
            **_LIVER,
            convolutions=(1, 1, 2, 2),
        ),
        "kidney": _spec(
            "DEMO-kidney", 902, ("kidney",), "kidney", ("kidney", "tumor", "cyst"), **_CT, **_KIDNEY, components=2
        ),
        "lung_ct_lungs": _spec(
            "DEMO-lung-ct-lungs", 903, ("lung_ct",), "lungs", ("lung",), **_CT, **_LUNGS, components=2
        ),
        "lung_ct_nodules": _spec(
            "DEMO-lung-ct-nodules", 904, ("lung_ct",), "nodules", ("nodule",), **_CT, **_NODULES, components=0
        ),
        "prostate": _spec(
            "DEMO-prostate", 905, ("prostate",), "prostate", ("prostate",), channels=("T2",), roles=("mr",), **_PROSTATE
        ),
        "liver_mr": _spec(
            "DEMO-liver-mr",
            906,
            ("liver_mr",),
            "liver_mr",
            ("liver",),
            channels=("T1",),
            roles=("mr",),
            **_LIVER,
            epochs=48,
        ),
        "pet_ct_tumor": _spec(
            "DEMO-pet-ct-tumor",
            907,
            ("lung_pet_ct", "breast"),
            "tumor",
            ("tumor",),
            channels=("CT", "PET"),
            roles=("ct", "pet"),
            **_PET,
            components=0,
        ),
        "lung_pet_ct_region": _spec(
            "DEMO-lung-pet-ct-region",
            908,
            ("lung_pet_ct",),
            "region",
            ("lung_left", "lung_right"),
            **_CT,
            **_REGION,
            components=0,
        ),
        "breast_region": _spec(
            "DEMO-breast-region",
            909,
            ("breast",),
            "region",
            ("breast", "lung", "heart", "liver", "spleen"),
            **_CT,
            **_REGION,
            epochs=36,
            components=0,
        ),
    }
)

MODELS_OF: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "lung_ct": ("lung_ct_lungs", "lung_ct_nodules"),
        "lung_pet_ct": ("pet_ct_tumor", "lung_pet_ct_region"),
        "breast": ("pet_ct_tumor", "breast_region"),
    }
)
"""Tasks of several models; any other task has the model of its own name."""
