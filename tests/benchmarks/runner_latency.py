"""The time from a Task's creation to its first delta, and from a cancellation to its effect."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import aiohttp

from tests.benchmarks.runner_stack import Place, RunnerStack, until
from tests.benchmarks.stream_viewer import StreamViewer
from tests.benchmarks.task_watch import TaskWatch
from tests.benchmarks.token_provider import Course
from wegent_crds.phases import FINAL, Phase

WITHIN_S = 60.0
THINKS_S = 1.0
"""Seconds before the provider's first delta. The viewer is connected by then."""
LONG = 100_000
"""Deltas of an answer that is cancelled before its end."""


@dataclass(frozen=True, slots=True)
class FirstDelta:
    """Seconds on the way to the first delta of one Task, without the provider's own time."""

    verdict: float
    """From the request of the creation to the condition Ready."""
    claim: float
    """From there to the phase Running."""
    call: float
    """From there to the arrival of the call at the provider."""
    relay: float
    """From the provider's sending to the arrival at the viewer."""
    direct: float
    """The same for a bare client of the provider."""

    @property
    def total(self) -> float:
        return self.verdict + self.claim + self.call + self.relay


async def first_deltas(stack: RunnerStack, place: Place, count: int) -> list[FirstDelta]:
    """Run Tasks one after another; a runner with free slots must be there."""
    found = []
    async with TaskWatch(place.api.client, place.namespace) as watch:
        for number in range(count):
            course = Course(f"first{number}", deltas=3, first_s=THINKS_S)
            direct_s = await _direct(stack, Course(f"direct{number}", deltas=3, first_s=THINKS_S))
            created = time.monotonic()
            await place.create([course])
            viewer = StreamViewer(place.client, place.namespace, course.key)
            await asyncio.wait_for(viewer.read(), WITHIN_S)
            stats, name = stack.provider.stats(), course.key
            found.append(
                FirstDelta(
                    verdict=watch.ready[name] - created,
                    claim=watch.running[name] - watch.ready[name],
                    call=stats.received[name] - watch.running[name],
                    relay=viewer.first_at - stats.first[name],
                    direct=direct_s,
                )
            )
    return found


async def _direct(stack: RunnerStack, course: Course) -> float:
    messages = [{"role": "user", "content": course.prompt}]
    body: dict[str, Any] = {"model": "m", "stream": True, "messages": messages}
    url = f"{stack.provider.url}/chat/completions"
    async with aiohttp.ClientSession() as session, session.post(url, json=body) as response:
        await response.content.readany()
        arrived = time.monotonic()
        await response.read()
    return arrived - stack.provider.stats().first[course.key]


async def cancellations(stack: RunnerStack, place: Place, count: int) -> Sequence[float]:
    """Return the seconds from each request to cancel to the close of the provider's socket."""
    courses = [Course(f"cancel{number}", deltas=LONG) for number in range(count)]
    await place.create(courses)
    names = [course.key for course in courses]
    await place.until([Phase.RUNNING], names, WITHIN_S)

    async def begun() -> bool:
        return set(names) <= stack.provider.stats().first.keys()

    await until(begun, WITHIN_S, "all calls")
    asked: dict[str, float] = {}
    for name in names:
        asked[name] = time.monotonic()
        path = f"/api/v1/kinds/tasks/{name}/cancel?namespace={place.namespace}"
        (await place.client.post(path)).expect(202)

    async def closed() -> bool:
        return set(names) <= stack.provider.stats().closed.keys()

    await until(closed, WITHIN_S, "all sockets to be closed")
    await place.until(FINAL, names, WITHIN_S)
    at = stack.provider.stats().closed
    return [at[name] - asked[name] for name in names]
