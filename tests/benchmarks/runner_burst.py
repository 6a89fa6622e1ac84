"""Many Tasks at once: all are done, each once, and the runner's memory stays flat."""

import asyncio
import time
from collections import Counter
from dataclasses import dataclass

from tests.benchmarks.processes import usage_of
from tests.benchmarks.runner_stack import Place, RunnerStack, until
from tests.benchmarks.task_watch import TaskWatch
from tests.benchmarks.token_provider import Course
from tests.support.runner import RunnerProcess
from wegent_crds.phases import FINAL, Phase

LOOK_S = 0.5


@dataclass(frozen=True, slots=True)
class Burst:
    """The result of a burst."""

    tasks: int
    completed: int
    once: int
    """Tasks with one attempt, one call of the provider and one end."""
    per_s: float
    """Tasks a second, from the first creation to the last end."""
    before_mib: float
    """Peak memory of the runner after the warm-up: all slots have been in use."""
    peak_mib: float
    """Peak memory in the burst."""
    runner_cpu_ms: float
    """CPU of the runner for each Task."""


async def burst(
    stack: RunnerStack, runner: RunnerProcess, place: Place, tasks: int, warm_up: int
) -> Burst:
    """Create the Tasks as fast as the API server takes them."""
    await _run(place, [Course(f"warm{number}") for number in range(warm_up)])
    peaks = [usage_of(runner.pid).resident_mib]
    before = peaks[0]
    cpu_s = usage_of(runner.pid).cpu_s

    async def look() -> None:
        while True:
            peaks.append(usage_of(runner.pid).resident_mib)
            await asyncio.sleep(LOOK_S)

    looking = asyncio.create_task(look())
    courses = [Course(f"burst{number}") for number in range(tasks)]
    async with TaskWatch(place.api.client, place.namespace) as watch:
        began = time.monotonic()
        ended = await _run(place, courses, watch)
        took_s = ended - began
    looking.cancel()
    cpu_s = usage_of(runner.pid).cpu_s - cpu_s
    found, calls = await place.tasks(), stack.provider.stats().calls
    names = [course.key for course in courses]
    phases = Counter(found[name]["status"]["phase"] for name in names)
    return Burst(
        tasks=tasks,
        completed=phases[Phase.COMPLETED],
        once=sum(
            (found[name]["status"]["attempts"], calls[name], watch.ends[name]) == (1, 1, 1)
            for name in names
        ),
        per_s=tasks / took_s,
        before_mib=before,
        peak_mib=max(peaks),
        runner_cpu_ms=cpu_s / tasks * 1e3,
    )


async def _run(place: Place, courses: list[Course], watch: TaskWatch | None = None) -> float:
    """Run Tasks to their ends, and return the time of the last one."""
    names, within_s = [course.key for course in courses], 60 + len(courses) / 2
    await place.create(courses)
    if watch is None:
        await place.until(FINAL, names, within_s)
        return time.monotonic()

    async def ended() -> bool:
        return len(watch.ends) >= len(names) and all(watch.ends[name] for name in names)

    await until(ended, within_s, f"the ends of {len(names)} Tasks")
    return time.monotonic()
