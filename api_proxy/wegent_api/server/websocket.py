"""uvicorn's WebSocket protocol, with the limits that HTTP connections have.

The HTTP protocol reads the handshake, within its own limits, and hands the connection over. uvicorn
bounds the length of a message, and sends pings. It doesn't bound the number of messages in one
read, of a message's fragments and of pongs that the client doesn't read, and it waits for ever for
a client that doesn't read. So this class feeds the parser in pieces, only while the application
waits for a message and the client takes its data, and it has the timer for writing of HTTP
connections. docs/adr/0040 has the reasons and alternatives.
"""

import asyncio
import logging
import socket
import time
from collections.abc import Iterable
from typing import Any, Final

from uvicorn.protocols.utils import ClientDisconnected
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.exceptions import InvalidState
from websockets.frames import CloseCode, Frame, Opcode
from websockets.http11 import Response
from websockets.server import ServerProtocol
from websockets.typing import StatusLike

from wegent_api.http.errors import status_object
from wegent_api.http.security_headers import ALWAYS
from wegent_api.server.connections import Connections
from wegent_api.server.stall_timer import StallTimer
from wegent_kube.content_types import JSON
from wegent_kube.encoding import encode_json

PATH: Final = "/api/v1/ws"
"""The only path whose requests may become WebSockets."""
ADMIT: Final = "wegent.websocket"
"""ASGI extension. Its ``admit`` says that the client is authenticated: further messages are read,
and the connection doesn't give way to others. Its ``abort`` cuts the connection at once."""
FIRST_MESSAGE_BYTES: Final = 16 * 1024
"""Limit for a message of a client that is not authenticated. A token has 8,192 characters."""
MAX_FRAGMENTS: Final = 4096
"""Limit of fragments of one message. An empty one takes memory as well."""
FRAGMENT_BYTES: Final = 64 * 1024
"""Length of the fragments in which a long message is sent, each once the client has room."""
SEND_BUFFER_BYTES: Final = 128 * 1024
"""Size of the socket's buffer for sending, which Linux doubles. A ping waits behind it, and a slow
client must answer in time."""
PIECE_BYTES: Final = 2 * 1024
"""Bytes fed to the parser at once: some hundred of the shortest messages."""
TURN_S: Final = 0.002
"""Seconds of parsing for one connection before the event loop turns to others."""
LINGER_S: Final = 10.0
"""Seconds for which the rest of a refused message is read and dropped. If the connection is closed
while the client still sends, the close code may get lost."""
QUIET_S: Final = 1.0
"""Seconds without data after which the client is taken to have sent everything."""
DATA: Final = frozenset({Opcode.TEXT, Opcode.BINARY, Opcode.CONT})
HANDSHAKE: Final = frozenset(
    {b"host", b"connection", b"upgrade", b"sec-websocket-key", b"sec-websocket-version"}
)
"""Headers that the library looks at. Extensions and subprotocols are not offered."""

logger = logging.getLogger("wegent_api.websocket")
logger.setLevel(logging.WARNING)  # uvicorn would log each handshake with its query


class _Protocol(ServerProtocol):
    """Refuses a handshake with a ``Status``, and bounds the first message more than later ones.

    Args:
        max_size: limit for later messages, in bytes.
    """

    def __init__(self, max_size: int) -> None:
        super().__init__(max_size=FIRST_MESSAGE_BYTES, logger=logger)
        self._max_size = max_size

    def recv_frame(self, frame: Frame) -> None:
        """Take one frame. The first message ends with a data frame that says so."""
        super().recv_frame(frame)
        if frame.fin and frame.opcode in DATA:
            self.max_message_size = self._max_size

    def reject(self, status: StatusLike, text: str) -> Response:
        """Return the answer to a handshake that is not valid."""
        response = super().reject(status, text)
        body = encode_json(
            status_object(
                response.status_code,
                response.reason_phrase.replace(" ", ""),
                " ".join(text.split()),
            )
        )
        for name, value in {
            "Content-Type": JSON,
            "Content-Length": str(len(body)),
            "Cache-Control": "no-store",
            **ALWAYS,
        }.items():
            response.headers.pop(name, None)
            response.headers[name] = value
        response.body = body
        return response


