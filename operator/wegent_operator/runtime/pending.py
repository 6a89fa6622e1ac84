"""Keys that wait for a verdict, with the time since when they wait."""

import time
from collections.abc import Iterable

from wegent_crds.references import ObjectKey
from wegent_operator.runtime.queue import KeyedQueue


class Pending:
    """Adds keys to the queue, and stores when each was first added."""

    def __init__(self, queue: KeyedQueue[ObjectKey]) -> None:
        self._queue = queue
        self._pending_since: dict[ObjectKey, float] = {}

    @property
    def age_s(self) -> float:
        """Seconds that the longest pending key has waited for its verdict; 0 without one."""
        times = self._pending_since.values()
        return time.monotonic() - min(times) if times else 0.0

    def enqueue(self, keys: Iterable[ObjectKey]) -> None:
        """Add keys to the queue, because an object on which they may depend has changed."""
        now = time.monotonic()
        for key in keys:
            self._pending_since.setdefault(key, now)
            self._queue.add(key)

    def since(self, key: ObjectKey) -> float | None:
        """Return the time (`time.monotonic`) from which a key is pending; None if it isn't."""
        return self._pending_since.get(key)

    def settle(self, key: ObjectKey) -> None:
        """Record that an object's status is current, and reset the delay of its next retry."""
        self._pending_since.pop(key, None)
        self._queue.forget(key)

    def retry(self, key: ObjectKey, after_s: float | None = None) -> None:
        """Add a key again after a delay. It isn't pending: its object's status has the problem."""
        self._pending_since.pop(key, None)
        self._queue.retry(key, after_s)

    def clear(self) -> None:
        """Remove all keys, also from the queue."""
        self._queue.clear()
        self._pending_since.clear()
