"""A runner that is killed with many running Tasks: none is lost, and none ends twice."""

import asyncio
import random
import time
from dataclasses import dataclass

from tests.benchmarks.runner_stack import Place, RunnerStack
from tests.benchmarks.task_watch import TaskWatch
from tests.benchmarks.token_provider import Course
from tests.support.runner import RunnerProcess
from wegent_crds.phases import FINAL, Phase

KILLS_OF_ONE = 2
"""Kills that one Task survives here; the operator fails a Task after six attempts."""
LEASE_S = 10
"""Seconds. Each running Task renews its claim three times in it: 60 writes a second with 200."""
DELTAS = 40
PAUSE_S = 0.5
RUNNING_WITHIN_S = 60.0
ENDED_WITHIN_S = 300.0
LOOK_S = 0.25


@dataclass(frozen=True, slots=True)
class Kills:
    """The result of all kills."""

    kills: int
    tasks: int
    running: float
    """Running Tasks at a kill, the mean."""
    lost: int
    """Tasks that are not Completed, or whose result is not the provider's text."""
    ended_twice: int
    interrupted: int
    """Attempts that a kill has ended."""
    calls_beyond: int
    """Calls beyond one for each attempt."""


async def kills(
    stack: RunnerStack, runner: RunnerProcess, place: Place, count: int, running: int, seed: int = 1
) -> Kills:
    """Kill the runner, and start another one."""
    chance = random.Random(seed)
    at_kill, lost, attempts, calls, tasks = [], 0, 0, 0, 0
    async with TaskWatch(place.api.client, place.namespace) as watch:
        for first in range(0, count, KILLS_OF_ONE):
            courses = [
                Course(f"kill{first}-{number}", DELTAS, PAUSE_S) for number in range(running)
            ]
            names = [course.key for course in courses]
            await place.create(courses)
            for _ in range(min(KILLS_OF_ONE, count - first)):
                at_kill.append(await _running(runner, running))
                await asyncio.sleep(chance.uniform(0, 3))
                runner.kill()
                await asyncio.to_thread(runner.start)
            found = await place.until(FINAL, names, ENDED_WITHIN_S)
            called = stack.provider.stats().calls
            for course in courses:
                status = found[course.key]["status"]
                whole = status.get("result") == course.whole
                lost += not (status["phase"] == Phase.COMPLETED and whole)
                attempts += status["attempts"]
                calls += max(0, called[course.key] - status["attempts"])
            tasks += running
        ended_twice = sum(number > 1 for number in watch.ends.values())
    return Kills(
        kills=len(at_kill),
        tasks=tasks,
        running=sum(at_kill) / len(at_kill),
        lost=lost,
        ended_twice=ended_twice,
        interrupted=attempts - tasks,
        calls_beyond=calls,
    )


async def _running(runner: RunnerProcess, wanted: int) -> int:
    """Wait until so many slots are in use, or as many as come in time; return the number."""
    deadline = time.monotonic() + RUNNING_WITHIN_S
    while True:
        _, page = await asyncio.to_thread(runner.get, "/metrics")
        _, _, after = page.partition("\nwegent_runner_slots_busy ")
        busy = int(float(after.split("\n", 1)[0] or 0))
        if busy >= wanted or time.monotonic() > deadline:
            return busy
        await asyncio.sleep(LOOK_S)
