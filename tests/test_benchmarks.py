"""What benchmarks.engine makes of ways that failed; its figures are not asserted."""

from typing import Any

import pytest

from benchmarks.engine import EXACT, FAST, STOCK, judge, require_run, summarise
from benchmarks.peak import Chip

pytestmark = pytest.mark.torch  # the original is imported with it

CHIP = Chip("made", 2.5, 5.0)
FAILED = {"failed": "MemoryError"}


def run(seconds: float) -> dict[str, Any]:
    return {
        "seconds": {"loading": 1.0, "preprocessing": 0.0, "network": seconds, "export": 0.0},
        "folds": 2,
        "cpu_seconds": seconds,
        "peak_bytes": int(seconds),
    }


@pytest.mark.parametrize("way", [STOCK, EXACT])
def test_where_either_side_fails_the_benchmark_ends_with_the_reason(way: str) -> None:
    with pytest.raises(SystemExit, match=rf"{way} failed: MemoryError\. There is nothing to compare"):
        require_run(way, [FAILED])


def test_a_peer_may_fail_and_one_good_run_is_enough() -> None:
    require_run("MONAI inferer", [FAILED])
    require_run(STOCK, [run(1.0), FAILED])
    assert summarise([run(1.0), FAILED])["runs"] == 1


def test_bf16_that_failed_is_judged_as_if_it_were_not_there() -> None:
    ways = {STOCK: summarise([run(6.0)]), EXACT: summarise([run(2.0)])}
    assert judge({**ways, FAST: summarise([FAILED])}, {}, CHIP) == judge(ways, {}, CHIP)
    judged = judge({**ways, FAST: summarise([run(1.0)])}, {}, CHIP)
    assert (judged["speedup"], judged["speedup_identical"], judged["memory_ratio"]) == (6.0, 3.0, 1 / 6)
