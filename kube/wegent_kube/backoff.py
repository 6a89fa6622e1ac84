"""Exponential backoff with a cap and jitter, for a request that fails."""

import asyncio
import random
from typing import Final

FIRST_S: Final = 0.5
"""Seconds before the second attempt."""
CAP_S: Final = 10.0
"""The longest pause in seconds. A restored right or CRD is used within this time."""
LEAST_SHARE: Final = 0.5
"""Fixed share of a pause. The rest is random, so that many clients of an API server that starts
again do not all send requests at the same moment."""


class Backoff:
    """The pauses between the attempts of one request. Not safe for concurrent tasks."""

    def __init__(self, first_s: float = FIRST_S, cap_s: float = CAP_S) -> None:
        self._first_s = first_s
        self._cap_s = cap_s
        self._failures = 0

    @property
    def failures(self) -> int:
        """The number of failures since the last success."""
        return self._failures

    def next_s(self) -> float:
        """Count a failure and return the pause in seconds."""
        # The exponent is bounded, because a request may fail for months and a float would overflow.
        full = min(self._cap_s, self._first_s * 2.0 ** min(self._failures, 20))
        self._failures += 1
        return full * random.uniform(LEAST_SHARE, 1.0)  # noqa: S311 - no secret

    async def wait(self) -> None:
        """Count a failure and sleep for the pause."""
        await asyncio.sleep(self.next_s())

    def reset(self) -> None:
        """Record a success, after which the next pause is short again."""
        self._failures = 0
