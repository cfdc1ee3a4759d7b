"""Model folders: recognised by what lies in them, never configured.

Three kinds are known. v2: ``plans.json``, ``dataset.json`` and ``fold_k/checkpoint_final.pth`` (or, without what only
training needs, ``fold_k/weights.safetensors`` with ``checksums.json``). v1: ``plans.pkl`` and
``fold_k/model_final_checkpoint.model`` with its ``.pkl``. Imported: ``model.json`` and ``fold_k.safetensors``. Each may
lie some levels below the folder that was named (``nnUNet/3d_fullres/TaskNNN_X/nnUNetTrainerV2__nnUNetPlansv2.1``,
``nnUNetTrainer__nnUNetPlans__3d_fullres``). A :class:`ModelFolder` says what the folder promises; its digest covers
every byte that can change a result.
"""

import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from aimi.engine.checkpoint import (
    FORMAT,
    IMPORTED,
    V1,
    V2,
    V2_STORED,
    Layout,
    file_sha256,
    fold_file,
    read_checkpoint,
    read_json,
    read_metadata,
    read_weights,
    write_weights,
)
from aimi.engine.checksums import require_checksums
from aimi.engine.network import network_of
from aimi.engine.pickles import read_pickle
from aimi.engine.plans import Plans, plans_from_json, plans_to_json, read_plans_v1, read_plans_v2
from aimi.engine.postprocessing import KeepLargest, read_rules
from aimi.errors import ModelError

__all__ = ["ModelFolder", "import_folder", "looks_like_model", "open_folder"]

_DEPTH = 5
_REMEDY = "Get the model again (`aimi models fetch`) or name another folder (`aimi models list`)."
_MARKERS = ("model.json", "plans.json", "plans.pkl")
_POSTPROCESSING = "postprocessing.json"
_V1_OTHER_NETWORK = re.compile(
    r"nnUNetTrainerV2_(ReLU|ReLU_convReLUIN|LReLU_slope_2en1|lReLU_convReLUIN|GeLU|Mish|GN)|nnUNetTrainerV2BraTSRegions[A-Za-z0-9_]{0,40}"
)
"""Trainers of nnunet 1.7.1 whose network has the tensors of another one but not its activations, norm or sigmoid."""

