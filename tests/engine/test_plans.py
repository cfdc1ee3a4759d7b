import copy
import json
from collections.abc import Callable
from typing import Any

import pytest

from aimi.engine.plans import Plans, plans_from_json, plans_to_json, read_plans_v1, read_plans_v2
from aimi.errors import ModelError
from tests.engine.stock_v1 import CaseV1
from tests.engine.stock_v2 import Case, dataset_of, plans_of

Change = Callable[[dict[str, Any], dict[str, Any]], object]


def read(change: Change, case: Case | None = None) -> Plans:
    """Read plans after a change to the configuration and the data set description."""
    case = case or Case()
    plans, dataset = copy.deepcopy(plans_of(case)), copy.deepcopy(dataset_of(case))
    change(plans["configurations"]["3d_fullres"], dataset)
    return read_plans_v2(plans, dataset, "3d_fullres", (0, 1, 2))


REFUSED: dict[str, tuple[str, Change]] = {
    "cascade": ("second stage", lambda plans, _: plans.update(previous_stage="3d_lowres")),
    "preprocessor": ("preprocessor Own", lambda plans, _: plans.update(preprocessor_name="Own")),
    "normalization": ("normalization Own", lambda plans, _: plans.update(normalization_schemes=["Own"])),
    "channels": ("normalise 0 channels", lambda plans, _: plans.update(normalization_schemes=[])),
    "resampling": ("resampling own", lambda plans, _: plans.update(resampling_fn_data="own")),
    "two dimensions": ("three-dimensional", lambda plans, _: plans.update(patch_size=[16, 16])),
    "network": ("Primus", lambda plans, _: plans["architecture"].update(network_class_name="a.Primus")),
    "norm": ("BatchNorm3d", lambda plans, _: plans["architecture"]["arch_kwargs"].update(norm_op="n.BatchNorm3d")),
    "blocks": ("basic blocks", lambda plans, _: plans["architecture"]["arch_kwargs"].update(block="b.BottleneckD")),
    "depths": ("3 stages", lambda plans, _: plans["architecture"]["arch_kwargs"].update(n_conv_per_stage=[2])),
    "parent": ("configuration 3d", lambda plans, _: plans.update(inherits_from="3d")),
    "circle": ("configuration 3d_fullres", lambda plans, _: plans.update(inherits_from="3d_fullres")),
    "missing": ("lack", lambda plans, _: plans.pop("spacing")),
    "regions": (
        "2 regions have 1",
        lambda _, dataset: dataset.update(labels={"background": 0, "a": [1, 2], "b": 2}, regions_class_order=[1]),
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_plans_that_ask_for_something_else_are_refused_by_name(name: str) -> None:
    message, change = REFUSED[name]
    with pytest.raises(ModelError, match=message):
        read(change)


IMPOSSIBLE: dict[str, Change] = {
    "spacing of zero": lambda plans, _: plans.update(spacing=[1.0, 0.0, 1.0]),
    "endless spacing": lambda plans, _: plans.update(spacing=[1.0, float("inf"), 1.0]),
    "no patch": lambda plans, _: plans.update(patch_size=[0, 16, 16]),
    "a patch that cannot be halved": lambda plans, _: plans.update(patch_size=[16, 16, 18]),
    "no kernels": lambda plans, _: plans["architecture"]["arch_kwargs"].update(kernel_sizes=[]),
    "a stride too few": lambda plans, _: plans["architecture"]["arch_kwargs"]["strides"].pop(),
    "more labels than a byte": lambda _, dataset: dataset.update(labels={str(value): value for value in range(257)}),
    "a region's label above a byte": lambda _, dataset: dataset.update(
        labels={"background": 0, "a": [1, 2], "b": 2}, regions_class_order=[1, 300]
    ),
}


@pytest.mark.parametrize("name", IMPOSSIBLE)
def test_plans_that_contradict_themselves_are_refused(name: str) -> None:
    with pytest.raises(ModelError, match="contradict"):
        read(IMPOSSIBLE[name])


@pytest.mark.parametrize("transpose", [[0, 0, 0], [1, 2, 3], [2, 1, -1]])
def test_a_transposition_that_is_none_is_refused(transpose: list[int]) -> None:
    with pytest.raises(ModelError, match="contradict"):
        read_plans_v1({**CaseV1().plans, "transpose_forward": transpose}, 0)
    content = plans_to_json(read(lambda *_: None))
    with pytest.raises(ModelError, match="contradict"):
        plans_from_json({**content, "transpose": transpose})


def test_configuration_inherits_what_it_does_not_say() -> None:
    plans, dataset = copy.deepcopy(plans_of(Case())), dataset_of(Case())
    plans["configurations"]["3d_fullres_fine"] = {"inherits_from": "3d_fullres", "spacing": [0.5, 0.5, 0.5]}
    found = read_plans_v2(plans, dataset, "3d_fullres_fine", ())
    assert (found.spacing, found.patch) == ((0.5, 0.5, 0.5), (16, 16, 16))


@pytest.mark.parametrize(("given", "expected"), [({}, False), ({"force_separate_z": None}, None)])
def test_separate_axis_is_off_unless_the_plans_leave_it_open(given: dict[str, None], expected: bool | None) -> None:
    found = read(lambda plans, _: plans.update(resampling_fn_data_kwargs={"order": 3, **given}))
    assert found.data_rule.separate_z is expected


def test_ignored_label_has_no_output() -> None:
    labels = {"background": 0, "a": 1, "ignore": 2}
    assert read(lambda _, dataset: dataset.update(labels=labels)).heads == 2


def test_numbers_that_hold_for_all_stages_are_spread() -> None:
    def change(plans: dict[str, Any], _: object) -> None:
        plans["architecture"]["arch_kwargs"] |= {"kernel_sizes": 3, "n_conv_per_stage": 2, "strides": [1, 2, 2]}

    architecture = read(change).architecture
    assert architecture.kernels == ((3, 3, 3),) * 3
    assert architecture.strides == ((1, 1, 1), (2, 2, 2), (2, 2, 2))
    assert architecture.depths == (2, 2, 2)


@pytest.mark.parametrize("case", [Case(), Case(is_residual=True), Case(is_old=True)])
def test_plans_survive_json(case: Case) -> None:
    plans = read(lambda *_: None, case)
    assert plans_from_json(json.loads(json.dumps(plans_to_json(plans)))) == plans


def test_damaged_json_is_a_model_error() -> None:
    content = plans_to_json(read(lambda *_: None))
    for name in content:
        with pytest.raises(ModelError):
            plans_from_json({key: value for key, value in content.items() if key != name})


def test_v1_takes_the_stage_of_the_checkpoint() -> None:
    plans = CaseV1(stages=2).plans
    assert read_plans_v1(plans, 0).spacing == (2.0, 2.0, 2.0)
    assert read_plans_v1(plans, 1).spacing == (1.0, 1.0, 1.0)
    assert read_plans_v1(plans, None).spacing == (1.0, 1.0, 1.0)


def test_old_v1_plans_without_kernels_are_completed() -> None:
    plans = CaseV1().plans
    stage = plans["plans_per_stage"][0]
    del stage["pool_op_kernel_sizes"], stage["conv_kernel_sizes"], plans["transpose_forward"]
    stage["num_pool_per_axis"] = [1, 3, 2]
    architecture = read_plans_v1(plans, 0).architecture
    assert architecture.strides == ((1, 1, 1), (1, 2, 1), (1, 2, 2), (2, 2, 2))
    assert architecture.kernels == ((3, 3, 3),) * 4


def test_v1_export_follows_its_parameters() -> None:
    parameters = {"interpolation_order": 3, "interpolation_order_z": 1, "force_separate_z": False}
    rule = read_plans_v1({**CaseV1().plans, "segmentation_export_params": parameters}, 0).result_rule
    assert (rule.order, rule.order_z, rule.separate_z) == (3, 1, False)


@pytest.mark.parametrize("change", [{"preprocessor_name": "PreprocessorFor2D"}, {"plans_per_stage": {}}])
def test_v1_plans_that_ask_for_something_else_are_refused(change: dict[str, Any]) -> None:
    with pytest.raises(ModelError):
        read_plans_v1({**CaseV1().plans, **change}, 0)
