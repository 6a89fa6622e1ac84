"""Runs work that would block the event loop for too long.

Python's interpreter lock changes hands every few milliseconds, so that other requests continue
meanwhile. There is one thread. With several, the event loop would get a smaller share of the lock.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final, Self, TypeVar

INLINE_BYTES: Final = 16 * 1024
"""Length below which a thread costs more than the work, which takes a millisecond or two."""

Result = TypeVar("Result")


class Worker:
    """One thread. An async context manager."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="bodies")

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        self._thread.shutdown(wait=False, cancel_futures=True)

    async def run(self, work: Callable[..., Result], raw: bytes, *rest: Any) -> Result:
        """Return the result of ``work`` on ``raw`` without blocking the event loop for long."""
        if len(raw) <= INLINE_BYTES:
            return work(raw, *rest)
        return await asyncio.get_running_loop().run_in_executor(self._thread, work, raw, *rest)
