"""An API server that fails on demand, in ways that a real one can't be made to in a test."""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web

from wegent_kube.connection import Connection, TokenSource

Fault = Callable[[web.Request], Awaitable[web.StreamResponse]]
"""Answers a request in place of the server."""


class StubApi:
    """A server of collections of objects by path; it answers lists and watches, or a set fault."""

    def __init__(self) -> None:
        self.objects: dict[str, dict[str, dict[str, Any]]] = {}
        self.faults: dict[tuple[str, str], Fault] = {}
        """By path and verb, ``list`` or ``watch``."""
        self.asked: Counter[tuple[str, str]] = Counter()
        self.tokens: list[str] = []
        self.limits: list[int] = []
        self.url = ""
        self._version = 1
        self._changes = asyncio.Condition()

    def put(self, path: str, name: str, **fields: Any) -> None:
        """Create or change an object, without an event on open watches."""
        self._version += 1
        self.objects.setdefault(path, {})[name] = {
            "metadata": {
                "name": name,
                "namespace": "default",
                "uid": f"uid-{name}",
                "resourceVersion": str(self._version),
                "creationTimestamp": "2026-01-01T00:00:00Z",
            },
            **fields,
        }

    def delete(self, path: str, name: str) -> None:
        """Delete an object, without an event on open watches."""
        self._version += 1
        del self.objects[path][name]

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """Answer one request."""
        verb = "watch" if request.query.get("watch") == "true" else "list"
        self.asked[request.path, verb] += 1
        self.tokens.append(request.headers.get("Authorization", ""))
        if (fault := self.faults.get((request.path, verb))) is not None:
            return await fault(request)
        if verb == "watch":
            return await self._watch(request)
        limit = int(request.query.get("limit", 500))
        self.limits.append(limit)
        start = int(request.query.get("continue", 0))
        items = list(self.objects.get(request.path, {}).values())
        rest = str(start + limit) if start + limit < len(items) else None
        metadata = {"resourceVersion": str(self._version), "continue": rest}
        return web.json_response({"metadata": metadata, "items": items[start : start + limit]})

    async def _watch(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await asyncio.sleep(float(request.query["timeoutSeconds"]))
        return response


@asynccontextmanager
async def stub_api() -> AsyncIterator[StubApi]:
    """Serve the stub on loopback."""
    stub = StubApi()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", stub.answer)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    stub.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield stub
    finally:
        await runner.cleanup()


def connection_to(stub: StubApi, token: Callable[[], str | None] = lambda: None) -> Connection:
    """Return a connection to the stub."""
    return Connection(stub.url, None, None, None, TokenSource(token))


def refusal(code: int) -> Fault:
    """Return the fault that answers with a code."""

    async def answer(_: web.Request) -> web.StreamResponse:
        status = {"kind": "Status", "code": code, "message": "no"}
        return web.json_response(status, status=code)

    return answer


def body(text: bytes) -> Fault:
    """Return the fault that answers 200 with a body."""

    async def answer(_: web.Request) -> web.StreamResponse:
        return web.Response(body=text, content_type="application/json")

    return answer


async def reset(request: web.Request) -> web.StreamResponse:
    """Cut the connection without an answer."""
    assert request.transport is not None
    request.transport.abort()
    return web.Response()


async def cut(request: web.Request) -> web.StreamResponse:
    """Cut the connection in the middle of a body."""
    response = web.StreamResponse()
    response.content_length = 1000
    await response.prepare(request)
    await response.write(b'{"type":"ADD')
    assert request.transport is not None
    request.transport.abort()
    return response


def error_event(code: int) -> Fault:
    """Return the fault that begins a watch and ends it with an error."""
    event = {"type": "ERROR", "object": {"kind": "Status", "code": code, "message": "no"}}
    return body(json.dumps(event).encode() + b"\n")


def odd_event(**metadata: Any) -> Fault:
    """Return the fault that sends an event of an object with these metadata."""
    event = {"type": "ADDED", "object": {"metadata": {"resourceVersion": "5", **metadata}}}
    return body(json.dumps(event).encode() + b"\n")


LIST_FAULTS: dict[str, Fault] = {
    **{str(code): refusal(code) for code in (400, 401, 403, 404, 410, 429, 500, 503, 504)},
    "not JSON": body(b"<html>"),
    "too deep": body(b"[" * 200_000),
    "null": body(b"null"),
    "a list of no kind": body(b"[]"),
    "empty": body(b""),
    "reset": reset,
    "cut": cut,
}
WATCH_FAULTS: dict[str, Fault] = {
    **{str(code): refusal(code) for code in (400, 401, 403, 404, 410, 429, 500, 503, 504)},
    **{f"event {code}": error_event(code) for code in (403, 410, 500)},
    "not JSON": body(b"<html>\n"),
    "no event": body(b'{"kind":"Status"}\n'),
    "an event of null": body(b"null\n"),
    "no object": body(b'{"type":"ADDED","object":null}\n'),
    "no name": odd_event(uid="u"),
    "a uid that is none": odd_event(name="x", uid=["u"]),
    "a version that is none": odd_event(name="x", resourceVersion=None),
    "too deep": body(b"[" * 200_000 + b"\n"),
    "an error of null": body(b'{"type":"ERROR","object":null}\n'),
    "ends at once": body(b""),
    "reset": reset,
    "cut": cut,
}
