"""The runner's part of the benchmarks: one table, each row a ratio or a count of this run."""

import asyncio
import shutil
import statistics
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.benchmarks import runner_cost
from tests.benchmarks.runner_burst import burst
from tests.benchmarks.runner_kills import LEASE_S, kills
from tests.benchmarks.runner_latency import cancellations, first_deltas
from tests.benchmarks.runner_resume import resumes
from tests.benchmarks.runner_rollout import rollout
from tests.benchmarks.runner_stack import RunnerStack, percentile, runner_stack
from tests.benchmarks.runner_writes import writes_of
from tests.benchmarks.tables import Tables
from tests.benchmarks.token_provider import Course
from tests.support.postgres import postgres_server, programs

P99_MS = 100.0
"""Delay of a delta above which a core serves too many streams."""
CAPACITY_S = 6.0
COST_S = 6.0
ROUNDS = 2
SLOTS = "100"


@dataclass(frozen=True)
class Sizes:
    """The sizes of the parts.

    Attributes:
        streams: Streams in the measurement of the CPU for each delta.
        step: Streams that each step towards the limit of a core adds.
        most: Streams at which these steps end.
    """

    first: int = 20
    streams: int = 20
    step: int = 20
    most: int = 120
    cancels: int = 50
    disconnects: int = 500
    burst: int = 500
    kills: int = 2
    killed: int = 50
    rollout: int = 20


async def run(sizes: Sizes, parts: Sequence[str], directory: Path, told: Tables) -> None:
    """Measure some parts, and tell their rows."""
    async with runner_stack(directory) as stack:
        told.begin(("runner", ""), ("", ""))
        for part in parts:
            await PARTS[part](stack, sizes, told)


async def _first(stack: RunnerStack, sizes: Sizes, told: Tables) -> None:
    place = await stack.place("first")
    async with stack.runner("first", slots=SLOTS):
        await first_deltas(stack, place, 1)
        found = await first_deltas(stack, await stack.place("first2"), sizes.first)

    def ms(values: Sequence[float]) -> str:
        middle, late = statistics.median(values), percentile(values, 0.99)
        return f"{middle * 1e3:.1f}, {late * 1e3:.1f}"

    told.row(
        "first delta from the provider, directly, ms (p50, p99)", ms([it.direct for it in found])
    )
    told.row("the same through runner and proxy", ms([it.relay for it in found]))
    told.row("from the creation of a Task to its first delta", ms([it.total for it in found]))
    told.row("- creation to verdict", ms([it.verdict for it in found]))
    told.row("- verdict to claim", ms([it.claim for it in found]))
    told.row("- claim to the provider's receipt of the call", ms([it.call for it in found]))


async def _cost(stack: RunnerStack, sizes: Sizes, told: Tables) -> None:
    place = await stack.place("cost")
    loads: dict[str, list[runner_cost.Load]] = {}
    async with stack.runner("cost", slots=str(2 * sizes.streams)) as runner:
        found = runner_cost.costs(stack, runner, place, sizes.streams, ROUNDS, COST_S)
        async for it in found:
            loads.setdefault(it.way, []).append(it)
    cpu = {way: statistics.fmean(it.cpu_us_per_delta for it in its) for way, its in loads.items()}
    ours = loads["events"]
    runner_us = statistics.fmean(it.runner_share / it.read for it in ours) * COST_S * 1e6
    what = f"with {sizes.streams} streams of {runner_cost.TOKENS_PER_S} tokens/s"
    told.row(f"CPU for a delta, runner and proxy, {what}, µs", f"{cpu['events']:.0f}")
    told.row("- the runner's part", f"{runner_us:.0f}")
    told.row("- a bare loop over openai's SDK", f"{cpu['sdk']:.0f}")
    told.row("- a bare aiohttp client", f"{cpu['bytes']:.0f}")
    told.charts["cpu"] = (
        "CPU for a delta, µs",
        {
            "": {
                "runner and proxy": cpu["events"],
                "OpenAI's SDK": cpu["sdk"],
                "aiohttp": cpu["bytes"],
            }
        },
    )
    told.row("- ratio to the SDK", f"{cpu['events'] / cpu['sdk']:.2f}")


async def _capacity(stack: RunnerStack, sizes: Sizes, told: Tables) -> None:
    place = await stack.place("capacity")
    async with stack.runner("capacity", slots=str(2 * sizes.most)) as runner:
        runner_cost.pin([runner.pid, stack.proxy.pid], {0})
        served, best = 0, None
        for streams in range(sizes.step, sizes.most + 1, sizes.step):
            it = await runner_cost.load(
                stack, runner, place, "events", streams, CAPACITY_S, "capacity"
            )
            told.row(f"{streams} streams, runner and proxy on one core", _told(it))
            if it.p99_ms >= P99_MS:
                break
            served, best = streams, it
        told.row(f"streams a core with p99 under {P99_MS:.0f} ms", f"{served}")
        if best is not None:
            whole = best.streams / (best.runner_share + best.proxy_share)
            told.row("the same by their CPU alone", f"{whole:.0f}")
        bare = await runner_cost.load(
            stack, runner, place, "bytes", served or sizes.step, CAPACITY_S, "capacity"
        )
        told.row(f"{bare.streams} streams to a bare client", _told(bare))
        runner_cost.pin([stack.proxy.pid], {0, 1})


