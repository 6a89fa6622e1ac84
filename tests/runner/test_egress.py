"""The guard lets requests go to public addresses alone, whatever a name resolves to."""

import asyncio
import gzip
import ipaddress
import socket
import threading
from collections.abc import AsyncIterator, Sequence
from typing import Any

import httpx2
import pytest

from tests.support.provider import Provider, Script
from wegent_runner.engine import egress
from wegent_runner.engine.egress import (
    AnswerRefused,
    EgressPolicy,
    EgressRefused,
    GuardedResolver,
    GuardedTransport,
)
from wegent_runner.engine.failures import failure_of

LOOPBACK = ipaddress.ip_network("127.0.0.0/8")


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "0.0.0.0",
        "10.0.0.1",
        "172.16.0.1",
        "192.168.1.1",
        "100.64.0.1",
        "169.254.169.254",
        "224.0.0.1",
        "240.0.0.1",
        "255.255.255.255",
        "::1",
        "::",
        "fe80::1",
        "fe80::1%eth0",
        "fd00:ec2::254",
        "ff02::1",
        "::7f00:1",
        "::a9fe:a9fe",
        "::ffff:0:7f00:1",
        "64:ff9b:1::7f00:1",
        "fec0::1",
        "::5efe:7f00:1",
        "::ffff:127.0.0.1",
        "::ffff:10.0.0.1",
        "64:ff9b::7f00:1",
        "64:ff9b::a9fe:a9fe",
        "2002:7f00:1::",
        "2002:a00:1::1",
    ],
)
def test_addresses_that_are_not_public_are_refused(address: str) -> None:
    with pytest.raises(EgressRefused, match="not a public address"):
        EgressPolicy().check("host", address)


@pytest.mark.parametrize("address", ["1.1.1.1", "2606:4700:4700::1111", "64:ff9b::101:101"])
def test_public_addresses_are_permitted(address: str) -> None:
    EgressPolicy().check("host", address)


def test_a_setting_permits_a_network_and_no_more() -> None:
    policy = EgressPolicy([ipaddress.ip_network("10.1.0.0/16")])
    policy.check("host", "10.1.2.3")
    policy.check("host", "::ffff:10.1.2.3")
    with pytest.raises(EgressRefused):
        policy.check("host", "10.2.0.1")


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]", "2130706433", "0x7f.1"])
async def test_loopback_is_refused_however_it_is_written(provider: Provider, host: str) -> None:
    async with httpx2.AsyncClient(transport=GuardedTransport(EgressPolicy())) as client:
        with pytest.raises(httpx2.ConnectError):
            await client.post(f"http://{host}:{provider.port}/v1/chat/completions", json={})
    assert provider.calls == []


