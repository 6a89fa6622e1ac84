"""OpenAI's API as curl and other plain clients use it: heads, media types, and bad bodies."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import hdrs

from tests.api.sockets import answer, connected
from tests.runner.conftest import Running
from tests.support.kubectl import Kubectl
from tests.support.provider import Provider, Script
from tests.support.proxy import Answer, Client
from tests.support.waiting import eventually

pytestmark = pytest.mark.usefixtures("operator")

CHAT = "/v1/chat/completions"
HUNDRED_MB = 100 * 1024 * 1024


def error_of(given: Answer, status: int) -> dict[str, Any]:
    """Return the error of an answer in OpenAI's form."""
    body = given.expect(status)
    assert body.keys() == {"error"}
    error: dict[str, Any] = body["error"]
    assert error.keys() == {"message", "type", "param", "code"}
    assert error["message"]
    assert given.headers[hdrs.CONTENT_TYPE].split(";")[0] == "application/json"
    assert given.headers["x-request-id"]
    assert given.headers[hdrs.CACHE_CONTROL] == "no-store"
    return error


async def test_streams_have_the_heads_that_clients_expect(
    runner: Running, client: Client, model: str
) -> None:
    assert runner.settings.slots
    messages = [{"role": "user", "content": "Hi"}]
    body = {"model": model, "messages": messages, "stream": True}
    chat = await client.post(CHAT, body, headers={"x-request-id": "from-the-client.1"})
    assert chat.headers[hdrs.CONTENT_TYPE] == "text/event-stream; charset=utf-8"
    assert chat.headers[hdrs.CACHE_CONTROL] == "no-store"
    assert chat.headers["X-Accel-Buffering"] == "no"
    assert chat.headers["x-request-id"] == "from-the-client.1"
    assert hdrs.ACCESS_CONTROL_ALLOW_ORIGIN not in chat.headers
    assert chat.content.endswith(b"\n\ndata: [DONE]\n\n")
    chunks = [json.loads(it[6:]) for it in chat.content.decode().split("\n\n")[:-2]]
    assert all("usage" not in it for it in chunks)

    asked = await client.post(CHAT, {**body, "stream_options": {"include_usage": True}})
    *others, last = [json.loads(it[6:]) for it in asked.content.decode().split("\n\n")[:-2]]
    assert [it["usage"] for it in others] == [None] * len(others)
    assert (last["choices"], last["usage"]["total_tokens"]) == ([], 11)
    refused = await client.post(CHAT, {**body, "stream_options": {"include_usage": "yes"}})
    assert error_of(refused, 400)["param"] == "stream_options.include_usage"

    events = await client.post("/v1/responses", {"model": model, "input": "Hi", "stream": True})
    assert events.content.startswith(b"event: response.created\ndata: {")
    assert b"[DONE]" not in events.content


async def test_an_answer_streams_as_it_comes(
    runner: Running, client: Client, model: str, provider: Provider
) -> None:
    assert runner.settings.slots
    provider.script = lambda _: Script(pieces=["one ", "two "], hang_after=1)
    body = {"model": model, "messages": [{"role": "user", "content": "Hi"}], "stream": True}
    request = client.session.post(
        client.base + CHAT, json=body, headers={"Authorization": f"Bearer {client.token}"}
    )
    async with asyncio.timeout(20), request as response:
        received = b""
        async for piece in response.content.iter_any():
            received += piece
            if b"one " in received:
                break
    assert b"two " not in received


async def test_head_and_options_and_cors(client: Client, model: str) -> None:
    models = await client.send("HEAD", "/v1/models")
    assert (models.status, models.content) == (200, b"")
    missing = await client.send("HEAD", "/v1/nothing")
    assert (missing.status, missing.content) == (404, b"")
    options = await client.send("OPTIONS", CHAT)
    assert (options.status, options.headers["Allow"]) == (204, "POST, OPTIONS")
    preflight = await client.as_(None).send(
        "OPTIONS",
        CHAT,
        headers={
            "Origin": "https://chat.example.com",
            "Access-Control-Request-Method": "POST",
            "Access-Control-Request-Headers": "authorization,content-type",
        },
    )
    assert not [it for it in preflight.headers if it.lower().startswith("access-control")]
    assert (await client.get(f"/v1/models/{model}")).expect(200)["id"] == model


