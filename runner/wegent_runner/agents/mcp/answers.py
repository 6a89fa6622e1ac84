"""Bodies of the answers of MCP servers, read within bounds of time and size.

Memory is bounded for the runner, too: few large answers are read at the same time, and at most one
of each Bot's run, for half a minute at most, so that nobody takes all the room.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Final, Self

import httpx2

from wegent_runner.agents.mcp.wire import MESSAGE_MAX_BYTES, Code, Ended, Fault, words_of

LARGE_BYTES: Final = 1 << 20
"""Size from which on an answer counts as large."""
MAX_LINES: Final = 10_000
"""Lines of an event stream: some 3,000 events. Each costs the SDK a task, whatever it is."""
MAX_LARGE: Final = 8
"""Large answers that a runner reads at the same time."""
LARGE_S: Final = 30.0
"""Seconds in which a large answer must be complete once it has room."""


class SlowAnswer(httpx2.SSEError):
    """A large answer came too slowly. The SDK shows the words of this type alone."""

    def __init__(self) -> None:
        size = f"{LARGE_BYTES >> 20} MiB"
        super().__init__(f"an answer of more than {size} was not complete within {LARGE_S:g} s")


class Room:
    """The room of one Bot's run for large answers: for one at a time, of all its servers."""

    def __init__(self, slots: asyncio.Semaphore) -> None:
        self._slots = slots
        self._turn = asyncio.Lock()

    @asynccontextmanager
    async def large(self) -> AsyncIterator[None]:
        """Wait for the room, and hold it."""
        async with self._turn, self._slots:
            yield


class Intake:
    """Takes the bytes of one answer, and the room for them once it is large.

    Attributes:
        ends_at: The time by the event loop's clock until which it may be read; set once the
            answer has taken room.
    """

    def __init__(self, room: Room) -> None:
        self.ends_at: float | None = None
        self._room = room
        self._held = AsyncExitStack()
        self._size = 0

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._held.aclose()

    async def add(self, size: int) -> int:
        """Wait for room for further bytes, and return the size of all of them."""
        if self._size <= LARGE_BYTES < self._size + size:
            await self._held.enter_async_context(self._room.large())
            self.ends_at = asyncio.get_running_loop().time() + LARGE_S
        self._size += size
        return self._size

    async def next(self, chunks: AsyncIterator[bytes]) -> bytes | None:
        """Return the next bytes, or None at the end.

        Raises:
            SlowAnswer: the answer has had room for too long.
        """
        limit = asyncio.timeout_at(self.ends_at)
        try:
            async with limit:
                return await anext(chunks, None)
        except TimeoutError:
            if limit.expired():
                raise SlowAnswer from None
            raise


async def whole_body(response: httpx2.Response, room: Room) -> bytes:
    """Return the body of an answer, and close it.

    Raises:
        Fault: the body is too large.
        SlowAnswer: the body is large, and comes too slowly.
    """
    pieces, chunks = [], aiter(response.aiter_raw())
    try:
        async with Intake(room) as intake:
            while (piece := await intake.next(chunks)) is not None:
                if await intake.add(len(piece)) > MESSAGE_MAX_BYTES:
                    told = f"the answer has more than {MESSAGE_MAX_BYTES >> 20} MiB"
                    raise Fault(Code.CUT, told)
                pieces.append(piece)
    finally:
        await response.aclose()
    return b"".join(pieces)


class Lines:
    """Counts the lines of an event stream."""

    def __init__(self) -> None:
        self._count = 0

    def add(self, chunk: bytes) -> None:
        """Count the lines of a further chunk.

        Raises:
            httpx2.ReadError: there are too many.
        """
        self._count += chunk.count(b"\n") + chunk.count(b"\r")
        if self._count > MAX_LINES:
            raise httpx2.ReadError("the server sent too many events")


class TimedEvents(httpx2.AsyncByteStream):
    """An event stream that ends at a point in time, also if bytes come now and then.

    Args:
        response: The answer.
        ends_at: The time by the event loop's clock.
        room: The run's room for large answers.
    """

    def __init__(self, response: httpx2.Response, ends_at: float, room: Room) -> None:
        self._response = response
        self._ends_at = ends_at
        self._intake = Intake(room)

    async def __aiter__(self) -> AsyncIterator[bytes]:
        chunks, lines = aiter(self._response.aiter_raw()), Lines()
        while True:
            try:
                async with asyncio.timeout_at(self._ends_at):
                    chunk = await self._intake.next(chunks)
                    if chunk is None:
                        return
                    await self._intake.add(len(chunk))
            except TimeoutError:
                raise httpx2.ReadTimeout("the answer was not complete in time") from None
            lines.add(chunk)
            yield chunk

    async def aclose(self) -> None:
        """Close the connection."""
        await self._intake.__aexit__()
        await self._response.aclose()


class WatchedEvents(httpx2.AsyncByteStream):
    """An event stream whose end is told."""

    def __init__(self, response: httpx2.Response, ended: Ended) -> None:
        self._response = response
        self._ended = ended

    async def __aiter__(self) -> AsyncIterator[bytes]:
        lines = Lines()
        try:
            async for chunk in self._response.aiter_raw():
                lines.add(chunk)
                yield chunk
        except httpx2.TransportError as error:
            self._ended(words_of(error))
            raise
        self._ended("the server has closed the event stream")

    async def aclose(self) -> None:
        """Close the connection. Before the stream's end, the SDK does that for one cause alone."""
        self._ended("the server sent a message of more than 1 MiB, the maximum of type sse")
        await self._response.aclose()
