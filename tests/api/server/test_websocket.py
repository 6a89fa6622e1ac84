"""WebSockets: what a client may send, how long it may wait, and how the connection ends."""

import asyncio
import contextlib
import json
import struct
from collections.abc import Callable
from contextlib import AsyncExitStack

import aiohttp
import pytest
from yarl import URL

from tests.api.conftest import ProxyFactory
from tests.api.objects import BASE
from tests.api.sockets import Streams, answer, rest
from tests.api.sockets import connected as raw_connection
from tests.api.users import User
from tests.support.proxy import Client
from tests.support.websocket import PATH, connected, opened

KEY = "dGhlIHNhbXBsZSBub25jZQ=="
HEAD = (
    f"GET {PATH} HTTP/1.1\r\nHost: x\r\nConnection: keep-alive, Upgrade\r\nUpgrade: WebSocket\r\n"
    f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {KEY}\r\n"
)
TEXT, BINARY, CONTINUATION, CLOSE, PING, PONG = 0x1, 0x2, 0x0, 0x8, 0x9, 0xA
MASK = b"\0\0\0\0"
"""A mask that changes nothing."""


def frame(opcode: int, data: bytes = b"", *, fin: bool = True, mask: bool = True) -> bytes:
    """Return one frame of a client."""
    head = bytes([opcode | (0x80 if fin else 0)])
    masked = 0x80 if mask else 0
    if len(data) < 126:
        head += bytes([masked | len(data)])
    elif len(data) < 65536:
        head += bytes([masked | 126]) + struct.pack("!H", len(data))
    else:
        head += bytes([masked | 127]) + struct.pack("!Q", len(data))
    return head + (MASK if mask else b"") + data


def through(base: str, user: User) -> Client:
    return Client(user.client.session, base, user.client.token)


def auth(user: User) -> bytes:
    return frame(TEXT, json.dumps({"type": "auth", "token": user.client.token}).encode())


async def shake(streams: Streams) -> None:
    reader, writer = streams
    writer.write(HEAD.encode() + b"\r\n")
    async with asyncio.timeout(20):
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 101 ")


async def read_frame(reader: asyncio.StreamReader, within_s: float = 20) -> tuple[int, bytes]:
    """Return opcode and data of the next frame of the proxy."""
    async with asyncio.timeout(within_s):
        first, length = await reader.readexactly(2)
        if length == 126:
            [length] = struct.unpack("!H", await reader.readexactly(2))
        elif length == 127:
            [length] = struct.unpack("!Q", await reader.readexactly(8))
        return first & 0xF, await reader.readexactly(length)


async def close_code(reader: asyncio.StreamReader, within_s: float = 20) -> int:
    """Read until the close frame, and return its code."""
    while True:
        opcode, data = await read_frame(reader, within_s)
        if opcode == CLOSE:
            return int.from_bytes(data[:2], "big")


# --- the handshake


async def test_a_request_without_an_upgrade_is_told_so(user: User) -> None:
    for client in (user.client, user.client.as_(None)):
        refused = await client.get(PATH)
        assert "Upgrade: websocket" in refused.refused(426, "UpgradeRequired")
        assert refused.headers["Upgrade"] == "websocket"


@pytest.mark.parametrize(
    "changed",
    [
        ("GET", "POST"),
        (PATH, f"{BASE}/ghosts"),
        ("HTTP/1.1", "HTTP/1.0"),
        ("Upgrade: WebSocket", "Upgrade: h2c"),
        ("Host: x", "Host: x\r\nContent-Length: 2"),
    ],
    ids=["POST", "another path", "HTTP/1.0", "another protocol", "a body"],
)
async def test_other_requests_are_no_handshakes(user: User, changed: tuple[str, str]) -> None:
    async with raw_connection(user.client.base) as (reader, writer):
        writer.write(HEAD.replace(*changed).encode() + b"\r\n")
        if "Content-Length" in changed[1]:
            writer.write(b"{}")
        status, _, _ = await answer(reader)
        assert status in {401, 405, 426}


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        (("Version: 13", "Version: 12"), 400),
        ((KEY, "short"), 400),
        ((f"Sec-WebSocket-Key: {KEY}\r\n", ""), 400),
        ((KEY, f"{KEY}\r\nSec-WebSocket-Key: {KEY}"), 400),
        ((KEY, "a" * 20_000), 431),
        ((PATH, f"{PATH}?token=abc"), 400),
    ],
    ids=["version", "short key", "no key", "two keys", "a long key", "a query"],
)
async def test_a_wrong_handshake_is_refused_with_a_status(
    user: User, changed: tuple[str, str], code: int
) -> None:
    async with raw_connection(user.client.base) as (reader, writer):
        writer.write(HEAD.replace(*changed).encode() + b"\r\n")
        status, head, body = await answer(reader)
        assert status == code, body
        refused = json.loads(body)
        assert (refused["kind"], refused["code"]) == ("Status", code)
        assert b"x-content-type-options: nosniff" in head.lower()
        assert await rest(reader, within_s=15) == b""


