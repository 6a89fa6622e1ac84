"""Both of two runners are replaced while streams run: does each viewer get the whole text?"""

import asyncio
from contextlib import AsyncExitStack
from dataclasses import dataclass

from tests.benchmarks.runner_stack import Place, RunnerStack
from tests.benchmarks.stream_viewer import StreamViewer
from tests.benchmarks.token_provider import Course
from wegent_crds.phases import Phase

WITHIN_S = 300.0
APART_S = 3.0
"""Seconds between the steps."""


@dataclass(frozen=True, slots=True)
class Rollout:
    """The result of a rolling update."""

    streams: int
    lost: int
    """Streams without the end of the run, or with another text than the provider's."""
    resumed: int
    """Streams whose run went on at another runner."""


async def rollout(stack: RunnerStack, place: Place, store_url: str, streams: int) -> Rollout:
    """Drain each of two runners in turn, once its successor is ready."""
    settings = {"store_url": store_url, "drain_s": "1", "slots": str(streams)}
    courses = [Course(f"roll{number}", 300, 0.2) for number in range(streams)]
    viewers = [StreamViewer(place.client, place.namespace, it.key) for it in courses]
    async with AsyncExitStack() as runners:
        old = [
            await runners.enter_async_context(stack.runner(f"old{number}", **settings))
            for number in range(2)
        ]
        await place.create(courses)
        names = [it.key for it in courses]
        await place.until([Phase.RUNNING], names, WITHIN_S)
        async with asyncio.timeout(WITHIN_S):
            reading = asyncio.gather(*(viewer.read() for viewer in viewers))
            for number, runner in enumerate(old):
                await asyncio.sleep(APART_S)
                await runners.enter_async_context(stack.runner(f"new{number}", **settings))
                await asyncio.to_thread(runner.stop)
            await reading
    lost = sum(
        (viewer.outcome or {}).get("phase") != Phase.COMPLETED or viewer.text != course.whole
        for viewer, course in zip(viewers, courses, strict=True)
    )
    return Rollout(streams, lost, sum(viewer.restarts > 0 for viewer in viewers))
