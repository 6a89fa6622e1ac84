"""Ten thousand hostile requests: no undocumented 5xx, no leak, no growth, no secret in the log.

``WEGENT_HOSTILE_REQUESTS`` and ``WEGENT_HOSTILE_SEED`` select more requests, and other ones.
"""

import asyncio
import itertools
import json
import os
import re
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.api.conftest import ProxyFactory
from tests.api.hostile.parts import SECRET, End, Hostile
from tests.api.hostile.requests import hostile_requests
from tests.api.sockets import connected
from tests.api.users import User
from tests.support.processes import resident_mib
from tests.support.proxy import Client
from tests.support.waiting import eventually

REQUESTS = int(os.environ.get("WEGENT_HOSTILE_REQUESTS", "10000"))
SEED = int(os.environ.get("WEGENT_HOSTILE_SEED", "59"))
WARM_UP = 1500
"""Requests after which memory is measured first: by then, caches and pools are full."""
AT_ONCE = 24
GROWTH_MIB = 24
"""Limit of the growth of resident memory."""
WARM_TASKS, WARM_DESCRIPTORS = 20, 80
"""Limits after the warm-up, with idle connections to the API server."""
MORE_DESCRIPTORS = 4
"""Limit of descriptors at the end beside those at the start. A leak with one request of 1,000 makes
ten. Without a leak there are as many as at the start, once idle connections are closed."""
ANSWERS_WITHIN_S = 60
PAUSE_S = 0.003


class Campaign:
    """Sends requests to one proxy, and notes its answers."""

    def __init__(self, base: str) -> None:
        self.base = base
        self.statuses: Counter[tuple[str, int]] = Counter()
        self.wrong: list[str] = []

    async def send_all(self, requests: Iterator[Hostile]) -> None:
        """Send the requests, ``AT_ONCE`` at a time."""

        async def work() -> None:
            for request in requests:
                await self.send(request)

        await asyncio.gather(*(work() for _ in range(AT_ONCE)))

    async def send(self, request: Hostile) -> None:
        """Send one request on a connection of its own, and note the status."""
        async with connected(self.base, limit=1 << 20) as (reader, writer):
            try:
                for index, piece in enumerate(request.pieces):
                    if index:
                        await asyncio.sleep(PAUSE_S)
                    writer.write(piece)
                if request.end is End.CUT:
                    return
                if request.end is End.EOF:
                    writer.write_eof()
                async with asyncio.timeout(ANSWERS_WITHIN_S):
                    self._note(request, *await _answer(reader, has_body=not request.head))
            except TimeoutError:
                self.wrong.append(f"no answer: {request}")
            except (OSError, asyncio.IncompleteReadError):  # closed, before or while it reads
                self._note(request, 0, b"")

    def _note(self, request: Hostile, status: int, body: bytes) -> None:
        self.statuses[request.sort, status] += 1
        if status == 500:
            self.wrong.append(f"{status} {body[:300]!r}: {str(request)[:3000]}")
        if status == 0 and request.end is End.ANSWER:
            self.wrong.append(f"cut: {str(request)[:3000]}")


async def _answer(reader: asyncio.StreamReader, *, has_body: bool) -> tuple[int, bytes]:
    """Return status and body of an answer; the beginning of the body if it has no length."""
    head = await reader.readuntil(b"\r\n\r\n")
    if head.startswith(b"HTTP/1.1 100"):
        head = await reader.readuntil(b"\r\n\r\n")
    status = int(head.split(b" ", 2)[1])
    length = re.search(rb"\r\ncontent-length: (\d+)\r\n", head.lower())
    body = await reader.readexactly(int(length[1])) if length and has_body else b""
    return status, body


def descriptors(pid: int) -> int:
    """Return the number of a process's open file descriptors."""
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))


async def gauge(client: Client, name: str) -> int:
    """Return the value of a gauge of the proxy's metrics."""
    exposition = (await client.get("/metrics")).content.decode()
    found = re.search(rf"^{name} (\S+)$", exposition, re.MULTILINE)
    assert found, exposition
    return int(float(found[1]))


async def settled(client: Client, tasks: int, opened: int, pid: int) -> None:
    """Wait until the proxy has finished all requests, and has at most that many open.

    Idle connections to the API server are closed within 30 s.
    """

    async def probe() -> bool:
        assert await gauge(client, "wegent_api_requests_in_flight") == 1  # this one
        assert await gauge(client, "wegent_api_watches") == 0
        assert await gauge(client, "wegent_api_websockets") == 0
        assert await gauge(client, "wegent_api_asyncio_tasks") <= tasks
        assert descriptors(pid) <= opened
        return True

    await eventually(probe, within_s=60, what="the proxy to have finished everything")


@pytest.mark.timeout(600)
async def test_ten_thousand_hostile_requests(user: User, start_proxy: ProxyFactory) -> None:
    proxy = start_proxy(
        forwarded_allow_ips="127.0.0.1", registrations_per_minute="20", login_wait_s="0"
    )
    client = Client(user.client.session, proxy.url, user.client.token)
    token = str(client.token)
    document = (await client.get("/openapi.json")).json
    opened = descriptors(proxy.pid)
    hostile = hostile_requests(document, user.home, token, seed=SEED)
    campaign = Campaign(proxy.url)
    start = time.monotonic()
    await campaign.send_all(itertools.islice(hostile, WARM_UP))
    await settled(client, WARM_TASKS, WARM_DESCRIPTORS, proxy.pid)
    tasks, before = await gauge(client, "wegent_api_asyncio_tasks"), resident_mib(proxy.pid)
    await campaign.send_all(itertools.islice(hostile, REQUESTS - WARM_UP))
    took = time.monotonic() - start
    await settled(client, tasks, opened + MORE_DESCRIPTORS, proxy.pid)
    growth = resident_mib(proxy.pid) - before
    print(f"{took:.1f} s, {before:.0f} MiB {growth:+.1f}")  # noqa: T201
    for (sort, status), count in sorted(campaign.statuses.items()):
        print(f"{sort:14} {status:3} {count:6}")  # noqa: T201
    (await client.get("/api/v1/auth/me")).expect(200)  # the user's token still works
    logged = proxy.logged()
    assert not campaign.wrong, "\n".join(campaign.wrong[:20]) + f"\n{len(campaign.wrong)} in all"
    assert growth < GROWTH_MIB
    assert SECRET not in logged
    assert token not in logged
    assert token[-40:] not in logged
    for line in logged.splitlines():  # a value with a line break forges no record
        record = json.loads(line)
        assert record["level"] != "ERROR", line
        if "route" in record and record["status"] >= 500:
            method = record["message"].partition(" ")[0].lower().replace("head", "get")
            documented = document["paths"][record["route"]][method]["responses"]
            assert str(record["status"]) in documented, line
