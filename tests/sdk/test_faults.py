"""Servers that are none of Wegent's, or fail."""

import asyncio
import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import trustme

from tests.sdk.conftest import Person
from wegent_crds import Ghost
from wegent_sdk import (
    ConfigurationError,
    ConnectionFailed,
    Login,
    NotWegent,
    Unavailable,
    WegentError,
)

SSE = "text/event-stream"
TOKEN = "secret-token-of-a-person"
Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def serving(serve: Serve, **more: Any) -> AsyncIterator[str]:
    """Serve each connection with a function, and return the address."""

    async def safely(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await serve(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.transport.abort()

    server = await asyncio.start_server(safely, "127.0.0.1", 0, **more)
    try:
        scheme = "https" if "ssl" in more else "http"
        yield f"{scheme}://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()


def answering(*parts: bytes, pause_s: float = 0.0) -> Serve:
    """Return a function that reads a request's head, sends bytes and ends the connection."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        for part in parts:
            writer.write(part)
            await writer.drain()
            await asyncio.sleep(pause_s)
        if writer.can_write_eof():
            writer.write_eof()
            await reader.read()

    return serve


async def plain(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer whatever comes, as servers without TLS do."""
    await reader.read(100)
    writer.write(http(b"<html>", "400 Bad Request"))
    await writer.drain()


def http(body: bytes, status: str = "200 OK", **headers: str) -> bytes:
    """Return an HTTP answer."""
    named = "".join(f"{key.replace('_', '-')}: {value}\r\n" for key, value in headers.items())
    head = f"HTTP/1.1 {status}\r\n{named}Content-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


async def flooding(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Send a list that never ends."""
    await reader.readuntil(b"\r\n\r\n")
    writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    while True:
        writer.write(b"10000\r\n" + b"[" * 65536 + b"\r\n")
        await writer.drain()


async def flooding_stream(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Send an event that never ends."""
    await reader.readuntil(b"\r\n\r\n")
    writer.write(f"HTTP/1.1 200 OK\r\nContent-Type: {SSE}\r\n".encode())
    writer.write(b"Transfer-Encoding: chunked\r\n\r\n6\r\ndata: \r\n")
    while True:
        writer.write(b"10000\r\n" + b"x" * 65536 + b"\r\n")
        await writer.drain()


async def hanging(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Take a request, and say nothing."""
    del writer
    await reader.read()


async def dripping(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Send a body byte by byte."""
    await reader.readuntil(b"\r\n\r\n")
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
    while True:
        writer.write(b" ")
        await writer.drain()
        await asyncio.sleep(0.1)


UNAVAILABLE = b'{"kind":"Status","code":503,"message":"the API server is busy","reason":"X"}'
FAULTS: dict[str, tuple[Serve, type[WegentError], str]] = {
    "HTML": (answering(http(b"<html>hello</html>")), NotWegent, "openapi.json"),
    "HTML with 404": (answering(http(b"<html>", "404 Not Found")), NotWegent, "404"),
    "a load balancer": (answering(http(b"<html>", "502 Bad Gateway")), Unavailable, "not availab"),
    "a JSON list": (answering(http(b"[1, 2]")), NotWegent, "openapi.json"),
    "other JSON": (answering(http(b'{"hello": "world"}')), NotWegent, "form"),
    "deep JSON": (answering(http(b"[" * 200_000)), NotWegent, "openapi.json"),
    "an empty body": (answering(http(b"")), NotWegent, "openapi.json"),
    "garbage": (answering(b"\x16\x03\x01 SSH-2.0-OpenSSH_9\r\n\r\n"), NotWegent, "HTTP"),
    "nothing": (answering(), ConnectionFailed, "lost"),
    "half a body": (answering(http(b"{" * 100)[:-50]), ConnectionFailed, "lost"),
    "half a head": (answering(b"HTTP/1.1 200 OK\r\nContent-Le"), ConnectionFailed, "lost"),
    "redirect": (
        answering(http(b"", "302 Found", Location="https://evil.example/")),
        NotWegent,
        "redirects to 'https://evil.example/'",
    ),
    "compressed": (
        answering(http(b"\x1f\x8b\x08", Content_Encoding="gzip")),
        NotWegent,
        "compresses",
    ),
    "hangs": (hanging, ConnectionFailed, "no answer within 0.5 seconds"),
    "drips": (dripping, ConnectionFailed, "not complete within 2 seconds"),
    "floods": (flooding, NotWegent, "more than 64 MiB"),
    "busy": (
        answering(http(UNAVAILABLE, "503 X", Retry_After="60")),
        Unavailable,
        "the API server is busy",
    ),
}


@pytest.mark.parametrize("name", FAULTS)
async def test_a_fault_has_a_message_with_the_address(
    name: str, sort: Any, opened: Callable[[Any], Person], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("wegent_sdk.api.FIRST_PAUSE_S", 0.01)
    serve, kind, text = FAULTS[name]
    # A busy machine reads 64 MiB slowly, and "drips" and "hangs" are told by their time.
    timeout_s = 30 if name == "floods" else 0.5
    async with serving(serve) as url:
        client = opened(sort(url, token=TOKEN, timeout_s=timeout_s))
        for use in (lambda c: c.get(Ghost, "g"), lambda c: c.me()):
            with pytest.raises(kind) as failed:
                await client.call(use)
            assert type(failed.value) is kind
            assert text in str(failed.value)
            assert url in str(failed.value) or kind is Unavailable
            shown = f"{failed.value!r} {failed.value.__dict__} {failed.value.__cause__!r}"
            assert TOKEN not in shown


STREAM_FAULTS: dict[str, tuple[Serve, type[WegentError], str]] = {
    "floods": (flooding_stream, NotWegent, "too long"),
    "not JSON": (
        answering(http(b"event: run.started\ndata: hello\n\n", Content_Type=SSE)),
        NotWegent,
        "not JSON",
    ),
    "hangs": (hanging, ConnectionFailed, "no answer within"),
    "HTML": (answering(http(b"<html>" * 100)), NotWegent, "openapi.json"),
    "ends": (
        answering(http(b": nothing\n\n", Content_Type=SSE)),
        ConnectionFailed,
        "ended the stream",
    ),
    "cut": (
        answering(http(b"event: run.started\ndata: {}\n\n" * 9, Content_Type=SSE)[:-5]),
        ConnectionFailed,
        "",
    ),
}


@pytest.mark.parametrize("name", STREAM_FAULTS)
async def test_a_stream_of_faults_ends(
    name: str, sort: Any, opened: Callable[[Any], Person], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("wegent_sdk.tasks.SILENCE_S", 0.3)
    monkeypatch.setattr("wegent_sdk.watches.SILENCE_S", 0.3)
    serve, kind, text = STREAM_FAULTS[name]
    async with serving(serve) as url:
        client = opened(sort(url, token=TOKEN, timeout_s=0.5))
        if name == "cut":
            events = await client.take(lambda c: c.tasks.events("t", patience_s=0.2), 12)
            assert len(events) == 12
            return
        with pytest.raises(kind, match=text):
            await client.take(lambda c: c.tasks.events("t", patience_s=0.2))
        with pytest.raises((NotWegent, ConnectionFailed)):
            await client.take(lambda c: c.watch(Ghost, patience_s=0.2), 1)


async def test_a_request_that_failed_is_repeated_if_that_is_harmless(
    sort: Any, opened: Callable[[Any], Person], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("wegent_sdk.api.FIRST_PAUSE_S", 0.01)
    asked: list[bytes] = []
    body = (
        b'{"kind":"Ghost","apiVersion":"agent.wecode.io/v1","metadata":{"name":"g"},'
        b'"spec":{"systemPrompt":"x"}}'
    )

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(await reader.readuntil(b"\r\n\r\n"))
        if len(asked) % 3 == 1:
            return  # cut
        if len(asked) % 3 == 2:
            writer.write(http(UNAVAILABLE, "503 X"))
        else:
            writer.write(http(body))
        await writer.drain()
        writer.write_eof()
        await reader.read()

    async with serving(serve) as url:
        client = opened(sort(url, token=TOKEN))
        found = await client.call(lambda c: c.get(Ghost, "g"))
        assert found.spec.system_prompt == "x"
        assert len(asked) == 3
        with pytest.raises(ConnectionFailed):
            await client.call(lambda c: c.create(found))
        assert len(asked) == 4
        assert all(f"Bearer {TOKEN}".encode() in it for it in asked)


async def test_no_server(sort: Any, opened: Callable[[Any], Person]) -> None:
    async with serving(hanging) as url:
        pass
    client = opened(sort(url, token=TOKEN))
    with pytest.raises(ConnectionFailed, match="refuses connections") as refused:
        await client.call(lambda c: c.me())
    assert url in str(refused.value)
    client = opened(sort("http://no-such-host.invalid", token=TOKEN))
    with pytest.raises(ConnectionFailed, match=r"not found|can't be reached"):
        await client.call(lambda c: c.me())


async def test_tls(sort: Any, opened: Callable[[Any], Person], tmp_path: Path) -> None:
    authority, other = trustme.CA(), trustme.CA()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    mine, wrong = tmp_path / "ca.pem", tmp_path / "other.pem"
    authority.cert_pem.write_to_path(str(mine))
    other.cert_pem.write_to_path(str(wrong))
    async with serving(answering(http(b"<html>")), ssl=context) as url:
        for verify in (True, wrong):
            client = opened(sort(url, token=TOKEN, verify=verify))
            begun = time.monotonic()
            with pytest.raises(ConnectionFailed, match="certificate") as untrusted:
                await client.call(lambda c: c.me())
            assert "authority" in str(untrusted.value)
            assert time.monotonic() - begun < 5
        client = opened(sort(url, token=TOKEN, verify=mine))
        with pytest.raises(NotWegent):
            await client.call(lambda c: c.me())
        client = opened(sort(url.replace("https", "http"), token=TOKEN))
        with pytest.raises((ConnectionFailed, NotWegent)):
            await client.call(lambda c: c.me())
    async with serving(plain) as url:
        client = opened(sort(url.replace("http", "https"), token=TOKEN))
        with pytest.raises(ConnectionFailed, match="does not speak TLS") as silent:
            await client.call(lambda c: c.me())
        assert not silent.value.may_pass


async def test_a_cut_while_tls_begins_may_pass(
    sort: Any, opened: Callable[[Any], Person], monkeypatch: pytest.MonkeyPatch
) -> None:
    """So that a watch goes on after it."""

    async def closing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(4096)
        writer.write_eof()
        await reader.read()

    monkeypatch.setattr("wegent_sdk.api.FIRST_PAUSE_S", 0.01)
    async with serving(closing) as url:
        client = opened(sort(url.replace("http", "https"), token=TOKEN))
        with pytest.raises(ConnectionFailed, match="closed the connection while TLS began") as cut:
            await client.call(lambda c: c.me())
    assert cut.value.may_pass


@pytest.mark.parametrize(
    "url",
    [
        "",
        "localhost:8000",
        "ftp://x",
        "http://",
        "https://a:b@x",
        "http://x:99999",
        "http://x/?a=b",
        "http://[::1",
    ],
)
def test_an_address_that_is_none(sort: Any, url: str) -> None:
    with pytest.raises(ConfigurationError, match="address"):
        sort(url)


@pytest.mark.parametrize("token", ["", "two words", "line\nbreak", "é", "x" * 100_000])
def test_a_token_that_is_none(sort: Any, token: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        sort("http://x", token=token)
    assert not token or token not in str(refused.value)
    with pytest.raises(ConfigurationError):
        Login(token)


def test_a_file_of_authorities_that_is_none(sort: Any, tmp_path: Path) -> None:
    for content in (None, "not a certificate"):
        file = tmp_path / "ca.pem"
        if content:
            file.write_text(content, encoding="utf-8")
        with pytest.raises(ConfigurationError, match=r"ca\.pem"):
            sort("https://x", verify=file)


@pytest.mark.parametrize("name", ["", ".", "..", "a/../../b"])
async def test_a_name_is_one_step_of_a_path(
    name: str, sort: Any, opened: Callable[[Any], Person]
) -> None:
    asked: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(http(b"{}"))
        await writer.drain()

    async with serving(serve) as url:
        client = opened(sort(url, token=TOKEN))
        with pytest.raises(WegentError):
            await client.call(lambda c: c.get(Ghost, name))
    assert all(b" /api/v1/kinds/ghosts/a%2F..%2F..%2Fb " in it for it in asked)


@pytest.mark.parametrize(("headers", "second"), [({}, 2), ({"Retry_After": "30"}, 1)])
async def test_a_failed_renewal_is_followed_by_a_pause(
    sort: Any, opened: Callable[[Any], Person], headers: dict[str, str], second: int
) -> None:
    """The pause is that which the server asks for, or about a second at first."""
    renewals = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal renewals
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            if head.startswith(b"POST /api/v1/auth/refresh"):
                renewals += 1
                body = b'{"kind":"Status","code":429,"message":"too many","reason":"X"}'
                writer.write(http(body, "429 Too Many Requests", **headers))
            else:
                writer.write(http(b'{"username": "u", "role": "user"}'))
            await writer.drain()

    async with serving(serve) as url:
        login = Login(TOKEN, datetime.now(UTC) + timedelta(seconds=60))
        client = opened(sort(url, token=login))
        for _ in range(10):
            await client.call(lambda c: c.me())
        assert renewals == 1
        await asyncio.sleep(1.1)
        for _ in range(10):
            await client.call(lambda c: c.me())
        assert renewals == second
        assert login.renewable
