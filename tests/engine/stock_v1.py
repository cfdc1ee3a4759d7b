"""nnU-Net v1 (nnunet 1.7.1) as the reference, and a model folder written by it.

It is installed beside the environment:
``pip install --no-deps --target build/nnunet-1.7.1 nnunet==1.7.1 medpy==0.5.2``.
"""

import contextlib
import copy
import functools
import importlib
import io
import os
import pickle
import sys
import warnings
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch

__all__ = ["CaseV1", "make_model", "nnunet", "predict", "preprocess", "run_network"]

PACKAGE = Path(__file__).resolve().parents[2] / "build" / "nnunet-1.7.1"


@dataclass(frozen=True)
class CaseV1:
    """A made v1 model."""

    spacing: tuple[float, float, float] = (1.0, 1.0, 1.0)
    patch: tuple[int, int, int] = (16, 16, 16)
    pools: tuple[tuple[int, int, int], ...] = ((2, 2, 2), (2, 2, 2))
    kernels: tuple[tuple[int, int, int], ...] = ((3, 3, 3), (3, 3, 3), (3, 3, 3))
    schemes: tuple[str, ...] = ("CT",)
    inside_mask: bool = False
    transpose: tuple[int, int, int] = (0, 1, 2)
    stages: int = 1
    folds: int = 1

    @property
    def plans(self) -> dict[str, Any]:
        stage = {
            "batch_size": 2,
            "num_pool_per_axis": [2, 2, 2],
            "patch_size": np.array(self.patch),
            "current_spacing": np.array(self.spacing),
            "original_spacing": np.array(self.spacing),
            "do_dummy_2D_data_aug": False,
            "pool_op_kernel_sizes": [list(pool) for pool in self.pools],
            "conv_kernel_sizes": [list(kernel) for kernel in self.kernels],
        }
        low = {**stage, "current_spacing": np.array(self.spacing) * 2}
        intensities = {"mean": 20.0, "sd": 300.0, "percentile_00_5": -700.0, "percentile_99_5": 650.0}
        channels = len(self.schemes)
        return {
            "num_stages": self.stages,
            "data_identifier": "made",
            "num_modalities": channels,
            "normalization_schemes": OrderedDict(enumerate(self.schemes)),
            "dataset_properties": {"intensityproperties": {c: dict(intensities) for c in range(channels)}},
            "num_classes": 2,
            "all_classes": [1, 2],
            "base_num_features": 4,
            "use_mask_for_norm": OrderedDict((channel, self.inside_mask) for channel in range(channels)),
            "keep_only_largest_region": None,
            "min_region_size_per_class": None,
            "min_size_per_class": None,
            "transpose_forward": list(self.transpose),
            "transpose_backward": [int(axis) for axis in np.argsort(self.transpose)],
            "plans_per_stage": {0: stage} if self.stages == 1 else {0: low, 1: stage},
            "preprocessor_name": "GenericPreprocessor",
            "conv_per_stage": 2,
        }


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        yield


@functools.cache
def nnunet(module: str) -> Any:
    """Give a module of nnunet 1.7.1; without the package the test is skipped, in CI it fails."""
    if not PACKAGE.is_dir():
        message = f"nnunet 1.7.1 is not in {PACKAGE.name}"
        if os.environ.get("CI") == "true":
            pytest.fail(message)
        pytest.skip(message)
    if str(PACKAGE) not in sys.path:
        sys.path.append(str(PACKAGE))
    for name in ("nnUNet_raw_data_base", "nnUNet_preprocessed", "RESULTS_FOLDER"):
        os.environ.setdefault(name, str(PACKAGE / "unused"))
    with _quiet():
        return importlib.import_module(f"nnunet.{module}")


def make_model(folder: Path, case: CaseV1, trainer_path: str = "nnUNetTrainerV2") -> Path:
    """Let a trainer of nnU-Net v1 write a model folder of the case with random weights."""
    trainer_class = getattr(nnunet(f"training.network_training.{trainer_path}"), trainer_path.rsplit(".", 1)[-1])
    folder.mkdir(parents=True, exist_ok=True)
    plans = folder / "plans.pkl"
    plans.write_bytes(pickle.dumps(case.plans, 2))
    for fold in range(case.folds):
        with _quiet(), _own_settings():
            torch.manual_seed(fold)
            trainer = trainer_class(
                str(plans), fold, str(folder), dataset_directory=str(folder), stage=case.stages - 1, fp16=False
            )
            trainer.initialize(False)
            for parameter in trainer.network.parameters():
                torch.nn.init.normal_(parameter, std=0.5)
            (folder / f"fold_{fold}").mkdir(exist_ok=True)
            trainer.save_checkpoint(str(folder / f"fold_{fold}" / "model_final_checkpoint.model"), False)
    return folder


