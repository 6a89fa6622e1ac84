"""Resyncs of an operator without watches, which request them otherwise."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from tests.support.waiting import eventually
from wegent_operator.watch.resources import RESOURCES
from wegent_operator.watch.resync import Resyncer

LISTED_WITHIN_S = 60.0


@asynccontextmanager
async def going_on(resyncer: Resyncer) -> AsyncIterator[None]:
    """Resync on request."""
    running = asyncio.create_task(resyncer.run(3600))
    yield
    running.cancel()
    with suppress(asyncio.CancelledError):
        await running


def request_all(resyncer: Resyncer) -> None:
    """Request a resync of each resource, as the watches do when they begin."""
    for resource in RESOURCES:
        resyncer.listed(resource.plural)


async def fill(resyncer: Resyncer) -> None:
    """List all resources into the cache."""
    request_all(resyncer)
    async with going_on(resyncer):
        await eventually(
            lambda: not resyncer._visibility.problems(),
            within_s=LISTED_WITHIN_S,
            what="all resources to be listed",
        )
