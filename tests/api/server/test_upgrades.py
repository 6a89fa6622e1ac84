"""``Upgrade`` is ignored, as RFC 9110 (section 7.8) lets a server do, and the body is kept."""

import asyncio
import json
import shutil
from pathlib import Path

import pytest

from tests.api.objects import BASE, ghost
from tests.api.sockets import answer, connected
from tests.api.users import User, unique

JAVA = shutil.which("java")
GHOSTS = f"{BASE}/ghosts"
H2C = (
    "Connection: Upgrade, HTTP2-Settings\r\n"
    "Upgrade: h2c\r\n"
    "HTTP2-Settings: AAEAAEAAAAIAAAABAAMA\r\n"
)
WEBSOCKET = (
    "Connection: Upgrade\r\n"
    "Upgrade: websocket\r\n"
    "Sec-WebSocket-Version: 13\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
)
UPGRADES = [H2C, WEBSOCKET, "Connection: keep-alive, Upgrade\r\nUpgrade: TLS/1.0, HTTP/2.0\r\n"]


@pytest.mark.skipif(JAVA is None, reason="there is no java to run a client with")
async def test_javas_client_writes_and_reads(user: User) -> None:
    assert JAVA
    name = unique("java")
    assert user.client.token
    process = await asyncio.create_subprocess_exec(
        JAVA,
        "-Xshare:auto",
        str(Path(__file__).with_name("Upgrading.java")),
        user.client.base,
        user.client.token,
        name,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, error = await asyncio.wait_for(process.communicate(), 120)
    lines = [line.split(" ", 2) for line in out.decode().splitlines()]
    assert [line[:2] for line in lines] == [
        ["201", "HTTP_1_1"],
        ["200", "HTTP_1_1"],
        ["200", "HTTP_1_1"],
        ["200", "HTTP_1_1"],
    ], f"{out.decode()}\n{error.decode()}"
    spec = json.loads(lines[-1][2])["spec"]
    assert (spec["systemPrompt"], spec["description"]) == ("chunked", "patched")


@pytest.mark.parametrize("upgrade", UPGRADES, ids=["h2c", "websocket", "TLS"])
@pytest.mark.parametrize("chunked", [False, True], ids=["length", "chunked"])
@pytest.mark.parametrize("apart", [False, True], ids=["at once", "apart"])
async def test_a_body_is_kept_whatever_is_asked_for(
    user: User, upgrade: str, *, chunked: bool, apart: bool
) -> None:
    """Three requests on one connection, so that the parser must find where each one ends."""
    names = [unique("upgrade") for _ in range(3)]
    async with connected(user.client.base) as (reader, writer):
        for name in names:
            raw = json.dumps(ghost(name)).encode()
            framing = "Transfer-Encoding: chunked" if chunked else f"Content-Length: {len(raw)}"
            head = (
                f"POST {GHOSTS} HTTP/1.1\r\nHost: x\r\n{upgrade}{framing}\r\n"
                f"Authorization: Bearer {user.client.token}\r\n"
                "Content-Type: application/json\r\n\r\n"
            ).encode()
            if chunked:
                half = len(raw) // 2
                raw = b"%x\r\n%b\r\n%x\r\n%b\r\n0\r\n\r\n" % (
                    half, raw[:half], len(raw) - half, raw[half:],
                )  # fmt: skip
            pieces = [head, raw[:7], raw[7:]] if apart else [head + raw]
            for piece in pieces:
                writer.write(piece)
                await writer.drain()
                await asyncio.sleep(0.05 if apart else 0)
            status, _, body = await answer(reader)
            assert status == 201, body
            assert json.loads(body)["metadata"]["name"] == name


@pytest.mark.parametrize("upgrade", UPGRADES, ids=["h2c", "websocket", "TLS"])
async def test_requests_that_follow_in_the_same_read_are_answered(user: User, upgrade: str) -> None:
    raw = json.dumps(ghost(unique("pipelined"))).encode()
    token = f"Authorization: Bearer {user.client.token}\r\n"
    get = f"GET /healthz HTTP/1.1\r\nHost: x\r\n{upgrade}\r\n".encode()
    post = (
        f"POST {GHOSTS} HTTP/1.1\r\nHost: x\r\n{upgrade}Content-Length: {len(raw)}\r\n{token}"
        "Content-Type: application/json\r\n\r\n"
    ).encode() + raw
    last = b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    async with connected(user.client.base) as (reader, writer):
        writer.write(get + post + get + last)
        found = [(await answer(reader))[0] for _ in range(4)]
        assert found == [200, 201, 200, 200]
        assert await asyncio.wait_for(reader.read(), 20) == b""


async def test_a_body_after_an_upgrade_is_not_taken_for_a_request(user: User) -> None:
    hidden = b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n"
    async with connected(user.client.base) as (reader, writer):
        writer.write(
            f"POST /api/v1/auth/login HTTP/1.1\r\nHost: x\r\n{H2C}"
            f"Content-Type: application/json\r\nContent-Length: {len(hidden)}\r\n\r\n".encode()
            + hidden
        )
        assert (await answer(reader))[0] == 400
        writer.write(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        status, _, body = await answer(reader)
        assert status == 200
        assert b"wegent_api_requests" not in body
