"""Progress in the log: how much is done, and how long the rest will take."""

import logging
from collections.abc import Iterator

import pytest

from aimi.job import log_progress


class _Kept(logging.Handler):
    """Keeps records."""

    def __init__(self) -> None:
        super().__init__()
        self.records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)


@pytest.fixture
def records() -> Iterator[list[logging.LogRecord]]:
    """Give what aimi.job logs, whatever was configured before."""
    logger, kept = logging.getLogger("aimi.job"), _Kept()
    before = logger.level
    logger.setLevel(logging.INFO)
    logger.addHandler(kept)
    yield kept.records
    logger.removeHandler(kept)
    logger.setLevel(before)


def tell(steps: list[tuple[float, str, int, int]]) -> None:
    """Tell progress at given seconds; the log begins at 0."""
    now = [0.0]
    log = log_progress(10.0, clock=lambda: now[0])
    for seconds, stage, done, total in steps:
        now[0] = seconds
        log(stage, done, total)


def lines(records: list[logging.LogRecord]) -> list[str]:
    return [record.getMessage() for record in records]


def test_a_line_every_ten_seconds_says_how_long_the_rest_takes(records: list[logging.LogRecord]) -> None:
    tell([(5 * n, "Predicting", n, 20) for n in range(1, 7)])
    assert lines(records) == [
        "Predicting: 2 of 20, about 2 min left",
        "Predicting: 4 of 20, about 1 min left",
        "Predicting: 6 of 20, about 1 min left",
    ]
    assert [record.seconds_left for record in records] == [90, 80, 70]  # type: ignore[attr-defined]  # of extra


def test_after_the_first_step_nothing_is_said_of_the_time_left(records: list[logging.LogRecord]) -> None:
    tell([(30.0, "Predicting", 1, 20)])
    assert lines(records) == ["Predicting: 1 of 20"]
    assert not hasattr(records[0], "seconds_left")


def test_each_stage_and_each_new_count_has_a_speed_of_its_own(records: list[logging.LogRecord]) -> None:
    tell([(0, "a", 1, 9), (20, "a", 2, 9), (40, "b", 1, 9), (41, "b", 2, 9), (51, "b", 3, 9), (70, "b", 1, 9)])
    assert lines(records) == ["a: 2 of 9, about 2 min left", "b: 1 of 9", "b: 3 of 9, about 33 s left", "b: 1 of 9"]


@pytest.mark.parametrize(("seconds_a_step", "said"), [(10, "50 s"), (30, "2 min"), (1800, "2 h 30 min")])
def test_the_time_left_is_said_in_fitting_units(
    seconds_a_step: int, said: str, records: list[logging.LogRecord]
) -> None:
    tell([(0, "a", 1, 7), (seconds_a_step, "a", 2, 7)])
    assert lines(records) == [f"a: 2 of 7, about {said} left"]
