"""End at once on SIGTERM or SIGINT, with nothing left behind.

A handler of Python runs between two bytecodes: a long call into a library delays it, and Holoscan puts its
own handler in its place. So both signals are blocked, in this thread and in every thread started after it,
and one thread waits for them: whoever installs a handler, it is never called.
"""

import logging
import os
import signal
import sys
import threading
from collections.abc import Callable

__all__ = ["Interruption"]

logger = logging.getLogger(__name__)

_SIGNALS = frozenset({signal.SIGINT, signal.SIGTERM})
_SHELL_OFFSET = 128


class Interruption:
    """What is removed when the process is told to end."""

    def __init__(self) -> None:
        self._clean_ups: list[Callable[[], None]] = []
        self._is_ending = threading.Event()

    def add(self, clean_up: Callable[[], None]) -> None:
        """Add something that removes unfinished work; it runs in another thread while the work goes on."""
        self._clean_ups.append(clean_up)

    def watch(self) -> None:
        """From now on, end the process on SIGINT (status 130) or SIGTERM (143).

        Call it in the main thread before other threads are started: they inherit which signals are blocked.
        """
        signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
        threading.Thread(target=self._wait, name="signals", daemon=True).start()

    def yield_to_end(self) -> None:
        """Wait for the end where it has begun: work that failed because it was removed is no outcome of its own."""
        if self._is_ending.is_set():
            threading.Event().wait()

    def _wait(self) -> None:
        number = signal.sigwait(_SIGNALS)
        self._is_ending.set()
        name = "SIGINT" if number == signal.SIGINT else "SIGTERM"
        try:
            for clean_up in self._clean_ups:
                clean_up()
            logger.error("Interrupted by %s: what was not finished is removed.", name)
            sys.stderr.flush()
        finally:
            os._exit(_SHELL_OFFSET + int(number))
