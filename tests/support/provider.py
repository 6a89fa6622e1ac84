"""A scripted LLM provider with OpenAI's chat completions, for behaviour and faults.

It counts its calls, and notices when a connection is closed in the midst of an answer.
"""

import asyncio
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

from aiohttp import web


@dataclass(frozen=True)
class Script:
    """The course of one answer.

    Attributes:
        pieces: Deltas of the text.
        pause_s: Pause after each of them.
        headers: Further headers of the answer.
        status: HTTP status; any but 200 is an error with ``body``.
        cut_after: Number of deltas after which the connection is cut.
        hang_after: Number of deltas after which no byte comes any more.
        raw: Bytes that are sent in place of the deltas.
        cut: True to cut the connection after the raw bytes.
        calls: Calls of tools after the text: name, and arguments as JSON.
    """

    pieces: Sequence[str] = ("Hello", ", ", "world", ".")
    pause_s: float = 0.0
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: Any = None
    cut_after: int | None = None
    hang_after: int | None = None
    raw: bytes | None = None
    cut: bool = False
    finish_reason: str = "stop"
    calls: Sequence[tuple[str, str]] = ()


@dataclass
class Call:
    """One received request."""

    body: dict[str, Any]
    headers: Mapping[str, str]
    number: int = 0
    began_at: float = field(default_factory=time.monotonic)
    """Monotonic time at which the request had come."""
    ended_at: float | None = None
    """Monotonic time at which the answer was sent whole, or its connection was closed."""
    whole: bool = False

    @property
    def messages(self) -> list[tuple[str, str]]:
        """Role and text of each message."""
        return [(it["role"], it["content"]) for it in self.body["messages"]]

    @property
    def results(self) -> list[str]:
        """Results of tools, in order."""
        return [text for role, text in self.messages if role == "tool"]

    @property
    def tools(self) -> list[str]:
        """Names of the offered tools."""
        return [tool["function"]["name"] for tool in self.body.get("tools", ())]


class Provider:
    """The server. ``script`` is called with each request and returns the course of its answer."""

    def __init__(self) -> None:
        self.calls: list[Call] = []
        self.script: Callable[[Call], Script] = lambda _: Script()
        self._runner: web.AppRunner | None = None
        self.port = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    async def __aenter__(self) -> Self:
        app = web.Application()
        for path in ("chat/completions", "responses", "messages"):  # the latter two: only raw
            app.router.add_post(f"/v1/{path}", self._complete)
        self._runner = web.AppRunner(
            app, handler_cancellation=True, access_log=None, shutdown_timeout=0.1
        )
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.port = self._runner.addresses[0][1]
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._runner is not None
        await self._runner.cleanup()

    async def _complete(self, request: web.Request) -> web.StreamResponse:
        call = Call(await request.json(), request.headers, len(self.calls))
        self.calls.append(call)
        script = self.script(call)
        if script.status != 200:
            call.ended_at = time.monotonic()
            return web.json_response(script.body, status=script.status, headers=script.headers)
        response = web.StreamResponse(
            headers={"Content-Type": "text/event-stream", **script.headers}
        )
        await response.prepare(request)
        try:
            await self._stream(request, response, call, script)
        finally:
            call.ended_at = time.monotonic()
        return response

    async def _stream(
        self, request: web.Request, response: web.StreamResponse, call: Call, script: Script
    ) -> None:
        if script.raw is not None:
            await response.write(script.raw)
            if script.cut:
                assert request.transport is not None
                await asyncio.sleep(0.1)
                request.transport.abort()
            return
        for number, piece in enumerate(script.pieces):
            if number == script.cut_after:
                assert request.transport is not None
                request.transport.abort()
                return
            if number == script.hang_after:
                await asyncio.Event().wait()
            await response.write(_chunk(call, {"content": piece}))
            await asyncio.sleep(script.pause_s)
        for number, (name, arguments) in enumerate(script.calls):
            function = {"name": name, "arguments": arguments}
            its_id = f"call_{call.number}_{number}"
            part = {"index": number, "id": its_id, "type": "function", "function": function}
            await response.write(_chunk(call, {"tool_calls": [part]}))
        reason = "tool_calls" if script.calls else script.finish_reason
        await response.write(_chunk(call, {}, finish_reason=reason))
        usage = {
            "prompt_tokens": 7,
            "completion_tokens": len(script.pieces),
            "total_tokens": 7 + len(script.pieces),
        }
        await response.write(_event({**_frame(call), "choices": [], "usage": usage}))
        await response.write(b"data: [DONE]\n\n")
        call.whole = True


def texts(*pieces: str) -> Script:
    """Return an answer without calls of tools."""
    return Script(pieces=pieces)


def calling(*calls: tuple[str, Mapping[str, Any]], text: str = "") -> Script:
    """Return an answer that calls tools."""
    pieces = [text] if text else []
    return Script(pieces=pieces, calls=[(name, json.dumps(given)) for name, given in calls])


def _frame(call: Call) -> dict[str, Any]:
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion.chunk",
        "created": 1,
        "model": call.body["model"],
    }


def _chunk(call: Call, delta: dict[str, Any], finish_reason: str | None = None) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": finish_reason}
    return _event({**_frame(call), "choices": [choice]})


def _event(body: dict[str, Any]) -> bytes:
    return b"data: " + json.dumps(body).encode() + b"\n\n"
