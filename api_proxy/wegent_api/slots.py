"""How many streams there may be, in all and for each user.

A stream keeps its slot for as long as it lasts, over each of the API server's watches
that it takes: it isn't turned away in the middle because somebody else has come.
"""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from wegent_api.errors import TooManyRequests, Unavailable
from wegent_api.metrics import Metrics

RETRY_AFTER_S: Final = 5


class Slots:
    """Counts streams.

    Args:
        metrics: says how many there are.
        at_once: how many there may be.
        per_user: how many of them one user's, by however many tokens.
    """

    def __init__(self, metrics: Metrics, *, at_once: int, per_user: int) -> None:
        self._metrics = metrics
        self._at_once = at_once
        self._per_user = per_user
        self._taken: Counter[str] = Counter()

    @contextmanager
    def one(self, user: str) -> Iterator[None]:
        """Hold one of ``user``'s slots.

        Raises:
            TooManyRequests: they have as many as one may have.
            Unavailable: all are taken.
        """
        if self._taken[user] >= self._per_user:
            message = f"you follow {self._per_user} lists at once already; end one of them"
            raise TooManyRequests(message, retry_after_s=RETRY_AFTER_S)
        if self._taken.total() >= self._at_once:
            raise Unavailable("too many watches at once", retry_after_s=RETRY_AFTER_S)
        self._taken[user] += 1
        try:
            with self._metrics.watches.track_inprogress():
                yield
        finally:
            self._taken[user] -= 1
            if not self._taken[user]:
                del self._taken[user]
