"""Wait, with a deadline, until another program has done something."""

import asyncio
import inspect
import time
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar, overload

T = TypeVar("T")

POLL_S = 0.05
LONGEST_POLL_S = 0.25
"""Pauses grow by a quarter up to this: asking takes CPU from the other program."""
ROUND_S = 0.5
"""A round of polling counts as this at most: a machine that stalls takes the time from the other
program too."""


class Patience:
    """A deadline in seconds of a machine that does not stall."""

    def __init__(self, within_s: float) -> None:
        self._left_s = within_s
        self._since = time.monotonic()

    def is_over(self) -> bool:
        """Count the time since the last call, and return whether the deadline has passed."""
        now = time.monotonic()
        self._left_s -= min(now - self._since, ROUND_S)
        self._since = now
        return self._left_s < 0


@overload
async def eventually(
    probe: Callable[[], Coroutine[Any, Any, T]], *, within_s: float, what: str
) -> T: ...
@overload
async def eventually(probe: Callable[[], T], *, within_s: float, what: str) -> T: ...
async def eventually(probe: Callable[[], Any], *, within_s: float, what: str) -> Any:
    """Call ``probe`` until it returns something true, and return that.

    An AssertionError from the probe means "not yet", and its text is what was last
    seen; any other exception is the test's failure at once.

    Args:
        probe: a function, which may return an awaitable.
        within_s: the deadline, in seconds.
        what: the awaited event, for the failure's message.
    """
    patience = Patience(within_s)
    pause_s = POLL_S
    while True:
        try:
            found = probe()
            value = await found if inspect.isawaitable(found) else found
            if value:
                return value
            seen = repr(value)
        except AssertionError as error:
            seen = str(error) or "a bare assert"
        if patience.is_over():
            raise AssertionError(f"not within {within_s:g} s: {what}; last seen: {seen}")
        await asyncio.sleep(pause_s)
        pause_s = min(pause_s * 1.25, LONGEST_POLL_S)
