"""Clients that send nothing, send half a request, or never read don't keep others from service."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack

import pytest
from yarl import URL

from tests.api.conftest import ProxyFactory
from tests.api.objects import BASE, ghost
from tests.api.sockets import answer, connected, rest
from tests.api.users import User, unique
from tests.support.proxy import Client

GHOSTS = f"{BASE}/ghosts"
NewUser = Callable[[], Awaitable[User]]
CLOSED_WITHIN_S = 15


def through(base: str, user: User) -> Client:
    """Return the user's client on another proxy."""
    return Client(user.client.session, base, user.client.token)


@pytest.fixture
def impatient(start_proxy: ProxyFactory) -> str:
    """The URL of a proxy with timeouts of 2 s."""
    return start_proxy(head_timeout_s="2", watch_stall_s="2").url


@pytest.mark.parametrize(
    "said",
    [
        b"",
        b"\r\n",
        b"G",
        b"GET /healthz HTTP/1.1\r\n",
        b"GET /healthz HTTP/1.1\r\nHost: x\r\nX-Long: " + b"a" * 1000,
        b"POST /api/v1/auth/login HTTP/1.1",
    ],
)
async def test_a_connection_without_a_whole_head_is_closed(impatient: str, said: bytes) -> None:
    async with connected(impatient) as (reader, writer):
        writer.write(said)
        received = await rest(reader, within_s=CLOSED_WITHIN_S)
    assert not received or received.startswith(b"HTTP/1.1 408 ")
    if received:
        status = json.loads(received.partition(b"\r\n\r\n")[2])
        assert (status["kind"], status["code"], status["reason"]) == ("Status", 408, "Timeout")


async def test_a_head_that_drips_is_cut_off_in_time(impatient: str) -> None:
    async with connected(impatient) as (reader, writer):
        reading = asyncio.create_task(rest(reader, within_s=CLOSED_WITHIN_S))
        line = b"GET /healthz HTTP/1.1\r\nHost: x\r\nX-Slow: " + b"a" * 1000
        for index in range(len(line)):
            if reading.done() or writer.is_closing():
                break
            writer.write(line[index : index + 1])
            await asyncio.sleep(0.2)
        assert (await reading).startswith(b"HTTP/1.1 408 ")


@pytest.mark.parametrize("said", [b"\r\n", b"G", b"GET /he"])
async def test_half_a_second_request_is_cut_off_too(impatient: str, said: bytes) -> None:
    """uvicorn's own timer for idle connections ends at the first byte."""
    async with connected(impatient) as (reader, writer):
        writer.write(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        assert (await answer(reader))[0] == 200
        writer.write(said)
        await rest(reader, within_s=CLOSED_WITHIN_S)


async def test_a_body_whose_request_is_refused_need_not_come(impatient: str) -> None:
    """The connection isn't kept open for the rest of an unread body."""
    async with connected(impatient) as (reader, writer):
        writer.write(
            b"POST /api/v1/auth/login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
            b"Content-Length: 100000\r\n\r\n{"
        )
        status, _, body = await answer(reader)
        assert (status, json.loads(body)["reason"]) == (413, "RequestEntityTooLarge")
        await rest(reader, within_s=30)


async def test_a_client_that_is_slow_but_not_too_slow_is_served(impatient: str) -> None:
    async with connected(impatient) as (reader, writer):
        for _ in range(3):
            for piece in (b"GET /healthz HT", b"TP/1.1\r\nHost", b": x\r\n\r\n"):
                writer.write(piece)
                await asyncio.sleep(0.3)
            assert (await answer(reader))[0] == 200


async def test_idle_connections_give_way_to_new_ones(start_proxy: ProxyFactory) -> None:
    proxy = start_proxy(connections="20", head_timeout_s="600")
    async with AsyncExitStack() as stack:
        silent = [await stack.enter_async_context(connected(proxy.url)) for _ in range(60)]
        async with connected(proxy.url) as (reader, writer):
            writer.write(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
            assert (await answer(reader))[0] == 200
        for reader, _ in silent[:40]:
            assert await rest(reader, within_s=CLOSED_WITHIN_S) == b""


async def test_a_hundred_clients_that_never_read_hold_up_nobody(
    new_user: NewUser, start_proxy: ProxyFactory
) -> None:
    user = await new_user()
    place = user.home
    name = unique("big")

    async def make(index: int) -> None:
        body = ghost(f"{name}-{index}", "x" * 100_000)
        (await user.client.post(f"{GHOSTS}?namespace={place}", body)).expect(201)

    for start in range(0, 120, 10):
        await asyncio.gather(*(make(start + index) for index in range(10)))
    proxy = start_proxy(upstream_connections="20", watch_stall_s="3", head_timeout_s="30")
    client = through(proxy.url, user)
    url = URL(proxy.url)
    assert url.host
    loop = asyncio.get_running_loop()
    async with AsyncExitStack() as stack:
        for index in range(100):
            _, writer = await stack.enter_async_context(connected(proxy.url, limit=1024))
            where = "*" if index % 3 == 0 else place
            writer.transport.pause_reading()  # type: ignore[attr-defined]
            writer.write(
                f"GET {GHOSTS}?namespace={where} HTTP/1.1\r\nHost: x\r\n"
                f"Authorization: Bearer {client.token}\r\n\r\n".encode()
            )
        # Other clients are served while the slow ones hold memory, and after. A list waits for
        # its turn among the slow ones' lists; a client that waited too long is told to ask again.
        until = loop.time() + 8
        while loop.time() < until:
            async with asyncio.timeout(30):
                (await client.get(f"{GHOSTS}/{name}-1?namespace={place}")).expect(200)
                for _ in range(10):
                    listed = await client.get(f"{BASE}/bots?namespace={place}")
                    if listed.status != 503:
                        break
                    await asyncio.sleep(int(listed.headers["Retry-After"]))
                listed.expect(200)
            await asyncio.sleep(0.1)
    # All memory is released: the same user can read long answers again, one after another.
    until = loop.time() + 60
    while (read := await client.get(f"{GHOSTS}?namespace={place}")).status != 200:
        assert loop.time() < until, read
        await asyncio.sleep(0.5)
    for _ in range(3):
        assert len((await client.get(f"{GHOSTS}?namespace={place}")).expect(200)["items"]) >= 30
