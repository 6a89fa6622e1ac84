"""The API proxy's cost of a request, compared with the same request to the API server."""

import asyncio
import ssl
import statistics
import time
from dataclasses import dataclass

import aiohttp

from tests.benchmarks.processes import usage_of

PAIRS = 400
CLIENTS = 16
ROUNDS = 6
ROUND_S = 3.0


@dataclass(frozen=True, slots=True)
class ProxyCost:
    """Ratios of one run; requests alternate between both ways."""

    resident_mib: float
    direct_ms: float
    """Median of a GET sent to the API server."""
    latency_ratio: float
    """Median through the proxy, as a multiple of the direct one."""
    throughput_ratio: float
    """Answers through the proxy, as a multiple of direct answers, with 16 clients."""
    cpu_ms_per_request: float


@dataclass(frozen=True, slots=True)
class Way:
    """A URL that answers with one object."""

    session: aiohttp.ClientSession
    url: str
    tls: ssl.SSLContext | None

    async def ask(self) -> float:
        """Return the duration of one answer in seconds."""
        begun = time.perf_counter()
        async with self.session.get(self.url, ssl=self.tls or True) as answer:
            assert answer.status == 200, await answer.text()
            await answer.read()
        return time.perf_counter() - begun

    async def answered(self, for_s: float) -> int:
        """Return the number of answers to all clients in that time."""
        until = time.monotonic() + for_s

        async def client() -> int:
            count = 0
            while time.monotonic() < until:
                await self.ask()
                count += 1
            return count

        return sum(await asyncio.gather(*(client() for _ in range(CLIENTS))))


async def measure(direct: Way, proxied: Way, pid: int) -> ProxyCost:
    """Alternate, so that other load on the machine affects both ways equally."""
    for way in (direct, proxied):
        await way.answered(1.0)
    times: dict[Way, list[float]] = {direct: [], proxied: []}
    for _ in range(PAIRS):
        for way, taken in times.items():
            taken.append(await way.ask())
    counts = dict.fromkeys(times, 0)
    cpu_s = -usage_of(pid).cpu_s
    for _ in range(ROUNDS):
        for way in times:
            counts[way] += await way.answered(ROUND_S / 2)
    usage = usage_of(pid)
    median = {way: statistics.median(taken) for way, taken in times.items()}
    return ProxyCost(
        resident_mib=usage.resident_mib,
        direct_ms=median[direct] * 1000,
        latency_ratio=median[proxied] / median[direct],
        throughput_ratio=counts[proxied] / counts[direct],
        cpu_ms_per_request=(cpu_s + usage.cpu_s) * 1000 / counts[proxied],
    )