def _told(it: runner_cost.Load) -> str:
    shares = (it.runner_share, it.proxy_share, it.provider_share, it.reader_share)
    cores = ", ".join(f"{share:.2f}" for share in shares)
    return (
        f"p50 {it.p50_ms:.0f} ms, p99 {it.p99_ms:.0f} ms; cores of runner, proxy, provider,"
        f" reader: {cores}; {it.sent} deltas sent, {it.read} read"
    )


async def _writes(stack: RunnerStack, _: Sizes, told: Tables) -> None:
    place = await stack.place("writes")
    async with stack.runner("writes", lease_s="6"):
        for deltas, pause_s in ((10, 0.02), (1000, 0.002), (70, 0.1)):
            course = Course(f"writes{deltas}", deltas, pause_s)
            writes = await writes_of(stack, place, course)
            counts = ", ".join(f"{count} {what}" for what, count in sorted(writes.items()))
            told.row(f"writes for {deltas} deltas in {deltas * pause_s:.1f} s, lease 6 s", counts)


async def _cancel(stack: RunnerStack, sizes: Sizes, told: Tables) -> None:
    place = await stack.place("cancel")
    async with stack.runner("cancel", slots=str(2 * sizes.cancels)):
        taken = await cancellations(stack, place, sizes.cancels)
    ms = f"{statistics.median(taken) * 1e3:.0f}, {percentile(taken, 0.99) * 1e3:.0f}"
    told.row(f"cancel to the provider's socket closed, {sizes.cancels} Tasks, ms (p50, p99)", ms)


async def _resume(stack: RunnerStack, sizes: Sizes, told: Tables) -> None:
    place = await stack.place("resume")
    async with stack.runner("resume", slots=SLOTS):
        it = await resumes(place, sizes.disconnects)
    told.row(
        f"texts that differ after {it.disconnects} disconnects", f"{it.mismatches} of {it.texts}"
    )


async def _burst(stack: RunnerStack, sizes: Sizes, told: Tables) -> None:
    place = await stack.place("burst")
    async with stack.runner("burst", slots=SLOTS) as runner:
        it = await burst(stack, runner, place, sizes.burst, warm_up=2 * int(SLOTS))
    told.row(f"{it.tasks} Tasks at once: completed, each once", f"{it.completed}, {it.once}")
    told.row("- Tasks a second", f"{it.per_s:.1f}")
    told.row(
        "- the runner's memory after a warm-up, peak, MiB",
        f"{it.before_mib:.0f}, {it.peak_mib:.0f}",
    )
    told.row("- CPU of the runner for a Task, ms", f"{it.runner_cpu_ms:.0f}")


async def _kills(stack: RunnerStack, sizes: Sizes, told: Tables) -> None:
    place = await stack.place("kills")
    slots = str(2 * sizes.killed)
    async with stack.runner("kills", slots=slots, lease_s=str(LEASE_S)) as runner:
        it = await kills(stack, runner, place, sizes.kills, sizes.killed)
    told.row(
        f"{it.kills} kills with {it.running:.0f} running: lost of {it.tasks} Tasks", f"{it.lost}"
    )
    told.row("- ended twice", f"{it.ended_twice}")
    told.row("- interrupted attempts, model calls beyond one for each attempt",
        f"{it.interrupted}, {it.calls_beyond}")  # fmt: skip


async def _rollout(stack: RunnerStack, sizes: Sizes, told: Tables) -> None:
    if programs() is None:
        told.row("rolling update", "not measured: PostgreSQL is not installed")
        return
    place = await stack.place("rollout")
    # Not in the directory: only its owner can enter that, and PostgreSQL has another user.
    folder = Path(tempfile.mkdtemp(prefix="wegent-postgres-"))
    try:
        with postgres_server(folder) as server:
            it = await rollout(stack, place, server.url(), sizes.rollout)
    finally:
        await asyncio.to_thread(shutil.rmtree, folder)
    told.row(f"streams lost of {it.streams}, both of two runners replaced", f"{it.lost}")
    told.row("- streams that went on at another runner", f"{it.resumed}")


PARTS = {
    "first": _first,
    "cost": _cost,
    "capacity": _capacity,
    "writes": _writes,
    "cancel": _cancel,
    "resume": _resume,
    "burst": _burst,
    "kills": _kills,
    "rollout": _rollout,
}
