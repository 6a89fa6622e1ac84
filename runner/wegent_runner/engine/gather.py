"""Few wake-ups for a long stream: what arrives within a short time becomes one chunk."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Final

GATHER_S: Final = 0.05
"""Minimum seconds between two chunks of a long stream."""
AT_ONCE: Final = 32
"""Chunks at the beginning that are not delayed, so that a short stream isn't."""
FULL_BYTES: Final = 16 << 10
"""Size at which a chunk is not gathered further: the sender is faster, and must be held back."""


async def gathered(chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Yield the bytes of a stream, those of a long one in few chunks.

    Each chunk passes a dozen generators on its way through the SDKs, which takes longer than to
    parse a token. The stream itself is read at once: aiohttp drops what it holds when a connection
    is cut.
    """
    count = 0
    async for chunk in chunks:
        yield chunk
        count += 1
        if count == AT_ONCE:
            break
    else:
        return
    gatherer = _Gatherer(chunks)
    try:
        async for chunk in gatherer.chunks():
            yield chunk
    finally:
        await gatherer.stop()


class _Gatherer:
    """Reads a stream in a task of its own."""

    def __init__(self, chunks: AsyncIterator[bytes]) -> None:
        self._chunks = chunks
        self._held = bytearray()
        self._changed = asyncio.Event()
        self._has_room = asyncio.Event()
        self._reader = asyncio.create_task(self._read())
        self._reader.add_done_callback(lambda _: self._changed.set())

    async def _read(self) -> None:
        async for chunk in self._chunks:
            self._held += chunk
            self._changed.set()
            if len(self._held) >= FULL_BYTES:
                self._has_room.clear()
                await self._has_room.wait()

    async def chunks(self) -> AsyncIterator[bytes]:
        """Yield what has arrived, until the stream ends, and raise its error after that."""
        clock = asyncio.get_running_loop().time
        while True:
            await self._changed.wait()
            self._changed.clear()
            began = clock()
            if self._held:
                chunk = bytes(self._held)
                self._held.clear()
                self._has_room.set()
                yield chunk
                if len(chunk) < FULL_BYTES and not self._reader.done():
                    await asyncio.wait([self._reader], timeout=began + GATHER_S - clock())
            elif self._reader.done():
                await self._reader
                return
            if self._reader.done():
                self._changed.set()

    async def stop(self) -> None:
        """End the reading."""
        self._reader.cancel()
        with suppress(asyncio.CancelledError, Exception):
            await self._reader
