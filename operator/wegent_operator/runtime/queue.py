"""A queue of keys that merges repeats, as client-go's workqueue does.

A key is in the queue at most once, and never with two workers at a time. A key that
is added while a worker has it waits until the worker is done. A key that failed comes
back after a delay, which doubles with each failure of the key.
"""

import asyncio
import time
from collections.abc import Hashable
from typing import Final, Generic, TypeVar

K = TypeVar("K", bound=Hashable)

FIRST_DELAY_S: Final = 0.5
MAX_DELAY_S: Final = 60.0


class KeyedQueue(Generic[K]):
    """Keys waiting to be worked on, oldest first. For one event loop."""

    def __init__(self) -> None:
        self._order: asyncio.Queue[K] = asyncio.Queue()
        self._added_at: dict[K, float] = {}
        self._working: set[K] = set()
        self._again: set[K] = set()
        self._failures: dict[K, int] = {}
        self._retries: dict[K, asyncio.TimerHandle] = {}
        self._timers: dict[K, asyncio.TimerHandle] = {}

    def __len__(self) -> int:
        return len(self._added_at)

    @property
    def oldest_age_s(self) -> float:
        """Seconds that the longest waiting key has waited; 0 for an empty queue."""
        return time.monotonic() - next(iter(self._added_at.values())) if self._added_at else 0.0

    def add(self, key: K) -> None:
        """Add a key, unless it is in the queue already."""
        if key in self._working:
            self._again.add(key)
        elif key not in self._added_at:
            self._added_at[key] = time.monotonic()
            self._order.put_nowait(key)

    async def get(self) -> K:
        """Wait for a key and return it; ``done`` must follow."""
        key = await self._order.get()
        del self._added_at[key]
        self._working.add(key)
        return key

    def done(self, key: K) -> None:
        """Give a key back. If the key was added meanwhile, it is put into the queue again."""
        self._working.discard(key)
        if key in self._again:
            self._again.discard(key)
            self.add(key)

    def retry(self, key: K, after_s: float | None = None) -> float:
        """Add a key again after ``after_s`` or its own growing delay, if longer; return that."""
        failures = self._failures.get(key, 0)
        self._failures[key] = failures + 1
        own_delay = min(FIRST_DELAY_S * 2.0 ** min(failures, 10), MAX_DELAY_S)
        delay = max(after_s or 0.0, own_delay)
        self._cancel_retry(key)
        self._retries[key] = asyncio.get_running_loop().call_later(delay, self._due, key)
        return delay

    def failures(self, key: K) -> int:
        """Return the number of a key's failures in a row."""
        return self._failures.get(key, 0)

    def add_after(self, key: K, after_s: float | None) -> None:
        """Add a key after some seconds; this replaces the key's earlier timer.

        None only cancels the timer.
        """
        if (timer := self._timers.pop(key, None)) is not None:
            timer.cancel()
        if after_s is not None:
            self._timers[key] = asyncio.get_running_loop().call_later(after_s, self._fire, key)

    def forget(self, key: K) -> None:
        """Record that a key succeeded: its delay starts small again."""
        self._failures.pop(key, None)
        self._cancel_retry(key)

    def clear(self) -> None:
        """Remove all keys, including keys that would come back later."""
        for timer in (*self._retries.values(), *self._timers.values()):
            timer.cancel()
        for keys in (self._retries, self._timers, self._failures, self._added_at, self._again):
            keys.clear()
        self._order = asyncio.Queue()

    def _due(self, key: K) -> None:
        self._retries.pop(key, None)
        self.add(key)

    def _fire(self, key: K) -> None:
        self._timers.pop(key, None)
        self.add(key)

    def _cancel_retry(self, key: K) -> None:
        if (timer := self._retries.pop(key, None)) is not None:
            timer.cancel()
