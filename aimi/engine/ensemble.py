"""One call from images to labels: the folds of a model over the tiles of a case.

:func:`load` makes a :class:`Model` that stays loaded across cases; :func:`predict` gives the labels of one case on the
grid of its images. Several images are the channels of one grid.

v2 averages logits over mirrored passes and folds, v1 probabilities; both resample the mean to the image's grid and pick
the largest there. A vote instead labels each fold by itself and keeps what at least 60 % of them give.
"""

import contextlib
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

import numpy as np
import numpy.typing as npt

from aimi.engine.agreement import count_near_ties, fold_disagreement, vote
from aimi.engine.backends import Backend, open_backend
from aimi.engine.checkpoint import fold_file, read_weights
from aimi.engine.export import bytes_of_whole, export_labels, support
from aimi.engine.folder import ModelFolder
from aimi.engine.folds import FoldSums, LiveFold, Progress, pick_by_plane, run_folds
from aimi.engine.growing import empty_sums, merged, touching_edge, widen
from aimi.engine.isotropic import bytes_of_resample_to, is_at, labels_back, region_to, resample_to, shape_at
from aimi.engine.memory import Need, Voxels, check_memory, need_of
from aimi.engine.network import Network, network_of
from aimi.engine.orientation import AxisChange, Orientation, axis_change
from aimi.engine.plans import Plans
from aimi.engine.postprocessing import bytes_of_keeping, keep_largest
from aimi.engine.preprocessing import Preprocessed, bytes_of_preparing, preprocess, uncropped
from aimi.engine.resampling import Shape
from aimi.engine.sliding_window import make_tiling
from aimi.errors import InputError, ModelError, ResourceError, UsageError
from aimi.image import Image, Note

__all__ = ["ENSEMBLES", "Model", "Options", "Prediction", "Progress", "load", "predict", "require_memory"]

ENSEMBLES = ("mean", "vote")

_FAR = 4.0  # a spacing that differs by more from the training's is noted (DECISIONS 3.6)

Array = npt.NDArray[np.float32]
Labels = npt.NDArray[np.uint8]
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Options:
    """How a model is to be run.

    Parameters
    ----------
    orientation : the axes that the model was trained on.
    folds : numbers of the folds to use; None means all that the folder has.
    mirroring : also predict mirrored tiles, as the training allows, and average.
    device : ``auto``, ``cpu`` (OpenVINO), ``cuda`` or ``cpu-torch``.
    precision : ``f32`` or ``bf16`` on the CPU; a GPU runs fp16 as nnU-Net does.
    ensemble : ``mean`` of the folds, or ``vote``: at least 60 % of the folds give the label.
    step : distance of tiles as a share of the patch.
    max_memory : bytes that the run may take; None is what the machine has.
    resample_mm : resample the image to this spacing first and the labels back by nearest neighbour, as
        TotalSegmentator does with its models; None leaves resampling to the plans.
    resample_order : of the spline by which that is done.
    union : folds are compared and vote on having any label; for a model whose labels are not told apart.
    postprocessing : apply what a v1 folder says of it, as v1's own command does.
    """

    orientation: Orientation
    folds: tuple[int, ...] | None = None
    mirroring: bool = False
    device: str = "auto"
    precision: str = "f32"
    ensemble: str = "mean"
    step: float = 0.5
    max_memory: int | None = None
    resample_mm: float | None = None
    resample_order: int = 3
    union: bool = False
    postprocessing: bool = False


@dataclass(frozen=True, slots=True)
class Model:
    """A model in memory.

    Parameters
    ----------
    folds : the folds in use.
    device, precision : what runs it.
    notes : on the choice of these.
    """

    folder: ModelFolder
    folds: tuple[int, ...]
    device: str
    precision: str
    notes: tuple[Note, ...]
    network: Network = field(repr=False)
    live: LiveFold = field(repr=False)


@dataclass(frozen=True, slots=True)
class Prediction:
    """The labels of one case.

    Parameters
    ----------
    labels : (k, j, i) on the grid of the images; 0 is background.
    fold_disagreement : by label, the share of the voxels that any fold gives it and not all do; None with one fold, or
        where memory was too small to count it. On the network's grid, for a vote on the image's.
    near_tie_share : share of the network grid's voxels whose two best classes are within 1e-3; None for a vote.
    timings : seconds by stage: ``preprocessing``, ``network``, ``export``, ``total``.
    """

    labels: Labels
    fold_disagreement: Mapping[int, float] | None
    near_tie_share: float | None
    notes: tuple[Note, ...]
    timings: Mapping[str, float]
    device: str
    precision: str


