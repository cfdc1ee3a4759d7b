"""Score stored weights on samples that training never saw, with nnU-Net's own predictor."""

import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import SimpleITK as sitk  # noqa: N813
from scipy import ndimage

from demo_models.cases import draw_case, is_oblique
from demo_models.specs import FIRST_SCORE_SEED, Spec

__all__ = ["dice", "score"]

Labels = npt.NDArray[np.integer[Any]]


def score(spec: Spec, trained: Path, stored: Path, folds: list[int], cases: int) -> None:
    """Print the Dice of each label, on axial and oblique samples in turn.

    Parameters
    ----------
    trained : nnU-Net's result folder: tells the network.
    stored : the demo model's folder: gives the weights.
    """
    predictor = _load_predictor(trained, stored, folds)
    lowest = np.ones(len(spec.labels))
    for index in range(cases):
        images, truth = draw_case(spec, index, FIRST_SCORE_SEED + index)
        channels = np.stack([sitk.GetArrayFromImage(image) for image in images])
        spacing = [float(step) for step in truth.GetSpacing()[::-1]]
        started = time.process_time()
        found = predictor.predict_single_npy_array(channels, {"spacing": spacing}, None, None, False)
        seconds = time.process_time() - started
        found, labels = _keep_largest(found, spec.components), sitk.GetArrayFromImage(truth)
        dices = [dice(found == number, labels == number) for number in range(1, len(spec.labels) + 1)]
        lowest = np.minimum(lowest, dices)
        kind = "oblique" if is_oblique(spec, index) else "axial"
        text = " ".join(f"{value:.4f}" for value in dices)
        sys.stdout.write(f"seed {FIRST_SCORE_SEED + index} {kind:8s} Dice {text}  ({seconds:.1f} CPU s)\n")
        sys.stdout.flush()
    sys.stdout.write(f"lowest of {cases}: {' '.join(f'{value:.4f}' for value in lowest)}\n")


def _load_predictor(trained: Path, stored: Path, folds: list[int]) -> Any:  # noqa: ANN401  (nnU-Net's class)
    """Give nnU-Net's predictor with the stored (rounded) weights."""
    import torch  # noqa: PLC0415  (nnU-Net reads the environment when it is imported)
    from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor  # noqa: PLC0415
    from safetensors.torch import load_file  # noqa: PLC0415

    predictor = nnUNetPredictor(
        use_mirroring=False, perform_everything_on_device=False, device=torch.device("cpu"), allow_tqdm=False
    )
    predictor.initialize_from_trained_model_folder(str(trained), tuple(folds), "checkpoint_final.pth")
    rounded = [load_file(stored / f"fold_{fold}" / "weights.safetensors") for fold in folds]
    predictor.list_of_parameters = [
        {name: weights[_stored_name(name)].float() for name in parameters}
        for weights, parameters in zip(rounded, predictor.list_of_parameters, strict=True)
    ]
    predictor.network.load_state_dict(predictor.list_of_parameters[0])
    return predictor


def _stored_name(name: str) -> str:
    """Give the one name under which a weight is stored."""
    name = name.removeprefix("decoder.") if name.startswith("decoder.encoder.") else name
    return name.replace(".all_modules.0.", ".conv.").replace(".all_modules.1.", ".norm.")


def _keep_largest(labels: Labels, count: int) -> Labels:
    """Keep the largest components of the union of all labels; 0 keeps everything."""
    if count == 0:
        return labels
    components, _ = ndimage.label(labels > 0, np.ones((3, 3, 3)))
    order = np.argsort(-np.bincount(components.ravel())[1:], kind="stable") + 1
    return np.where(np.isin(components, order[:count]), labels, 0)


def dice(first: npt.NDArray[np.bool_], second: npt.NDArray[np.bool_]) -> float:
    """Give the Dice of two masks; 1 if both are empty."""
    total = int(first.sum() + second.sum())
    return 2 * float((first & second).sum()) / total if total else 1.0