async def test_the_checked_address_is_the_one_that_is_called(
    provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A name that is public at the check and loopback a moment later."""
    answers = iter(["93.184.215.14", "127.0.0.1"])

    def rebinding(_: str, port: int, *__: Any, **___: Any) -> list[Any]:
        address = (next(answers, "127.0.0.1"), port)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", address)]

    monkeypatch.setattr(socket, "getaddrinfo", rebinding)
    transport = GuardedTransport(EgressPolicy())
    async with httpx2.AsyncClient(transport=transport, timeout=1.0) as client:
        for _ in range(2):
            with pytest.raises(httpx2.TransportError):
                await client.post(
                    f"http://rebinding.example:{provider.port}/v1/chat/completions", json={}
                )
    assert provider.calls == []


async def test_redirects_are_not_followed(provider: Provider) -> None:

    provider.script = lambda _: Script(
        status=307, headers={"Location": "http://169.254.169.254/"}, body={}
    )
    transport = GuardedTransport(EgressPolicy([LOOPBACK]))
    async with httpx2.AsyncClient(transport=transport) as client:
        with pytest.raises(httpx2.ReadError, match="redirects, which is not followed"):
            await client.post(provider.url + "/chat/completions", json={})
    assert len(provider.calls) == 1


async def read(provider: Provider, **bounds: int) -> bytes:
    """Return the answer of a provider, read through the guard."""
    transport = GuardedTransport(EgressPolicy([LOOPBACK]), **bounds)
    async with httpx2.AsyncClient(transport=transport) as client:
        return (await client.post(provider.url + "/chat/completions", json={"model": "m"})).content


async def test_a_compressed_answer_is_not_asked_for_and_not_taken(provider: Provider) -> None:
    """300 KB on the wire may be 300 MB of text, which no bound would see."""
    provider.script = lambda _: Script(
        raw=gzip.compress(b"data: x\n\n" * 1000), headers={"Content-Encoding": "gzip"}
    )
    with pytest.raises(httpx2.ReadError, match="sent a compressed answer") as refused:
        await read(provider)
    assert provider.calls[0].headers["Accept-Encoding"] == "identity"
    failure = failure_of(refused.value, "ns/m", None)
    assert (failure.reason, failure.retryable) == ("AnswerRefused", False)
    assert "Model ns/m: 127.0.0.1 sent a compressed answer" in str(failure)


@pytest.mark.parametrize(
    ("raw", "bound"),
    [
        (b"data: x\n" * 4096, "event"),
        (b"data: " + b"x" * 32768, "event"),
        (b"data: x\n\n" * 4096, "answer"),
    ],
    ids=["an event of endless lines", "an endless line", "endless events"],
)
async def test_an_answer_that_does_not_end_is_refused(
    provider: Provider, monkeypatch: pytest.MonkeyPatch, raw: bytes, bound: str
) -> None:
    if bound == "answer":
        monkeypatch.setattr(egress, "ANSWER_MAX_BYTES", 16384)
    provider.script = lambda _: Script(raw=raw)
    with pytest.raises(httpx2.ReadError, match="sent more than fits") as refused:
        await read(provider, **({"event_max_bytes": 16384} if bound == "event" else {}))
    assert not failure_of(refused.value, "ns/m", None).retryable


async def test_the_page_of_an_error_is_cut_off_and_its_status_counts(
    provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(egress, "ERROR_MAX_BYTES", 1000)
    provider.script = lambda _: Script(status=503, body="x" * 5000)
    assert len(await read(provider)) == 1000


async def pieces_of(pieces: Sequence[bytes]) -> AsyncIterator[bytes]:
    for piece in pieces:
        yield piece


@pytest.mark.parametrize("newline", [b"\n", b"\r", b"\r\n"])
@pytest.mark.parametrize("size", [1, 2, 3, 5, 7, 1000])
async def test_a_stream_of_small_events_passes_however_it_is_cut(newline: bytes, size: int) -> None:
    stream = (b"event: e" + newline + b"data: x" + newline * 2) * 50
    pieces = [stream[at : at + size] for at in range(0, len(stream), size)]
    passed = [it async for it in egress._bounded(pieces_of(pieces), "host", 40)]
    assert b"".join(passed) == stream
    endless = (b"data: x" + newline) * 50
    pieces = [endless[at : at + size] for at in range(0, len(endless), size)]
    with pytest.raises(AnswerRefused):
        [it async for it in egress._bounded(pieces_of(pieces), "host", 40)]


async def test_a_name_server_that_is_silent_holds_up_its_own_callers_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    answered = threading.Event()

    def silent(*_: Any, **__: Any) -> list[Any]:
        answered.wait(30)
        return []

    monkeypatch.setattr(socket, "getaddrinfo", silent)
    resolver = GuardedResolver(EgressPolicy(), timeout_s=0.2)
    try:
        names = [resolver.resolve(f"h{number}.example") for number in range(40)]
        found = asyncio.gather(*names, return_exceptions=True)
        await asyncio.wait_for(asyncio.to_thread(lambda: None), 30)
        assert {type(it) for it in await asyncio.wait_for(found, 30)} == {TimeoutError}
    finally:
        answered.set()
        await resolver.close()