def load(folder: ModelFolder, options: Options) -> Model:
    """Map the weights of a model's folds and choose what runs them.

    Raises
    ------
    ModelError
        A fold that was asked for is not there, or weights do not fit the plans.
    UsageError
        The device, precision or ensemble is unknown or not there.
    """
    backend, model = _without_weights(folder, options)
    files = (fold_file(folder.path, folder.layout, fold) for fold in model.folds)
    weights = tuple(read_weights(file, folder.layout, model.network) for file in files)
    return replace(model, live=LiveFold(backend, model.network, weights))


def require_memory(folder: ModelFolder, image: Image, options: Options, *, has_region: bool) -> None:
    """Refuse a case that will not fit before the model is loaded for it, so that no other model runs in vain.

    Parameters
    ----------
    image : one of the channels: on their grid.
    has_region : a region will be given.

    Raises
    ------
    ResourceError
        With what is needed and what there is.
    InputError
        The image is too thin for the spacing of the training.
    ModelError, UsageError
        As :func:`load`.
    """
    _fits_memory(_without_weights(folder, options)[1], _given(image, options, has_region=has_region), options)


def _without_weights(folder: ModelFolder, options: Options) -> tuple[Backend, Model]:
    if options.ensemble not in ENSEMBLES:
        raise UsageError(f"There is no ensemble {options.ensemble}.", f"Known are: {', '.join(ENSEMBLES)}.")
    folds = folder.folds if options.folds is None else options.folds
    missing = [number for number in folds if number not in folder.folds]
    if missing or not folds:
        wanted = f"Fold {missing[0]}" if missing else "No fold"
        message = f"{wanted} was asked for; the model has {', '.join(map(str, folder.folds))}."
        raise ModelError(message, "Ask for folds that it has.")
    backend, notes = open_backend(options.device, options.precision)
    network = network_of(folder.plans)
    return backend, Model(
        folder=folder,
        folds=folds,
        device=backend.device,
        precision=backend.precision,
        notes=notes,
        network=network,
        live=LiveFold(backend, network, ()),
    )


def predict(
    images: Sequence[Image],
    model: Model,
    options: Options,
    progress: Progress | None = None,
    *,
    region: Mask | None = None,
    sought: Collection[int] | None = None,
) -> Prediction:
    """Label one case.

    Parameters
    ----------
    images : one per channel, in the model's order, all on one grid.
    progress : called after each tile.
    region : (k, j, i); where labels matter. Elsewhere they are 0, and tiles that no voxel of it depends on are not run.
        A label that touches the region's edge makes the region grow there until none does.
    sought : the labels that do so; None is any. Others are right in the region and not followed beyond it.

    Raises
    ------
    ModelError
        The number of images is not the model's number of channels.
    InputError
        The images do not share a grid, or what is not zero of them is too thin for the spacing of the training.
    ResourceError
        Memory will not suffice; said before anything is run.
    """
    _check(images, model)
    clock = _Clock()
    change = axis_change(options.orientation, images[0].volume.affine)
    given = _given(images[0], options, has_region=region is not None)
    shape, run_shape, run_spacing = given.shape, given.run_shape, given.run_spacing
    keeps_labels = _fits_memory(model, given, options)
    with clock.stage("preprocessing"):
        seen = preprocess(_stack(images, change, run_shape, options), run_spacing, model.folder.plans)
    run = _Run(model=model, options=options, seen=seen, clock=clock, progress=progress, keeps_labels=keeps_labels)
    if region is None:
        outcome = _outcome(run, _run_tiles(run, None))
    else:
        outcome = _predict_region(run, region_to(change.apply(region), run_shape), sought)
    with clock.stage("export"):
        labels = change.revert(labels_back(outcome.labels, shape))
        labels, notes = _postprocess(np.ascontiguousarray(labels), model.folder, options, images[0])
    return Prediction(
        labels=labels,
        fold_disagreement=outcome.disagreement,
        near_tie_share=outcome.near_ties,
        notes=(*model.notes, *_notes(run_spacing, model.folder.plans), *outcome.notes, *notes),
        timings=clock.seconds(),
        device=model.device,
        precision=model.precision,
    )


@dataclass(frozen=True, slots=True)
class _Run:
    """One case under way; arrays are in the orientation of the training."""

    model: Model
    options: Options
    seen: Preprocessed
    clock: "_Clock"
    progress: Progress | None
    keeps_labels: bool

    @property
    def plans(self) -> Plans:
        return self.model.folder.plans

    @property
    def votes(self) -> bool:
        return self.options.ensemble == "vote" and self.keeps_labels  # a single fold is its own vote


@dataclass(frozen=True, slots=True)
class _Outcome:
    labels: Labels
    disagreement: Mapping[int, float] | None
    near_ties: float | None
    notes: tuple[Note, ...] = ()


