"""One way to run a model on one case, in a process of its own: stage times, CPU time and peak memory.

``python -m benchmarks.engine_runs WAY FOLDER FOLDS`` reads ``model`` (a v2 folder), ``imported`` (the same model
imported), ``case.npy`` and ``case.json`` below the folder, runs the first folds, writes ``WAY.npy`` (labels) and prints
one line of JSON. Loading (imports, reading weights, conversion, compilation and a first tile) is counted apart for
every way.
"""

# ruff: noqa: PLC0415 - each way pays for its own imports only

import contextlib
import io
import json
import os
import resource
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["WAYS"]

Timed = Callable[[str], contextlib.AbstractContextManager[None]]


class _Times:
    def __init__(self, folds: int) -> None:
        self.folds = tuple(range(folds))
        self.seconds: dict[str, float] = {}
        self.loaded_cpu = time.process_time()

    @contextlib.contextmanager
    def __call__(self, stage: str) -> Iterator[None]:
        started = time.perf_counter()
        yield
        self.seconds[stage] = self.seconds.get(stage, 0.0) + time.perf_counter() - started
        if stage == "loading":
            self.loaded_cpu = time.process_time()


def run_ours(folder: Path, timed: _Times, precision: str = "f32") -> npt.NDArray[np.uint8]:
    """Run this package's engine."""
    import highdicom as hd

    from aimi.engine.ensemble import Options, load, predict
    from aimi.engine.folder import open_folder
    from aimi.engine.orientation import Orientation
    from aimi.image import Image

    array, spacing = _read_case(folder)
    with timed("loading"):
        options = Options(orientation=Orientation.ITK, folds=timed.folds, device="cpu", precision=precision)
        model = load(open_folder(folder / "imported"), options)
        model.live.function(0)
    affine = np.zeros((4, 4))
    affine[2, 0], affine[1, 1], affine[0, 2], affine[3, 3] = *spacing, 1.0
    image = Image(hd.Volume(array, affine, coordinate_system="PATIENT"), "HU", None)
    found = predict([image], model, options)
    timed.seconds |= {name: seconds for name, seconds in found.timings.items() if name != "total"}
    return found.labels


def run_stock(folder: Path, timed: _Times, *, compiled: bool = False) -> npt.NDArray[np.uint8]:
    """Run nnunetv2 as it is."""
    predictor = _load_stock(folder, timed, compiled=compiled)
    return _run_stock_stages(folder, predictor, timed, predictor.predict_logits_from_preprocessed_data)


def run_monai(folder: Path, timed: _Times) -> npt.NDArray[np.uint8]:
    """Run MONAI's sliding window on nnunetv2's network, preprocessing and export."""
    import torch
    from monai.inferers import SlidingWindowInferer

    predictor = _load_stock(folder, timed)
    patch = predictor.configuration_manager.patch_size
    inferer = SlidingWindowInferer(patch, sw_batch_size=1, overlap=0.5, mode="gaussian", sigma_scale=0.125)
    predictor.network.eval()

    def network(data: Any) -> Any:  # noqa: ANN401 - torch is untyped here
        total: Any = 0
        with torch.inference_mode():
            for weights in predictor.list_of_parameters:
                predictor.network.load_state_dict(weights)
                total = total + inferer(data[None], predictor.network)[0]
        return total / len(predictor.list_of_parameters)

    return _run_stock_stages(folder, predictor, timed, network)


