"""Event streams with a server that the test plays."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Final

import pytest
from starlette.types import Message, Scope

from wegent_api.http import sse
from wegent_api.http.sse import ABORT, GOING, HEARTBEAT, EventStream, Frames, frame

FRAME: Final = frame("ADDED", b"{}")


class Server:
    """The server's side of one answer, with a client that takes data while ``reading`` is set."""

    def __init__(self, frames: Frames, *, heartbeat_s: float = 60) -> None:
        self.reading = asyncio.Event()
        self.reading.set()
        self.left = asyncio.Event()
        self.draining = asyncio.Event()
        self.begun = 0
        self.sent: list[Message] = []
        self._took = asyncio.Condition()
        self.aborted = False
        self.closed = False
        opened = AsyncExitStack()
        opened.callback(self._close)
        stream = EventStream(frames, opened, self.draining, heartbeat_s=heartbeat_s)
        scope: Scope = {"type": "http", "extensions": {ABORT: {"abort": self._abort}}}
        self.answer = asyncio.ensure_future(stream(scope, self._receive, self._send))

    @property
    def bodies(self) -> list[bytes]:
        return [it["body"] for it in self.sent if it["type"] == "http.response.body"]

    @property
    def complete(self) -> bool:
        return not self.sent[-1].get("more_body", True)

    async def took(self, count: int) -> None:
        async with asyncio.timeout(30), self._took:
            await self._took.wait_for(lambda: len(self.bodies) >= count)

    def _abort(self) -> None:
        self.aborted = True

    def _close(self) -> None:
        self.closed = True

    async def _receive(self) -> Message:
        await self.left.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: Message) -> None:
        self.begun += 1
        await self.reading.wait()
        self.sent.append(message)
        async with self._took:
            self._took.notify_all()


class Source:
    """Frames that end when ``end`` is set, and with an error if there is one."""

    def __init__(self, count: int = 1, error: Exception | None = None) -> None:
        self.count = count
        self.error = error
        self.end = asyncio.Event()
        self.closed = False

    async def frames(self) -> Frames:
        try:
            for _ in range(self.count):
                yield FRAME
            await self.end.wait()
            if self.error is not None:
                raise self.error
        finally:
            self.closed = True


@pytest.fixture
async def source() -> AsyncIterator[Source]:
    made = Source()
    yield made
    assert made.closed


async def test_the_answer_ends_with_the_frames(source: Source) -> None:
    server = Server(source.frames())
    await server.took(1)
    source.end.set()
    await asyncio.wait_for(server.answer, 30)
    assert server.bodies == [FRAME, b""]
    assert server.complete
    assert server.closed
    assert not server.aborted


async def test_an_error_leaves_the_answer_incomplete(source: Source) -> None:
    source.error = ValueError("broken")
    server = Server(source.frames())
    source.end.set()
    with pytest.raises(ValueError, match="broken"):
        await asyncio.wait_for(server.answer, 30)
    assert not server.complete
    assert server.closed


async def test_a_client_that_leaves_ends_the_stream(source: Source) -> None:
    server = Server(source.frames())
    await server.took(1)
    server.left.set()
    await asyncio.wait_for(server.answer, 30)
    assert server.bodies == [FRAME]
    assert server.closed


async def test_a_heartbeat_follows_a_silence_alone(source: Source) -> None:
    server = Server(source.frames(), heartbeat_s=0.05)
    await server.took(3)
    server.left.set()
    await asyncio.wait_for(server.answer, 30)
    assert server.bodies[:3] == [FRAME, HEARTBEAT, HEARTBEAT]


async def test_a_stop_is_announced_after_the_frame_that_is_being_sent(source: Source) -> None:
    """A comment within a frame would become part of its data."""
    source.count = 1000
    server = Server(source.frames(), heartbeat_s=0.01)
    await server.took(1)
    server.reading.clear()
    await asyncio.sleep(0.05)  # a frame is being sent, and a heartbeat is due
    server.draining.set()
    await asyncio.sleep(0.05)
    server.reading.set()
    await asyncio.wait_for(server.answer, 30)
    *before, last = server.bodies
    assert last == GOING
    assert 1 < len(before) < source.count
    assert server.begun == len(server.sent)  # nothing was broken off
    assert server.complete
    assert not server.aborted


async def test_a_client_that_does_not_read_is_cut_off_at_a_stop(
    source: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sse, "LAST_WORDS_S", 0.05)
    source.count = 1000
    server = Server(source.frames())
    await server.took(1)
    server.reading.clear()
    server.draining.set()
    await asyncio.wait_for(server.answer, 30)
    assert server.aborted
    assert server.closed
    assert not server.complete


async def test_an_error_at_a_stop_leaves_the_answer_incomplete(source: Source) -> None:
    """The frames fail while the goodbye waits for a heartbeat that is being sent."""
    source.error = ValueError("broken")
    server = Server(source.frames(), heartbeat_s=0.05)
    await server.took(1)
    server.reading.clear()
    await asyncio.sleep(0.1)  # a heartbeat is being sent
    server.draining.set()
    await asyncio.sleep(0.05)
    source.end.set()
    await asyncio.sleep(0.05)
    server.reading.set()
    with pytest.raises(ValueError, match="broken"):
        await asyncio.wait_for(server.answer, 30)
    assert not server.complete
