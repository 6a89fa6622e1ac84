"""Server-Sent Events (https://html.spec.whatwg.org/multipage/server-sent-events.html).

An answer lasts until its events end, the client disconnects or stalls, or the proxy stops. There is
no queue: the next event is read once the last one is sent. So a slow client slows down its own
stream, and needs no more memory.
"""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, suppress
from typing import Final

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

ABORT: Final = "wegent.abort"
"""ASGI extension whose ``abort`` cuts the connection, with unsent data."""
MEDIA_TYPE: Final = "text/event-stream"
HEADERS: Final = {
    "Cache-Control": "no-store",
    "X-Accel-Buffering": "no",  # nginx would buffer events
}
HEARTBEAT: Final = b":\n\n"
"""A comment, which clients skip. It keeps intermediaries from closing an idle connection."""
GOING: Final = b": the server is going away; connect again\n\n"
LAST_WORDS_S: Final = 1.0
"""Seconds in which the client must take the last comment."""

Frames = AsyncGenerator[bytes, None]


def frame(event: str, data: bytes, *, id_: str | None = None) -> bytes:
    """Return one event. With an empty ``id_``, clients forget the last id that they saw.

    ``data`` is one line.
    """
    head = f"event: {event}\n" + ("" if id_ is None else f"id: {id_}\n")
    return head.encode() + b"data: " + data + b"\n\n"


class EventStream(Response):
    """Sends frames.

    Args:
        frames: the frames to send.
        opened: the resources behind the frames, closed at the end in any case.
        draining: set when the proxy is to stop.
        heartbeat_s: seconds of silence before a comment is sent.
        stall_s: seconds before a client that takes nothing is disconnected.
    """

    media_type = MEDIA_TYPE

    def __init__(
        self,
        frames: Frames,
        opened: AsyncExitStack,
        draining: asyncio.Event,
        *,
        heartbeat_s: float,
        stall_s: float,
    ) -> None:
        super().__init__(headers=HEADERS)
        del self.headers["content-length"]
        self._frames = frames
        self._opened = opened
        self._draining = draining
        self._heartbeat_s = heartbeat_s
        self._stall_s = stall_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send frames until the stream ends."""
        async with self._opened:
            await self._stream(scope, receive, send)

    async def _stream(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
        sending = asyncio.create_task(self._send_all(send))
        going = asyncio.create_task(self._draining.wait())
        left = asyncio.create_task(_disconnected(receive))
        try:
            tasks = (sending, going, left)
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            gone = left.done()
        finally:
            for task in (sending, going, left):
                task.cancel()
            [failure, *_] = await asyncio.gather(sending, going, left, return_exceptions=True)
            await self._frames.aclose()
        if gone:
            return
        if isinstance(failure, Exception) and not isinstance(failure, _Stalled):
            raise failure
        last = GOING if self._draining.is_set() else b""
        if isinstance(failure, _Stalled) or not await _end(send, last):
            # Data left in buffers would wait for the client for ever.
            scope.get("extensions", {}).get(ABORT, {}).get("abort", _nothing)()

    async def _send_all(self, send: Send) -> None:
        following = asyncio.ensure_future(anext(self._frames, None))
        try:
            while True:
                done, _ = await asyncio.wait({following}, timeout=self._heartbeat_s)
                if not done:
                    await self._send(send, HEARTBEAT)
                elif (found := following.result()) is None:
                    return
                else:
                    await self._send(send, found)
                    following = asyncio.ensure_future(anext(self._frames, None))
        finally:
            following.cancel()
            with suppress(asyncio.CancelledError, Exception):
                await following

    async def _send(self, send: Send, body: bytes) -> None:
        try:
            async with asyncio.timeout(self._stall_s):
                await send({"type": "http.response.body", "body": body, "more_body": True})
        except TimeoutError:
            raise _Stalled from None


class _Stalled(Exception):  # noqa: N818 - names an event
    """The client no longer takes data."""


async def _end(send: Send, body: bytes) -> bool:
    """Finish the answer. Return whether the client took the end."""
    try:
        async with asyncio.timeout(LAST_WORDS_S):
            await send({"type": "http.response.body", "body": body, "more_body": False})
    except TimeoutError:
        return False
    return True


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def _nothing() -> None:
    """Do nothing. This replaces ``abort`` on a server without the proxy's own protocol."""
