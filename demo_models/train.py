"""Train the demo model of a task with nnU-Net's own code on two CPU cores.

    python -m demo_models.train TASK [--folds 0 1 2 3 4] [--samples-only] [--score-only] [--score-cases N] [--threads N]

Steps, each left out when its result is there: draw samples, fingerprint, plan, preprocess, train the folds, store
their weights under ``demo_models/NAME``, score them on samples that training never saw. Work files lie below
``build/demo_models``; delete a data set's folders there to begin it anew.
"""

import argparse
import json
import os
import sys
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk

from aimi.engine.checksums import write_checksums
from demo_models.cases import draw_case
from demo_models.scoring import score
from demo_models.specs import FIRST_SEED, MODELS_OF, SPECS, Spec

# ruff: noqa: ANN401, N813, PLC0415, SIM112
# nnU-Net reads its environment variables, which are not in capitals, when it is imported; its classes have no types.

ROOT = Path(__file__).resolve().parent.parent
CONFIGURATION = "3d_fullres"
PLANS = "DemoPlans"


def prepare_environment(folder: Path, threads: int) -> None:
    """Point nnU-Net at the work folder and keep it from starting processes; before nnU-Net is imported."""
    settings = {
        "nnUNet_raw": folder / "raw",
        "nnUNet_preprocessed": folder / "preprocessed",
        "nnUNet_results": folder / "results",
        "nnUNet_n_proc_DA": "1",  # the planner wants one thread at least
        "nnUNet_def_n_proc": "1",
        "nnUNet_compile": "f",
        "MPLBACKEND": "Agg",
        "OMP_NUM_THREADS": str(threads),
        "OMP_WAIT_POLICY": "PASSIVE",  # others may need the cores
    }
    for name, value in settings.items():
        os.environ[name] = str(value)
    for name in ("raw", "preprocessed", "results"):
        (folder / name).mkdir(parents=True, exist_ok=True)


def dataset_name(task: str, spec: Spec) -> str:
    """Give nnU-Net's name of the training data."""
    return f"Dataset{spec.dataset}_DEMO_{task}"


def make_raw(task: str, spec: Spec, folder: Path, cases: int) -> None:
    """Draw the training samples."""
    root = folder / "raw" / dataset_name(task, spec)
    for name in ("imagesTr", "labelsTr"):
        (root / name).mkdir(parents=True, exist_ok=True)
    for index in range(cases):
        seed = FIRST_SEED + index
        target = root / "labelsTr" / f"case_{seed}.nii.gz"
        if target.exists():
            continue
        images, labels = draw_case(spec, index, seed)
        for channel, image in enumerate(images):
            sitk.WriteImage(image, str(root / "imagesTr" / f"case_{seed}_{channel:04d}.nii.gz"))
        sitk.WriteImage(labels, str(target))
    description = {
        "channel_names": {str(number): name for number, name in enumerate(spec.channels)},
        "labels": {"background": 0} | {name: number for number, name in enumerate(spec.labels, start=1)},
        "numTraining": cases,
        "file_ending": ".nii.gz",
        "name": spec.name,
        "description": f"Synthetic samples of AIMI, task {task}",
    }
    (root / "dataset.json").write_text(json.dumps(description, indent=1))


def plan(task: str, spec: Spec, folder: Path) -> None:
    """Let nnU-Net take the fingerprint, plan and preprocess; then make the network small."""
    from nnunetv2.experiment_planning.plan_and_preprocess_api import (
        extract_fingerprints,
        plan_experiments,
        preprocess,
    )

    place = folder / "preprocessed" / dataset_name(task, spec)
    target = place / f"{PLANS}.json"
    if not (place / "nnUNetPlans.json").exists():
        if not (place / "dataset_fingerprint.json").exists():
            extract_fingerprints([spec.dataset], num_processes=1, verbose=False, show_progress_bar=False)
        plan_experiments([spec.dataset], overwrite_target_spacing=spec.spacing)
    plans = json.loads((place / "nnUNetPlans.json").read_text())
    plans["plans_name"] = PLANS
    configuration = plans["configurations"][CONFIGURATION]
    plans["configurations"] = {CONFIGURATION: shrunk(configuration, spec)}
    target.write_text(json.dumps(plans, indent=1))
    if not (place / configuration["data_identifier"]).exists():
        preprocess([spec.dataset], PLANS, (CONFIGURATION,), (1,), verbose=False, show_progress_bar=False)


