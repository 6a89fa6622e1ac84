"""Knows whether the store takes writes. While it doesn't, the runner claims no Tasks."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Final

from wegent_kube.backoff import Backoff
from wegent_runner.store.failures import StoreError

logger = logging.getLogger(__name__)

PROBE_EVERY_S: Final = 30.0
"""Seconds between two probes of a store that works: a full one is noticed before it fails a run."""


class StoreHealth:
    """The state of the store.

    Attributes:
        problem: The last failure; empty if the store works.
    """

    def __init__(self, every_s: float = PROBE_EVERY_S) -> None:
        self._every_s = every_s
        self._works = asyncio.Event()
        self._works.set()
        self._failed = asyncio.Event()
        self.problem = ""

    def failed(self, error: StoreError) -> None:
        """Record a failure of a read or a write."""
        if not self.problem:
            logger.error("no Task is claimed until the store works again: %s", error)
        self.problem = str(error)
        self._works.clear()
        self._failed.set()

    async def wait(self) -> None:
        """Return when the store works."""
        await self._works.wait()

    async def run(self, probe: Callable[[], Awaitable[None]]) -> None:
        """Probe the store until cancelled: often while it doesn't work, and now and then else."""
        backoff = Backoff()
        while True:
            self._failed.clear()
            try:
                await probe()
            except StoreError as error:
                self.failed(error)
                await backoff.wait()
                continue
            backoff.reset()
            if self.problem and not self._failed.is_set():
                logger.info("the store works again")
                self.problem = ""
                self._works.set()
            try:
                async with asyncio.timeout(self._every_s):
                    await self._failed.wait()
            except TimeoutError:
                pass
            else:
                await backoff.wait()
