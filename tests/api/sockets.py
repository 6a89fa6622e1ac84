"""Raw connections, on which a test sends every byte itself."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from yarl import URL

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@asynccontextmanager
async def connected(base: str, *, limit: int = 65536) -> AsyncIterator[Streams]:
    """Yield a connection to the server at ``base``, which is cut at the end."""
    url = URL(base)
    assert url.host
    reader, writer = await asyncio.open_connection(url.host, url.port, limit=limit)
    try:
        yield reader, writer
    finally:
        writer.transport.abort()


async def rest(reader: asyncio.StreamReader, *, within_s: float) -> bytes:
    """Return all bytes until the server closes the connection; fail if it doesn't in time."""
    received = bytearray()
    async with asyncio.timeout(within_s):
        with contextlib.suppress(ConnectionError):
            while chunk := await reader.read(65536):
                received += chunk
    return bytes(received)


async def answer(reader: asyncio.StreamReader, *, within_s: float = 20) -> tuple[int, bytes, bytes]:
    """Return the status, head and body of one answer that has a length."""
    async with asyncio.timeout(within_s):
        head = await reader.readuntil(b"\r\n\r\n")
        length = 0
        for line in head.lower().split(b"\r\n"):
            if line.startswith(b"content-length:"):
                length = int(line.partition(b":")[2])
        return int(head.split(b" ", 2)[1]), head, await reader.readexactly(length)
