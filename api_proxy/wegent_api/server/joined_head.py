"""Sends the head of an answer together with the first part of its body.

uvicorn writes one after the other, and uvloop passes each write to the kernel at once. A small
answer would take two system calls and two packets.
"""

import asyncio
from typing import Final

_HAS_LENGTH: Final = b"\r\ncontent-length: "
"""Part of a head whose body follows at once. The head of a stream is not held."""


class JoinedHead(asyncio.Transport):
    """A connection's transport as one answer uses it.

    Args:
        transport: the connection's transport.
    """

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._begun = False
        self._head = b""

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Send ``data``, or hold it if it is the head of an answer with a known length."""
        if self._head:
            self._transport.writelines((self._head, data))
            self._head = b""
        elif not self._begun and _HAS_LENGTH in bytes(data):
            self._head = bytes(data)
        else:
            self._transport.write(data)
        self._begun = True

    def is_closing(self) -> bool:
        """Return whether the connection is closing or closed."""
        return self._transport.is_closing()

    def close(self) -> None:
        """Close the connection once all data is sent."""
        if self._head:
            self.write(b"")
        self._transport.close()
