"""Model folders of the published sizes with random weights, in the layouts that the published ones have.

Speed and memory do not depend on the values of weights, so these stand for models that may not be passed on. The
layouts are nnU-Net v1's (``plans.pkl``, ``fold_k/model_final_checkpoint.model``) and v2's (``plans.json``,
``dataset.json``, ``fold_k/checkpoint_final.pth``). All folds are one file by several names.
"""

import json
import os
import pickle
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from aimi.engine.network import Network, network_of
from aimi.engine.plans import read_plans_v1, read_plans_v2
from aimi.engine.resampling import Shape

__all__ = ["MadeModel", "dataset_v2", "plans_v1", "plans_v2", "write_v1", "write_v2"]

_BASE, _MOST = 32, 320
_NNUNET_V1 = "nnUNetTrainerV2__nnUNetPlansv2.1"
_NNUNET_V2 = "nnUNetTrainerNoMirroring__nnUNetPlans__3d_fullres"


@dataclass(frozen=True, slots=True)
class MadeModel:
    """What is to be made.

    Parameters
    ----------
    name : of its sub-folder of the models folder.
    schemes : v1's normalization of each channel: ``CT`` here leaves HU as they are, ``nonCT`` is a z-score.
    spacing : of the network's grid, mm (slices, rows, columns).
    pools : from the full resolution down; the features double from 32 to 320, two convolutions a stage.
    flat_stages : stages whose kernels do not reach across slices.
    """

    name: str
    labels: tuple[str, ...]
    schemes: tuple[str, ...]
    spacing: tuple[float, float, float]
    patch: Shape = (128, 128, 128)
    pools: tuple[Shape, ...] = ((2, 2, 2),) * 5
    flat_stages: int = 0
    folds: int = 5

    @property
    def kernels(self) -> list[list[int]]:
        """The kernel of each stage."""
        return [[1 if stage < self.flat_stages else 3, 3, 3] for stage in range(len(self.pools) + 1)]


def write_v1(models: Path, made: MadeModel) -> Path:
    """Write a model as nnU-Net v1 leaves it, below a models folder."""
    plans = plans_v1(made)
    folder = models / made.name / "3d_fullres" / made.name / _NNUNET_V1
    folder.mkdir(parents=True)
    (folder / "plans.pkl").write_bytes(pickle.dumps(plans, 2))
    description = {"init": ("", 0, "", "", True, 0, True, False, True), "name": "nnUNetTrainerV2", "plans": plans}
    weights = _weights(network_of(read_plans_v1(plans, 0)))
    for fold in range(made.folds):
        place = folder / f"fold_{fold}" / "model_final_checkpoint.model"
        _save(place, folder / "fold_0" / place.name, {"epoch": 1000, "state_dict": weights})
        place.with_name(place.name + ".pkl").write_bytes(pickle.dumps(description, 2))
    return folder


def write_v2(models: Path, made: MadeModel) -> Path:
    """Write a model as nnU-Net v2 leaves it, with the older plans that TotalSegmentator's models have."""
    plans, dataset = plans_v2(made), dataset_v2(made)
    folder = models / made.name / _NNUNET_V2
    folder.mkdir(parents=True)
    (folder / "plans.json").write_text(json.dumps(plans), encoding="utf-8")
    (folder / "dataset.json").write_text(json.dumps(dataset), encoding="utf-8")
    content = {
        "network_weights": _weights(network_of(read_plans_v2(plans, dataset, "3d_fullres", ()))),
        "init_args": {"configuration": "3d_fullres", "fold": 0},
        "trainer_name": "nnUNetTrainerNoMirroring",
        "inference_allowed_mirroring_axes": None,
    }
    for fold in range(made.folds):
        _save(folder / f"fold_{fold}" / "checkpoint_final.pth", folder / "fold_0" / "checkpoint_final.pth", content)
    return folder


