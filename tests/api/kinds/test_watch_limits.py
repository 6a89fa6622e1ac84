"""Watches: their number is limited, and slow readers hold no memory."""

import asyncio
import contextlib
import socket

from yarl import URL

from tests.api.conftest import ProxyFactory
from tests.api.events import following
from tests.api.objects import ghost
from tests.api.users import PASSWORD, User
from tests.api.watching import (
    make,
    open_watches,
    through,
    url,
    watching,
)
from tests.support.kubectl import Kubectl
from tests.support.processes import resident_mib
from tests.support.proxy import Client
from tests.support.waiting import eventually
from wegent_kube.content_types import MERGE_PATCH


async def test_there_are_so_many_and_no_more(
    user: User, place: str, start_proxy: ProxyFactory
) -> None:
    client = through(start_proxy(watches="2").url, user)
    async with following(client, watching(place)), following(client, watching(place)):
        answer = await client.get(watching(place))
        assert "too many concurrent watches" in answer.refused(503, "ServiceUnavailable")
        assert answer.headers["Retry-After"]
        (await client.get(url(place))).expect(200)  # streams leave room for short requests

    async def again() -> bool:
        return await open_watches(client) == 0

    await eventually(again, within_s=3, what="the others to have ended")
    async with following(client, watching(place)) as stream:
        assert await stream.beginning()


async def test_one_user_has_so_many_whatever_their_tokens(
    user: User,
    place: str,
    admin_client: Client,
    start_proxy: ProxyFactory,
) -> None:
    """The bounds hold while the API server's watches are renewed."""
    client = through(start_proxy(watches="3", watches_per_user="2", watch_renew_s="1").url, user)
    login = {"username": user.name, "password": PASSWORD}
    again = (await client.post("/api/v1/auth/login", login)).expect(200)["accessToken"]
    other = client.as_(admin_client.token)
    async with (
        following(client, watching(place)) as stream,
        following(client.as_(again), watching(place)),
    ):
        for it in (client, client.as_(again)):
            answer = await it.get(watching(place))
            assert "too many concurrent watches: the limit is 2" in answer.refused(
                429, "TooManyRequests"
            )
            assert answer.headers["Retry-After"]
        async with following(other, watching(place)):
            answer = await other.get(watching(place))
            assert "too many concurrent watches" in answer.refused(503, "ServiceUnavailable")
        await stream.beginning()
        for index in range(30):  # longer than several of the API server's watches
            await asyncio.sleep(0.1)
            assert (await client.get(watching(place))).status == 429, index
        await make(user.client, place, "later")
        await stream.until("ADDED", "later")


async def test_streams_take_nothing_from_what_waits_for_the_operator(
    user: User, place: str, kubectl: Kubectl, start_proxy: ProxyFactory
) -> None:
    client = through(start_proxy(watches="1", operator_wait_s="30").url, user)
    await make(user.client, place, "leaving")
    async with following(client, watching(place)) as stream:
        deleting = asyncio.create_task(client.delete(url(place, name="leaving")))
        await stream.until("MODIFIED", "leaving")  # it has a deletionTimestamp
        bypass = '[{"op": "remove", "path": "/metadata/finalizers"}]'
        where = ("--namespace", place, "--type=json")
        (await kubectl.call("patch", "ghost", "leaving", *where, "-p", bypass)).ok()
        (await deleting).expect(204)


async def stalled_reader(client: Client, path: str) -> socket.socket:
    """Open a stream, read its beginning, and then stop reading."""
    base = URL(client.base)
    reading = socket.socket()
    reading.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    reading.settimeout(0)
    loop = asyncio.get_running_loop()
    await loop.sock_connect(reading, (base.host, base.port))
    request = f"GET {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {client.token}\r\n\r\n"
    await loop.sock_sendall(reading, request.encode())
    assert (await loop.sock_recv(reading, 12)) == b"HTTP/1.1 200"
    return reading


async def test_a_slow_reader_holds_no_memory_and_is_cut_off(
    user: User, place: str, start_proxy: ProxyFactory
) -> None:
    proxy = start_proxy(watch_stall_s="5", watch_heartbeat_s="1")
    client = through(proxy.url, user)
    names, long = [f"busy-{index}" for index in range(4)], "y" * 100_000
    for name in names:
        await make(user.client, place, name)
    reading = await stalled_reader(client, watching(place))
    assert await open_watches(client) == 1
    most = before = resident_mib(proxy.pid)

    async def write(name: str, index: int) -> None:
        patch = {"spec": {"systemPrompt": f"{index} {long}"}}
        (await user.client.patch(url(place, name=name), patch, type_=MERGE_PATCH)).expect(200)

    for index in range(500 // len(names)):  # would be 50 MB of events, if held
        await asyncio.gather(*(write(name, index) for name in names))
        most = max(most, await asyncio.to_thread(resident_mib, proxy.pid))

    async def ended() -> bool:
        return await open_watches(client) == 0

    await eventually(ended, within_s=30, what="the reader to be cut off")
    assert most - before < 24, f"{before:.0f} MiB, then {most:.0f} MiB"

    rest = b""
    with reading, contextlib.suppress(ConnectionError):
        while chunk := await asyncio.get_running_loop().sock_recv(reading, 65536):
            rest = (rest + chunk)[-5:]
    assert rest != b"0\r\n\r\n"  # not a regular end
    (await client.get("/healthz")).expect(200)


async def test_who_takes_what_is_there_slowly_gets_all_of_it(
    user: User, place: str, start_proxy: ProxyFactory
) -> None:
    """Reading outlasts the API server's watches, of which the first has no position yet."""
    count, text = 240, "z" * (128 << 10)  # more than all buffers between hold

    async def create(start: int) -> None:
        for index in range(start, count, 8):
            body = ghost(f"there-{index}", text)
            (await user.client.post(url(place), body)).expect(201)

    await asyncio.gather(*(create(start) for start in range(8)))
    client = through(start_proxy(watch_renew_s="1").url, user)
    async with following(client, watching(place)) as stream:
        assert await stream.next()
        await asyncio.sleep(3)
        assert len(await stream.beginning()) == count
        await make(user.client, place, "after")
        await stream.until("ADDED", "after")


async def test_a_slow_reader_that_reads_gets_everything(user: User, place: str) -> None:
    async with following(user.client, watching(place)) as stream:
        await stream.beginning()
        for index in range(60):
            body = ghost(f"s{index}", f"{index} " + "z" * 100_000)
            (await user.client.post(url(place), body)).expect(201)
        for index in range(60):
            await asyncio.sleep(0.01)
            await stream.until("ADDED", f"s{index}")
