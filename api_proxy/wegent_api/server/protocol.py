"""uvicorn's HTTP protocol, with limits on time, size and number that uvicorn doesn't have.

uvicorn has one timer, for idle connections that have had an answer. It does not cover a client that
sends nothing, half a head or half a body, or that never reads its answer. llhttp, the parser below,
has no limit on a head. So this class adds two timers, one for reading and one for writing, and
counts bytes. docs/adr/0036 compares uvicorn's other parsers, and a wrapper in place of a subclass.

A read may hold 256 KiB. The parser calls back for each request, header and chunk in it, which may
be as short as six bytes. So the parser is fed in pieces, for some milliseconds in a turn of the
event loop. It is not fed while enough requests wait for the answer to the previous one.

The parser also drops the body of a request that asks for another protocol. RFC 9110 (section 7.8)
lets a server ignore ``Upgrade``, and this one does, except for the one path of WebSockets. Such a
connection is handed over once the head is read.
"""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import httptools
from uvicorn.protocols.http.flow_control import HIGH_WATER_LIMIT, FlowControl
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from wegent_api.http.sse import ABORT
from wegent_api.server.connections import Connections
from wegent_api.server.joined_head import JoinedHead
from wegent_api.server.refusals import Refusal
from wegent_api.server.stall_timer import StallTimer
from wegent_api.server.websocket import PATH, BoundedWebSocket, websocket_for

MAX_HEAD_BYTES: Final = 512 * 1024
"""Limit for a request line and headers.

A complete head is measured exactly. An incomplete one is measured in whole pieces, which may
include the end of the previous request.
"""
MAX_TARGET_BYTES: Final = 64 * 1024
"""Limit for a path and its query, as in the parser. The longest list parameters fit."""
MAX_HEADERS: Final = 128
"""Limit of header lines. Each look-up of a header goes through all of them."""
BODY_TIMEOUT_S: Final = 60.0
"""Seconds for a body, from the end of the head. A route that reads it answers 408 earlier."""
LINGER_S: Final = 10.0
"""Seconds for the rest of a body whose request is answered already, for example with 413.

If a connection is closed while the client still sends, the answer may get lost.
"""
MAX_DISCARDED_BYTES: Final = 8 << 20
"""Limit for such a rest, including its framing."""
MAX_FRAMING_BYTES: Final = 64 * 1024
"""Limit for a body's chunk heads and trailers, apart from the body itself.

Each chunk is a call of the parser, and a trailer is held in memory.
"""
PIECE_BYTES: Final = 2 * 1024
"""Bytes fed to the parser at once: some hundred of the shortest requests or chunks."""
TURN_S: Final = 0.002
"""Seconds of parsing for one connection before the event loop turns to others."""
MAX_PIPELINED: Final = 8
"""Limit of requests that wait for the previous answer. The rest of a read isn't parsed."""
HEAD_TOO_LONG: Final = Refusal(
    431,
    "RequestHeaderFieldsTooLarge",
    f"the headers are too large: the limit is {MAX_HEADERS} lines or {MAX_HEAD_BYTES} bytes",
)
TARGET_TOO_LONG: Final = Refusal(
    414,
    "RequestURITooLong",
    f"the path and query are too long: the limit is {MAX_TARGET_BYTES} bytes",
)
HEAD_TOO_LATE: Final = Refusal(408, "Timeout", "the request's headers did not arrive in time")
NOT_HTTP: Final = Refusal(400, "BadRequest", "the request is not HTTP/1.1")
MOSTLY_FRAMING: Final = Refusal(
    400, "BadRequest", "the body has more chunk heads and trailers than data"
)
FRAMING: Final = frozenset({b"content-length", b"transfer-encoding", b"connection"})
"""Headers that define where a body ends, and whether another request may follow."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits on one client's connections, bytes and time."""

    connections: int
    """Limit of open connections."""
    head_timeout_s: float
    """Seconds from the connection's start, or the first byte after an answer, to the head's end."""
    stall_s: float
    """Seconds without progress while an answer is sent."""