def _weights(network: Network) -> "OrderedDict[str, Any]":
    """Give random weights that keep the size of values from layer to layer."""
    import torch  # noqa: PLC0415  (only what writes models needs it)

    random = np.random.default_rng(1)
    weights = OrderedDict()
    for name, shape in network.weights.items():
        spread = float(np.sqrt(2 / np.prod(shape[1:]))) if len(shape) > 1 else 0.1
        values = random.standard_normal(shape, np.float32) * np.float32(spread)
        weights[name] = torch.from_numpy(values)
    return weights


def _save(place: Path, first: Path, content: Mapping[str, Any]) -> None:
    import torch  # noqa: PLC0415

    place.parent.mkdir()
    if place == first:
        torch.save(dict(content), place)
    else:
        os.link(first, place)


def plans_v1(made: MadeModel) -> dict[str, Any]:
    """Give what plans.pkl holds."""
    channels = len(made.schemes)
    stage = {
        "batch_size": 2,
        "patch_size": np.array(made.patch),
        "current_spacing": np.array(made.spacing),
        "original_spacing": np.array(made.spacing),
        "pool_op_kernel_sizes": [list(pool) for pool in made.pools],
        "conv_kernel_sizes": made.kernels,
    }
    intensities = {"mean": 0.0, "sd": 1.0, "percentile_00_5": -1024.0, "percentile_99_5": 3071.0}
    return {
        "num_stages": 1,
        "num_modalities": channels,
        "normalization_schemes": OrderedDict(enumerate(made.schemes)),
        "dataset_properties": {"intensityproperties": {channel: dict(intensities) for channel in range(channels)}},
        "num_classes": len(made.labels),
        "base_num_features": _BASE,
        "use_mask_for_norm": OrderedDict((channel, False) for channel in range(channels)),
        "transpose_forward": [0, 1, 2],
        "transpose_backward": [0, 1, 2],
        "plans_per_stage": {0: stage},
        "preprocessor_name": "GenericPreprocessor",
        "conv_per_stage": 2,
    }


def plans_v2(made: MadeModel) -> dict[str, Any]:
    """Give what plans.json holds."""
    rule = {"is_seg": False, "order": 1, "order_z": 0, "force_separate_z": None}
    stages = len(made.pools) + 1
    configuration = {
        "preprocessor_name": "DefaultPreprocessor",
        "patch_size": list(made.patch),
        "spacing": list(made.spacing),
        "normalization_schemes": ["CTNormalization"],
        "use_mask_for_norm": [False],
        "resampling_fn_data": "resample_data_or_seg_to_shape",
        "resampling_fn_data_kwargs": {**rule, "order": 3},
        "resampling_fn_probabilities": "resample_data_or_seg_to_shape",
        "resampling_fn_probabilities_kwargs": rule,
        "UNet_class_name": "PlainConvUNet",
        "UNet_base_num_features": _BASE,
        "unet_max_num_features": _MOST,
        "n_conv_per_stage_encoder": [2] * stages,
        "n_conv_per_stage_decoder": [2] * (stages - 1),
        "pool_op_kernel_sizes": [[1, 1, 1], *(list(pool) for pool in made.pools)],
        "conv_kernel_sizes": made.kernels,
    }
    intensities = {"mean": 0.0, "std": 1.0, "percentile_00_5": -1024.0, "percentile_99_5": 3071.0}
    return {
        "dataset_name": made.name,
        "plans_name": "nnUNetPlans",
        "transpose_forward": [0, 1, 2],
        "transpose_backward": [0, 1, 2],
        "configurations": {"3d_fullres": configuration},
        "foreground_intensity_properties_per_channel": {"0": intensities},
    }


def dataset_v2(made: MadeModel) -> dict[str, Any]:
    """Give what dataset.json holds."""
    labels = {name: number for number, name in enumerate(made.labels, start=1)}
    return {"channel_names": {"0": "CT"}, "labels": {"background": 0, **labels}, "file_ending": ".nii.gz"}