class BoundedWebSocket(WebSocketsSansIOProtocol):
    """Serves one WebSocket within limits. `websocket_for` sets the two class attributes."""

    stall_s: float
    registry: Connections

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.logger = logger
        self.conn = _Protocol(self.config.ws_max_size)
        self._has_spoken = False
        self._admitted = False
        self._backlog = memoryview(b"")
        self._turn: asyncio.Handle | None = None
        self._stall_timer: StallTimer | None = None
        self._lingering: asyncio.TimerHandle | None = None
        self._linger_until = 0.0

    # --- the connection

    def open(
        self,
        transport: asyncio.Transport,
        query: bytes,
        headers: Iterable[tuple[bytes, bytes]],
        rest: bytes,
    ) -> None:
        """Take over a connection, with the handshake that was read from it.

        Args:
            transport: the connection.
            query: query string of the handshake.
            headers: headers of the handshake, with names in lower case.
            rest: the bytes that followed the handshake.
        """
        given = list(headers)
        if (socket_ := transport.get_extra_info("socket")) is not None:
            socket_.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)
        self._stall_timer = StallTimer(transport, self.stall_s, self.cut)
        self.connection_made(transport)
        self.registry.add(self)
        lines = (b"%s: %s\r\n" % it for it in given if it[0] in HANDSHAKE)
        super().data_received(b"GET %s HTTP/1.1\r\n%s\r\n" % (PATH.encode(), b"".join(lines)))
        if not self.handshake_initiated:  # the library has refused it, which uvicorn ignores
            transport.write(b"".join(self.conn.data_to_send()))
            transport.close()
        elif not self.close_sent:
            # The application starts in the next turn of the event loop.
            self.scope["headers"] = given
            self.scope["query_string"] = query
            extension: dict[object, object] = {"admit": self.admit, "abort": self.cut}
            self.scope["extensions"][ADMIT] = extension
        self._watch_end()
        if rest:
            self.data_received(rest)

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the timers."""
        self._forget_backlog()
        self.registry.remove(self)
        self._stall().stop()
        if self._lingering is not None:
            self._lingering.cancel()
        super().connection_lost(exc)

    def admit(self) -> None:
        """Raise the limits: the client is authenticated."""
        self._admitted = True
        self.registry.serves(self)
        self._go_on()

    def cut(self) -> None:
        """Close the connection at once, and discard unsent data."""
        self.transport.abort()

    def shutdown(self) -> None:
        """Close the connection with 1012, because the server stops."""
        super().shutdown()
        self._watch_end()

    def keepalive_timeout(self) -> None:
        """Close the connection of a client that didn't answer a ping."""
        if self.read_paused or self._backlog or not self.writable.is_set():
            # The answer may be among bytes that are not read yet.
            assert self.ping_timeout is not None  # noqa: S101 - it has just passed
            self.pong_timer = self.loop.call_later(self.ping_timeout, self.keepalive_timeout)
            return
        super().keepalive_timeout()
        if self.transport.get_write_buffer_size():  # it doesn't read either
            self.cut()

    # --- reading

    def eof_received(self) -> None:
        """Let the transport close itself, which it does once its data is sent."""
        self._stall().start()

    def data_received(self, data: bytes) -> None:
        """Take the bytes of one read from the connection."""
        if self._lingering is not None:
            self._linger()
            return
        if self.transport.is_closing():
            return
        self._backlog = memoryview(b"".join((self._backlog, data)) if self._backlog else data)
        if self._turn is None:
            self._parse()

    def _parse(self) -> None:
        """Feed the parser for one turn of the event loop, and schedule the next turn."""
        self._turn = None
        end = time.perf_counter() + TURN_S
        while self._backlog and self._may_parse():
            piece, self._backlog = self._backlog[:PIECE_BYTES], self._backlog[PIECE_BYTES:]
            super().data_received(bytes(piece))
            if time.perf_counter() > end:
                break
        self._watch_end()
        self._go_on()

    def _may_parse(self) -> bool:
        return (
            self.handshake_complete
            and not self.read_paused  # no message waits for the application
            and self.writable.is_set()  # pongs go into the same buffer as all else
            # After its first message, a client waits until it is authenticated.
            and (self._admitted or not self._has_spoken or self.close_sent)
            and self._lingering is None
            and not self.transport.is_closing()
        )

    def _go_on(self) -> None:
        """Parse the rest in the next turn, and read more once nothing is left."""
        if self.transport.is_closing() or self._lingering is not None:
            self._forget_backlog()
            return
        if self._backlog and self._turn is None and self._may_parse():
            self._turn = self.loop.call_soon(self._parse)
        if self._backlog or self.read_paused or not self.writable.is_set():
            self.transport.pause_reading()
        else:
            self.transport.resume_reading()

    def _forget_backlog(self) -> None:
        self._backlog = memoryview(b"")
        if self._turn is not None:
            self._turn.cancel()
            self._turn = None

    def handle_cont(self, event: Frame) -> None:
        """Take one fragment, unless the message has too many."""
        if len(self.frames) >= MAX_FRAGMENTS:
            message = f"the message has more than {MAX_FRAGMENTS} fragments"
            self._fail(CloseCode.POLICY_VIOLATION, message)
            return
        super().handle_cont(event)

    def send_receive_event_to_app(self) -> None:
        """Pass a complete message on. Text must be UTF-8, and uvicorn would log other text."""
        if self.curr_msg_data_type == "text" and not self.close_sent:
            try:
                b"".join(self.frames).decode()
            except UnicodeDecodeError:
                self._fail(CloseCode.INVALID_DATA, "the message is not valid UTF-8")
                return
        self._has_spoken = True
        super().send_receive_event_to_app()

    def _fail(self, code: CloseCode, reason: str) -> None:
        self.frames = []
        self.conn.fail(code, reason)
        self.handle_parser_exception()

    def handle_parser_exception(self) -> None:
        """Tell the application and the client that the connection ends, and drop further data."""
        if self._lingering is not None:
            return
        sent = self.conn.close_sent
        code, reason = (sent.code, sent.reason) if sent else (CloseCode.ABNORMAL_CLOSURE, "")
        self.queue.put_nowait({"type": "websocket.disconnect", "code": code, "reason": reason})
        self.transport.write(b"".join(self.conn.data_to_send()))
        self.close_sent = True
        self.stop_keepalive()
        self.transport.resume_reading()
        self._linger_until = self.loop.time() + LINGER_S
        self._linger()

    def _linger(self) -> None:
        """Close the connection when the client has sent nothing for a moment."""
        if self._lingering is not None:
            self._lingering.cancel()
        left_s = self._linger_until - self.loop.time()
        self._lingering = self.loop.call_later(max(0.0, min(QUIET_S, left_s)), self._close)

    def _close(self) -> None:
        self.transport.close()
        self._watch_end()

    async def receive(self) -> Any:
        """Return the next message for the application, and go on reading."""
        message = await super().receive()
        self._go_on()
        return message

    # --- writing

    async def send(self, message: Any) -> None:
        """Send a message of the application, a long one in fragments.

        Raises:
            ClientDisconnected: the connection has ended.
        """
        await self.writable.wait()
        if self.handshake_complete and self.close_sent:
            raise ClientDisconnected  # uvicorn has ended the connection by itself
        text = message.get("text") if message["type"] == "websocket.send" else None
        if text is None or len(text) <= FRAGMENT_BYTES:
            await super().send(message)
        else:
            await self._send_in_fragments(text.encode())
        if message["type"] == "websocket.http.response.body" and self.close_sent:
            self.handshake_complete = True  # by its refusal, which uvicorn logs as an error
        self._watch_end()
        if message["type"] in {"websocket.accept", "websocket.close"}:
            self._go_on()

    async def _send_in_fragments(self, data: bytes) -> None:
        view = memoryview(data)
        for start in range(0, len(view), FRAGMENT_BYTES):
            await self.writable.wait()
            if self.disconnected or self.close_sent:
                raise ClientDisconnected
            fin = start + FRAGMENT_BYTES >= len(view)
            send = self.conn.send_continuation if start else self.conn.send_text
            try:
                send(view[start : start + FRAGMENT_BYTES], fin)
            except InvalidState:
                raise ClientDisconnected from None
            self.transport.write(b"".join(self.conn.data_to_send()))

    def pause_writing(self) -> None:
        """Start the timer for a client that doesn't take its messages."""
        super().pause_writing()
        self._stall().start()
        self._go_on()

    def resume_writing(self) -> None:
        """Stop the timer for the client, unless the connection is ending."""
        super().resume_writing()
        if not self.close_sent and not self.transport.is_closing():
            self._stall().stop()
        self._go_on()

    def _watch_end(self) -> None:
        """Start the timer if the connection is ending: its last data must be taken in time."""
        if self.close_sent or self.transport.is_closing():
            self._stall().start()

    def _stall(self) -> StallTimer:
        assert self._stall_timer is not None  # noqa: S101 - set when the connection is taken over
        return self._stall_timer


def websocket_for(stall_s: float, registry: Connections) -> type[BoundedWebSocket]:
    """Return the class that serves the WebSockets of one server.

    Args:
        stall_s: seconds without progress while messages are sent.
        registry: the connections of the server.
    """
    return type("WebSocket", (BoundedWebSocket,), {"stall_s": stall_s, "registry": registry})