class _Flow(FlowControl):
    """Pauses reading while the connection has unparsed bytes."""

    backlog = False

    def resume_reading(self) -> None:
        """Resume reading, unless there is enough to parse."""
        if not self.backlog:
            super().resume_reading()


class BoundedProtocol(HttpToolsProtocol):
    """Serves one connection within limits. `protocol_for` sets the three class attributes."""

    limits: Limits
    registry: Connections
    websocket: type[BoundedWebSocket]

    flow: _Flow
    _stall_timer: StallTimer
    _backlog = memoryview(b"")
    _turn: asyncio.Handle | None = None
    _reading: asyncio.TimerHandle | None = None
    _in_head = False
    _in_body = False
    _unparsed_bytes = 0
    _head_bytes = 0
    _discarded = 0
    _body_bytes = 0
    _received_bytes = 0
    _refused = False
    _resumed = False
    """True while the parser reads the body of a request whose head another parser has read."""
    _upgrades = False
    """True once a head asks for a WebSocket, until the connection is handed over."""
    _handed_over = False
    _unfinished: list[RequestResponseCycle]
    """Requests whose answers are not complete: the one in progress, then the pipelined ones."""

    # --- the connection

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Start the timer for a head."""
        super().connection_made(transport)
        self._unfinished = []
        self.flow = _Flow(transport)
        self._stall_timer = StallTimer(transport, self.limits.stall_s, self.cut)
        self.registry.add(self)
        self._expect(self.limits.head_timeout_s, self._no_head)

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the timers."""
        self._forget_backlog()
        self.registry.remove(self)
        self._expect_nothing()
        self._stall_timer.stop()
        for cycle in self._unfinished:  # uvicorn tells only the last one
            cycle.disconnected = True
            cycle.message_event.set()
        self._unfinished.clear()
        super().connection_lost(exc)
        self._unset_keepalive_if_required()

    def cut(self) -> None:
        """Close the connection at once, and discard unsent data."""
        self.transport.abort()

    def close(self) -> None:
        """Close the connection once all data is sent, or the client stalls."""
        self.transport.close()
        self._stall_timer.start()

    def timeout_keep_alive_handler(self) -> None:
        """Close a connection that has been idle for too long."""
        self.close()

    # --- reading

    def data_received(self, data: bytes) -> None:
        """Take the bytes of one read from the connection."""
        if self._stopped():
            return
        self._backlog = memoryview(b"".join((self._backlog, data)) if self._backlog else data)
        if self._turn is None:
            self._parse()

    def _parse(self) -> None:
        """Feed the parser for one turn of the event loop, and schedule the next turn."""
        self._turn = None
        self._unset_keepalive_if_required()
        end = time.perf_counter() + TURN_S
        while self._backlog and not self._stopped() and len(self.pipeline) < MAX_PIPELINED:
            piece, self._backlog = self._backlog[:PIECE_BYTES], self._backlog[PIECE_BYTES:]
            try:
                self._take(bytes(piece))
            except httptools.HttpParserError:
                self._refuse(NOT_HTTP)
            if time.perf_counter() > end:
                break
        if self._stopped():
            self._forget_backlog()
            return
        self._go_on()
        if self._idle() and not self._in_body and self._reading is None:
            self._expect(self.limits.head_timeout_s, self._no_head)

    def _go_on(self) -> None:
        """Parse the rest in the next turn, or resume reading."""
        if self._backlog:
            self.flow.pause_reading()
            self.flow.backlog = True
            if self._turn is None and len(self.pipeline) < MAX_PIPELINED:
                self._turn = self.loop.call_soon(self._parse)
        elif self.flow.backlog:
            self.flow.backlog = False
            if not self.pipeline and (self._idle() or len(self.cycle.body) <= HIGH_WATER_LIMIT):
                self.flow.resume_reading()

    def _forget_backlog(self) -> None:
        self._backlog = memoryview(b"")
        if self._turn is not None:
            self._turn.cancel()
            self._turn = None

    def _stopped(self) -> bool:
        return self._refused or self._handed_over or self.transport.is_closing()

    def _take(self, piece: bytes) -> None:
        """Feed the parser, and count the bytes that belong to no request."""
        was_in_body = self._in_body
        self._feed(piece)
        if self._in_head:
            self._unparsed_bytes += len(piece)
            if self._unparsed_bytes > MAX_HEAD_BYTES:
                self._refuse(HEAD_TOO_LONG)
        elif self._in_body and was_in_body:
            self._count_in_body(len(piece))

    def _count_in_body(self, received: int) -> None:
        if self.cycle.response_complete:  # the body is no longer needed
            self._discarded += received
            if self._discarded > MAX_DISCARDED_BYTES:
                self.close()
            return
        self._received_bytes += received
        if self._received_bytes - self._body_bytes > MAX_FRAMING_BYTES + self._body_bytes:
            self._refuse(MOSTLY_FRAMING)

    def _feed(self, data: bytes) -> None:
        """Feed the parser. Continue with a new one if it stops for an ``Upgrade``."""
        while data and not self._refused:
            try:
                self.parser.feed_data(data)
            except httptools.HttpParserUpgrade as upgrade:
                data = data[upgrade.args[0] :]
                if self._upgrades:
                    self._hand_over(data)
                    return
                self._start_over()
            else:
                return

    def _start_over(self) -> None:
        """Replace a parser that treats the rest of the connection as another protocol's.

        The new parser is fed a head with the same framing, so that it finds the body.
        """
        self.parser = httptools.HttpRequestParser(self)
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)
        if self._in_body and not self._refused:
            framing = [(name, value) for name, value in self.headers if name in FRAMING]
            lines = b"".join(
                b"%s: %s\r\n" % (name, b"close" if name == b"connection" else value)
                for name, value in framing
                if name != b"connection" or not self.cycle.keep_alive
            )
            self._resumed = True
            self.parser.feed_data(b"POST / HTTP/1.1\r\n" + lines + b"\r\n")

    def _wants_websocket(self) -> bool:
        """Return whether a head asks for a WebSocket, and no other request is in the way."""
        return (
            self._get_upgrade() == b"websocket"
            and self.url.partition(b"?")[0] == PATH.encode()
            and self.parser.get_method() == b"GET"
            and self.parser.get_http_version() == "1.1"
            and not self._has_body()
            and self._idle()
            and not self.pipeline
        )

    def _should_upgrade(self) -> bool:
        return self._upgrades

    def _hand_over(self, rest: bytes) -> None:
        """Let the protocol of WebSockets serve the connection."""
        self._handed_over = True
        rest += bytes(self._backlog)
        self._forget_backlog()
        self._expect_nothing()
        self._stall_timer.stop()
        self._unset_keepalive_if_required()
        self.registry.remove(self)
        self.connections.discard(self)
        self.parser = None  # type: ignore[assignment] # it refers to this object
        protocol = self.websocket(self.config, self.server_state, self.app_state, self.loop)
        self.transport.set_protocol(protocol)
        protocol.open(self.transport, self.url.partition(b"?")[2], self.headers, rest)

    def on_message_begin(self) -> None:
        """Start to count a head."""
        if self._resumed or self._refused:
            return
        self._in_head, self._unparsed_bytes, self._head_bytes = True, 0, 0
        if self._reading is None:
            self._expect(self.limits.head_timeout_s, self._no_head)
        super().on_message_begin()
        self.scope["extensions"] = {ABORT: {"abort": self.transport.abort}}

    def on_url(self, url: bytes) -> None:
        """Take a part of the request's target."""
        if self._resumed or self._refused:
            return
        self._head_bytes += len(url)
        if len(self.url) <= MAX_TARGET_BYTES:
            super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take one header, unless there are too many already.

        A trailer, which follows a chunked body, is not a header of the request (RFC 9110, section
        6.5.1). It is ignored.
        """
        if not self._in_head or self._resumed or self._refused:
            return
        self._head_bytes += len(name) + len(value)
        if len(self.headers) <= MAX_HEADERS:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """Start the request, and the timer of its body."""
        if self._resumed:
            self._resumed = False
            return
        self._in_head = False
        if self._refused:
            return
        if len(self.url) > MAX_TARGET_BYTES:
            self._refuse(TARGET_TOO_LONG)
            return
        if self._head_bytes > MAX_HEAD_BYTES or len(self.headers) > MAX_HEADERS:
            self._refuse(HEAD_TOO_LONG)
            return
        self.registry.serves(self)
        self._in_body = True
        self._discarded = self._received_bytes = self._body_bytes = 0
        self._expect(BODY_TIMEOUT_S, self._no_body)
        self._upgrades = self.parser.should_upgrade() and self._wants_websocket()
        super().on_headers_complete()
        if not self._idle():
            self._unfinished.append(self.cycle)
            if self.cycle.scope["method"] != "HEAD":  # its answer has no body to wait for
                self.cycle.transport = JoinedHead(self.transport)

    def on_body(self, body: bytes) -> None:
        """Take a part of a body."""
        if self._refused:
            return
        self._body_bytes += len(body)
        super().on_body(body)

    def on_message_complete(self) -> None:
        """Record the end of a request, unless the parser ended it early for an upgrade."""
        if self._refused or (self.parser.should_upgrade() and self._has_body()):
            return
        self._in_body = False
        self._expect_nothing()
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """Wait for the next request, or for the rest of this one's body."""
        self._unfinished = [it for it in self._unfinished if not it.response_complete]
        super().on_response_complete()
        if self.pipeline:  # uvicorn resumes reading after each answer
            self.flow.pause_reading()
        if self.transport.is_closing():
            self._stall_timer.start()
            return
        self._go_on()
        if not self._idle():
            return
        if self._in_body:
            self._expect(LINGER_S, self._no_body)
        else:
            self.registry.waits(self)

    def _has_body(self) -> bool:
        return any(
            name == b"transfer-encoding" or (name == b"content-length" and value.strip(b"0"))
            for name, value in self.headers
        )

    def _idle(self) -> bool:
        # uvicorn's cycle is None before the first request.
        return self.cycle is None or self.cycle.response_complete  # type: ignore[redundant-expr]

    def _expect(self, within_s: float, otherwise: Callable[[], None]) -> None:
        self._expect_nothing()
        self._reading = self.loop.call_later(within_s, otherwise)

    def _expect_nothing(self) -> None:
        if self._reading is not None:
            self._reading.cancel()
            self._reading = None

    def _no_head(self) -> None:
        self._reading = None
        if not self._idle():  # the previous answer must not be disturbed
            self._expect(self.limits.head_timeout_s, self._no_head)
        elif self._in_head:
            self._refuse(HEAD_TOO_LATE)
        else:
            self.close()

    def _no_body(self) -> None:
        self._reading = None
        if self._idle():
            self.close()
        else:
            self.cut()

    def _refuse(self, refusal: Refusal) -> None:
        self._refused = True
        self._expect_nothing()
        if not self.transport.is_closing():
            if self._idle():  # else it would be sent in the middle of another answer
                self.transport.write(refusal.answer())
            self.close()

    # --- writing

    def pause_writing(self) -> None:
        """Start the timer for a client that doesn't take its answer."""
        super().pause_writing()
        self._stall_timer.start()

    def resume_writing(self) -> None:
        """Stop the timer for the client."""
        super().resume_writing()
        if not self.transport.is_closing():
            self._stall_timer.stop()


def protocol_for(limits: Limits) -> type[BoundedProtocol]:
    """Return the class that serves the connections of one server."""
    registry = Connections(limits.connections)
    attributes: dict[str, Any] = {
        "limits": limits,
        "registry": registry,
        "websocket": websocket_for(limits.stall_s, registry),
    }
    return type("Protocol", (BoundedProtocol,), attributes)
