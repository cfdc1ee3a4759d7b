"""TotalSegmentator's own ``nnUNet_predict_image`` as the reference, and model folders in its layout.

It is installed beside the environment:
``pip install --no-deps --target build/totalsegmentator-2.18.0 TotalSegmentator==2.18.0``.

The package changes nnunetv2 when it is imported, so it runs in a process of its own: this module, as a program. That
process may not open a socket, and starts no others. nnunetv2's float16 sums are replaced by float32 ones, as in
``stock_v2``; nothing else is.
"""

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import numpy.typing as npt
import pytest
import torch

from tests.engine import stock_v2
from tests.engine.stock_v2 import Case

__all__ = ["TRAINERS", "Call", "Reference", "make_model", "predict_all", "require_package"]

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "build" / "totalsegmentator-2.18.0"
TRAINERS = {
    291: "nnUNetTrainerNoMirroring",
    297: "nnUNetTrainer_4000epochs_NoMirroring",
    527: "nnUNetTrainer_DASegOrd0_NoMirroring",
}
"""Of each model, as ``map_tasks_config.py`` names it: a part of its folder's name."""


@dataclass(frozen=True)
class Call:
    """A call of ``nnUNet_predict_image``: a NIfTI file, and the arguments beside it."""

    image: Path
    arguments: Mapping[str, Any]


@dataclass(frozen=True)
class Reference:
    """What the package gives.

    Parameters
    ----------
    labels, margin : (x, y, z) on the grid of the image: labels, and how far apart the two best logits are in the voxel
        that each one comes from.
    seen : (x, y, z): the image as the package resampled it.
    """

    labels: npt.NDArray[np.uint8]
    margin: npt.NDArray[np.float32]
    seen: npt.NDArray[np.float32]


def require_package() -> None:
    """Skip the test without the package; in CI it fails."""
    if not PACKAGE.is_dir():
        message = f"TotalSegmentator is not in {PACKAGE.name}"
        if os.environ.get("CI") == "true":
            pytest.fail(message)
        pytest.skip(message)


def make_model(folder: Path, trainer: str, case: Case) -> Path:
    """Write a model with random weights into its folder, as the published archives hold it.

    The outputs are centred, so that several labels win somewhere.
    """
    root = stock_v2.make_model(folder / f"{trainer}__nnUNetPlans__3d_fullres", case)
    for path in root.glob("fold_*/checkpoint_final.pth"):
        checkpoint = torch.load(path, weights_only=False)
        checkpoint |= {"trainer_name": trainer, "inference_allowed_mirroring_axes": None}
        for name, values in checkpoint["network_weights"].items():
            if ".seg_layers." in name:
                values.sub_(values.mean(dim=1, keepdim=True) if name.endswith("weight") else values.clone())
        torch.save(checkpoint, path)
    return folder


def predict_all(weights: Path, calls: Sequence[Call], work: Path) -> list[Reference]:
    """Make the calls, in a process of their own.

    Parameters
    ----------
    weights : holds the models' folders (``TOTALSEG_WEIGHTS_PATH``).
    work : an empty folder for what it writes.
    """
    asked = [{"image": str(call.image), "arguments": dict(call.arguments)} for call in calls]
    (work / "calls.json").write_text(json.dumps(asked))
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join((str(ROOT), str(PACKAGE))),
        "TOTALSEG_WEIGHTS_PATH": str(weights),
        "TOTALSEG_HOME_DIR": str(work),
        **dict.fromkeys(("nnUNet_raw", "nnUNet_preprocessed", "nnUNet_results"), str(weights)),
    }
    command = [sys.executable, "-m", "tests.engine.stock_totalsegmentator", str(work)]
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    return [_read(work / f"{number}.npz") for number in range(len(calls))]


def _read(path: Path) -> Reference:
    with np.load(path) as result:
        return Reference(labels=result["labels"], margin=result["margin"], seen=result["seen"])


class _OneProcessPredictor(stock_v2.Float32Predictor):
    """The predictor without workers, which take longer to start than small images take to run."""

    def predict_from_files(
        self,
        source: str,
        target: str,
        save_probabilities: bool = False,
        overwrite: bool = True,
        **_workers: Any,
    ) -> Any:
        """Do as nnunetv2's own version for one process does."""
        return self.predict_from_files_sequential(source, target, save_probabilities, overwrite)


def _refuse_network(event: str, _arguments: object) -> None:
    if event in {"socket.connect", "socket.getaddrinfo"}:
        raise PermissionError(f"{event}: the reference stays off the network")


def _main(work: Path) -> None:
    sys.addaudithook(_refuse_network)
    from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer
    from totalsegmentator import nnunet  # type: ignore[import-not-found] # only in this process

    # its own list of trainers is asked first; nnunetv2's search imports torchvision, which fails beside CPU torch
    nnunet.custom_trainers |= dict.fromkeys(TRAINERS.values(), nnUNetTrainer)
    nnunet.nnUNetPredictor = _OneProcessPredictor
    for number, call in enumerate(json.loads((work / "calls.json").read_text())):
        result = _predict(nnunet, call["image"], call["arguments"], work / "probabilities.npz")
        np.savez(work / f"{number}.npz", labels=result.labels, margin=result.margin, seen=result.seen)


def _predict(package: Any, image: str, arguments: dict[str, Any], probabilities: Path) -> Reference:
    change_spacing, kept = package.change_spacing, []

    def keep(source: Any, *rest: Any, **options: Any) -> Any:
        kept.append((source, change_spacing(source, *rest, **options)))
        return kept[-1][1]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(package, "change_spacing", keep)
        result, original, _ = package.nnUNet_predict_image(
            image,
            None,
            device=torch.device("cpu"),
            nr_threads_saving=1,
            quiet=True,
            save_probabilities=probabilities,
            **arguments,
        )
    canonical, seen = kept[0]
    with np.load(probabilities) as stored:
        best, second = np.sort(stored["probabilities"], axis=0)[:-3:-1]
    margin = np.log(best) - np.log(np.maximum(second, 1e-30))
    # as the labels come back: nearest neighbour, then the axes of the file
    nifti: Any = nibabel.Nifti1Image
    back = change_spacing(nifti(margin.T, seen.affine), None, canonical.shape, order=0)
    back = package.undo_canonical(nifti(back.get_fdata(), canonical.affine), original)
    return Reference(
        labels=np.asarray(result.dataobj, np.uint8),
        margin=np.asarray(back.dataobj, np.float32),
        seen=np.asarray(seen.dataobj, np.float32),
    )


if __name__ == "__main__":
    _main(Path(sys.argv[1]))
