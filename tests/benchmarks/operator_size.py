"""The operator's memory and CPU, by its number of objects."""

import asyncio
import re
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

from tests.benchmarks.processes import usage_of
from tests.support.api import Api
from tests.support.operator import OperatorProcess

NAMESPACE = "bench"
BOTS_PER_GHOST = 10
AT_ONCE = 16
WITHIN_S = 900.0


@dataclass(frozen=True, slots=True)
class OperatorSize:
    """The measurements with a number of objects, all evaluated."""

    objects: int
    resident_mib: float
    cpu_ms_per_object: float
    """From an object's creation to its written verdict, for the last objects added."""
    restart_cpu_s: float
    """A restart with all of them: start, lists and evaluation, without writes."""


async def measure(
    api: Api, operator: OperatorProcess, steps: Sequence[int]
) -> AsyncIterator[OperatorSize]:
    """Yield the measurements at each number of objects."""
    await api.create_namespace(NAMESPACE)
    await api.create("models", NAMESPACE, "m", {"provider": "openai", "model": "gpt-4"})
    await api.create("shells", NAMESPACE, "s", {"type": "Chat"})
    await api.create("ghosts", NAMESPACE, "g0", {"systemPrompt": "You help."})
    there = 3
    for wanted in steps:
        await settled(operator, there)
        before = usage_of(operator.pid).cpu_s
        added = wanted - there
        await add(api, range(there, wanted))
        there = wanted
        await settled(operator, there)
        cpu_s = usage_of(operator.pid).cpu_s - before
        await asyncio.to_thread(operator.stop)
        await asyncio.to_thread(operator.start)
        await settled(operator, there)
        now = usage_of(operator.pid)
        yield OperatorSize(there, now.resident_mib, cpu_s * 1000 / added, now.cpu_s)


async def add(api: Api, numbers: range) -> None:
    """Create a Ghost and its Bots, again and again."""
    gate = asyncio.Semaphore(AT_ONCE)

    async def create(number: int) -> None:
        async with gate:
            if number % (BOTS_PER_GHOST + 1) == 0:
                await api.create("ghosts", NAMESPACE, f"g{number}", {"systemPrompt": "x" * 2000})
                return
            refs = {
                "ghostRef": {"name": f"g{number - number % (BOTS_PER_GHOST + 1)}"},
                "modelRef": {"name": "m"},
                "shellRef": {"name": "s"},
            }
            await api.create("bots", NAMESPACE, f"b{number}", refs)

    await asyncio.gather(*map(create, numbers))


async def settled(operator: OperatorProcess, count: int) -> None:
    """Wait until the operator knows this many objects, has evaluated all of them, and is idle."""
    deadline = time.monotonic() + WITHIN_S
    while True:
        page = operator.get("/metrics")[1]
        counts = re.findall(r"^wegent_operator_objects{.*} (\S+)$", page, re.MULTILINE)
        known = sum(map(float, counts))
        if "\nwegent_operator_queue_depth 0.0" in page and known == count:
            await asyncio.sleep(1)
            return
        assert time.monotonic() < deadline, f"{known:g} of {count}: {operator.tail()}"
        await asyncio.sleep(0.5)