async def test_a_refused_handshake_is_no_error_of_the_proxy(start_proxy: ProxyFactory) -> None:
    proxy = start_proxy()
    async with raw_connection(proxy.url) as (reader, writer):
        writer.write(HEAD.replace(PATH, f"{PATH}?token=abc").encode() + b"\r\n")
        assert (await answer(reader))[0] == 400
        assert await rest(reader, within_s=15) == b""
    proxy.stop()
    assert "ERROR" not in proxy.logged()
    assert "abc" not in proxy.logged()


async def test_headers_may_be_as_long_as_those_of_other_requests(user: User) -> None:
    """Single sign-on sets cookies of many kilobytes. The library would allow 8 KiB a line."""
    async with raw_connection(user.client.base) as (reader, writer):
        cookies = f"Cookie: {'c' * 100_000}\r\nX-Request-Id: mine-1\r\n"
        writer.write((HEAD + cookies + "\r\n").encode() + auth(user))
        async with asyncio.timeout(20):
            head = await reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 101 ")
        assert b"x-request-id: mine-1" in head.lower()
        # The first message may come with the handshake.
        opcode, data = await read_frame(reader)
        ready = json.loads(data)
        assert (opcode, ready["type"], ready["requestId"]) == (TEXT, "ready", "mine-1")


