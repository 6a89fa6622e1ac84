"""A client that leaves while requests wait on its connection: the one in progress is told too."""

import json

from tests.api.conftest import ProxyFactory
from tests.api.objects import BASE
from tests.api.sockets import connected
from tests.api.users import User
from tests.support.proxy import Client
from tests.support.waiting import eventually

WATCHES = "wegent_api_watches"
NEXT = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"


async def test_a_stream_ends_although_another_request_waits_behind_it(
    user: User, start_proxy: ProxyFactory
) -> None:
    """uvicorn tells only the last request of a connection that the client is gone.

    The next write of the one in progress was an unexpected error, with a traceback in the log.
    """
    proxy = start_proxy(watch_heartbeat_s="1", watch_renew_s="60")
    client = Client(user.client.session, proxy.url, user.client.token)

    async def watches(count: int) -> None:
        async def probe() -> bool:
            exposition = (await client.get("/metrics")).content.decode()
            assert f"\n{WATCHES} {count}.0\n" in exposition
            return True

        await eventually(probe, within_s=30, what=f"{count} watches")

    async with connected(proxy.url) as (reader, writer):
        writer.write(
            f"GET {BASE}/ghosts?watch=true&namespace={user.home} HTTP/1.1\r\nHost: x\r\n"
            f"Authorization: Bearer {client.token}\r\n\r\n".encode()
        )
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200 ")
        writer.write(NEXT * 3)
        await writer.drain()
        await watches(1)
    await watches(0)
    levels = {json.loads(line)["level"] for line in proxy.logged().splitlines() if line[:1] == "{"}
    assert levels <= {"INFO"}
