"""Keys that wait for a verdict, and since when: for the queue and for the metrics."""

import time
from collections.abc import Iterable

from wegent_crds.references import ObjectKey
from wegent_operator.runtime.queue import KeyedQueue


class Pending:
    """Puts keys into the queue and remembers when each was first put there."""

    def __init__(self, queue: KeyedQueue[ObjectKey]) -> None:
        self._queue = queue
        self._pending_since: dict[ObjectKey, float] = {}

    @property
    def age_s(self) -> float:
        """Seconds that the longest pending key has waited for its verdict; 0 without one."""
        times = self._pending_since.values()
        return time.monotonic() - min(times) if times else 0.0

    def enqueue(self, keys: Iterable[ObjectKey]) -> None:
        """Put keys into the queue: something on which their verdicts may depend has changed."""
        now = time.monotonic()
        for key in keys:
            self._pending_since.setdefault(key, now)
            self._queue.add(key)

    def since(self, key: ObjectKey) -> float | None:
        """Return the time (`time.monotonic`) from which a key is pending; None if it isn't."""
        return self._pending_since.get(key)

    def settle(self, key: ObjectKey) -> None:
        """Record that an object says how it is, and that its next retry starts with no delay."""
        self._pending_since.pop(key, None)
        self._queue.forget(key)

    def retry(self, key: ObjectKey, after_s: float | None = None) -> None:
        """Let a key come back. Its object says what is wrong, so that it isn't pending."""
        self._pending_since.pop(key, None)
        self._queue.retry(key, after_s)

    def clear(self) -> None:
        """Forget all keys, and empty the queue."""
        self._queue.clear()
        self._pending_since.clear()
