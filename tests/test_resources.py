"""What ``tools/measure_resources.py`` measured of each application, and what is said and asked for because of it."""

import json
import math
import re
from typing import Any

import pytest
import yaml

from aimi.engine import ensemble
from aimi.engine.gpu_memory import MOST, GpuNeed, gpu_need
from aimi.engine.isotropic import shape_at
from aimi.engine.network import network_of
from aimi.engine.plans import Plans, read_plans_v1, read_plans_v2
from aimi.engine.preprocessing import uncropped
from aimi.engine.resampling import Shape
from tools import made_models
from tools.measure_resources import CASES, MARGIN, RESULTS, ROOT, Use

MEASURED: dict[str, dict[str, Any]] = json.loads(RESULTS.read_bytes())["cpu"]
GIB = 1 << 30


def requested(task: str, resource: str = "memory") -> int:
    memory: str = yaml.safe_load((ROOT / "apps" / task / "app.yaml").read_text())["resources"][resource]
    return int(memory.removesuffix("Gi"))


def plans_of(use: Use) -> Plans:
    if use.spec.generation == 1:
        return read_plans_v1(made_models.plans_v1(use.made), 0)
    return read_plans_v2(made_models.plans_v2(use.made), made_models.dataset_v2(use.made), "3d_fullres", ())


def given_of(task: str, use: Use) -> ensemble._Given:
    wanted, last = CASES[task].wanted, use.spec == CASES[task].models[-1].spec
    own = wanted["pet"] if "pet" in use.spec.channels else wanted[use.spec.channels[0]]
    shape: Shape = own.shape
    if use.spec.resample_mm is None:
        return ensemble._Given(shape, shape, own.spacing, has_region=last and "pet" in wanted)
    spacing = (use.spec.resample_mm,) * 3
    return ensemble._Given(shape, shape_at(shape, own.spacing, use.spec.resample_mm), spacing, has_region=False)


def estimate(task: str, use: Use) -> int:
    plans, folds = plans_of(use), use.made.folds
    votes = use.spec.ensemble == "vote"
    needs = ensemble._needs(network_of(plans), plans, given_of(task, use), folds=folds, width=4, votes=votes)
    return needs[folds > 1].total


@pytest.mark.parametrize("task", CASES)
def test_the_estimate_is_the_measured_peak_or_up_to_a_fifth_more(task: str) -> None:
    largest = max(estimate(task, use) for use in CASES[task].models)
    assert 1 <= largest / MEASURED[task]["peak_bytes"] <= 1.2


@pytest.mark.parametrize("task", CASES)
def test_what_was_measured_is_the_case_as_it_is_now(task: str) -> None:
    assert MEASURED[task]["study"] == {role: [*one.shape, *one.spacing] for role, one in CASES[task].wanted.items()}
    assert set(MEASURED[task]["models"]) == {use.spec.name for use in CASES[task].models}


@pytest.mark.parametrize("task", CASES)
def test_an_application_asks_for_its_peak_with_the_margin(task: str) -> None:
    assert requested(task) == math.ceil(MEASURED[task]["peak_bytes"] * MARGIN / GIB)


@pytest.mark.parametrize("task", CASES)
def test_page_and_card_say_what_was_measured_and_is_asked_for(task: str) -> None:
    peak = f"{MEASURED[task]['peak_bytes'] / GIB:.1f}"
    rows = [line.split("|") for line in (ROOT / "docs" / "map.md").read_text().splitlines() if f"| {task} |" in line]
    assert [cell.strip() for cell in rows[-1][3:6]][0::2] == [peak, f"{requested(task)}Gi"]
    card = " ".join((ROOT / "apps" / task / "README.md").read_text().split())
    assert f"{peak} GiB at its peak" in card
    assert re.search(rf"asks for {requested(task)}Gi", card)


def gpu_need_and_sums(task: str, use: Use) -> tuple[GpuNeed, int]:
    plans, given = plans_of(use), given_of(task, use)
    grid = uncropped(given.run_shape, given.run_spacing, plans).network_shape
    return gpu_need(network_of(plans)), 4 * plans.heads * math.prod(map(max, grid, plans.patch))


def test_gpu_memory_that_is_asked_for_is_what_the_estimate_allows_and_the_page_says() -> None:
    assert {requested(task, "gpuMemory") for task in CASES} == {math.ceil(MOST / GIB)}
    both = [gpu_need_and_sums(task, use) for task, case in CASES.items() for use in case.models]
    page = " ".join((ROOT / "docs" / "map.md").read_text().split())
    assert f"the largest model needs {max(need.total for need, _ in both) / GIB:.1f} GiB of GPU memory" in page
    kept = [sums for need, sums in both if need.leaves_room(sums, free=MOST)]
    assert f"at most {max(kept) / GIB:.1f} GiB for the studies above" in page
    assert f"the {max(sums for _, sums in both) / GIB:.1f} GiB of TotalSegmentator's 25 outputs" in page


def test_no_application_shares_memory_between_processes() -> None:
    assert all(not one["shared_names"] for one in MEASURED.values())
