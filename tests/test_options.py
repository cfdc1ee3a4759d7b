"""Options come from the command line, or from AIMI_* variables."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aimi.errors import UsageError
from aimi.options import ENVIRONMENT, RunOptions, clock_of_environment, flag, memory_size


def test_every_option_has_a_variable() -> None:
    assert set(ENVIRONMENT) == set(RunOptions.__dataclass_fields__)


def test_variables_become_options() -> None:
    environ = {"AIMI_SERIES": "1.2.3", "AIMI_OVERWRITE": "1", "AIMI_MAX_MEMORY": "2G", "AIMI_SEG_TYPE": "labelmap"}
    options = RunOptions.from_environment(environ)
    assert options == RunOptions(series_uid="1.2.3", overwrite=True, max_memory=2 * 2**30, segmentation_type="labelmap")


@pytest.mark.parametrize(
    ("variable", "value"),
    [("AIMI_OVERWRITE", "maybe"), ("AIMI_SEG_TYPE", "png"), ("AIMI_MAX_MEMORY", "much"), ("AIMI_MAX_MEMORY", "-1")],
)
def test_a_value_that_is_none_is_wrong_usage(variable: str, value: str) -> None:
    with pytest.raises(UsageError, match=variable):
        RunOptions.from_environment({variable: value})


def test_an_empty_variable_is_no_option() -> None:
    assert RunOptions.from_environment({"AIMI_SERIES": ""}) == RunOptions()


@given(st.integers(1, 10**6), st.sampled_from(["K", "M", "G", "KiB", "MB", "gib"]))
def test_sizes_are_powers_of_1024(number: int, suffix: str) -> None:
    assert memory_size(f"{number}{suffix}", "x") == number * 1024 ** ("KMG".index(suffix[0].upper()) + 1)


def test_options_without_influence_are_not_part_of_the_identity() -> None:
    assert RunOptions(overwrite=True, max_memory=5).identity() == RunOptions().identity()
    assert RunOptions(series_uid="1").identity() != RunOptions().identity()


def test_source_date_epoch_stops_the_clock() -> None:
    assert clock_of_environment({"SOURCE_DATE_EPOCH": "86400"})().isoformat() == "1970-01-02T00:00:00+00:00"


@pytest.mark.parametrize("epoch", ["yesterday", "", "\u00b2", "1e9", "9" * 20, "-5"])
def test_a_source_date_epoch_that_is_no_number_is_wrong_usage(epoch: str) -> None:
    with pytest.raises(UsageError, match="SOURCE_DATE_EPOCH"):
        clock_of_environment({"SOURCE_DATE_EPOCH": epoch})


@pytest.mark.parametrize("size", ["inf", "1e400", "nan"])
def test_a_size_without_end_is_wrong_usage(size: str) -> None:
    with pytest.raises(UsageError, match="no memory size"):
        memory_size(size, "--max-memory")


@pytest.mark.parametrize(
    ("text", "expected"), [("0", False), ("false", False), ("1", True), ("YES", True), ("", False)]
)
def test_a_flag_is_what_it_says(text: str, expected: bool) -> None:
    assert flag({"AIMI_DEBUG": text}, "AIMI_DEBUG") is expected
