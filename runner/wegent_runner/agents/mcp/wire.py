"""The form, the bounds and the faults of all transports of MCP.

A fault of HTTP reaches the SDK as an error response of JSON-RPC, so that it ends one call and not
the session. Its code tells what may have happened to the call. A server could send the same code;
it would only have its own call repeated.
"""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from enum import IntEnum
from typing import Final

import aiohttp
import httpx2
from mcp.client._transport import ReadStream, TransportStreams, WriteStream
from mcp.shared.message import SessionMessage

__all__ = [
    "END_S",
    "MESSAGE_MAX_BYTES",
    "Code",
    "Ended",
    "Fault",
    "Opener",
    "Reading",
    "TransportStreams",
    "Writing",
    "words_of",
]

MESSAGE_MAX_BYTES: Final = 16 << 20
"""Size of one message of a server. The SDK reads each message whole. SDKs of servers send a result
twice, as text and as structured content."""
END_S: Final = 0.4
"""Seconds in which a server may learn that a session ends, before its connections are closed."""

Reading = ReadStream[SessionMessage | Exception]
Writing = WriteStream[SessionMessage]
Ended = Callable[[str], None]
"""Is told the cause when a connection has ended on which all calls of a session depend."""
Opener = Callable[[Ended], AbstractAsyncContextManager[TransportStreams]]
"""Opens the streams of one session."""


class Code(IntEnum):
    """Codes of JSON-RPC errors that the runner makes itself. MCP's own are negative."""

    NOT_SENT = 57001
    """The server has not received the request."""
    CUT = 57002
    """The request was sent, and no whole answer came."""
    SESSION_LOST = 57003
    """The server doesn't know the session, so it has not begun the call."""
    REFUSED = 57004
    """The server answered with an HTTP status that stands for an error."""


class Fault(Exception):  # noqa: N818 - names the event
    """A request, or the opening of a session, has failed. The message says why."""

    def __init__(self, code: Code, message: str) -> None:
        super().__init__(message)
        self.code = code


def words_of(error: httpx2.TransportError) -> str:
    """Return the cause of a failed connection in words: the guard's own, if it has refused."""
    lost = isinstance(error.__cause__, aiohttp.ClientError)
    return "the connection was lost" if lost else str(error)
