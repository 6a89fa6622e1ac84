"""Keeps the parts of the program running, and ends them in a bounded time."""

import asyncio
import logging
import math
from collections.abc import Awaitable, Callable
from typing import Final

from wegent_kube.backoff import Backoff

logger = logging.getLogger(__name__)

PAUSE_MAX_S: Final = 60.0
"""The longest pause in seconds before a part is started again."""
STEADY_S: Final = 60.0
"""Seconds after which a part that was started again counts as working."""
DEAD_AFTER: Final = 5
"""Failures in a row after which a part counts as dead. Some seconds of pauses lie between them."""
END_S: Final = 13.0
"""Seconds for all that follows the drain. The chart gives a Pod 15 of them before it is killed."""


class Parts:
    """Starts a part again that has failed. Running Tasks don't notice."""

    def __init__(self) -> None:
        self._vital: dict[str, Backoff] = {}

    @property
    def dead(self) -> list[str]:
        """Names of the vital parts that have failed several times in a row."""
        return [name for name, it in self._vital.items() if it.failures >= DEAD_AFTER]

    async def keep(
        self, name: str, run: Callable[[], Awaitable[None]], *, vital: bool = True
    ) -> None:
        """Run a part until cancelled. An end counts as a failure.

        Args:
            name: Name of the part, for the log and for ``dead``.
            run: Runs the part, and never returns.
            vital: False for a part that only tidies up. Its failures don't justify a restart of
                the program, which costs the running Tasks their slots.
        """
        backoff = Backoff(cap_s=PAUSE_MAX_S)
        if vital:
            self._vital[name] = backoff
        while True:
            steady = asyncio.get_running_loop().call_later(STEADY_S, backoff.reset)
            try:
                await run()
                logger.error("%s: ended; it is started again", name)
            except Exception:
                logger.exception("%s: failed; it is started again", name)
            finally:
                steady.cancel()
            await backoff.wait()


class Ending:
    """The steps after the drain. They share one deadline, so that none uses up a Pod's time."""

    def __init__(self, limit_s: float = END_S) -> None:
        self._limit_s = limit_s
        self._until: float | None = None

    async def step(
        self, name: str, run: Callable[[], Awaitable[object]], limit_s: float = math.inf
    ) -> None:
        """Run a step until it has ended or its time is over. The first step sets the deadline.

        Args:
            name: Name of the step, for the log.
            run: Runs the step.
            limit_s: Maximum seconds of this step.
        """
        now = asyncio.get_running_loop().time()
        if self._until is None:
            self._until = now + self._limit_s
        try:
            async with asyncio.timeout_at(min(self._until, now + limit_s)):
                await run()
        except TimeoutError:
            logger.warning("%s: not finished when the program ends", name)