def _predict_region(run: _Run, region: Mask, sought: Collection[int] | None) -> _Outcome:
    """Label a region; where a label that is sought touches its edge, let it grow and run what is missing."""
    geometry, plans = run.seen.geometry, run.plans
    back = tuple(np.argsort(plans.transpose))
    region = region.transpose(plans.transpose).copy()
    done = np.zeros(geometry.network_shape, np.bool_)
    fresh, sums, grown = region, empty_sums(geometry, plans), 0
    while True:
        wanted = support(fresh, geometry, plans) & ~done
        if wanted.any():
            is_whole = bool(wanted.all())
            # no name for what was found: it would be held while the next tiles run
            where_labels = (fresh | is_whole).transpose(back) if run.votes else wanted
            sums = merged(sums, _run_tiles(run, wanted), wanted, where_labels)
            # of a vote no outputs are kept: labels beside these need them once more
            if is_whole or not run.votes:
                done |= wanted
        outcome = _outcome(run, sums)
        labels = outcome.labels * region.transpose(back)
        followed = labels != 0 if sought is None else np.isin(labels, list(sought))
        edge = touching_edge(followed.transpose(plans.transpose), region)
        if not edge.any():
            break
        fresh = widen(edge, geometry, plans) & ~region
        region |= fresh
        grown += 1
    notes = outcome.notes
    if grown:
        sentence = f"A label reached the edge of the region that was looked at; the region was widened {grown} time(s)."
        notes = (*notes, Note("region-grown", sentence))
    return replace(outcome, labels=labels, notes=notes)


def _run_tiles(run: _Run, region: Mask | None) -> FoldSums:
    """Run the tiles that meet a region of the network's grid, or all."""
    plans, geometry = run.plans, run.seen.geometry
    tiling = make_tiling(geometry.network_shape, plans.patch, run.options.step, region)

    def label_fold(outputs: Array) -> Labels:
        labels = export_labels(outputs, geometry, plans) if run.votes else pick_by_plane(outputs, plans)
        return np.minimum(labels, np.uint8(1)) if run.options.union else labels

    with run.clock.stage("network"):
        return run_folds(
            run.model.live,
            run.seen.array,
            tiling,
            plans,
            mirroring=run.options.mirroring,
            progress=run.progress,
            each=label_fold if run.keeps_labels else None,
        )


def _outcome(run: _Run, sums: FoldSums) -> _Outcome:
    plans = run.plans
    count = plans.heads - 1 if plans.regions is None else max(plans.regions)
    with run.clock.stage("export"):
        disagreement = fold_disagreement(sums.labels, count) if sums.labels else None
        if run.votes and sums.labels:
            return _Outcome(vote(sums.labels, count), disagreement, None, sums.notes)
        labels = export_labels(sums.mean, run.seen.geometry, plans)
        voxels = max(1, int(np.prod(run.seen.geometry.network_shape)))
        near_ties = sum(count_near_ties(sums.mean[:, index], plans) for index in range(sums.mean.shape[1])) / voxels
    return _Outcome(labels=labels, disagreement=disagreement, near_ties=near_ties, notes=sums.notes)


class _Clock:
    """Seconds by stage."""

    def __init__(self) -> None:
        self._started = time.perf_counter()
        self._seconds: dict[str, float] = {}

    @contextlib.contextmanager
    def stage(self, name: str) -> Iterator[None]:
        started = time.perf_counter()
        yield
        self._seconds[name] = self._seconds.get(name, 0.0) + time.perf_counter() - started

    def seconds(self) -> dict[str, float]:
        return {**self._seconds, "total": time.perf_counter() - self._started}


@dataclass(frozen=True, slots=True)
class _Given:
    """What an estimate depends on beside the model; shapes and spacing in the orientation of the training.

    Parameters
    ----------
    shape : of the image.
    run_shape, run_spacing : as it comes to the plans.
    resampling : bytes that bringing a channel there takes, its result included.
    """

    shape: Shape
    run_shape: Shape
    run_spacing: tuple[float, float, float]
    has_region: bool
    resampling: int = 0


def _given(image: Image, options: Options, *, has_region: bool) -> _Given:
    change = axis_change(options.orientation, image.volume.affine)
    shape, spacing = change.apply(image.volume.array).shape, change.spacing(_spacing(image))
    if options.resample_mm is None:
        return _Given(shape, shape, spacing, has_region)
    run_shape = shape_at(shape, spacing, options.resample_mm)
    taken = 0 if is_at(spacing, options.resample_mm) else bytes_of_resample_to(shape, run_shape, options.resample_order)
    return _Given(shape, run_shape, (options.resample_mm,) * 3, has_region, taken)


