"""Connections to MCP servers: each namespace has a part of them.

The pool is shared by all users of a runner, and a server that doesn't answer holds a connection for
minutes. So a namespace waits for its own servers, and not for another one's. The part of each
namespace shrinks while few connections are free, so that some are always left for others.
"""

import asyncio
from collections import Counter, deque
from collections.abc import AsyncIterator
from typing import Final

import httpx2

from wegent_runner.agents.mcp.wire import MESSAGE_MAX_BYTES, Code, Fault
from wegent_runner.engine.egress import EgressPolicy, GuardedTransport

MAX_CONNECTIONS: Final = 64
"""Connections of one namespace that a runner uses at the same time: one for each answer that is not
complete yet, and for each session over SSE."""
SHARE: Final = 16
"""A namespace may use as many connections as a sixteenth of those that are free, but at least one.
After 50 greedy namespaces, as many as a runner has slots by default, a twentieth is free."""
POOL: Final = (SHARE + 1) * MAX_CONNECTIONS
"""Connections of all namespaces that a runner uses at the same time. A namespace that is alone can
have ``MAX_CONNECTIONS`` of them."""
WAIT_S: Final = 10.0
"""Seconds to wait for one of them."""


class Places:
    """The places in the pool, and the requests that wait for one."""

    def __init__(self) -> None:
        self._used: Counter[str] = Counter()
        self._waiting: dict[str, deque[asyncio.Future[None]]] = {}

    async def take(self, namespace: str) -> None:
        """Take a place, as soon as the namespace may use one more."""
        if namespace not in self._waiting and self._has_room(namespace):
            self._used[namespace] += 1
            return
        turn = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(namespace, deque()).append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self.release(namespace)  # it was given the place a moment ago
            else:
                turn.cancel()
                self._give()
            raise

    def release(self, namespace: str) -> None:
        """Give a place back."""
        self._used[namespace] -= 1
        if not self._used[namespace]:
            del self._used[namespace]
        self._give()

    def _has_room(self, namespace: str) -> bool:
        free = POOL - self._used.total()
        share = min(MAX_CONNECTIONS, max(1, free // SHARE))
        return free > 0 and self._used[namespace] < share

    def _give(self) -> None:
        """Give free places to those that wait, in their order within a namespace."""
        for namespace, turns in [*self._waiting.items()]:
            while turns and (turns[0].done() or self._has_room(namespace)):
                turn = turns.popleft()
                if not turn.done():
                    self._used[namespace] += 1
                    turn.set_result(None)
            if not turns:
                del self._waiting[namespace]


class Connections:
    """The connections of one namespace."""

    def __init__(self, guarded: GuardedTransport, places: Places, namespace: str) -> None:
        self._guarded = guarded
        self._places = places
        self._namespace = namespace

    async def send(self, request: httpx2.Request, timeout_s: float) -> httpx2.Response:
        """Send a request. Its place is free again when the answer is closed.

        Args:
            request: The request.
            timeout_s: Seconds that the answer may take. Half of them may pass in waiting.

        Raises:
            Fault: all places were taken for too long.
            httpx2.TransportError: the request failed.
        """
        try:
            async with asyncio.timeout(min(WAIT_S, timeout_s / 2)):
                await self._places.take(self._namespace)
        except TimeoutError:
            raise Fault(
                Code.NOT_SENT,
                f"the namespace already uses its connections to MCP servers in this runner, at most"
                f" {MAX_CONNECTIONS} and fewer while others need some; run fewer Tasks at once, or"
                " lower timeoutSeconds of slow servers",
            ) from None
        try:
            response = await self._guarded.handle_async_request(request)
        except BaseException:
            self._places.release(self._namespace)
            raise
        assert isinstance(response.stream, httpx2.AsyncByteStream)  # noqa: S101 - it is async
        response.stream = _Placed(response.stream, self._places, self._namespace)
        return response


class Pool:
    """The connections of all namespaces."""

    def __init__(self, policy: EgressPolicy) -> None:
        self._guarded = GuardedTransport(
            policy, max_connections=POOL, event_max_bytes=MESSAGE_MAX_BYTES
        )
        self._places = Places()

    def of(self, namespace: str) -> Connections:
        """Return the connections of a namespace, which all its runs share."""
        return Connections(self._guarded, self._places, namespace)

    async def aclose(self) -> None:
        """Close all connections."""
        await self._guarded.aclose()


class _Placed(httpx2.AsyncByteStream):
    """The body of an answer, whose place is free again when it is closed."""

    def __init__(self, stream: httpx2.AsyncByteStream, places: Places, namespace: str) -> None:
        self._stream = stream
        self._places: Places | None = places
        self._namespace = namespace

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for chunk in self._stream:
            yield chunk

    async def aclose(self) -> None:
        places, self._places = self._places, None
        if places is not None:
            places.release(self._namespace)
        await self._stream.aclose()
