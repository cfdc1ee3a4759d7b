"""Model folders: recognised by what lies in them, never configured.

A v2 folder holds ``plans.json``, ``dataset.json`` and ``fold_k/checkpoint_final.pth``. It may lie some levels below
the folder that was named (``nnUNetTrainer__nnUNetPlans__3d_fullres`` and the like).
A :class:`ModelFolder` says what the folder promises; its digest covers every byte that can change a result.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aimi.errors import ModelError

__all__ = ["ModelFolder", "open_folder"]

_DEPTH = 5
_REMEDY = "Get the model again (`aimi models fetch`) or name another folder (`aimi models list`)."
_CHECKPOINT_V2 = "checkpoint_final.pth"


@dataclass(frozen=True, slots=True)
class ModelFolder:
    """A trained nnU-Net on disk.

    Parameters
    ----------
    path : the folder that holds the plans.
    version : of nnU-Net, 1 or 2.
    folds : numbers of the folds that are there, rising.
    dataset : its name as the training wrote it.
    channels : number of input channels.
    labels : name of label n at ``[n - 1]``; background is left out.
    configuration : e.g. ``3d_fullres``.
    sha256 : over plans, data set description and every fold's weights, in that order.
    """

    path: Path
    version: int
    folds: tuple[int, ...]
    dataset: str
    channels: int
    labels: tuple[str, ...]
    configuration: str
    sha256: str


def open_folder(path: Path, *, channels: int | None = None) -> ModelFolder:
    """Recognise the model in or below a folder.

    Parameters
    ----------
    channels : the number that the caller will give; None leaves it unchecked.

    Raises
    ------
    ModelError
        Nothing of the kind is there, more than one is, files are missing or unreadable, or the number of channels
        differs.
    """
    if not path.is_dir():
        raise ModelError("The model folder does not exist.", _REMEDY)
    root = _find_root(path)
    found = _open_v2(root)
    if channels is not None and channels != found.channels:
        message = f"The model takes {found.channels} channel(s), the task gives {channels}: it is another task's model."
        raise ModelError(message, _REMEDY)
    return found


def _find_root(path: Path) -> Path:
    roots = [folder for folder in _walk(path, _DEPTH) if (folder / "plans.json").is_file()]
    if len(roots) > 1:
        roots = [root for root in roots if "3d_fullres" in root.as_posix().removeprefix(path.as_posix())]
    if not roots:
        raise ModelError("The folder holds no nnU-Net model: no plans.json.", _REMEDY)
    if len(roots) > 1:
        raise ModelError(f"The folder holds {len(roots)} models; one is needed.", "Name the folder of one of them.")
    return roots[0]


def _walk(path: Path, depth: int) -> Iterator[Path]:
    yield path
    if depth > 0:
        for child in sorted(path.iterdir()):
            if child.is_dir() and not child.name.startswith(("fold_", ".")):
                yield from _walk(child, depth - 1)


def _open_v2(root: Path) -> ModelFolder:
    dataset = _read_json(root / "dataset.json")
    plans = _read_json(root / "plans.json")
    folds = _find_folds(root, _CHECKPOINT_V2)
    try:
        configuration = _configuration(root, plans)
        channels = len(dataset.get("channel_names") or dataset["modality"])
        labels = _label_names(dataset)
        name = str(plans["dataset_name"])
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ModelError(
            "The model's plans or data set description lack what nnU-Net writes there.", _REMEDY
        ) from error
    files = (root / "plans.json", root / "dataset.json", *(root / f"fold_{k}" / _CHECKPOINT_V2 for k in folds))
    return ModelFolder(
        path=root,
        version=2,
        folds=folds,
        dataset=name,
        channels=channels,
        labels=labels,
        configuration=configuration,
        sha256=_digest(files),
    )


def _read_json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ModelError(f"The model lacks {path.name}.", _REMEDY) from error
    except ValueError as error:
        raise ModelError(f"The model's {path.name} is damaged: it is not JSON.", _REMEDY) from error
    if not isinstance(content, dict):
        raise ModelError(f"The model's {path.name} is damaged: not an object.", _REMEDY)
    return content


def _find_folds(root: Path, checkpoint: str) -> tuple[int, ...]:
    numbers = sorted(
        int(folder.name.removeprefix("fold_"))
        for folder in root.glob("fold_*")
        if folder.name.removeprefix("fold_").isdigit() and (folder / checkpoint).is_file()
    )
    if not numbers:
        raise ModelError(f"The model has no fold with a {checkpoint}.", _REMEDY)
    return tuple(numbers)


def _configuration(root: Path, plans: Mapping[str, Any]) -> str:
    names = list(plans["configurations"])
    by_folder = root.name.rsplit("__", 1)[-1]
    if by_folder in names:
        return by_folder
    return "3d_fullres" if "3d_fullres" in names else str(names[0])


def _label_names(dataset: Mapping[str, Any]) -> tuple[str, ...]:
    entries = {name: value for name, value in dataset["labels"].items() if name not in ("background", "ignore")}
    order = dataset.get("regions_class_order")
    if order and any(isinstance(value, list) and len(value) > 1 for value in entries.values()):
        by_value = dict(zip((int(value) for value in order), entries, strict=True))
    else:
        by_value = {int(value[0] if isinstance(value, list) else value): name for name, value in entries.items()}
    return tuple(by_value.get(value, f"label {value}") for value in range(1, max(by_value) + 1))


def _digest(files: tuple[Path, ...]) -> str:
    digest = hashlib.sha256()
    for path in files:
        with path.open("rb") as stream:
            digest.update(hashlib.file_digest(stream, "sha256").digest())
    return digest.hexdigest()