def _needs(
    network: Network, plans: Plans, given: _Given, *, folds: int, width: int, votes: bool, cleans: bool = False
) -> tuple[Need, Need]:
    """Give what a run needs at least, and what it needs to keep the labels of each fold as well.

    Parameters
    ----------
    width : bytes of a value in the network.
    cleans : a model's own postprocessing will be done.
    """
    geometry = uncropped(given.run_shape, given.run_spacing, plans)
    padded = [max(length, tile) for length, tile in zip(geometry.network_shape, plans.patch, strict=True)]
    voxels = Voxels(_count(given.shape), _count(given.run_shape), _count(padded))
    whole = bytes_of_whole(geometry, plans)
    need = partial(
        need_of,
        network,
        voxels,
        bytes_per_value=width,
        preparing=max(given.resampling, bytes_of_preparing(geometry, plans)),
        exporting=whole,
        cleaning=(bytes_of_keeping(voxels.image) + voxels.image) * cleans,  # beside the labels as turned back
    )
    # what a region's tiles gave is kept while further tiles run, and three masks beside it
    before = int(given.has_region)
    masks = 3 * voxels.network * before + (whole if votes else 0)  # a vote picks labels beside the network
    labels = folds * (voxels.image if votes else voxels.network) * (1 + before)
    return need(sums=1 + before, kept_labels=masks), need(sums=2 + before, kept_labels=masks + labels)


def _count(shape: Sequence[int]) -> int:
    return int(np.prod(shape, dtype=np.int64))


def _fits_memory(model: Model, given: _Given, options: Options) -> bool:
    """Refuse what will not fit; say whether the labels of each fold may be kept too."""
    lean, full = _needs(
        model.network,
        model.folder.plans,
        given,
        folds=len(model.folds),
        width=4 if model.precision == "f32" else 2,
        votes=options.ensemble == "vote",
        cleans=_cleans(model.folder, options) and bool(model.folder.postprocessing),
    )
    if len(model.folds) == 1:
        check_memory(lean, options.max_memory)
        return False
    try:
        check_memory(full, options.max_memory)
    except ResourceError:
        if options.ensemble == "vote":
            raise
        check_memory(lean, options.max_memory)
        return False
    return True


def _check(images: Sequence[Image], model: Model) -> None:
    if len(images) != model.folder.channels:
        message = f"The model takes {model.folder.channels} image(s); {len(images)} were given."
        raise ModelError(message, "Use the model of this task.")
    first = images[0].volume
    for image in images[1:]:
        if image.volume.array.shape != first.array.shape or not np.allclose(image.volume.affine, first.affine):
            raise InputError("The channels lie on different grids.", "Resample them onto one grid first.")


def _spacing(image: Image) -> tuple[float, float, float]:
    along_k, along_j, along_i = (float(step) for step in image.volume.spacing)
    return along_k, along_j, along_i


def _stack(images: Sequence[Image], change: AxisChange, shape: Shape, options: Options) -> Array:
    """Give a float32 copy, (channels, z, y, x), in the orientation of the training, resampled if that is asked."""
    target, spacing = options.resample_mm, change.spacing(_spacing(images[0]))
    is_left = target is None or is_at(spacing, target)
    stacked = np.empty((len(images), *shape), np.float32)
    for channel, image in enumerate(images):
        array = change.apply(image.volume.array)
        stacked[channel] = array if is_left else resample_to(array, shape, options.resample_order)
    return stacked


def _cleans(folder: ModelFolder, options: Options) -> bool:
    return options.postprocessing and folder.version == 1


def _postprocess(
    labels: Labels, folder: ModelFolder, options: Options, image: Image
) -> tuple[Labels, tuple[Note, ...]]:
    if not _cleans(folder, options):
        return labels, ()
    if not folder.postprocessing:
        return labels, (Note("postprocessing-absent", "The model folder holds no postprocessing.json; none was done."),)
    kept = keep_largest(labels, folder.postprocessing, float(np.prod(_spacing(image))))
    share = f"{int((kept != labels).sum())} voxels were removed"
    sentence = f"The model's postprocessing.json was applied: only the largest pieces were kept, {share}."
    return kept, (Note("postprocessing-applied", sentence),)


def _notes(spacing: Sequence[float], plans: Plans) -> tuple[Note, ...]:
    ratios = [
        max(spacing[source] / plans.spacing[axis], plans.spacing[axis] / spacing[source])
        for axis, source in enumerate(plans.transpose)
    ]
    if max(ratios) <= _FAR:
        return ()
    sentence = f"A spacing of the image differs {max(ratios):.1f} times from the training's; results may be worse."
    return (Note("far-spacing", sentence),)
