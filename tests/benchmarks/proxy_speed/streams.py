"""Memory of the proxy while it passes on long lists and watches, and what a second one adds."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

import aiohttp

from tests.benchmarks.processes import peak_mib, usage_of
from tests.benchmarks.proxy_speed.load import Result, generate
from tests.benchmarks.proxy_speed.ways import OF_THE_PROXY, PROXY, QUERY, Way, ghost
from tests.support.proxy import ProxyProcess

OBJECTS = 5000
LISTS_AT_ONCE = (1, 8)
WATCHERS = 1000
OPENED_AT_ONCE = 50
SETTINGS = {"watches": str(WATCHERS), "watches_per_user": str(WATCHERS)}
"""Settings of a proxy that serves all watchers of one user."""
COLUMNS = ("memory", "before, MiB", "after, MiB", "peak, MiB", "")
FORMATS = ("", ".0f", ".0f", ".0f", "")


@dataclass(frozen=True, slots=True)
class Memory:
    """The resident memory of one proxy around some requests, in MiB."""

    what: str
    before: float
    after: float
    peak: float
    note: str

    def row(self) -> tuple[str | float, ...]:
        """Return one row below `COLUMNS`."""
        return (self.what, self.before, self.after, self.peak, self.note)


async def memory(direct: Way, through: Way) -> AsyncIterator[Memory]:
    """Yield the memory for lists of all objects, and for watchers of them."""
    assert through.pid is not None
    await generate(direct.load("POST", 16, OBJECTS, first=1_000_000))
    headers = {"Authorization": f"Bearer {through.token}"}
    url = through.url + QUERY
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector, headers=headers) as session:
        await _length(session, f"{url}&limit=1")
        for at_once in LISTS_AT_ONCE:
            before = _from_now(through.pid)
            sizes = await asyncio.gather(*(_length(session, url) for _ in range(at_once)))
            yield Memory(
                f"{at_once} lists of {OBJECTS:,} objects at once",
                before,
                usage_of(through.pid).resident_mib,
                peak_mib(through.pid),
                f"{sizes[0] / (1 << 20):.0f} MiB for each list",
            )
        yield await _watchers(session, url, through)


async def _watchers(session: aiohttp.ClientSession, url: str, through: Way) -> Memory:
    assert through.pid is not None
    version = (await _json(session, f"{url}&limit=1"))["metadata"]["resourceVersion"]
    before = _from_now(through.pid)
    async with AsyncExitStack() as stack:
        slots = asyncio.Semaphore(OPENED_AT_ONCE)

        async def watch() -> aiohttp.ClientResponse:
            async with slots:
                answer = await stack.enter_async_context(
                    session.get(f"{url}&watch=true&resourceVersion={version}")
                )
            assert answer.status == 200, await answer.text()
            return answer

        answers = await asyncio.gather(*(watch() for _ in range(WATCHERS)))
        after = usage_of(through.pid)
        async with session.post(url, json=ghost("seen-by-all")) as made:
            assert made.status == 201, await made.text()
        await asyncio.gather(*(_seen(answer, b"seen-by-all") for answer in answers))
        cpu_s = usage_of(through.pid).cpu_s - after.cpu_s
    each_kib = (after.resident_mib - before) * 1024 / WATCHERS
    return Memory(
        f"{WATCHERS:,} watchers",
        before,
        after.resident_mib,
        peak_mib(through.pid),
        f"{each_kib:.0f} KiB for each; one change took {cpu_s:.2f} s of CPU for all",
    )


async def workers(one: Way, other: Way) -> tuple[Result, list[Result]]:
    """Return the answers to 64 clients of one proxy, and to 32 clients of each of two."""
    alone = await generate(one.load("GET", 64, 2000))
    both = await asyncio.gather(*(generate(it.load("GET", 32, 2000)) for it in (one, other)))
    return alone, list(both)


def watched(kubeconfig: Path, log: Path) -> ProxyProcess:
    """Return a proxy for `memory`, not started yet."""
    return ProxyProcess(kubeconfig, log, **SETTINGS)


def way_to(proxy: ProxyProcess, token: str) -> Way:
    """Return the way through a running proxy."""
    return Way(PROXY, proxy.url + OF_THE_PROXY, token, QUERY, pid=proxy.pid)


async def _length(session: aiohttp.ClientSession, url: str) -> int:
    """Read an answer in pieces, as a client that keeps nothing. Return its length in bytes."""
    async with session.get(url) as answer:
        assert answer.status == 200, await answer.text()
        return sum([len(piece) async for piece in answer.content.iter_any()])


async def _seen(answer: aiohttp.ClientResponse, text: bytes) -> None:
    """Read events until one has the text."""
    while text not in await answer.content.readuntil(b"\n\n"):
        pass


async def _json(session: aiohttp.ClientSession, url: str) -> dict[str, dict[str, str]]:
    async with session.get(url) as answer:
        found: dict[str, dict[str, str]] = json.loads(await answer.read())
        return found


def _from_now(pid: int) -> float:
    """Reset the peak. Return the resident memory, in MiB."""
    Path(f"/proc/{pid}/clear_refs").write_text("5", encoding="ascii")
    return usage_of(pid).resident_mib
