"""nnU-Net v2's own predictor as the reference, and model folders with random weights for it.

nnunetv2 adds logits and weights in half precision also on a CPU; a voxel whose classes are close then depends on
rounding. The subclass here adds them in float32 and changes nothing else.
"""

import contextlib
import io
import json
import shutil
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from dynamic_network_architectures.architectures.unet import (  # type: ignore[import-untyped] # no stubs
    PlainConvUNet,
    ResidualEncoderUNet,
)
from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor
from nnunetv2.inference.sliding_window_prediction import compute_gaussian
from nnunetv2.preprocessing.preprocessors.default_preprocessor import DefaultPreprocessor
from nnunetv2.utilities.get_network_from_plans import get_network_from_plans
from safetensors.torch import load_file

__all__ = [
    "Case",
    "Float32Predictor",
    "Reference",
    "dataset_of",
    "make_model",
    "plans_of",
    "predict_exactly",
    "predict_untouched",
    "preprocess",
    "with_checkpoints",
]


@dataclass(frozen=True)
class Case:
    """A made model: what plans.json and dataset.json will say."""

    spacing: tuple[float, float, float] = (1.0, 1.0, 1.0)
    patch: tuple[int, int, int] = (16, 16, 16)
    strides: tuple[tuple[int, int, int], ...] = ((1, 1, 1), (2, 2, 2), (2, 2, 2))
    kernels: tuple[tuple[int, int, int], ...] = ((3, 3, 3), (3, 3, 3), (3, 3, 3))
    normalizations: tuple[str, ...] = ("CTNormalization",)
    inside_mask: bool = False
    labels: dict[str, Any] = field(default_factory=lambda: {"background": 0, "a": 1, "b": 2})
    regions_class_order: tuple[int, ...] | None = None
    heads: int = 3
    transpose: tuple[int, int, int] = (0, 1, 2)
    is_residual: bool = False
    is_old: bool = False
    folds: int = 1
    features: tuple[int, ...] = (4, 8, 16)

    @property
    def arch_kwargs(self) -> dict[str, Any]:
        stages = len(self.features)
        depths = [2] * (stages - 1)
        depth = {"n_blocks_per_stage": [1, *depths]} if self.is_residual else {"n_conv_per_stage": [2, *depths]}
        return {
            "n_stages": stages,
            "features_per_stage": list(self.features),
            "conv_op": "torch.nn.modules.conv.Conv3d",
            "kernel_sizes": [list(kernel) for kernel in self.kernels],
            "strides": [list(stride) for stride in self.strides],
            **depth,
            "n_conv_per_stage_decoder": [*[2] * (stages - 2), 1 if stages == 3 else 2],
            "conv_bias": True,
            "norm_op": "torch.nn.modules.instancenorm.InstanceNorm3d",
            "norm_op_kwargs": {"eps": 1e-5, "affine": True},
            "dropout_op": None,
            "dropout_op_kwargs": None,
            "nonlin": "torch.nn.LeakyReLU",
            "nonlin_kwargs": {"inplace": True},
        }


def make_model(folder: Path, case: Case) -> Path:
    """Write a v2 folder of the case with random weights; the same case gives the same weights."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "plans.json").write_text(json.dumps(plans_of(case)))
    (folder / "dataset.json").write_text(json.dumps(dataset_of(case)))
    for fold in range(case.folds):
        torch.manual_seed(fold)
        checkpoint = {
            "network_weights": _network(case).state_dict(),
            "optimizer_state": {"state": {0: {"momentum_buffer": torch.zeros(3)}}},
            "logging": {"losses": [np.float64(1.5)]},
            "init_args": {"configuration": "3d_fullres", "fold": fold, "device": torch.device("cpu")},
            "trainer_name": "nnUNetTrainer",
            "inference_allowed_mirroring_axes": (0, 1, 2),
        }
        (folder / f"fold_{fold}").mkdir(exist_ok=True)
        torch.save(checkpoint, folder / f"fold_{fold}" / "checkpoint_final.pth")
    return folder


def dataset_of(case: Case) -> dict[str, Any]:
    """Give the case's dataset.json."""
    dataset: dict[str, Any] = {
        "channel_names": {str(channel): "CT" for channel in range(len(case.normalizations))},
        "labels": case.labels,
        "numTraining": 1,
        "file_ending": ".nii.gz",
    }
    if case.regions_class_order is not None:
        dataset["regions_class_order"] = list(case.regions_class_order)
    return dataset


