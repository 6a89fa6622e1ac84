"""Calls of one Model that wait for their turn in this runner. Namespaces take turns."""

import asyncio
from collections import OrderedDict, deque


class Turns:
    """A semaphore that is fair to namespaces, and whose limit may change.

    A namespace with a hundred waiting calls doesn't hold up another one with a single call.
    """

    def __init__(self) -> None:
        self._limit = 1
        self._taken = 0
        self._waiting: OrderedDict[str, deque[asyncio.Future[None]]] = OrderedDict()

    @property
    def is_idle(self) -> bool:
        """True if no call is made, and none waits."""
        return not self._taken and not self._waiting

    async def acquire(self, namespace: str, limit: int) -> None:
        """Wait for a turn.

        Args:
            namespace: the namespace of the caller.
            limit: Maximum number of turns at once, as it is now. It holds for all who wait.
        """
        self._limit = limit
        if self._taken < limit and not self._waiting:
            self._taken += 1
            return
        turn = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(namespace, deque()).append(turn)
        self._next()
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self.release()  # it was given the turn in the same moment
            else:
                self._forget(namespace, turn)
            raise

    def release(self) -> None:
        """End a turn."""
        self._taken -= 1
        self._next()

    def _next(self) -> None:
        """Give the free turns to those who wait, one namespace after the other."""
        while self._waiting and self._taken < self._limit:
            namespace, queue = self._waiting.popitem(last=False)
            turn = queue.popleft()
            if queue:
                self._waiting[namespace] = queue
            if not turn.done():
                self._taken += 1
                turn.set_result(None)

    def _forget(self, namespace: str, turn: asyncio.Future[None]) -> None:
        queue = self._waiting.get(namespace)
        if queue is not None and turn in queue:
            queue.remove(turn)
            if not queue:
                del self._waiting[namespace]
