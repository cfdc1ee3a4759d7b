"""Model folders whose weights are set by hand: label 1 where the first channel is above a threshold.

Two stages of 1x1x1 convolutions, stride 1, without norm and nonlinearity, carry the value unchanged: every product is
by 0 or 1 and every sum but the last has one non-zero term. The last adds ``-threshold``, which float32 rounds
correctly, so the sign of the logit is the sign of ``value - float32(threshold)``: exact for every int16 and float32
voxel. Label 0 has the logit 0. Weights of tiles and the mean over folds are positive and keep the sign.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np

__all__ = ["make_threshold_model"]

_SEG_LAYER = "decoder.seg_layers.0"


def make_threshold_model(
    folder: Path,
    spacing: tuple[float, float, float],
    threshold: float,
    *,
    channels: int = 1,
    folds: int = 1,
    patch: tuple[int, int, int] = (32, 128, 128),
    further: tuple[float, ...] = (),
) -> Path:
    """Write a v2 model folder that marks voxels of channel 0 above a threshold, and give its path.

    Parameters
    ----------
    spacing : mm, in the axis order of the network's array: that of the images, if they have that spacing no voxel
        is interpolated.
    threshold : rounded to float32; not negative, because nnU-Net crops away borders of zeros and leaves them
        background.
    patch : small for small images; 1x1x1 kernels give the same result with any.
    further : rising thresholds of labels 2, 3, ...: whole numbers, exact for whole voxel values.
    """
    if threshold < 0:
        raise ValueError("borders of zeros are background to nnU-Net; choose a threshold of at least 0")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "plans.json").write_text(json.dumps(_plans(spacing, channels, patch)))
    (folder / "dataset.json").write_text(json.dumps(_dataset(channels, len(further))))
    for fold in range(folds):
        _write_fold(folder / f"fold_{fold}", channels, (threshold, *further))
    return folder


def _plans(spacing: tuple[float, float, float], channels: int, patch: tuple[int, int, int]) -> dict[str, Any]:
    resampling = {"is_seg": False, "order": 1, "order_z": 0, "force_separate_z": None}
    configuration = {
        "data_identifier": "threshold",
        "preprocessor_name": "DefaultPreprocessor",
        "batch_size": 2,
        "patch_size": list(patch),
        "spacing": [float(step) for step in spacing],
        "normalization_schemes": ["NoNormalization"] * channels,
        "use_mask_for_norm": [False] * channels,
        "resampling_fn_data": "resample_data_or_seg_to_shape",
        "resampling_fn_data_kwargs": {**resampling, "order": 3},
        "resampling_fn_seg": "resample_data_or_seg_to_shape",
        "resampling_fn_seg_kwargs": {**resampling, "is_seg": True},
        "resampling_fn_probabilities": "resample_data_or_seg_to_shape",
        "resampling_fn_probabilities_kwargs": resampling,
        "architecture": {
            "network_class_name": "dynamic_network_architectures.architectures.unet.PlainConvUNet",
            "arch_kwargs": {
                "n_stages": 2,
                "features_per_stage": [1, 1],
                "conv_op": "torch.nn.modules.conv.Conv3d",
                "kernel_sizes": [[1, 1, 1], [1, 1, 1]],
                "strides": [[1, 1, 1], [1, 1, 1]],
                "n_conv_per_stage": [1, 1],
                "n_conv_per_stage_decoder": [1],
                "conv_bias": True,
                "norm_op": None,
                "norm_op_kwargs": None,
                "dropout_op": None,
                "dropout_op_kwargs": None,
                "nonlin": None,
                "nonlin_kwargs": None,
            },
            "_kw_requires_import": ["conv_op", "norm_op", "dropout_op", "nonlin"],
        },
        "batch_dice": False,
    }
    return {
        "dataset_name": "Dataset999_Threshold",
        "plans_name": "nnUNetPlans",
        "transpose_forward": [0, 1, 2],
        "transpose_backward": [0, 1, 2],
        "configurations": {"3d_fullres": configuration},
        "image_reader_writer": "SimpleITKIO",
        "label_manager": "LabelManager",
        "foreground_intensity_properties_per_channel": {str(channel): {} for channel in range(channels)},
    }


def _dataset(channels: int, further: int) -> dict[str, Any]:
    return {
        "channel_names": {str(channel): "value" for channel in range(channels)},
        "labels": {"background": 0, "above": 1, **{f"above {label}": label for label in range(2, further + 2)}},
        "numTraining": 1,
        "file_ending": ".nii.gz",
    }


def _write_fold(folder: Path, channels: int, thresholds: tuple[float, ...]) -> None:
    import torch

    folder.mkdir(exist_ok=True)
    weights = {
        "encoder.stages.0.0.convs.0": (_kernel([[1.0] + [0.0] * (channels - 1)]), [0.0]),
        "encoder.stages.1.0.convs.0": (_kernel([[0.0]]), [0.0]),
        "decoder.transpconvs.0": (_kernel([[0.0]]), [0.0]),
        "decoder.stages.0.convs.0": (_kernel([[0.0, 1.0]]), [0.0]),  # below, then the skip
        # label n has the logit n x value - sum of the first n thresholds: it beats n - 1 above threshold n
        _SEG_LAYER: (
            _kernel([[float(label)] for label in range(len(thresholds) + 1)]),
            [0.0, *(-np.cumsum(np.asarray(thresholds, np.float32)))],
        ),
    }
    state: dict[str, Any] = {}
    for name, (kernel, bias) in weights.items():
        for alias in _aliases(name):
            state[f"{alias}.weight"] = torch.from_numpy(kernel)
            state[f"{alias}.bias"] = torch.tensor(np.asarray(bias, dtype=np.float32))
    checkpoint = {
        "network_weights": state,
        "optimizer_state": {},
        "grad_scaler_state": None,
        "logging": {},
        "_best_ema": None,
        "current_epoch": 1,
        "init_args": {"configuration": "3d_fullres", "fold": 0},
        "trainer_name": "nnUNetTrainer",
        "inference_allowed_mirroring_axes": (0, 1, 2),
    }
    torch.save(checkpoint, folder / "checkpoint_final.pth")


def _kernel(matrix: list[list[float]]) -> Any:
    return np.asarray(matrix, dtype=np.float32)[:, :, None, None, None]


def _aliases(name: str) -> tuple[str, ...]:
    # the names under which nnU-Net's state dict holds one storage
    if ".convs." not in name:
        return (name,)
    names = (f"{name}.conv", f"{name}.all_modules.0")
    return (*names, *(f"decoder.{alias}" for alias in names)) if name.startswith("encoder") else names
