"""The published models as data, one record each.

Sources: Table 10 of the AIMI paper for the DOI, the Dockerfiles of the bamf-health/aimi-* repositories for record
and file. Licences are those of the ports' meta.json (MHubAI/models); the repositories state none for the weights.
No checksum was published. The paper's DOI is the concept; ``record`` is the version whose file the code fetches.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from aimi.engine.orientation import Orientation

__all__ = ["CATALOGUE", "DEMO_LIVER_CT", "TASK773_LIVER", "ModelSpec"]


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
    generation : 1 for weights of nnU-Net v1 (all published ones), 2 for v2.
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
    sha256: str = ""
    ensemble: str = "mean"
    mirroring: bool = False
    generation: int = 1


_NON_COMMERCIAL = "CC-BY-NC-4.0"

TASK773_LIVER = ModelSpec(
    name="Task773_Liver",
    version="8274976",
    channels=("ct",),
    labels=("liver",),
    orientation=Orientation.DCM2NIIX,
    algorithm_name="BAMF-Liver-CT",
    licence=_NON_COMMERCIAL,
    licence_must_be_accepted=True,
    doi="10.5281/zenodo.8270230",
    record="8274976",
    file="Task773_Liver.zip",
    mirroring=True,
)
"""Liver on CT, nnU-Net v1; the published annotations ran it with mirroring and mean softmax."""

DEMO_LIVER_CT = ModelSpec(
    name="DEMO-liver-ct",
    version="1",
    channels=("ct",),
    labels=("liver",),
    orientation=Orientation.ITK,
    algorithm_name="DEMO-liver-ct",
    licence="Apache-2.0",
    licence_must_be_accepted=False,
    generation=2,
)
"""Liver on synthetic CT, trained on samples; for trying the software, never for patients."""

CATALOGUE: Mapping[str, ModelSpec] = MappingProxyType({spec.name: spec for spec in (TASK773_LIVER, DEMO_LIVER_CT)})
"""Every model that a task names, by name."""