async def test_unknown_routes_and_methods_have_the_form_of_openai(client: Client) -> None:
    for method, path in (
        ("GET", "/v1/"),
        ("POST", "/v1/embeddings"),
        ("POST", "/v1/completions"),
        ("GET", "/v1/files"),
        ("GET", "/v1/responses/resp_a_b/nothing"),
        ("POST", "/v1/conversations"),
    ):
        missing = error_of(await client.send(method, path), 404)
        assert missing["type"] == "invalid_request_error"
    wrong = await client.get(CHAT)
    error_of(wrong, 405)
    assert wrong.headers["Allow"] == "POST, OPTIONS"
    twice = error_of(await client.get("/v1/responses/resp_a_b?stream=true&stream=false"), 400)
    assert twice["param"] == "stream"
    odd = error_of(await client.get("/v1/responses/resp_a_b?starting_after=-1&stream=true"), 400)
    assert odd["param"] == "starting_after"
    assert error_of(await client.get("/v1/models/a%2F.."), 400)["code"] is None
    # Other paths keep the form of Kubernetes.
    (await client.get("/v2/models")).refused(404, "NotFound")


@pytest.mark.parametrize("path", [CHAT, "/v1/responses"])
@pytest.mark.parametrize(
    ("raw", "headers", "status"),
    [
        (b"", {}, 400),
        (b"[]", {}, 400),
        (b"{", {}, 400),
        (b'{"model": "a/b", "model": "a/c"}', {}, 400),
        (b'{"model": "\xff"}', {}, 400),
        (b'{"model": "\\ud83d"}', {}, 400),
        (b'{"temperature": NaN}', {}, 400),
        (b'{"input": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", {}, 400),
        (b'{"input": ' + b'{"a":' * 60_000 + b"1" + b"}" * 60_000 + b"}", {}, 400),
        (b'{"input": [' + b"0," * 200_000 + b"0]}", {}, 400),
        (b'{"max_tokens": ' + b"9" * 10_000 + b"}", {}, 400),
        (b"{}", {}, 400),
        (b'{"model": 7, "input": "Hi", "messages": []}', {}, 400),
        (b"model=a", {"Content-Type": "application/x-www-form-urlencoded"}, 415),
        (b"{}", {"Content-Type": "text/plain"}, 415),
        (b"{}", {"Content-Encoding": "gzip"}, 415),
    ],
)
async def test_a_bad_body_is_refused_at_once(
    client: Client, path: str, raw: bytes, headers: dict[str, str], status: int
) -> None:
    async with asyncio.timeout(20):
        error = error_of(await client.post(path, raw=raw, headers=headers), status)
    assert error["type"] == "invalid_request_error"


async def test_deeply_nested_messages_are_refused(client: Client) -> None:
    part: Any = {"type": "text", "text": "Hi"}
    for _ in range(500):
        part = [part]
    body = {"model": "a/b", "messages": [{"role": "user", "content": part}]}
    refused = error_of(await client.post(CHAT, body), 400)
    assert refused["param"] == "messages[0].content[0]"


async def test_a_body_of_100_mb_is_refused_before_it_is_sent(client: Client) -> None:
    head = (
        f"POST {CHAT} HTTP/1.1\r\nHost: proxy\r\nAuthorization: Bearer {client.token}\r\n"
        "Content-Type: application/json\r\n"
    )
    async with connected(client.base) as (reader, writer):
        writer.write(f"{head}Content-Length: {HUNDRED_MB}\r\n\r\n{{".encode())
        status, _, body = await answer(reader)
    assert status == 413
    assert json.loads(body)["error"]["type"] == "invalid_request_error"

    async def endless() -> AsyncIterator[bytes]:
        for _ in range(100):
            yield b" " * 1024 * 1024

    async with connected(client.base) as (reader, writer):
        writer.write(f"{head}Transfer-Encoding: chunked\r\n\r\n".encode())

        async def send() -> None:
            async for piece in endless():
                writer.write(b"%x\r\n%s\r\n" % (len(piece), piece))
                await writer.drain()

        sending = asyncio.create_task(send())
        status, _, body = await answer(reader)
        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)
    assert status == 413
    assert json.loads(body)["error"]["message"].startswith("the body is too large")


@pytest.mark.parametrize("path", [CHAT, "/v1/responses"])
async def test_an_error_after_the_making_of_the_task_is_not_retried(
    runner: Running, client: Client, model: str, provider: Provider, path: str, kubectl: Kubectl
) -> None:
    assert runner.settings.slots
    provider.script = lambda _: Script(pieces=["one ", "two "], hang_after=1)
    body = {"model": model, "messages": [{"role": "user", "content": "Hi"}], "input": "Hi"}
    body.pop("input" if path == CHAT else "messages")
    asking = asyncio.create_task(client.post(path, body))
    await eventually(lambda: provider.calls, within_s=30, what="a call of the provider")
    namespace = model.partition("/")[0]
    (await kubectl.call("delete", "tasks", "--all", "-n", namespace, "--wait=false")).ok()
    answer_ = await asking
    assert answer_.status >= 400
    assert answer_.headers["x-should-retry"] == "false"
