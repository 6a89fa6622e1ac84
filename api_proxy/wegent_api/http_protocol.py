"""uvicorn's HTTP protocol, with a bound on what a client may send before its body.

Neither uvicorn nor llhttp below it has one: a header that never ends, which needs no
token, would be collected until the memory is gone.
"""

import json
from typing import Final

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from wegent_api.errors import status_object

ABORT: Final = "wegent.abort"
"""ASGI extension whose ``abort`` cuts the connection, whatever is still to be sent over it."""
MAX_HEAD_BYTES: Final = 512 * 1024
"""Of a request line and headers, counted in whole reads (256 KiB at most): so a read that
holds the end of one request and the beginning of the next is not held against either."""


class BoundedHeadProtocol(HttpToolsProtocol):
    """Answers 431 and hangs up when the head of a request grows beyond all reason."""

    _in_head = False
    _head_bytes = 0

    def on_message_begin(self) -> None:
        """Begin to count."""
        self._in_head, self._head_bytes = True, 0
        super().on_message_begin()
        self.scope["extensions"] = {ABORT: {"abort": self.transport.abort}}

    def on_headers_complete(self) -> None:
        """Stop counting: bodies are bounded where they are read."""
        self._in_head = False
        super().on_headers_complete()

    def data_received(self, data: bytes) -> None:
        """Take one read from the connection."""
        super().data_received(data)
        if self._in_head:
            self._head_bytes += len(data)
            if self._head_bytes > MAX_HEAD_BYTES and not self.transport.is_closing():
                self._refuse()

    def _refuse(self) -> None:
        # uvicorn's cycle is None before the first request; one in mid-answer is not disturbed.
        if self.cycle is None or self.cycle.response_complete:  # type: ignore[redundant-expr]
            message = "the request's headers are too long"
            body = json.dumps(
                status_object(431, "RequestHeaderFieldsTooLarge", message), separators=(",", ":")
            )
            self.transport.write(
                "HTTP/1.1 431 Request Header Fields Too Large\r\n"
                "content-type: application/json\r\n"
                f"content-length: {len(body)}\r\n"
                "connection: close\r\n\r\n"
                f"{body}".encode("ascii")
            )
        self.transport.close()
