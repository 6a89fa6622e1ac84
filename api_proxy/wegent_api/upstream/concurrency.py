"""Limits on concurrent watches and long answers, in total and per user.

A watch keeps its slot for its whole duration, across all upstream watches that it opens. So a
newcomer never ends it. A long answer keeps its slot until the client has read it.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Final

from wegent_api.http.errors import TooManyRequests, Unavailable

RETRY_AFTER_S: Final = 5


class ConcurrencyLimiter:
    """Counts the slots in use, in total and per user.

    Args:
        what: noun in the plural for messages, such as "watches".
        at_once: limit in total.
        per_user: limit for one user, over all of the user's tokens.
        gauge: returns a context manager that shows the number of slots in use.
    """

    def __init__(
        self,
        what: str,
        *,
        at_once: int,
        per_user: int,
        gauge: Callable[[], AbstractContextManager[object]] = nullcontext,
    ) -> None:
        self._what = what
        self._gauge = gauge
        self._at_once = at_once
        self._per_user = per_user
        self._taken: Counter[str] = Counter()

    @contextmanager
    def one(self, user: str, size: int = 1) -> Iterator[None]:
        """Hold one slot, or ``size`` slots, for ``user``.

        Raises:
            TooManyRequests: the user is at the limit per user.
            Unavailable: all slots are in use.
        """
        if self._taken[user] + size > self._per_user:
            message = (
                f"too many concurrent {self._what}: the limit is {self._per_user} per user;"
                " wait until others have ended"
            )
            raise TooManyRequests(message, retry_after_s=RETRY_AFTER_S)
        if self._taken.total() + size > self._at_once:
            raise Unavailable(
                f"too many concurrent {self._what}; try again", retry_after_s=RETRY_AFTER_S
            )
        self._taken[user] += size
        try:
            with self._gauge():
                yield
        finally:
            self._taken[user] -= size
            if not self._taken[user]:
                del self._taken[user]
