"""How many of something there may be at once, in all and for each user.

A watch keeps its slot for as long as it lasts, over each of the API server's watches
that it takes: it isn't turned away in the middle because somebody else has come. A long
answer keeps its slot until the client has read it.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Final

from wegent_api.http.errors import TooManyRequests, Unavailable

RETRY_AFTER_S: Final = 5


class ConcurrencyLimiter:
    """Counts what is held.

    Args:
        what: is counted, in the plural, for messages.
        at_once: how many there may be.
        per_user: how many of them one user's, by however many tokens.
        gauge: returns a context manager that shows how many there are.
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
        """Hold one of ``user``'s slots, or ``size`` of them.

        Raises:
            TooManyRequests: they have as many as one may have.
            Unavailable: all are taken.
        """
        if self._taken[user] + size > self._per_user:
            message = f"too many {self._what} at once: the limit is {self._per_user} per user"
            raise TooManyRequests(message, retry_after_s=RETRY_AFTER_S)
        if self._taken.total() + size > self._at_once:
            raise Unavailable(f"too many {self._what} at once", retry_after_s=RETRY_AFTER_S)
        self._taken[user] += size
        try:
            with self._gauge():
                yield
        finally:
            self._taken[user] -= size
            if not self._taken[user]:
                del self._taken[user]
