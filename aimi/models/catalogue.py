"""The published models as data, one record each."""

from dataclasses import dataclass

from aimi.engine.orientation import Orientation

__all__ = ["ModelSpec"]


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
