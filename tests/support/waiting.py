"""Wait, with a deadline, until another program has done something."""

import asyncio
import inspect
import time
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar, overload

T = TypeVar("T")

POLL_S = 0.05


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
    deadline = time.monotonic() + within_s
    while True:
        try:
            found = probe()
            value = await found if inspect.isawaitable(found) else found
            if value:
                return value
            seen = repr(value)
        except AssertionError as error:
            seen = str(error) or "a bare assert"
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {within_s:g} s: {what}; last seen: {seen}")
        await asyncio.sleep(POLL_S)
