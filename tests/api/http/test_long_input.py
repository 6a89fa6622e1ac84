"""Bodies and headers up to their limits, and beyond them."""

import asyncio
import contextlib
import json
from typing import Any

import pytest
from yarl import URL

from tests.api.objects import BASE, ghost
from tests.api.users import User, unique
from tests.support.audit import AuditLog
from tests.support.proxy import Client
from wegent_kube.content_types import JSON_PATCH

GHOSTS = f"{BASE}/ghosts"


async def test_a_body_that_is_too_long(client: Client, user: User, audit: AuditLog) -> None:
    body = ghost("x", "x" * 1_600_000)
    message = (await client.post(GHOSTS, body)).refused(413, "RequestEntityTooLarge")
    assert "1572864" in message
    assert not audit.requests(user=user.account)


async def test_a_long_body_that_does_not_say_so_is_not_read_to_its_end(
    client: Client, user: User, audit: AuditLog
) -> None:
    sent = 0

    async def endless() -> Any:
        nonlocal sent
        while sent < 200_000_000:
            sent += 65536
            yield b" " * 65536
            # Without this, the client never looks for an answer, as its writes need not wait.
            await asyncio.sleep(0)

    answer = await client.session.post(
        client.base + GHOSTS,
        data=endless(),
        headers={"Authorization": f"Bearer {client.token}", "Content-Type": "application/json"},
    )
    async with answer:
        assert answer.status == 413
        assert (await answer.json())["reason"] == "RequestEntityTooLarge"
        answer.close()  # without sending the rest
    assert sent < 20_000_000
    # The token is checked before more than 64 KiB are read.
    assert {it.resource for it in audit.requests(user=user.account)} <= {"selfsubjectreviews"}


@pytest.mark.parametrize("line", ["X-{}: " + "b" * 1000, "X-Long{}", "c" * 1000])
async def test_headers_that_never_end(anonymous: Client, line: str) -> None:
    """Endless headers need no token, and would fill the memory if collected."""
    url = URL(anonymous.base)
    assert url.host
    reader, writer = await asyncio.open_connection(url.host, url.port)
    writer.write(b"GET /healthz HTTP/1.1\r\nHost: test\r\nX-A: ")
    separator = "\r\n" if ":" in line else ""
    sent = 0
    with contextlib.suppress(ConnectionError):
        while sent < 50_000_000:
            chunk = "".join(f"{separator}{line}".format(index) for index in range(64)).encode()
            writer.write(chunk)
            sent += len(chunk)
            await writer.drain()
    assert sent < 20_000_000
    with contextlib.suppress(ConnectionError):  # the reset may lose the answer
        head = await reader.read()
        assert head.startswith(b"HTTP/1.1 431 ") or not head
    writer.close()


async def test_long_headers_that_do_end(anonymous: Client) -> None:
    headers = {f"X-{index}": "b" * 4000 for index in range(40)}
    (await anonymous.get("/healthz", headers=headers)).expect(200)
    (await anonymous.get("/healthz", headers=headers)).expect(200)


async def test_the_longest_prompt_passes(client: Client) -> None:
    body = ghost(unique("longest"), "é" * 131_072)
    raw = json.dumps(body).encode()  # each character takes six bytes, escaped
    assert len(raw) > 786_432
    (await client.post(GHOSTS, raw=raw)).expect(201)


@pytest.mark.parametrize(
    ("method", "path", "type_", "body", "code"),
    [
        ("PATCH", f"{GHOSTS}/x", JSON_PATCH, b"[" + b"0," * 400_000 + b"0]", 400),
        (
            "POST",
            GHOSTS,
            "application/json",
            b'{"metadata":{"name":"x"},"spec":{"systemPrompt":"x","skillRefs":['
            + b'{"name":"A"},' * 40_000  # a body of more than 100,000 values is refused unparsed
            + b'{"name":"A"}]}}',
            422,
        ),
    ],
    ids=["operations", "references"],
)
async def test_what_is_wrong_in_many_places_gets_a_short_answer(
    client: Client, audit: AuditLog, method: str, path: str, type_: str, body: bytes, code: int
) -> None:
    headers = {"Content-Type": type_}
    answer = await client.send(method, path, raw=body, headers=headers)
    assert answer.status == code
    assert len(answer.content) < 20_000
    assert not [it for it in audit.requests() if it.resource == "ghosts" and it.name == "x"]
