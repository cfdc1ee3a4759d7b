"""How the engine is asked to run the models of a task."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from aimi.engine import ensemble
from aimi.model_runs import _engine_options
from aimi.models.catalogue import TASK775_LUNGS, TASK777_NODULES, ModelSpec
from aimi.options import RunOptions, clock_of_environment
from aimi.output_place import OutputPlace
from aimi.pipeline import Job
from aimi.run_record import RunRecord
from aimi.tasks import get


def options_of(spec: ModelSpec, tmp_path: Path, **given: Any) -> ensemble.Options:
    task = get("lung_ct")
    job = Job(
        task=task,
        options=RunOptions(**given),
        place=OutputPlace(tmp_path, task.name),
        models=None,
        demo=False,
        clock=clock_of_environment({}),
        record=RunRecord(),
    )
    return _engine_options(job, SimpleNamespace(spec=spec), "f32")  # type: ignore[arg-type]  # all that is asked of it


@pytest.mark.parametrize(("spec", "expected"), [(TASK775_LUNGS, True), (TASK777_NODULES, False)])
def test_folds_vote_on_the_union_of_labels_that_nobody_is_certain_of(
    spec: ModelSpec, expected: bool, tmp_path: Path
) -> None:
    # aimi-lung-ct (BAMF): lungs are where 3 of 5 folds give any label of Task775
    options = options_of(spec, tmp_path)
    assert (options.ensemble, options.union) == ("vote", expected)