def shrunk(configuration: dict[str, Any], spec: Spec) -> dict[str, Any]:
    """Give a configuration with the spec's patch and network."""
    stages = len(spec.features)
    configuration["patch_size"] = list(spec.patch)
    configuration["batch_size"] = 2
    arguments = configuration["architecture"]["arch_kwargs"]
    arguments["n_stages"] = stages
    arguments["features_per_stage"] = list(spec.features)
    arguments["kernel_sizes"] = [[3, 3, 3]] * stages
    arguments["strides"] = [[1, 1, 1]] + [[2, 2, 2]] * (stages - 1)
    arguments["n_conv_per_stage"] = list(spec.convolutions)
    arguments["n_conv_per_stage_decoder"] = list(spec.up_convolutions)
    return configuration


def make_trainer(task: str, spec: Spec, folder: Path, fold: int) -> Any:
    """Give nnU-Net's trainer in its variants Adam and NoDA, shortened.

    Samples are drawn from a seed, so variety comes from more of them and not from augmentation, but for mirroring
    where the side does not tell organs apart. SGD with nnU-Net's momentum of 0.99 needs thousands of iterations: after
    300 the liver had a Dice of 0.93 to 0.96, with Adam of 0.96 to 0.98. The class has the name of the common parent:
    nnU-Net finds that name without walking modules that cannot be imported beside torch for CPU.
    """
    import torch
    from batchgeneratorsv2.transforms.spatial.mirroring import MirrorTransform
    from batchgeneratorsv2.transforms.utils.compose import ComposeTransforms
    from nnunetv2.training.lr_scheduler.polylr import PolyLRScheduler
    from nnunetv2.training.nnUNetTrainer.variants.data_augmentation.nnUNetTrainerNoDA import nnUNetTrainerNoDA
    from nnunetv2.training.nnUNetTrainer.variants.optimizer.nnUNetTrainerAdam import nnUNetTrainerVanillaAdam

    class Cycles(PolyLRScheduler):  # type: ignore[misc]
        def step(self, current_step: int | None = None) -> None:
            super().step(None if current_step is None else current_step % self.max_steps)

    class nnUNetTrainer(nnUNetTrainerVanillaAdam, nnUNetTrainerNoDA):  # type: ignore[misc]  # noqa: N801
        def __init__(
            self,
            plans: dict[str, Any],
            configuration: str,
            fold: int,
            dataset_json: dict[str, Any],
            device: Any = torch.device("cpu"),  # noqa: B008
        ) -> None:
            super().__init__(plans, configuration, fold, dataset_json, device)
            self.initial_lr = spec.learning_rate
            self.num_epochs = spec.epochs * spec.cycles
            self.num_iterations_per_epoch = spec.iterations
            self.num_val_iterations_per_epoch = 1
            self.save_every = 10_000
            self.logger.plot_progress_png = lambda folder: None  # drawing it takes longer than an iteration

        @staticmethod
        def get_training_transforms(*arguments: Any, **named: Any) -> Any:
            plain = nnUNetTrainerNoDA.get_training_transforms(*arguments, **named)
            return ComposeTransforms([MirrorTransform(spec.mirror), plain])

        def configure_optimizers(self) -> Any:
            optimizer, _ = super().configure_optimizers()
            return optimizer, Cycles(optimizer, self.initial_lr, spec.epochs)

    place = folder / "preprocessed" / dataset_name(task, spec)
    plans = json.loads((place / f"{PLANS}.json").read_text())
    plans["continue_training"] = False
    description = json.loads((folder / "raw" / dataset_name(task, spec) / "dataset.json").read_text())
    return nnUNetTrainer(plans, CONFIGURATION, fold, description, torch.device("cpu"))


