"""Requests made to be expensive: they are refused cheaply, and others are still answered."""

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator
from typing import Any, Self

import aiohttp
import pytest

from tests.api.conftest import ProxyFactory
from tests.api.objects import BASE, ghost
from tests.api.sockets import answer, connected
from tests.api.users import User, unique
from tests.support.audit import AuditLog
from tests.support.proxy import Client
from wegent_kube.content_types import APPLY_PATCH, JSON_PATCH, MERGE_PATCH

AUTH = "/api/v1/auth"
GHOSTS = f"{BASE}/ghosts"
MIB = 1 << 20
FORMS = [
    ("POST", f"{AUTH}/login"),
    ("POST", f"{AUTH}/register"),
    ("POST", f"{AUTH}/admin/register"),
    ("POST", f"{AUTH}/password"),
    ("PATCH", f"{AUTH}/admin/accounts/nobody"),
    ("POST", f"{AUTH}/admin/accounts/nobody/password"),
    ("PUT", "/api/v1/namespaces/default/members/nobody"),
]
KIB = 1024


def keys(size: int) -> bytes:
    """Return an object of about ``size`` bytes with unknown keys."""
    return b"{" + b",".join(b'"k%d":0' % index for index in range(size // 12)) + b"}"


SMALL: dict[str, bytes] = {
    "unknown keys": keys(63 * KIB),
    "one key again and again": b"{" + b'"a":0,' * (10 * KIB) + b'"a":0}',
    "depth": b"[" * (64 * KIB),
    "depth of objects": b'{"a":' * (12 * KIB),
    "empty lists": b"[" + b"[]," * (20 * KIB) + b"[]]",
    "a huge number": b'{"username": ' + b"9" * (60 * KIB) + b"}",
    "a huge exponent": b'{"username": 1e' + b"9" * (60 * KIB) + b"}",
    "a huge string": b'{"username": "' + b"x" * (60 * KIB) + b'", "password": "x"}',
    "escapes": b'{"username": "' + b"\\ud83d\\ude00" * (5 * KIB) + b'", "password": "x"}',
    "a huge password": b'{"username": "x", "password": "' + b"x" * (60 * KIB) + b'"}',
}
LARGE: dict[str, tuple[str, bytes]] = {
    "unknown keys": ("application/json", keys(3 * MIB // 2 - KIB)),
    "empty objects": ("application/json", b'{"a":[' + b"{}," * (MIB // 2 - KIB) + b"{}]}"),
    "empty lists": ("application/json", b'{"a":[' + b"[]," * (MIB // 2 - KIB) + b"[]]}"),
    "depth": ("application/json", b"[" * (3 * MIB // 2)),
    "operations": (JSON_PATCH, b"[" + b'{"op":"x"},' * (MIB // 8) + b"0]"),
    "merge": (MERGE_PATCH, keys(3 * MIB // 2 - KIB)),
    "yaml documents": ("application/yaml", b"---\na: 1\n" * (MIB // 8)),
    "yaml items": ("application/yaml", b"- 0\n" * (MIB // 4)),
    "yaml depth": ("application/yaml", b"[" * (3 * MIB // 2)),
    "yaml keys": ("application/yaml", b"".join(b"k%d: 0\n" % it for it in range(MIB // 10))),
    "yaml anchors": ("application/yaml", b"a: &a [x]\nb: [" + b"*a," * (MIB // 3) + b"]\n"),
    "yaml explicit keys": ("application/yaml", b"? " * (3 * MIB // 4)),
    "yaml comments": ("application/yaml", b"#\n" * (3 * MIB // 4)),
    "apply depth": (APPLY_PATCH, b"{a: " * (MIB // 3)),
}


@pytest.fixture
async def apart() -> AsyncIterator[aiohttp.ClientSession]:
    """A session with connections of its own."""
    async with aiohttp.ClientSession() as session:
        yield session


class Bystander:
    """A client that requests ``/healthz`` all the time, and notes the longest wait."""

    def __init__(self, session: aiohttp.ClientSession, base: str) -> None:
        self._session = session
        self._base = base
        self.slowest = 0.0
        self.served = 0
        self.bound = 0.0
        """The bound for a slow answer in seconds, measured here, as the machine is shared."""

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._ask())
        await asyncio.sleep(0.3)
        self.bound, self.slowest, self.served = 0.8 + 10 * self.slowest, 0.0, 0
        return self

    async def __aexit__(self, *_: object) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    async def _ask(self) -> None:
        while True:
            before = time.monotonic()
            async with self._session.get(f"{self._base}/healthz") as healthy:
                assert healthy.status == 200
            self.slowest = max(self.slowest, time.monotonic() - before)
            self.served += 1
            await asyncio.sleep(0.005)


@pytest.mark.parametrize(("method", "path"), FORMS)
async def test_a_form_has_at_most_64_kib(
    client: Client, audit: AuditLog, user: User, method: str, path: str
) -> None:
    long = keys(3 * MIB // 2)
    answer = await client.send(method, path, raw=long)
    assert "65536" in answer.refused(413, "RequestEntityTooLarge")

    async def chunks() -> AsyncIterator[bytes]:
        for start in range(0, len(long), 16 * KIB):
            yield long[start : start + 16 * KIB]
            await asyncio.sleep(0)

    async with client.session.request(
        method,
        client.base + path,
        data=chunks(),
        headers={"Authorization": f"Bearer {client.token}", "Content-Type": "application/json"},
    ) as refused:
        assert refused.status == 413
        refused.close()
    assert not audit.requests(user=user.account)


async def test_a_body_that_is_too_long_is_refused_before_it_is_sent(anonymous: Client) -> None:
    async with connected(anonymous.base) as (reader, writer):
        writer.write(
            f"POST {AUTH}/login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
            "Content-Length: 65537\r\nExpect: 100-continue\r\n\r\n".encode()
        )
        assert (await answer(reader))[0] == 413  # not 100, which requests the body


@pytest.mark.parametrize("name", SMALL)
async def test_forms_that_cost_much_cost_little(
    anonymous: Client, apart: aiohttp.ClientSession, name: str
) -> None:
    async with Bystander(apart, anonymous.base) as bystander:
        for _ in range(8):
            for path in ("login", "register"):
                refused = await anonymous.post(f"{AUTH}/{path}", raw=SMALL[name])
                assert refused.status in {400, 422}, refused.content[:300]
                assert len(refused.content) < 16 * KIB
    assert bystander.served
    assert bystander.slowest < bystander.bound


async def test_many_unknown_keys_are_told_of_in_few_words(anonymous: Client) -> None:
    body = dict.fromkeys((f"k{index}" for index in range(100)), 0)
    causes = (await anonymous.post(f"{AUTH}/login", body)).causes()
    assert len(causes) <= 32
    many = keys(60 * KIB)
    message = (await anonymous.post(f"{AUTH}/login", raw=many)).refused(400, "BadRequest")
    assert "too many values: the limit is 2048" in message


async def test_refused_bodies_count_against_the_address(
    user: User, start_proxy: ProxyFactory
) -> None:
    base = start_proxy(logins_per_address_per_minute="5").url
    anonymous = Client(user.client.session, base)
    for raw in (b"{", keys(KIB), b"[]", b'{"a": 1}', b"x" * (65 * KIB)):
        answer = await anonymous.post(f"{AUTH}/login", raw=raw)
        assert answer.status in {400, 413, 422}
    limited = await anonymous.post(f"{AUTH}/register", raw=b"{")
    limited.refused(429, "TooManyRequests")
    assert int(limited.headers["Retry-After"]) >= 1
    # Callers with a token are not locked out by their neighbours.
    (await anonymous.as_(user.client.token).get(f"{AUTH}/me")).expect(200)


def routes(type_: str) -> list[tuple[str, str]]:
    """Return the routes that take a body of a media type."""
    if type_ == "application/json":
        return [("POST", GHOSTS), ("PUT", f"{GHOSTS}/x"), ("POST", "/api/v1/apply")]
    if type_ == "application/yaml":
        return [("POST", "/api/v1/apply")]
    return [("PATCH", f"{GHOSTS}/x")]


@pytest.mark.parametrize("name", LARGE)
async def test_others_are_answered_while_a_large_body_is_looked_at(
    client: Client, apart: aiohttp.ClientSession, name: str
) -> None:
    type_, raw = LARGE[name]
    async with Bystander(apart, client.base) as bystander:
        for method, path in routes(type_):
            for _ in range(2):
                answer = await client.send(method, path, raw=raw, headers={"Content-Type": type_})
                assert answer.status in {400, 422}, answer.content[:300]
                assert len(answer.content) < 64 * KIB
            await asyncio.sleep(0.02)
    assert bystander.served
    assert bystander.slowest < bystander.bound
    print(f"{name}: {bystander.slowest * 1000:.0f} ms")  # noqa: T201


async def test_a_long_body_with_a_bad_token_is_not_read(anonymous: Client, user: User) -> None:
    """The token is checked first, so that no body is read in vain."""
    token = str(user.client.token)
    for bad in ("nothing", token[:-4] + "AAAA"):
        async with connected(anonymous.base) as (reader, writer):
            writer.write(
                f"POST {GHOSTS} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
                f"Authorization: Bearer {bad}\r\nContent-Length: {MIB}\r\n\r\n".encode()
            )
            status, _, body = await answer(reader)
        assert (status, json.loads(body)["reason"]) == (401, "Unauthorized")


async def test_a_long_body_of_a_user_is_taken(client: Client) -> None:
    body: dict[str, Any] = {
        "metadata": {"name": unique("long")},
        "spec": {"systemPrompt": "x" * 130_000},
    }
    (await client.post(GHOSTS, body)).expect(201)


@pytest.mark.parametrize(
    ("path", "headers", "statuses"),
    [
        ("/healthz?" + "a&" * 30_000, {}, {200, 400}),
        (f"{GHOSTS}?" + "a=1&" * 16_000, {}, {400}),
        (f"{GHOSTS}?" + "%41" * 20_000, {}, {400}),
        (f"{GHOSTS}/" + "%41" * 20_000, {}, {400}),
        (f"{GHOSTS}" + "/a" * 30_000, {}, {404}),
        (f"{GHOSTS}?a=" + "b" * 70_000, {}, {414}),
        ("/" + "%2e" * 30_000, {}, {414}),
        ("/healthz", {f"x-{index}": "" for index in range(200)}, {431}),
        (f"{GHOSTS}", {"If-None-Match": '"a",' * 10_000}, {200}),
        (f"{GHOSTS}/x", {"If-None-Match": '"a",' * 10_000}, {400}),
    ],
)
async def test_long_paths_queries_and_headers(
    client: Client,
    apart: aiohttp.ClientSession,
    path: str,
    headers: dict[str, str],
    statuses: set[int],
) -> None:
    async with Bystander(apart, client.base) as bystander:
        for _ in range(4):
            assert (await client.get(path, headers=headers)).status in statuses
    assert bystander.slowest < bystander.bound
    print(f"{path[:30]}: {bystander.slowest * 1000:.0f} ms")  # noqa: T201


CHUNKED = (
    b"POST /api/v1/auth/login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
    b"Transfer-Encoding: chunked\r\n\r\n"
)
UPGRADE = b"Connection: Upgrade\r\nUpgrade: h2c\r\n"
FLOODS: dict[str, tuple[bytes, bytes]] = {
    "pipelined requests": (b"", b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n" * 2000),
    "pipelined upgrades": (b"", b"GET /healthz HTTP/1.1\r\nHost: x\r\n" + UPGRADE + b"\r\n"),
    "short chunks": (CHUNKED, b"1\r\nx\r\n" * 20_000),
    "short chunks after the answer": (
        CHUNKED.replace(b"auth/login", b"nothing"),
        b"1\r\nx\r\n" * 20_000,
    ),
    "a long trailer": (CHUNKED + b"0\r\nX: ", b"a" * 65_536),
    "many trailers": (CHUNKED + b"0\r\n", b"a: b\r\n" * 10_000),
    "empty lines": (b"", b"\r\n" * 32_768),
}
"""The first bytes that a client sends, and the bytes that it then repeats for ever."""


@pytest.mark.parametrize("name", FLOODS)
async def test_others_are_served_while_one_client_floods(
    anonymous: Client, apart: aiohttp.ClientSession, name: str
) -> None:
    """The flood takes no more than its share of the time, however the parser treats it."""
    first, again = FLOODS[name]
    again *= max(1, 32_768 // len(again))

    async def flood() -> None:
        while True:
            async with connected(anonymous.base) as (_, writer):
                writer.write(first)
                with contextlib.suppress(ConnectionError):
                    while not writer.is_closing():
                        writer.write(again)
                        await writer.drain()
                        await asyncio.sleep(0)

    async with Bystander(apart, anonymous.base) as bystander:
        await asyncio.sleep(1)
        usual = bystander.served
        bystander.served, bystander.slowest = 0, 0.0
        flooding = asyncio.create_task(flood())
        await asyncio.sleep(2)
        flooding.cancel()
        await asyncio.gather(flooding, return_exceptions=True)
        served = bystander.served / 2
    print(f"{name}: {usual} a second alone, {served:.0f} now, {bystander.slowest:.2f} s")  # noqa: T201
    assert served > usual / 20


@pytest.mark.parametrize("end", [";" * 60_000, ";a=b" * 15_000, ';x="' + ';"' * 30_000])
async def test_a_long_media_type_costs_little(
    client: Client, apart: aiohttp.ClientSession, end: str
) -> None:
    """Python's parser of media types takes quadratic time."""
    async with Bystander(apart, client.base) as bystander:
        for method, path, type_ in (
            ("POST", f"{AUTH}/login", "application/json"),
            ("POST", GHOSTS, "application/json"),
            ("PATCH", f"{GHOSTS}/x", MERGE_PATCH),
            ("POST", "/api/v1/apply", "application/yaml"),
        ):
            sent = {"Content-Type": f"{type_}{end}"}
            answer = await client.send(method, path, raw=b"{}", headers=sent)
            answer.refused(415, "UnsupportedMediaType")
    assert bystander.slowest < bystander.bound


async def test_a_trailer_is_no_header(user: User) -> None:
    """Otherwise a client could add headers unseen by a gateway that checks heads alone."""
    raw = json.dumps(ghost(unique("trailer"))).encode()
    async with connected(user.client.base) as (reader, writer):
        writer.write(
            f"POST {GHOSTS} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
            f"Transfer-Encoding: chunked\r\nTrailer: Authorization\r\n\r\n{len(raw):x}\r\n".encode()
            + raw
            + f"\r\n0\r\nAuthorization: Bearer {user.client.token}\r\n\r\n".encode()
        )
        assert (await answer(reader))[0] == 401


@pytest.mark.parametrize("chunk", [16, 300])
async def test_a_body_in_short_chunks_is_taken(user: User, chunk: int) -> None:
    """Some clients send each piece that a serialiser yields."""
    body = {"metadata": {"name": unique("chunks")}, "spec": {"systemPrompt": "x" * 100_000}}
    raw = json.dumps(body).encode()
    pieces = [raw[start : start + chunk] for start in range(0, len(raw), chunk)]
    async with connected(user.client.base) as (reader, writer):
        writer.write(
            f"POST {GHOSTS} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
            f"Authorization: Bearer {user.client.token}\r\n"
            "Transfer-Encoding: chunked\r\n\r\n".encode()
            + b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces)
            + b"0\r\nX-Checksum: none\r\n\r\n"
        )
        assert (await answer(reader))[0] == 201


async def test_every_pipelined_request_is_answered_in_its_order(user: User) -> None:
    paths = ["/healthz", f"{AUTH}/me", "/nothing"] * 200
    head = f"Host: x\r\nAuthorization: Bearer {user.client.token}\r\n\r\n"
    async with connected(user.client.base, limit=MIB) as (reader, writer):
        writer.write("".join(f"GET {path} HTTP/1.1\r\n{head}" for path in paths).encode())
        found = [(await answer(reader, within_s=60))[0] for _ in paths]
        assert found == [200, 200, 404] * 200
        writer.write(f"GET /healthz HTTP/1.1\r\n{head}".encode())
        assert (await answer(reader))[0] == 200
