"""The guard lets requests go to public addresses alone, whatever a name resolves to."""

import ipaddress
import socket
from typing import Any

import httpx2
import pytest

from tests.support.provider import Provider, Script
from wegent_runner.engine.egress import EgressPolicy, EgressRefused, GuardedTransport

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
        answer = await client.post(provider.url + "/chat/completions", json={})
    assert answer.status_code == 307
    assert len(provider.calls) == 1