def results_folder(task: str, spec: Spec, folder: Path) -> Path:
    """Give the folder in which nnU-Net leaves a trained model."""
    return folder / "results" / dataset_name(task, spec) / f"nnUNetTrainer__{PLANS}__{CONFIGURATION}"


def train_fold(task: str, spec: Spec, folder: Path, fold: int) -> None:
    """Train a fold to its end; what was trained already is gone on with."""
    import torch

    checkpoint = results_folder(task, spec, folder) / f"fold_{fold}" / "checkpoint_final.pth"
    is_there = checkpoint.exists()
    if is_there:
        epochs = torch.load(checkpoint, map_location="cpu", weights_only=False)["current_epoch"]
        if epochs >= spec.epochs * spec.cycles:
            return
    os.environ["nnUNet_n_proc_DA"] = "0"  # augment in this process
    torch.manual_seed(fold)
    np.random.seed(fold)  # noqa: NPY002  (nnU-Net draws from numpy's global generator)
    trainer = make_trainer(task, spec, folder, fold)
    if is_there:
        trainer.load_checkpoint(str(checkpoint))
    trainer.run_training()


def store(task: str, spec: Spec, folder: Path, folds: list[int]) -> None:
    """Store weights once each, as fp16 safetensors, with nnU-Net's plans.json and dataset.json and their checksums."""
    import torch
    from safetensors.torch import save_file

    source = results_folder(task, spec, folder)
    target = ROOT / "demo_models" / spec.name
    for fold in folds:
        checkpoint = torch.load(
            source / f"fold_{fold}" / "checkpoint_final.pth", map_location="cpu", weights_only=False
        )
        weights = {
            name: tensor.to(torch.float16).contiguous()
            for name, tensor in checkpoint["network_weights"].items()
            if not name.startswith("decoder.encoder.") and ".all_modules." not in name
        }
        place = target / f"fold_{fold}"
        place.mkdir(parents=True, exist_ok=True)
        metadata = {"trainer": "nnUNetTrainer", "configuration": CONFIGURATION, "mirroring_axes": "none"}
        save_file(weights, place / "weights.safetensors", metadata)
        (place / "weights.safetensors").chmod(0o644)
    for name in ("plans.json", "dataset.json"):
        (target / name).write_text((source / name).read_text())
    write_checksums(target)


def build(key: str, arguments: argparse.Namespace) -> None:
    """Run the steps for one model."""
    import torch

    spec, folder, folds = SPECS[key], ROOT / "build" / "demo_models", arguments.folds
    torch.set_num_threads(arguments.threads)
    sys.stdout.write(f"{spec.name}\n")
    if not arguments.score_only:
        make_raw(key, spec, folder, spec.cases)
        if arguments.samples_only:
            return
        plan(key, spec, folder)
        for fold in folds:
            train_fold(key, spec, folder, fold)
        store(key, spec, folder, folds)
    trained, stored = results_folder(key, spec, folder), ROOT / "demo_models" / spec.name
    score(spec, trained, stored, folds, arguments.score_cases)


def main() -> None:
    """Build the models of a task, or one model by its key in the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("task", help="a task, or one model of the table in specs.py")
    parser.add_argument("--folds", type=int, nargs="+", default=[0, 1, 2, 3, 4])
    parser.add_argument("--score-cases", type=int, default=6)
    parser.add_argument("--threads", type=int, default=2, help="1 where two models are trained at once")
    parser.add_argument("--score-only", action="store_true")
    parser.add_argument("--samples-only", action="store_true")
    arguments = parser.parse_args()
    prepare_environment(ROOT / "build" / "demo_models", arguments.threads)
    for key in MODELS_OF.get(arguments.task, (arguments.task,)):
        build(key, arguments)


if __name__ == "__main__":
    main()
