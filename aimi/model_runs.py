"""The models of a run: which ones, where they lie, and what each gives for a case."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from aimi.engine import ensemble
from aimi.engine.ensemble import Model
from aimi.image import Image, LabelMap
from aimi.job import Job
from aimi.models import acceptance, store
from aimi.models.catalogue import ModelSpec
from aimi.models.store import FoundModel
from aimi.options import REGION_SOURCES
from aimi.result import ModelRun
from aimi.tasks.task import Planned, Running, plan_models

__all__ = [
    "LoadedModel",
    "find_models",
    "labels_by_place",
    "load_models",
    "load_with",
    "plan_of",
    "require_memory",
    "run_models",
]

_Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class LoadedModel:
    """A model of the catalogue, loaded; it stays loaded across cases."""

    found: FoundModel
    model: Model
    options: ensemble.Options


def plan_of(job: Job) -> tuple[Planned, ...]:
    """Give the models that the job runs, in order."""
    return plan_models(
        job.task,
        job.rule_set,
        demo=job.demo,
        with_region=job.options.region in {None, REGION_SOURCES[0]},
        fast_region=job.options.fast_region,
    )


def find_models(job: Job) -> tuple[FoundModel, ...]:
    """Find the models that the job runs, each once, among the folders at hand."""
    specs = dict.fromkeys(planned.spec for planned in plan_of(job))
    return tuple(store.find(spec, job.models) for spec in specs)


def require_memory(job: Job, images: Mapping[str, Image], found: Sequence[FoundModel]) -> None:
    """Refuse, before the first model runs, a case for which memory will not suffice for one of them.

    Parameters
    ----------
    images : by role, each on its own grid; the last model of a task of two roles runs on the reference grid.

    Raises
    ------
    ResourceError
        With what is needed and what there is.
    """
    last = plan_of(job)[-1].spec
    for one in found:
        is_after_region = job.task.pair is not None and one.spec == last
        precision, _ = acceptance.precision_of(job.options.precision, job.options.device, one)
        ensemble.require_memory(
            one.folder,
            images[job.task.reference if is_after_region else one.spec.channels[0]],
            _engine_options(job, one, precision),
            has_region=is_after_region and _looks_in_region(job),
        )


def _looks_in_region(job: Job) -> bool:
    """Tell whether the last model will look in a region alone."""
    plan, is_own = job.task.region, job.options.region == REGION_SOURCES[1]
    return plan is not None and job.rule_set in plan.support and not is_own


def load_models(job: Job, found: Sequence[FoundModel]) -> tuple[LoadedModel, ...]:
    """Load models for prediction with the run's options."""
    with job.record.stage("load models"):
        return tuple(_load_model(job, one) for one in found)


def _load_model(job: Job, found: FoundModel) -> LoadedModel:
    precision, notes = acceptance.precision_of(job.options.precision, job.options.device, found)
    job.record.note(*notes)
    return load_with(job, found, precision)


def load_with(job: Job, found: FoundModel, precision: str) -> LoadedModel:
    """Load a model with the run's options, but for the precision."""
    options = _engine_options(job, found, precision)
    return LoadedModel(found, ensemble.load(found.folder, options), options)


def _engine_options(job: Job, found: FoundModel, precision: str) -> ensemble.Options:
    options, running = job.options, job.task.running.get(job.rule_set, Running())
    mirroring = (options.mirroring, running.mirroring, found.spec.mirroring)
    return ensemble.Options(
        orientation=found.spec.orientation,
        mirroring=next(value for value in mirroring if value is not None),
        ensemble=options.ensemble or running.ensemble or found.spec.ensemble,
        postprocessing=running.postprocessing,
        device=options.device,
        precision=precision,
        max_memory=options.max_memory,
        resample_mm=found.spec.resample_mm,
        union=not found.spec.labels_are_certain,
        step=found.spec.step,
    )


def run_models(
    job: Job,
    images: Mapping[str, Image],
    models: Sequence[LoadedModel],
    *,
    where: _Mask | None = None,
    sought: Sequence[str] = (),
) -> dict[str, ModelRun]:
    """Run models on their channels; give network labels on the grid of the images, by model name.

    Parameters
    ----------
    where : where labels matter, on that grid; None is everywhere.
    sought : names of the labels that are followed beyond it.
    """
    runs = {}
    for loaded in models:
        spec = loaded.found.spec
        with job.record.stage(f"predict {spec.name}"):
            prediction = ensemble.predict(
                [images[role] for role in spec.channels],
                loaded.model,
                loaded.options,
                progress=_tiles_told(job, spec),
                region=where,
                sought=[number for number, name in enumerate(spec.labels, start=1) if name in sought],
            )
        job.record.note(*prediction.notes)
        reference = images[spec.channels[0]]
        labels = LabelMap(reference.volume.with_array(prediction.labels), (), reference.source)
        runs[spec.name] = ModelRun(loaded.found, prediction, labels)
    return runs


def _tiles_told(job: Job, spec: ModelSpec) -> ensemble.Progress:
    """Give what tells the tiles of a model, and which of the run's models it is.

    Where a region is widened the engine counts the further tiles anew; told is the sum.
    """
    specs = list(dict.fromkeys(planned.spec for planned in plan_of(job)))
    stage = "Predicting" if len(specs) == 1 else f"Predicting, model {specs.index(spec) + 1} of {len(specs)}"
    before = last = 0

    def tell(done: int, total: int) -> None:
        nonlocal before, last
        if done <= last:
            before += last
        last = done
        job.progress(stage, before + done, before + total)

    return tell


def labels_by_place(job: Job, runs: Mapping[str, ModelRun]) -> dict[str, LabelMap]:
    """Give labels by the name, and with the numbers, of the model in whose place each one ran.

    Models whose labels have other names, in another order, are renumbered by name; with as many labels as the place
    has, label n stands for label n.
    """
    return {
        planned.place.name: _renumbered(runs[planned.spec.name].labels, planned)
        for planned in plan_of(job)
        if planned.spec.name in runs
    }


def _renumbered(labels: LabelMap, planned: Planned) -> LabelMap:
    place, spec = planned.place, planned.spec
    if len(place.labels) == len(spec.labels):
        return labels
    return labels.with_labels(_numbers(place, spec)[labels.labels])


def _numbers(place: ModelSpec, spec: ModelSpec) -> npt.NDArray[np.uint8]:
    numbers = np.zeros(256, np.uint8)
    for label, name in enumerate(spec.labels, start=1):
        if name in place.labels:
            numbers[label] = place.labels.index(name) + 1
    return numbers
