"""The outermost layer: request ids, access log, metrics, and a handler for unexpected errors.

It is pure ASGI. ``BaseHTTPMiddleware`` runs the application in a task of its own, which hides
disconnects and breaks context variables.
"""

import asyncio
import logging
import re
import time
from contextlib import suppress
from secrets import token_hex
from typing import Final
from urllib.parse import unquote

from starlette.datastructures import MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from wegent_api.http.error_responses import internal_error, problem_response
from wegent_api.http.errors import BadRequest
from wegent_api.http.request_scope import request_scope
from wegent_api.http.security_headers import protect
from wegent_api.server.logs import request_id
from wegent_api.server.metrics import Metrics
from wegent_kube.tracing import Tracing

logger = logging.getLogger("wegent_api.access")

PIECE_BYTES: Final = 64 * 1024
"""Length of the pieces in which a body is sent. uvloop's transports hold about as much."""
REQUEST_ID: Final = "x-request-id"
REQUEST_ID_BYTES: Final = REQUEST_ID.encode()
CLIENT_GONE: Final = 499
"""nginx's status for a client that disconnected. It appears only in logs and metrics."""
SWITCHING_PROTOCOLS: Final = 101
INTERNAL_ERROR: Final = 1011
"""Close code of a WebSocket after an unexpected error."""
UNMATCHED: Final = "unmatched"
METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})

_REQUEST_ID: Final = re.compile(rb"[A-Za-z0-9._-]{1,64}")
_MODEL: Final = re.compile(rb"/v1/models/[a-z0-9][-a-z0-9]*%2f[a-z0-9][-.a-z0-9]*", re.IGNORECASE)
"""Path of a model as OpenAI's SDKs write it. The model's id has one slash, which they encode. A hop
that decodes it gets the path of the same model."""
_ENCODED_SEPARATOR: Final = re.compile(rb"%(2f|5c|00)", re.IGNORECASE)


class Observe:
    """ASGI middleware that sees each request first and last."""

    def __init__(
        self, app: ASGIApp, metrics: Metrics, draining: asyncio.Event, tracing: Tracing
    ) -> None:
        self.app = app
        self.tracing = tracing
        self.metrics = metrics
        self.draining = draining

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request. Lifespan events pass through."""
        if scope["type"] == "websocket":
            await self._socket(scope, receive, send)
            return
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        exchange = _Exchange(scope, send, self.draining)
        token = request_id.set(exchange.request_id)
        self.tracing.annotate(**{"wegent.request_id": exchange.request_id})
        try:
            with self.metrics.in_flight.track_inprogress(), request_scope():
                await self._answer(exchange, receive)
        finally:
            self._record(exchange)
            request_id.reset(token)

    async def _socket(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one WebSocket."""
        exchange = _Socket(scope, receive, send)
        token = request_id.set(exchange.request_id)
        self.tracing.annotate(**{"wegent.request_id": exchange.request_id})
        try:
            await self.app(scope, exchange.receive, exchange.send)
        except Exception:
            logger.exception("unexpected error")
            with suppress(Exception):
                await exchange.send({"type": "websocket.close", "code": INTERNAL_ERROR})
        finally:
            self._record_socket(exchange)
            request_id.reset(token)

    def _record_socket(self, exchange: "_Socket") -> None:
        duration = time.perf_counter() - exchange.started
        route = getattr(exchange.scope.get("route"), "path", UNMATCHED)
        self.metrics.answered(route, "GET", exchange.status, duration)
        logger.info(
            "GET %s %s",
            exchange.scope["path"],
            exchange.status,
            extra={
                "route": route,
                "status": exchange.status,
                "closeCode": exchange.close_code,
                "durationMs": round(duration * 1000, 1),
                "client": (exchange.scope.get("client") or ("unknown",))[0],
            },
        )

    async def _answer(self, exchange: "_Exchange", receive: Receive) -> None:
        scope = exchange.scope
        if ambiguous_path(scope):
            message = "path: must not have encoded slashes, or '.' or '..' as a segment"
            await problem_response(BadRequest(message))(scope, receive, exchange.send)
            return
        try:
            await self.app(scope, receive, exchange.send)
        except ClientDisconnect:
            exchange.status = CLIENT_GONE
        except Exception:
            logger.exception("unexpected error")
            if exchange.status is None:
                await internal_error()(scope, receive, exchange.send)
            # Otherwise half an answer is sent. Returning without its end makes the server cut the
            # connection, so that the client can't take it for complete.

    def _record(self, exchange: "_Exchange") -> None:
        scope, status = exchange.scope, exchange.status or CLIENT_GONE
        duration = time.perf_counter() - exchange.started
        route = getattr(scope.get("route"), "path", UNMATCHED)
        method = scope["method"] if scope["method"] in METHODS else "other"
        self.metrics.answered(route, method, status, duration)
        logger.info(
            "%s %s %s",
            scope["method"],
            scope["path"],
            status,
            extra={
                "route": route,
                "status": status,
                "durationMs": round(duration * 1000, 1),
                "client": (scope.get("client") or ("unknown",))[0],
                "auditId": exchange.audit_id,
            },
        )


