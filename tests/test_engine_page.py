"""The page on the engine says what was measured."""

import json
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[1]
PAGE = (ROOT / "docs" / "engine.md").read_text()
MEASURED: dict[str, Any] = json.loads((ROOT / "benchmarks" / "results" / "engine.json").read_bytes())
WAYS: dict[str, dict[str, Any]] = {**MEASURED["aimi"], **MEASURED["peers"]}


def cells_of(first: str) -> list[str]:
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in PAGE.splitlines() if line.startswith("|")]
    return next(row[1:] for row in rows if row[0] == first)


@pytest.mark.parametrize("way", WAYS)
def test_each_way_has_its_row(way: str) -> None:
    found = WAYS[way]
    assert cells_of(way) == [
        str(found["folds"]),
        f"{found['network_seconds_per_fold']:.1f}",
        f"{found['total_seconds']:.1f}",
        f"{found['cpu_seconds']:.0f}",
        f"{found['peak_bytes'] / 2**30:.2f}",
    ]


def test_the_ratios_are_those_that_were_measured() -> None:
    dice = MEASURED["dice"]["aimi f32"]["DEMO-liver-ct"]
    assert cells_of("times as fast as nnunetv2, same labels")[0] == f"{MEASURED['speedup_identical']:.2f}"
    assert cells_of("peak memory, of nnunetv2's")[0] == f"{MEASURED['memory_ratio_f32']:.2f}"
    assert cells_of("share of the time outside the network")[0] == f"{100 * MEASURED['share_outside_network']:.1f} %"
    assert cells_of("network's share of the chip's peak")[0] == f"{100 * MEASURED['share_of_peak']:.0f} %"
    assert cells_of("lowest Dice with nnunetv2, trained")[0] == f"{min(dice.values()):.5f}"
    assert f"class `{MEASURED['cpu_class']}`" in PAGE
