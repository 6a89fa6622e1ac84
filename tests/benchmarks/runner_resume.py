"""Viewers that leave at random bytes and come back: is each text what the provider has sent?"""

import asyncio
import random
from dataclasses import dataclass

from tests.benchmarks.runner_stack import Place
from tests.benchmarks.stream_viewer import StreamViewer
from tests.benchmarks.token_provider import Course
from wegent_crds.phases import Phase

VIEWERS = 20
"""Viewers at once, each of a Task of its own."""
DELTAS = 400
MAX_BYTES = 2500
"""Bytes after which a viewer leaves, at most, while it gets on: some eight events."""
WITHIN_S = 900.0


@dataclass(frozen=True, slots=True)
class Resumes:
    """The result of all disconnects."""

    disconnects: int
    texts: int
    mismatches: int


async def resumes(place: Place, disconnects: int, seed: int = 1) -> Resumes:
    """Disconnect at least so many times."""
    left, texts, mismatches = disconnects, 0, 0
    chance = random.Random(seed)

    async def view(viewer: int) -> None:
        nonlocal left, texts, mismatches
        task = 0
        while left > 0:
            course = Course(f"resume{viewer}-{task}", deltas=DELTAS, pause_s=0.02)
            await place.create([course])
            one = StreamViewer(place.client, place.namespace, course.key)
            bound = MAX_BYTES
            while one.outcome is None:
                last_id = one.last_id
                await one.read(leave_after=chance.randint(1, bound))
                # The last events have the whole text: a viewer that always leaves before the end
                # of one would never get past it.
                bound = MAX_BYTES if one.last_id != last_id else 2 * bound
            left -= one.connections - 1
            texts += 1
            ended = one.outcome.get("phase") == Phase.COMPLETED
            mismatches += not (ended and one.text == course.whole)
            task += 1

    async with asyncio.timeout(WITHIN_S):
        await asyncio.gather(*map(view, range(VIEWERS)))
    return Resumes(disconnects - left, texts, mismatches)
