"""The pause between tries of a request that fails: it doubles, it is capped, and it varies."""

import asyncio
import random
from typing import Final

FIRST_S: Final = 0.5
"""Seconds before the second try."""
CAP_S: Final = 10.0
"""Seconds; the longest pause. A right or a CRD that comes back is used within this time."""
LEAST_SHARE: Final = 0.5
"""The share of the full pause that is always waited; the rest is random, so that many clients
of an API server that comes back do not all ask at once."""


class Backoff:
    """Pauses of one request. Not for two tasks at once."""

    def __init__(self, first_s: float = FIRST_S, cap_s: float = CAP_S) -> None:
        self._first_s = first_s
        self._cap_s = cap_s
        self._failures = 0

    @property
    def failures(self) -> int:
        """How many tries have failed since the last success."""
        return self._failures

    def next_s(self) -> float:
        """Count a failure and return how many seconds to wait."""
        # The exponent is bounded: a float has an end, and a request may fail for months.
        full = min(self._cap_s, self._first_s * 2.0 ** min(self._failures, 20))
        self._failures += 1
        return full * random.uniform(LEAST_SHARE, 1.0)  # noqa: S311 - no secret

    async def wait(self) -> None:
        """Count a failure and wait."""
        await asyncio.sleep(self.next_s())

    def reset(self) -> None:
        """Note a success: the next pause is short again."""
        self._failures = 0
