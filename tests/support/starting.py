"""Wait until a program that was just started is ready."""

import time
from collections.abc import Callable
from typing import Protocol, TypeVar

from tests.support.waiting import POLL_S, Patience

T = TypeVar("T")


class Process(Protocol):
    """A started process, as ``subprocess.Popen``."""

    def poll(self) -> int | None:
        """Return the exit code; None while it runs."""


def await_start(
    process: Process,
    ready: Callable[[], T | None],
    *,
    within_s: float,
    said: Callable[[], str],
    end: Callable[[], object],
) -> T:
    """Call ``ready`` until it returns something true, and return that.

    Args:
        process: the program.
        ready: returns something true once the program is ready.
        within_s: the deadline, in seconds.
        said: returns the last part of the program's log, for messages.
        end: ends the program. It is called if the program is not ready in time, and at Ctrl-C.

    Raises:
        AssertionError: the program has ended, or is not ready in time.
    """
    patience = Patience(within_s)
    try:
        while not (found := ready()):
            assert process.poll() is None, f"it died: {said()}"
            assert not patience.is_over(), f"not ready in time: {said()}"
            time.sleep(POLL_S)
    except BaseException:  # Ctrl-C too leaves nothing behind
        if process.poll() is None:
            end()
        raise
    return found
