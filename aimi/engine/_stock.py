"""nnU-Net's own predictor, with float32 accumulators and without its output.

nnunetv2 adds logits and weights in half precision also on a CPU; a voxel whose classes are close then depends on
rounding. This subclass adds them in float32 and reports tiles.

References
----------
nnunetv2 2.8.1, ``inference/predict_from_raw_data.py`` and ``inference/sliding_window_prediction.py``.
"""

# ruff: noqa: ANN401, PLC0415 - nnunetv2 is untyped, and imported only when a model is run

import contextlib
import io
import os
import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from aimi.engine.folder import ModelFolder

__all__ = ["load_stock", "predict_stock", "quiet"]


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Keep what nnunetv2 prints and warns from the user."""
    with (
        warnings.catch_warnings(),
        contextlib.redirect_stdout(io.StringIO()),
        contextlib.redirect_stderr(io.StringIO()),
    ):
        warnings.simplefilter("ignore")
        yield


def load_stock(folder: ModelFolder, folds: Sequence[int], *, mirroring: bool, step: float) -> Any:
    """Give nnU-Net's predictor with these folds loaded, on the CPU."""
    os.environ.setdefault("nnUNet_compile", "f")
    with quiet():
        predictor = _predictor_class()(step, mirroring)
        predictor.initialize_from_trained_model_folder(str(folder.path), tuple(folds), "checkpoint_final.pth")
    return predictor


def predict_stock(
    predictor: Any,
    array: npt.NDArray[np.float32],
    spacing: tuple[float, float, float],
    progress: Callable[[int, int], None] | None,
) -> npt.NDArray[np.uint8]:
    """Give the labels of an array (channel, z, y, x) in its own grid."""
    predictor.report = progress
    predictor.tiles_done = 0
    with quiet():
        labels = predictor.predict_single_npy_array(array, {"spacing": list(spacing)})
    result: npt.NDArray[np.uint8] = np.asarray(labels).astype(np.uint8)
    return result


def _predictor_class() -> Any:
    import torch
    from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor
    from nnunetv2.inference.sliding_window_prediction import compute_gaussian

    class Predictor(nnUNetPredictor):  # type: ignore[misc, unused-ignore] # nnunetv2 is untyped
        """The stock predictor with float32 accumulators."""

        def __init__(self, step: float, mirroring: bool) -> None:
            super().__init__(
                tile_step_size=step,
                use_gaussian=True,
                use_mirroring=mirroring,
                perform_everything_on_device=False,
                device=torch.device("cpu"),
                allow_tqdm=False,
            )
            self.report: Callable[[int, int], None] | None = None
            self.tiles_done = 0

        @torch.inference_mode()
        def _internal_predict_sliding_window_return_logits(
            self, data: Any, slicers: Any, do_on_device: bool = True
        ) -> Any:
            patch = tuple(self.configuration_manager.patch_size)
            weights = compute_gaussian(
                patch, sigma_scale=1 / 8, value_scaling_factor=10, dtype=torch.float32, device=torch.device("cpu")
            )
            logits = torch.zeros((self.label_manager.num_segmentation_heads, *data.shape[1:]), dtype=torch.float32)
            total = torch.zeros(data.shape[1:], dtype=torch.float32)
            for place in slicers:
                tile = self._internal_maybe_mirror_and_predict(data[place][None].contiguous())[0]
                logits[place] += tile * weights
                total[place[1:]] += weights
                self.tiles_done += 1
                if self.report is not None:
                    self.report(self.tiles_done, len(slicers) * len(self.list_of_parameters))
            return logits.div_(total)

    return Predictor
