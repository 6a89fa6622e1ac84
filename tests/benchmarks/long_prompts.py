"""The peak memory of operator and proxy with Ghosts that have prompts of maximum length."""

import asyncio
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass

import aiohttp

from tests.benchmarks.operator_size import settled
from tests.benchmarks.processes import peak_mib
from tests.support.api import Api
from tests.support.operator import OperatorProcess
from tests.support.proxy import ProxyProcess

NAMESPACE = "prompts"
PROMPT = "\u667a" * 131_072
"""The schema's maximum: 384 KiB in UTF-8, 256 KiB in Python's memory."""
AT_ONCE = 4
EVERYWHERE = "/api/v1/kinds/ghosts?namespace=*"
REFERRERS = f"/api/v1/kinds/skills/s/referrers?namespace={NAMESPACE}"


@dataclass(frozen=True, slots=True)
class Peak:
    """One process after one step."""

    what: str
    mib: float
    before_mib: float
    """The process's peak without such Ghosts."""


async def of_operator(api: Api, operator: OperatorProcess, count: int) -> AsyncIterator[Peak]:
    """Yield the operator's peaks while the Ghosts are made, and after a restart over them."""
    await api.create_namespace(NAMESPACE)
    await api.create("skills", NAMESPACE, "s", {"description": "Knows."})
    await asyncio.to_thread(operator.start)
    there = await _objects(operator)
    before = peak_mib(operator.pid)
    await _create(api, count)
    await settled(operator, there + count)
    yield Peak(f"the operator, while {count} are made", peak_mib(operator.pid), before)
    await asyncio.to_thread(operator.stop)
    await asyncio.to_thread(operator.start)
    await settled(operator, there + count)
    yield Peak("the operator, after a start over them", peak_mib(operator.pid), before)


async def of_proxy(proxy: ProxyProcess, headers: dict[str, str]) -> AsyncIterator[Peak]:
    """Yield the proxy's peaks for a user who may read only the Ghosts' own namespace."""
    async with aiohttp.ClientSession(headers=headers) as session:
        await _read(session, f"{proxy.url}{EVERYWHERE}&limit=1")
        before = peak_mib(proxy.pid)
        await _read(session, proxy.url + EVERYWHERE)
        yield Peak("the proxy, after namespace=*", peak_mib(proxy.pid), before)
        await _read(session, proxy.url + REFERRERS)
        yield Peak("the proxy, after a search for referrers", peak_mib(proxy.pid), before)


async def _objects(operator: OperatorProcess) -> int:
    """Return the number of objects that the operator knows, once its queue is empty."""
    counts = re.findall(
        r"^wegent_operator_objects{.*} (\S+)$", operator.get("/metrics")[1], re.MULTILINE
    )
    there = int(sum(map(float, counts)))
    await settled(operator, there)
    return there


async def _create(api: Api, count: int) -> None:
    gate = asyncio.Semaphore(AT_ONCE)

    async def create(number: int) -> None:
        async with gate:
            spec = {"systemPrompt": PROMPT, "skillRefs": [{"name": "s"}]}
            await api.create("ghosts", NAMESPACE, f"g{number}", spec)

    await asyncio.gather(*map(create, range(count)))


async def _read(session: aiohttp.ClientSession, url: str) -> None:
    async with session.get(url) as response:
        assert response.status == 200, await response.text()
        async for _ in response.content.iter_chunked(1 << 20):
            pass