_V1_STAGE = 5  # place of the stage in the trainer's arguments (nnunet 1.7.1, nnUNetTrainerV2.__init__)


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
    plans : all that inference needs besides the weights.
    layout : where the weights lie.
    postprocessing : what v1's own prediction does to the labels afterwards.
    """

    path: Path
    version: int
    folds: tuple[int, ...]
    dataset: str
    channels: int
    labels: tuple[str, ...]
    configuration: str
    sha256: str
    plans: Plans
    layout: Layout
    postprocessing: tuple[KeepLargest, ...] = ()


def open_folder(path: Path, *, channels: int | None = None) -> ModelFolder:
    """Recognise the model in or below a folder.

    Parameters
    ----------
    channels : the number that the caller will give; None leaves it unchecked.

    Raises
    ------
    ModelError
        Nothing of the kind is there, more than one is, files are missing, altered or unreadable, or the number of
        channels differs.
    """
    if not path.is_dir():
        raise ModelError("The model folder does not exist.", _REMEDY)
    root = _find_root(path)
    if (root / "model.json").is_file():
        found = _open_imported(root)
    else:
        found = _open_v2(root) if (root / "plans.json").is_file() else _open_v1(root)
    if channels is not None and channels != found.channels:
        message = f"The model takes {found.channels} channel(s), the task gives {channels}: it is another task's model."
        raise ModelError(message, _REMEDY)
    return found


def import_folder(
    folder: ModelFolder,
    target: Path,
    *,
    precision: str = "f32",
    licence: str = "",
    source: str = "",
    folds: Sequence[int] | None = None,
) -> ModelFolder:
    """Write a model in the imported format into an empty or new folder, and open it.

    Parameters
    ----------
    precision : ``f32`` keeps the weights; ``f16`` rounds them and halves the files.
    source : where the model comes from, e.g. a DOI.
    folds : None takes all.

    Raises
    ------
    ModelError
        Weights and plans do not fit, or a fold is not there.
    """
    network = network_of(folder.plans)
    target.mkdir(parents=True, exist_ok=True)
    hashes = {}
    for fold in folder.folds if folds is None else folds:
        weights = read_weights(fold_file(folder.path, folder.layout, fold), folder.layout, network)
        written = fold_file(target, IMPORTED, fold)
        write_weights(written, weights, precision)
        hashes[written.name] = file_sha256(written)
    content = {
        "format": FORMAT,
        "dataset": folder.dataset,
        "configuration": folder.configuration,
        "labels": list(folder.labels),
        "licence": licence,
        "source": source,
        "source_sha256": folder.sha256,
        "precision": precision,
        "sha256": hashes,
        "postprocessing": [asdict(rule) for rule in folder.postprocessing],
        "plans": plans_to_json(folder.plans),
    }
    (target / "model.json").write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    return open_folder(target)


def looks_like_model(path: Path) -> bool:
    """Tell whether a folder holds a plan of nnU-Net, and so something of a model; it may be neither whole nor sound."""
    try:
        return next(_roots(path), None) is not None
    except OSError:
        return False


def _roots(path: Path) -> Iterator[Path]:
    return (folder for folder in _walk(path, _DEPTH) if any((folder / name).is_file() for name in _MARKERS))


def _find_root(path: Path) -> Path:
    roots = list(_roots(path))
    if len(roots) > 1:
        roots = [root for root in roots if "3d_fullres" in root.as_posix().removeprefix(path.as_posix())]
    if not roots:
        raise ModelError("The folder holds no nnU-Net model: no plans.json, plans.pkl or model.json.", _REMEDY)
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
    dataset, raw = read_json(root / "dataset.json"), read_json(root / "plans.json")
    layout = V2_STORED if next(root.glob(V2_STORED.file.format(fold="*")), None) else V2
    if layout is V2_STORED:
        require_checksums(root)
    folds = _find_folds(root, layout)
    first = fold_file(root, layout, folds[0])
    try:
        configuration, mirror_axes = _trained_as(first) if layout is V2 else _stored_as(first)
        plans = read_plans_v2(raw, dataset, configuration, mirror_axes)
        labels = _label_names(dataset)
        name = str(raw["dataset_name"])
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ModelError(
            "The model's plans or data set description lack what nnU-Net writes there.", _REMEDY
        ) from error
    return ModelFolder(
        path=root,
        version=2,
        folds=folds,
        dataset=name,
        channels=plans.channels,
        labels=labels,
        configuration=configuration,
        sha256=_digest(
            (root / "plans.json", root / "dataset.json", *(fold_file(root, layout, fold) for fold in folds))
        ),
        plans=plans,
        layout=layout,
    )


def _trained_as(checkpoint: Path) -> tuple[str, tuple[int, ...]]:
    """Give the configuration and the mirrored axes that a checkpoint names."""
    content = read_checkpoint(checkpoint, V2)
    return str(content["init_args"]["configuration"]), tuple(content.get("inference_allowed_mirroring_axes") or ())


def _stored_as(weights: Path) -> tuple[str, tuple[int, ...]]:
    """Give the same from the header of stored weights."""
    metadata = read_metadata(weights)
    axes = tuple(int(axis) for axis in metadata["mirroring_axes"] if axis.isdigit())
    return metadata["configuration"], axes


def _open_v1(root: Path) -> ModelFolder:
    folds = _find_folds(root, V1)
    first = fold_file(root, V1, folds[0])
    description = first.with_name(first.name + ".pkl")
    raw, stage, trainer = read_pickle(root / "plans.pkl"), None, root.name.partition("__")[0]
    if description.is_file():
        info = read_pickle(description)
        arguments = info.get("init") if isinstance(info, Mapping) else None
        if isinstance(arguments, tuple | list) and len(arguments) > _V1_STAGE:
            stage = arguments[_V1_STAGE]
        if isinstance(info, Mapping) and isinstance(info.get("name"), str):
            trainer = info["name"]
    if _V1_OTHER_NETWORK.fullmatch(trainer):
        message = f"The model was trained by {trainer}, whose network is not known here."
        raise ModelError(message, "Use nnU-Net itself for this model.")
    if not isinstance(raw, Mapping):
        raise ModelError("The model's plans.pkl is damaged: not a record.", _REMEDY)
    plans = read_plans_v1(raw, stage)
    rules = read_rules(read_json(root / _POSTPROCESSING)) if (root / _POSTPROCESSING).is_file() else ()
    files = [root / "plans.pkl", *(fold_file(root, V1, fold) for fold in folds)]
    files += [path for path in (description, root / _POSTPROCESSING) if path.is_file()]
    return ModelFolder(
        path=root,
        version=1,
        folds=folds,
        dataset=root.absolute().parent.name,
        channels=plans.channels,
        labels=tuple(f"label {number}" for number in range(1, plans.heads)),
        configuration="3d_fullres",
        sha256=_digest(tuple(files)),
        plans=plans,
        layout=V1,
        postprocessing=rules,
    )


def _open_imported(root: Path) -> ModelFolder:
    content = read_json(root / "model.json")
    if content.get("format") != FORMAT:
        raise ModelError(f"The model.json is not of the format {FORMAT}.", _REMEDY)
    try:
        plans = plans_from_json(content["plans"])
        hashes = {str(name): str(digest) for name, digest in content["sha256"].items()}
        folds = tuple(sorted(int(name.removeprefix("fold_").removesuffix(".safetensors")) for name in hashes))
        found = ModelFolder(
            path=root,
            version=plans.version,
            folds=folds,
            dataset=str(content["dataset"]),
            channels=plans.channels,
            labels=tuple(map(str, content["labels"])),
            configuration=str(content["configuration"]),
            sha256=_digest((root / "model.json",)),
            plans=plans,
            layout=IMPORTED,
            postprocessing=tuple(
                KeepLargest(tuple(map(int, rule["labels"])), rule["spared_mm3"])
                for rule in content.get("postprocessing", ())
            ),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ModelError("The model.json is damaged.", _REMEDY) from error
    for fold in folds:
        path = fold_file(root, IMPORTED, fold)
        if not path.is_file() or file_sha256(path) != hashes.get(path.name):
            raise ModelError(f"The weights {path.name} are missing or altered: their SHA-256 differs.", _REMEDY)
    return found


def _find_folds(root: Path, layout: Layout) -> tuple[int, ...]:
    numbers = sorted(
        int(folder.name.removeprefix("fold_"))
        for folder in root.glob("fold_*")
        if folder.name.removeprefix("fold_").isdigit()
    )
    found = tuple(number for number in numbers if fold_file(root, layout, number).is_file())
    if not found:
        raise ModelError(f"The model has no fold with a {Path(layout.file).name}.", _REMEDY)
    return found


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
        digest.update(bytes.fromhex(file_sha256(path)))
    return digest.hexdigest()
