"""What is shown on a terminal while something runs."""

import io
import sys

import pytest

from aimi.cli.console import progress


class Terminal(io.StringIO):
    """A text stream that says that it is a terminal."""

    def isatty(self) -> bool:
        return True


def test_each_model_has_a_bar_and_a_count_that_begins_anew_begins_a_new_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "120")
    with progress() as show:
        show("Predicting, model 1 of 2", 4, 4)
        show("Predicting, model 2 of 2", 8, 9)
        show("Predicting, model 2 of 2", 1, 3)
    last = terminal.getvalue().rsplit("model 1 of 2", 1)[1]
    assert ["4/4" in last, "1/3" in last, "8/9" in last] == [True, True, False]