class _Exchange:
    """One request, and the state of its answer."""

    def __init__(self, scope: Scope, send: Send, draining: asyncio.Event) -> None:
        self.scope = scope
        self.draining = draining
        self.started = time.perf_counter()
        self.status: int | None = None
        self.audit_id: str | None = None
        self.request_id = _request_id_of(scope)
        self._send = send

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            headers[REQUEST_ID] = self.request_id
            protect(self.scope["path"], headers)
            if self.draining.is_set():
                headers["connection"] = "close"  # the next request goes to another replica
            self.status = message["status"]
            self.audit_id = headers.get("audit-id")
        elif len(message.get("body", b"")) > PIECE_BYTES:
            await self._send_in_pieces(message)
            return
        await self._send(message)

    async def _send_in_pieces(self, message: Message) -> None:
        """Send a long body no faster than the client takes it.

        uvicorn waits for the client before it sends a piece, not after. A body sent whole would go
        to its buffers, and the request would be over while the client has read nothing.
        """
        view = memoryview(message["body"])
        for start in range(0, len(view), PIECE_BYTES):
            more = start + PIECE_BYTES < len(view) or message.get("more_body", False)
            piece = bytes(view[start : start + PIECE_BYTES])
            await self._send({"type": message["type"], "body": piece, "more_body": more})


class _Socket:
    """One WebSocket, and how it ends."""

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.scope = scope
        self.started = time.perf_counter()
        self.status = CLIENT_GONE
        self.close_code: int | None = None
        self.request_id = _request_id_of(scope)
        self._receive = receive
        self._send = send

    async def receive(self) -> Message:
        message = await self._receive()
        if message["type"] == "websocket.disconnect" and self.close_code is None:
            self.close_code = message.get("code")
        return message

    async def send(self, message: Message) -> None:
        if message["type"] in {"websocket.accept", "websocket.http.response.start"}:
            headers = MutableHeaders(scope={"headers": list(message.get("headers", []))})
            headers[REQUEST_ID] = self.request_id
            self.status = message.get("status", SWITCHING_PROTOCOLS)
            if self.status != SWITCHING_PROTOCOLS:
                protect(self.scope["path"], headers)
            message = {**message, "headers": headers.raw}
        elif message["type"] == "websocket.close":
            self.close_code = message.get("code")
        await self._send(message)


def _request_id_of(scope: Scope) -> str:
    """Return the request's own id if it is valid, else a new one."""
    wanted = next((value for name, value in scope["headers"] if name == REQUEST_ID_BYTES), b"")
    return wanted.decode() if _REQUEST_ID.fullmatch(wanted) else token_hex(16)


def ambiguous_path(scope: Scope) -> bool:
    """Return whether servers on the way might disagree on the segments of the path."""
    raw: bytes = scope.get("raw_path") or scope["path"].encode()
    if b"%" not in raw and b"/." not in raw:
        return False
    if _ENCODED_SEPARATOR.search(raw) and not _MODEL.fullmatch(raw):
        return True
    return any(unquote(step) in {".", ".."} for step in raw.decode("latin-1").split("/"))