def preprocess(
    case: CaseV1, array: npt.NDArray[np.float32], spacing: tuple[float, float, float]
) -> tuple[npt.NDArray[np.float32], dict[str, Any]]:
    """Give what v1's network would see, and what v1 remembers of the way there."""
    cropper = nnunet("preprocessing.cropping").ImageCropper
    preprocessor_class = nnunet("preprocessing.preprocessing").GenericPreprocessor
    plans = case.plans
    properties = {"original_size_of_raw_data": np.array(array.shape[1:]), "original_spacing": np.array(spacing)}
    with _quiet():
        data, mask, properties = cropper.crop(array.copy(), properties)
        order = (0, *(axis + 1 for axis in case.transpose))
        preprocessor = preprocessor_class(
            plans["normalization_schemes"],
            plans["use_mask_for_norm"],
            list(case.transpose),
            plans["dataset_properties"]["intensityproperties"],
        )
        seen, _, properties = preprocessor.resample_and_normalize(
            data.transpose(order), np.array(case.spacing), properties, mask.transpose(order)
        )
    return seen.astype(np.float32), properties


@contextlib.contextmanager
def _own_settings() -> Iterator[pytest.MonkeyPatch]:
    """Give trainers a copy of the augmentation settings: some change the one dictionary that a process has."""
    with pytest.MonkeyPatch.context() as patch:
        for trainer in ("nnUNetTrainer", "nnUNetTrainerV2"):
            module = nnunet(f"training.network_training.{trainer}")
            for name in ("default_2D_augmentation_params", "default_3D_augmentation_params"):
                patch.setattr(module, name, copy.deepcopy(getattr(module, name)))
        yield patch


@contextlib.contextmanager
def _loaded(folder: Path, case: CaseV1) -> Iterator[tuple[Any, Any]]:
    """Give v1's trainer and the weights of the folds."""
    restore = nnunet("training.model_restore")
    torch.set_num_threads(1)  # small tiles: threads cost more than they give
    with _quiet(), _own_settings() as patch:
        load = torch.load
        patch.setattr(torch, "load", lambda *a, **k: load(*a, **{**k, "weights_only": False}))
        patch.setattr(restore, "recursive_find_python_class", _trainer_class)
        yield restore.load_model_and_checkpoint_files(
            str(folder), list(range(case.folds)), mixed_precision=False, checkpoint_name="model_final_checkpoint"
        )


def run_network(folder: Path, case: CaseV1, tile: torch.Tensor) -> npt.NDArray[np.float32]:
    """Give the probabilities of the first fold's network for a tile (1, channels, z, y, x)."""
    with _loaded(folder, case) as (trainer, parameters), torch.no_grad():
        trainer.load_checkpoint_ram(parameters[0], False)
        trainer.network.eval()
        trainer.network.do_ds = False
        return np.asarray(trainer.network.inference_apply_nonlin(trainer.network(tile))[0])


def predict(
    folder: Path,
    case: CaseV1,
    array: npt.NDArray[np.float32],
    spacing: tuple[float, float, float],
    *,
    mirroring: bool,
) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.float32]]:
    """Give v1's labels of (channels, z, y, x), and how far apart the two best classes are, as ``predict_cases`` does.

    The file that v1 writes is caught before it is written.
    """
    seen, properties = preprocess(case, array, spacing)
    export = nnunet("inference.segmentation_export")
    with _loaded(folder, case) as (trainer, parameters), pytest.MonkeyPatch.context() as patch:
        softmax: Any = 0
        for weights in parameters:
            trainer.load_checkpoint_ram(weights, False)
            softmax = (
                softmax
                + trainer.predict_preprocessed_data_return_seg_and_softmax(
                    seen,
                    do_mirroring=mirroring,
                    mirror_axes=(0, 1, 2),
                    use_sliding_window=True,
                    step_size=0.5,
                    use_gaussian=True,
                    all_in_gpu=False,
                    mixed_precision=False,
                )[1]
            )
        softmax = softmax / len(parameters)
        softmax = softmax.transpose((0, *(int(axis) + 1 for axis in np.argsort(case.transpose))))
        caught: dict[str, Any] = {}
        patch.setattr(export.sitk, "GetImageFromArray", lambda labels: caught.update(labels=labels) or _Image())
        patch.setattr(export.sitk, "WriteImage", lambda *_: None)
        patch.setattr(export.np, "savez_compressed", lambda _, softmax: caught.update(softmax=softmax))
        patch.setattr(export, "save_pickle", lambda *_: None)
        properties |= {"itk_spacing": 0, "itk_origin": 0, "itk_direction": 0}
        export.save_segmentation_nifti_from_softmax(softmax, "x", properties, resampled_npz_fname="x.npz")
    two = np.sort(caught["softmax"].astype(np.float32), axis=0)[-2:]
    margin = np.ones(array.shape[1:], np.float32)
    margin[tuple(slice(*limits) for limits in properties["crop_bbox"])] = two[1] - two[0]
    return caught["labels"], margin


def _trainer_class(*_: object, **__: object) -> Any:
    return nnunet("training.network_training.nnUNetTrainerV2").nnUNetTrainerV2


class _Image:
    """Takes what v1 says of its result."""

    def SetSpacing(self, _: object) -> None:  # noqa: N802 - SimpleITK's name
        """Take it."""

    SetOrigin = SetDirection = SetSpacing
