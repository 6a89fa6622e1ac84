"""The CPU for each delta, and the number of streams that one core serves."""

import asyncio
import operator
import os
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.benchmarks.processes import usage_of
from tests.benchmarks.runner_stack import Place, RunnerStack, percentile
from tests.benchmarks.token_provider import Course
from tests.benchmarks.token_reader import Job, Reader
from tests.support.runner import RunnerProcess
from wegent_crds.phases import FINAL, Phase

TOKENS_PER_S = 50
WARM_UP_S = 2.0
"""Seconds after the last stream has begun, for the claims and the first calls to be over."""
STARTS_WITHIN_S = 120.0
BEFORE_S = 12.0
"""Seconds that streams last beside the measured ones, so that none ends within these."""


@dataclass(frozen=True, slots=True)
class Load:
    """One window in which all streams run."""

    way: str
    streams: int
    cpu_us_per_delta: float
    """Of the reader for ``sdk`` and ``bytes``, and of runner and proxy for ``events``."""
    runner_share: float
    """Share of a core that the runner uses, 0 where it isn't asked."""
    proxy_share: float
    provider_share: float
    reader_share: float
    p50_ms: float
    """Delay of a delta that is sent in the window, from its sending to its arrival."""
    p99_ms: float
    sent: int
    """Deltas that the provider sent in the window."""
    read: int
    """Deltas that arrived in the window: fewer than sent, if a program on the way falls behind."""


async def costs(
    stack: RunnerStack, runner: RunnerProcess, place: Place, streams: int, rounds: int, for_s: float
) -> AsyncIterator[Load]:
    """Yield windows of the same load, alternating between the SDK, bytes, and Wegent."""
    for number in range(rounds):
        for way in ("sdk", "bytes", "events"):
            yield await load(stack, runner, place, way, streams, for_s, f"cost{number}")


async def load(
    stack: RunnerStack,
    runner: RunnerProcess,
    place: Place,
    way: str,
    streams: int,
    for_s: float,
    name: str,
) -> Load:
    """Measure one window."""
    deltas = int((for_s + BEFORE_S + streams / 10) * TOKENS_PER_S)
    courses = [
        Course(f"{name}-{streams}-{way}-{number}", deltas, 1 / TOKENS_PER_S, text="stamp")
        for number in range(streams)
    ]
    provider = stack.provider
    if way == "events":
        await place.create(courses)
        await place.until([Phase.RUNNING], [it.key for it in courses], STARTS_WITHIN_S)
        token = place.client.token or ""
        names = [it.key for it in courses]
        job = Job("events", stack.proxy.url, names, token, place.namespace)
    else:
        prompts = [it.prompt for it in courses]
        job = Job("sdk" if way == "sdk" else "bytes", provider.url, prompts)
    async with Reader(job) as reader:
        await asyncio.wait_for(reader.begun(), STARTS_WITHIN_S)
        await asyncio.sleep(WARM_UP_S)
        pids = [runner.pid, stack.proxy.pid, provider.pid, reader.pid]
        loop = asyncio.get_running_loop()
        before, sent, since = _cpu_s(pids), provider.stats().sent, loop.time()
        await asyncio.sleep(for_s)
        after, until = _cpu_s(pids), loop.time()
        sent = provider.stats().sent - sent
        report = await reader.report()
    if way == "events":
        await place.until(FINAL, [it.key for it in courses], STARTS_WITHIN_S)
    used = [after_s - before_s for before_s, after_s in zip(before, after, strict=True)]
    delays = [
        delay_s
        for sent_at, delay_s in zip(report.sent_at, report.delays_s, strict=True)
        if since <= sent_at < until
    ]
    arrivals = map(operator.add, report.sent_at, report.delays_s)
    read = sum(since <= arrived < until for arrived in arrivals)
    measured = used[0] + used[1] if way == "events" else used[3]
    share = [cpu_s / (until - since) for cpu_s in used]
    return Load(
        way=way,
        streams=streams,
        cpu_us_per_delta=measured / read * 1e6,
        runner_share=share[0],
        proxy_share=share[1],
        provider_share=share[2],
        reader_share=share[3],
        p50_ms=percentile(delays, 0.5) * 1e3,
        p99_ms=percentile(delays, 0.99) * 1e3,
        sent=sent,
        read=read,
    )


def _cpu_s(pids: Sequence[int]) -> list[float]:
    return [usage_of(pid).cpu_s for pid in pids]


def pin(pids: Sequence[int], cores: set[int]) -> None:
    """Bind processes, with all their threads, to some cores."""
    for pid in pids:
        for thread in Path(f"/proc/{pid}/task").iterdir():
            os.sched_setaffinity(int(thread.name), cores)