def plans_of(case: Case) -> dict[str, Any]:
    """Give the case's plans.json."""
    rule = {"is_seg": False, "order": 1, "order_z": 0, "force_separate_z": None}
    channels = len(case.normalizations)
    configuration = {
        "data_identifier": "made",
        "preprocessor_name": "DefaultPreprocessor",
        "batch_size": 2,
        "patch_size": list(case.patch),
        "spacing": list(case.spacing),
        "normalization_schemes": list(case.normalizations),
        "use_mask_for_norm": [case.inside_mask] * channels,
        "resampling_fn_data": "resample_data_or_seg_to_shape",
        "resampling_fn_data_kwargs": {**rule, "order": 3},
        "resampling_fn_seg": "resample_data_or_seg_to_shape",
        "resampling_fn_seg_kwargs": {**rule, "is_seg": True},
        "resampling_fn_probabilities": "resample_data_or_seg_to_shape",
        "resampling_fn_probabilities_kwargs": rule,
        "batch_dice": False,
    }
    if case.is_old:
        configuration |= {
            "UNet_class_name": "PlainConvUNet",
            "UNet_base_num_features": 4,
            "unet_max_num_features": 16,
            "n_conv_per_stage_encoder": [2, 2, 2],
            "n_conv_per_stage_decoder": [2, 1],
            "num_pool_per_axis": [2, 2, 2],
            "pool_op_kernel_sizes": [list(stride) for stride in case.strides],
            "conv_kernel_sizes": [list(kernel) for kernel in case.kernels],
        }
    else:
        name = "ResidualEncoderUNet" if case.is_residual else "PlainConvUNet"
        configuration["architecture"] = {
            "network_class_name": f"dynamic_network_architectures.architectures.unet.{name}",
            "arch_kwargs": case.arch_kwargs,
            "_kw_requires_import": ["conv_op", "norm_op", "dropout_op", "nonlin"],
        }
    intensities = {"mean": 20.0, "std": 300.0, "percentile_00_5": -700.0, "percentile_99_5": 650.0}
    return {
        "dataset_name": "Dataset998_Made",
        "plans_name": "nnUNetPlans",
        "transpose_forward": list(case.transpose),
        "transpose_backward": [int(axis) for axis in np.argsort(case.transpose)],
        "configurations": {"3d_fullres": configuration},
        "image_reader_writer": "SimpleITKIO",
        "label_manager": "LabelManager",
        "foreground_intensity_properties_per_channel": {str(channel): intensities for channel in range(channels)},
    }


def _network(case: Case) -> Any:
    keywords = {
        **case.arch_kwargs,
        "conv_op": torch.nn.Conv3d,
        "norm_op": torch.nn.InstanceNorm3d,
        "nonlin": torch.nn.LeakyReLU,
    }
    network = (ResidualEncoderUNet if case.is_residual else PlainConvUNet)(
        len(case.normalizations), num_classes=case.heads, **keywords
    )
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.5)
    return network


def with_checkpoints(model: Path, target: Path) -> Path:
    """Write a demo model, whose weights are stored once each, as the original wants it."""
    target.mkdir(parents=True)
    for name in ("plans.json", "dataset.json"):
        shutil.copy(model / name, target)
    plans, dataset = (json.loads((model / name).read_text()) for name in ("plans.json", "dataset.json"))
    architecture = plans["configurations"]["3d_fullres"]["architecture"]
    for weights in model.glob("fold_*/weights.safetensors"):
        network = get_network_from_plans(
            architecture["network_class_name"],
            architecture["arch_kwargs"],
            architecture["_kw_requires_import"],
            len(dataset["channel_names"]),
            len(dataset["labels"]),
            deep_supervision=False,
        )
        stored = load_file(weights)
        checkpoint: dict[str, Any] = {
            "network_weights": {name: stored[_stored_name(name)].float() for name in network.state_dict()},
            "init_args": {"configuration": "3d_fullres"},
            "trainer_name": "nnUNetTrainer",
            "inference_allowed_mirroring_axes": None,
        }
        (target / weights.parent.name).mkdir()
        torch.save(checkpoint, target / weights.parent.name / "checkpoint_final.pth")
    return target