def run_flare24(folder: Path, timed: _Times) -> npt.NDArray[np.uint8]:
    """Run nnunetv2 with its network replaced by OpenVINO, as the FLARE24 baseline of its authors does.

    The conversion keeps fp16 weights and OpenVINO's default precision; the baseline uses one fold, here all are run.
    """
    import openvino
    import torch

    predictor = _load_stock(folder, timed)
    patch = predictor.configuration_manager.patch_size
    with timed("loading"):
        compiled = []
        for index, weights in enumerate(predictor.list_of_parameters):
            predictor.network.load_state_dict(weights)
            predictor.network.eval()
            example = torch.zeros((1, 1, *patch))
            converted = openvino.convert_model(predictor.network, example_input=example, input=[1, 1, *patch])
            path = folder / f"flare_{index}.xml"
            openvino.save_model(converted, path)
            compiled.append(path)
    core = openvino.Core()

    class Network(torch.nn.Module):
        """Runs the compiled fold whose weights are asked for."""

        def load_state_dict(self, index: Any, *_: object, **__: object) -> None:  # type: ignore[override] # noqa: ANN401
            self.model = core.compile_model(index, "CPU", {"PERFORMANCE_HINT": "LATENCY"})

        def forward(self, tile: Any) -> Any:  # noqa: ANN401
            return torch.from_numpy(self.model(tile.numpy())[0])

    predictor.network = Network()
    predictor.list_of_parameters = compiled
    return _run_stock_stages(folder, predictor, timed, predictor.predict_logits_from_preprocessed_data)


def _load_stock(folder: Path, timed: _Times, *, compiled: bool = False) -> Any:  # noqa: ANN401
    os.environ.update(nnUNet_def_n_proc=str(os.cpu_count()), nnUNet_compile="true" if compiled else "false")
    with timed("loading"):
        import torch
        from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor

        predictor = nnUNetPredictor(
            use_mirroring=False, perform_everything_on_device=False, device=torch.device("cpu"), allow_tqdm=False
        )
        predictor.initialize_from_trained_model_folder(str(folder / "model"), timed.folds, "checkpoint_final.pth")
        if compiled:
            with torch.inference_mode():
                predictor.network(torch.zeros((1, 1, *predictor.configuration_manager.patch_size)))
    return predictor


def _run_stock_stages(folder: Path, predictor: Any, timed: _Times, network: Any) -> npt.NDArray[np.uint8]:  # noqa: ANN401
    import torch
    from nnunetv2.inference.export_prediction import convert_predicted_logits_to_segmentation_with_correct_shape
    from nnunetv2.preprocessing.preprocessors.default_preprocessor import DefaultPreprocessor

    array, spacing = _read_case(folder)
    properties: dict[str, Any] = {"spacing": list(spacing)}
    plans, configuration = predictor.plans_manager, predictor.configuration_manager
    with timed("preprocessing"):
        preprocessor = DefaultPreprocessor(verbose=False)
        seen, _, _ = preprocessor.run_case_npy(
            array[None].astype(np.float32), None, properties, plans, configuration, predictor.dataset_json
        )
    with timed("network"):
        logits = network(torch.from_numpy(seen))
    with timed("export"):
        labels = convert_predicted_logits_to_segmentation_with_correct_shape(
            logits, plans, configuration, predictor.label_manager, properties, num_threads_torch=os.cpu_count()
        )
    return np.asarray(labels, np.uint8)


def _read_case(folder: Path) -> tuple[npt.NDArray[np.int16], tuple[float, float, float]]:
    case = json.loads((folder / "case.json").read_text())
    first, second, third = case["spacing"]
    return np.load(folder / "case.npy"), (first, second, third)


WAYS: dict[str, Callable[[Path, _Times], npt.NDArray[np.uint8]]] = {
    "aimi f32": run_ours,
    "aimi bf16": lambda folder, timed: run_ours(folder, timed, "bf16"),
    "nnunetv2": run_stock,
    "nnunetv2 compiled": lambda folder, timed: run_stock(folder, timed, compiled=True),
    "MONAI inferer": run_monai,
    "FLARE24 OpenVINO": run_flare24,
}
"""Each way to run a model by its name in the results."""


def main(way: str, folder: Path, folds: int) -> None:
    """Run one way and print its measures."""
    timed = _Times(folds)
    warnings.simplefilter("ignore")
    with contextlib.redirect_stdout(io.StringIO()):
        labels = WAYS[way](folder, timed)
    cpu_seconds = time.process_time() - timed.loaded_cpu
    np.save(folder / f"{way}.npy", labels)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10
    measures = {"seconds": timed.seconds, "cpu_seconds": cpu_seconds, "peak_bytes": peak}
    print(json.dumps(measures))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]))
