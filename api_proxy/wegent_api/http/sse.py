"""Server-Sent Events (https://html.spec.whatwg.org/multipage/server-sent-events.html).

An answer lasts until its events end, the client disconnects, or the proxy stops. There is no queue:
the next event is read once the last one is sent. So a slow client slows down its own stream, and
needs no more memory. The server's protocol disconnects a client that stalls. docs/adr/0036 compares
libraries.
"""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack
from typing import Final

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from wegent_api.http.disconnects import disconnected

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
"""Seconds in which the client must take the frame that is being sent, and the last comment."""

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
    """

    media_type = MEDIA_TYPE

    def __init__(
        self,
        frames: Frames,
        opened: AsyncExitStack,
        draining: asyncio.Event,
        *,
        heartbeat_s: float,
    ) -> None:
        super().__init__(headers=HEADERS)
        del self.headers["content-length"]
        self._frames = frames
        self._opened = opened
        self._draining = draining
        self._heartbeat_s = heartbeat_s
        self._sent_at = 0.0
        self._sending = asyncio.Lock()  # a comment must not be sent within a frame

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send frames until the stream ends."""
        async with self._opened:
            await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
            self._sent_at = asyncio.get_running_loop().time()
            frames = asyncio.create_task(self._send_frames(send))
            heartbeats = asyncio.create_task(self._send_heartbeats(send))
            going = asyncio.create_task(self._draining.wait())
            left = asyncio.create_task(disconnected(receive))
            tasks = (frames, heartbeats, going, left)
            try:
                await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
                if left.done():
                    return
                if frames.done():
                    frames.result()  # raises the error, if there was one
                elif heartbeats.done():
                    heartbeats.result()
                elif not await self._say_goodbye(frames, send):
                    # Data left in buffers would wait for the client for ever.
                    scope.get("extensions", {}).get(ABORT, {}).get("abort", _nothing)()
                elif frames.done():
                    frames.result()  # they have ended meanwhile, perhaps with an error
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)
                await self._frames.aclose()

    async def _send_frames(self, send: Send) -> None:
        """Send all frames, and the end of the answer."""
        async for found in self._frames:
            await self._send(send, found)
            await asyncio.sleep(0)  # frames that are ready must not hold up the event loop
        await self._send(send, b"", more=False)

    async def _send_heartbeats(self, send: Send) -> None:
        """Send a comment after each silence."""
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(self._sent_at + self._heartbeat_s - loop.time())
            if loop.time() - self._sent_at >= self._heartbeat_s:
                await self._send(send, HEARTBEAT)

    async def _send(self, send: Send, body: bytes, *, more: bool = True) -> None:
        async with self._sending:
            await send({"type": "http.response.body", "body": body, "more_body": more})
            self._sent_at = asyncio.get_running_loop().time()

    async def _say_goodbye(self, frames: asyncio.Task[None], send: Send) -> bool:
        """End the answer with a comment. Return whether the client took it in time."""
        try:
            async with asyncio.timeout(LAST_WORDS_S), self._sending:
                if not frames.done():  # else the answer has ended meanwhile
                    await send({"type": "http.response.body", "body": GOING, "more_body": False})
        except TimeoutError:
            return False
        return True


def _nothing() -> None:
    """Do nothing. This replaces ``abort`` on a server without the proxy's own protocol."""