def _stored_name(name: str) -> str:
    """Give the one name under which a weight of nnU-Net's state dict is stored."""
    name = name.removeprefix("decoder.") if name.startswith("decoder.encoder.") else name
    return name.replace(".all_modules.0.", ".conv.").replace(".all_modules.1.", ".norm.")


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        yield


class Float32Predictor(nnUNetPredictor):  # type: ignore[misc] # nnunetv2 is untyped
    """The stock predictor with float32 accumulators."""

    @torch.inference_mode()
    def _internal_predict_sliding_window_return_logits(self, data: Any, slicers: Any, _on_device: bool = True) -> Any:
        patch = tuple(self.configuration_manager.patch_size)
        place = torch.device("cpu")
        weights = compute_gaussian(patch, 1 / 8, value_scaling_factor=10, dtype=torch.float32, device=place)
        logits = torch.zeros((self.label_manager.num_segmentation_heads, *data.shape[1:]), dtype=torch.float32)
        total = torch.zeros(data.shape[1:], dtype=torch.float32)
        for where in slicers:
            tile = self._internal_maybe_mirror_and_predict(data[where][None].contiguous())[0]
            logits[where] += tile * weights
            total[where[1:]] += weights
        return logits.div_(total)


@dataclass(frozen=True)
class Reference:
    """What the original gives on the image's grid: labels, and how far apart the two best classes are."""

    labels: npt.NDArray[np.uint8]
    margin: npt.NDArray[np.float32]


def _predictor(folder: Path, kind: Any, folds: int, mirroring: bool) -> Any:
    torch.set_num_threads(1)  # small tiles: threads cost more than they give
    predictor = kind(
        use_mirroring=mirroring, perform_everything_on_device=False, device=torch.device("cpu"), allow_tqdm=False
    )
    predictor.initialize_from_trained_model_folder(str(folder), tuple(range(folds)), "checkpoint_final.pth")
    return predictor


def predict_exactly(
    folder: Path, array: npt.NDArray[np.float32], spacing: tuple[float, float, float], *, folds: int, mirroring: bool
) -> Reference:
    """Predict (channels, z, y, x) with the original and float32 accumulators."""
    with _quiet():
        predictor = _predictor(folder, Float32Predictor, folds, mirroring)
        labels, probabilities = predictor.predict_single_npy_array(
            array, {"spacing": list(spacing)}, save_or_return_probabilities=True
        )
    if predictor.label_manager.has_regions:
        margin = np.abs(probabilities - 0.5).min(axis=0) * 4  # the logit near 0
    else:
        two = np.sort(probabilities, axis=0)[-2:]
        margin = np.log(two[1]) - np.log(np.maximum(two[0], 1e-30))
    return Reference(labels=np.asarray(labels, np.uint8), margin=margin)


def predict_untouched(
    folder: Path, array: npt.NDArray[np.float32], spacing: tuple[float, float, float], *, folds: int
) -> npt.NDArray[np.uint8]:
    """Predict with the original as it is: float16 accumulators."""
    with _quiet():
        predictor = _predictor(folder, nnUNetPredictor, folds, mirroring=False)
        return np.asarray(predictor.predict_single_npy_array(array, {"spacing": list(spacing)}), np.uint8)


def preprocess(folder: Path, array: npt.NDArray[np.float32], spacing: tuple[float, float, float]) -> Any:
    """Give what the original's network would see."""
    with _quiet():
        predictor = _predictor(folder, Float32Predictor, 1, mirroring=False)
        seen, _, _ = DefaultPreprocessor(verbose=False).run_case_npy(
            array,
            None,
            {"spacing": list(spacing)},
            predictor.plans_manager,
            predictor.configuration_manager,
            predictor.dataset_json,
        )
    return seen