async def test_a_handshake_after_another_request_on_the_connection(user: User) -> None:
    async with raw_connection(user.client.base) as streams:
        reader, writer = streams
        writer.write(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        assert (await answer(reader))[0] == 200
        await shake(streams)
        writer.write(auth(user))
        assert (await read_frame(reader))[0] == TEXT


async def test_a_handshake_behind_an_unanswered_request_is_refused(user: User) -> None:
    async with raw_connection(user.client.base) as (reader, writer):
        writer.write(b"GET /readyz HTTP/1.1\r\nHost: x\r\n\r\n" + HEAD.encode() + b"\r\n")
        assert [(await answer(reader))[0] for _ in range(2)] == [200, 426]


# --- the token


@pytest.fixture
def impatient(start_proxy: ProxyFactory) -> str:
    """The URL of a proxy with a stall limit of 2 s."""
    return start_proxy(watch_stall_s="2", watch_heartbeat_s="1").url


async def test_a_connection_without_a_token_is_closed(user: User) -> None:
    async with opened(user.client) as socket:
        assert await socket.closed(within_s=15) == 4408
        assert socket.received[0]["status"]["code"] == 408


@pytest.mark.parametrize("half", [b"", auth, PING], ids=["silent", "half a frame", "pings"])
async def test_bytes_do_not_extend_the_time_for_a_token(
    user: User, half: bytes | int | Callable[[User], bytes]
) -> None:
    async with raw_connection(user.client.base) as streams:
        reader, writer = streams
        await shake(streams)
        if callable(half):
            writer.write(half(user)[:-1])
        reading = asyncio.create_task(close_code(reader))
        while not reading.done():
            if isinstance(half, int):
                writer.write(frame(half, b"x"))
            await asyncio.sleep(0.2)
        assert await reading == 4408


@pytest.mark.parametrize(
    ("first", "code"),
    [
        ({"type": "auth", "token": "not-a-token"}, 4401),
        ({"type": "auth", "token": "a b\r\nc"}, 4401),
        ({"type": "auth", "token": "a" * 9000}, 4401),
        ({"type": "auth"}, 4422),
        ({"type": "auth", "token": "x", "colour": "red"}, 4422),
        ({"type": "subscribe", "id": "1", "task": "t"}, 4401),
        ({"type": "hello"}, 4422),
        ([], 4400),
        ({"type": "auth", "token": "a" * 20_000}, 1009),
    ],
)
async def test_a_wrong_first_message_ends_the_connection(
    user: User, first: object, code: int
) -> None:
    async with opened(user.client) as socket:
        await socket.ws.send_json(first)
        assert await socket.closed() == code
        if code > 4000:
            assert socket.received[-1]["status"]["code"] == code - 4000


async def test_messages_may_follow_the_token_at_once(user: User) -> None:
    """The first message is bounded more than the next ones, which may come in the same read."""
    body = {"type": "create", "id": "1", "object": {"spec": {"prompt": "x" * 100_000}}}
    long = frame(TEXT, json.dumps(body).encode())
    async with raw_connection(user.client.base) as streams:
        reader, writer = streams
        writer.write(HEAD.encode() + b"\r\n" + auth(user) + long + frame(PING, b"p"))
        async with asyncio.timeout(20):
            await reader.readuntil(b"\r\n\r\n")
        found = [await read_frame(reader) for _ in range(3)]
        assert json.loads(found[0][1])["type"] == "ready"
        assert json.loads(next(data for opcode, data in found[1:] if opcode == TEXT))["id"] == "1"
        assert (PONG, b"p") in found
    async with raw_connection(user.client.base) as streams:
        reader, writer = streams
        await shake(streams)
        wrong = frame(TEXT, json.dumps({"type": "auth", "token": "wrong"}).encode())
        writer.write(wrong + long * 20)
        assert await close_code(reader) == 4401
        writer.write(frame(CLOSE, b"\x11\x31"))
        assert await rest(reader, within_s=15) == b""


async def test_connections_without_a_token_give_way_to_others(
    user: User, start_proxy: ProxyFactory
) -> None:
    proxy = start_proxy(connections="20")
    async with AsyncExitStack() as stack:
        good = await stack.enter_async_context(connected(through(proxy.url, user)))
        silent = [await stack.enter_async_context(raw_connection(proxy.url)) for _ in range(40)]
        for streams in silent[-15:]:
            await shake(streams)
        late = [await stack.enter_async_context(raw_connection(proxy.url)) for _ in range(19)]
        reader, writer = late[-1]
        writer.write(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        assert (await answer(reader))[0] == 200
        for reader, _ in silent:
            await rest(reader, within_s=5)
        await good.say("unsubscribe", id="1")
        assert (await good.hear())["type"] == "unsubscribed"


async def test_one_users_streams_are_bounded(user: User, start_proxy: ProxyFactory) -> None:
    """A connection counts, and so does each subscription."""
    proxy = start_proxy(streams_per_user="2")
    client = through(proxy.url, user)
    async with connected(client), connected(client) as second:
        await second.say("create", id="1", namespace=user.home, object={})
        code, message, _ = await second.refusal()
        assert (code, "the limit is 2 per user" in message) == (429, True)
        async with opened(client) as third:
            await third.say("auth", token=client.token)
            assert await third.closed() == 4429
    # Both slots are free again.
    async with connected(client):
        pass


async def test_one_connections_subscriptions_are_bounded(
    user: User, start_proxy: ProxyFactory
) -> None:
    proxy = start_proxy(streams_per_user="1000")
    spec = {"botRef": {"name": "absent"}, "prompt": "Hi"}
    body = {"metadata": {"name": "followed", "namespace": user.home}, "spec": spec}
    (await user.client.post(f"{BASE}/tasks?validateRefs=false", body)).expect(201)
    async with connected(through(proxy.url, user)) as socket:
        for number in range(101):
            await socket.say("subscribe", id=str(number), namespace=user.home, task="followed")
        code, message, id_ = await socket.refusal(60)
        assert (code, id_) == (429, "100")
        assert "the limit is 100 per connection" in message
        await socket.say("subscribe", id="5", namespace=user.home, task="followed")
        assert (await socket.refusal())[::2] == (409, "5")
        await socket.say("unsubscribe", id="5")
        await socket.say("subscribe", id="100", namespace=user.home, task="followed")
        assert (await socket.hear("subscribed"))["id"] == "100"


# --- messages


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        (frame(TEXT, b"{"), 1007),
        (frame(TEXT, b""), 1007),
        (frame(TEXT, b'{"type":"auth","type":"auth"}'), 1007),
        (frame(TEXT, b'{"id":"\\ud800"}'), 1007),
        (frame(TEXT, b"[" * 100_000), 1007),
        (frame(TEXT, b'"\xff\xfe"'), 1007),
        (frame(BINARY, b"{}"), 1003),
        (frame(TEXT, b"{}", mask=False), 1002),
        (frame(0x3, b"{}"), 1002),
        (frame(CONTINUATION, b"{}"), 1002),
        (frame(TEXT, b"{", fin=False) + frame(TEXT, b"}"), 1002),
        (frame(PING, b"x" * 126), 1002),
        (frame(PING, b"x", fin=False), 1002),
        (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", 1002),
        (b"\0" * 1000, 1002),
        (frame(TEXT, b"x" * 1_700_000), 1009),
        (frame(TEXT, b"x" * 900_000, fin=False) + frame(CONTINUATION, b"x" * 900_000), 1009),
        (frame(TEXT, b"{", fin=False) + frame(CONTINUATION, fin=False) * 5000, 1008),
    ],
)
async def test_garbage_ends_the_connection_with_the_code_for_it(
    user: User, sent: bytes, code: int
) -> None:
    async with raw_connection(user.client.base) as streams:
        reader, writer = streams
        await shake(streams)
        writer.write(auth(user))
        await read_frame(reader)
        writer.write(sent)
        assert await close_code(reader) == code
        writer.write(frame(CLOSE, code.to_bytes(2, "big")))
        await rest(reader, within_s=15)


async def test_an_invalid_message_names_its_field_and_the_connection_goes_on(user: User) -> None:
    wrong = [
        ({"type": "subscribe", "id": "1", "task": "Not_A_Name"}, 422, "task: must be a DNS-1123"),
        ({"type": "subscribe", "id": "1"}, 422, "task: Field required"),
        ({"type": "subscribe", "task": "t"}, 422, "id: Field required"),
        ({"type": "subscribe", "id": "1", "task": "t", "after": "x"}, 422, "after: must be the id"),
        ({"type": "subscribe", "id": "1", "task": "t", "namespace": "../x"}, 422, "namespace: "),
        ({"type": "subscribe", "id": "1", "task": "t", "from": 1}, 422, "from: unknown field"),
        ({"type": "cancel", "id": "1", "task": 5}, 422, "task: "),
        ({"type": "unsubscribe", "id": ""}, 422, "id: "),
        ({"type": "unsubscribe", "id": "x" * 65}, 422, "id: "),
        ({"type": "create", "id": "1", "object": []}, 422, "object: "),
        ({"type": "hello", "id": "1"}, 422, "type: must be one of auth, subscribe"),
        ({"type": ["auth"], "id": "1"}, 422, "type: must be one of"),
        ({"type": "auth", "token": "x"}, 409, "authenticated already"),
        (5, 400, "must be a JSON object"),
    ]
    async with connected(user.client) as socket:
        for message, code, text in wrong:
            await socket.ws.send_json(message)
            found = await socket.refusal()
            assert found[0] == code, found
            assert text in found[1]
            id_ = message.get("id") if isinstance(message, dict) else None
            assert found[2] == (id_ if id_ == "1" else None)
        await socket.say("subscribe", id="1", namespace=user.home, task="absent")
        assert (await socket.refusal())[::2] == (404, "1")


async def test_a_message_may_come_in_fragments_with_pings_between(user: User) -> None:
    async with raw_connection(user.client.base) as streams:
        reader, writer = streams
        await shake(streams)
        token = json.dumps({"type": "auth", "token": user.client.token}).encode()
        writer.write(frame(TEXT, token[:1], fin=False))
        for byte in token[1:-1]:
            writer.write(frame(CONTINUATION, bytes([byte]), fin=False))
        writer.write(frame(PING, b"between") + frame(CONTINUATION, token[-1:]))
        assert await read_frame(reader) == (PONG, b"between")
        assert json.loads((await read_frame(reader))[1])["type"] == "ready"


async def test_ten_thousand_messages_in_one_write_hold_up_nobody(user: User) -> None:
    message = frame(TEXT, b'{"type":"unsubscribe","id":"1"}')
    loop = asyncio.get_running_loop()
    async with raw_connection(user.client.base, limit=1 << 24) as streams:
        reader, writer = streams
        await shake(streams)
        writer.write(auth(user) + message * 10_000)
        slowest = 0.0
        for _ in range(20):
            began = loop.time()
            (await user.client.get("/healthz")).expect(200)
            slowest = max(slowest, loop.time() - began)
        assert slowest < 1
        kinds = [json.loads((await read_frame(reader))[1])["type"] for _ in range(10_001)]
        assert kinds == ["ready", *["unsubscribed"] * 10_000]


# --- the end


async def test_pings_keep_a_connection_open(impatient: str, user: User) -> None:
    async with connected(through(impatient, user)) as socket:
        hearing = asyncio.create_task(socket.hear())
        await asyncio.sleep(5)
        assert not hearing.done()
        await socket.say("unsubscribe", id="1")
        assert (await hearing)["type"] == "unsubscribed"


async def test_a_client_that_answers_no_ping_is_closed(impatient: str, user: User) -> None:
    async with connected(through(impatient, user), autoping=False) as socket:
        assert (await socket.ws.receive()).type is aiohttp.WSMsgType.PING
        await socket.ws.pong(b"unasked")
        async with asyncio.timeout(30):
            message = await socket.ws.receive()
        assert message.type is aiohttp.WSMsgType.CLOSE
        assert socket.ws.close_code == 1011


async def test_a_client_that_reads_no_pongs_is_cut(impatient: str, user: User) -> None:
    """It could otherwise fill the proxy's memory: a pong costs as much as its ping."""
    async with raw_connection(impatient, limit=1024) as streams:
        reader, writer = streams
        await shake(streams)
        writer.write(auth(user))
        await read_frame(reader)
        writer.transport.pause_reading()  # type: ignore[attr-defined]
        sent = 0
        async with asyncio.timeout(60):
            with contextlib.suppress(ConnectionError):
                while not writer.is_closing():
                    writer.write(frame(PING, b"x" * 125) * 500)
                    sent += 500 * 125
                    await writer.drain()
        assert sent < 100 << 20


async def test_a_client_that_leaves_without_a_word_is_forgotten(
    user: User, start_proxy: ProxyFactory
) -> None:
    proxy = start_proxy(streams_per_user="1")
    client = through(proxy.url, user)
    for _ in range(3):
        async with raw_connection(proxy.url) as streams:
            reader, writer = streams
            await shake(streams)
            writer.write(auth(user))
            data = (await read_frame(reader))[1]
            assert json.loads(data)["type"] == "ready", data
            writer.transport.abort()
        await asyncio.sleep(0.5)
    async with connected(client) as socket:
        assert URL(proxy.url).port
        await socket.ws.close()
        assert socket.ws.close_code == 1000


async def test_metrics_and_logs_tell_of_connections_without_their_tokens(
    user: User, start_proxy: ProxyFactory
) -> None:
    proxy = start_proxy(log_level="DEBUG")
    client = through(proxy.url, user)
    async with connected(client, headers={"X-Request-Id": "ws-1"}) as socket:
        await socket.say("subscribe", id="1", namespace=user.home, task="absent")
        await socket.refusal()
        found = (await client.get("/metrics")).content.decode()
        assert "wegent_api_websockets 1.0" in found
        assert 'wegent_api_websocket_messages_total{status="404",type="subscribe"} 1.0' in found
    async with opened(client) as socket:
        await socket.say("auth", token="wrong-token")
        assert await socket.closed() == 4401
    found = (await client.get("/metrics")).content.decode()
    assert f'wegent_api_requests_total{{method="GET",route="{PATH}",status="101"}} 2.0' in found
    assert "wegent_api_websockets 0.0" in found
    lines = [json.loads(line) for line in proxy.logged().splitlines()]
    mine = [line for line in lines if line.get("requestId") == "ws-1"]
    assert [line["message"] for line in mine if line["logger"] == "wegent_api.access"] == [
        "message auth 200",
        "message subscribe 404",
        f"GET {PATH} 101",
    ]
    [last] = [line for line in mine if line.get("route") == PATH]
    assert (last["closeCode"], last["client"]) == (1000, "127.0.0.1")
    assert client.token
    assert client.token not in proxy.logged()
    assert "wrong-token" not in proxy.logged()
    assert not [line for line in lines if "exception" in line]
