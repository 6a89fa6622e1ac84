"""Connections to MCP servers: each namespace has a part of them.

The pool is shared by all users of a runner, and a server that doesn't answer holds a connection for
minutes. So a namespace waits for its own servers, and not for another one's.
"""

import asyncio
from collections.abc import AsyncIterator
from typing import Final
from weakref import WeakValueDictionary

import httpx2

from wegent_runner.agents.mcp_wire import MESSAGE_MAX_BYTES, Code, Fault
from wegent_runner.engine.egress import EgressPolicy, GuardedTransport

MAX_CONNECTIONS: Final = 64
"""Connections of one namespace that a runner uses at the same time: one for each answer that is not
complete yet, and for each session over SSE."""
WAIT_S: Final = 10.0
"""Seconds to wait for one of them."""


class Connections:
    """The connections of one namespace."""

    def __init__(self, guarded: GuardedTransport) -> None:
        self._guarded = guarded
        self._places = asyncio.Semaphore(MAX_CONNECTIONS)

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
                await self._places.acquire()
        except TimeoutError:
            raise Fault(
                Code.NOT_SENT,
                f"the namespace already uses {MAX_CONNECTIONS} connections to MCP servers in this"
                " runner; run fewer Tasks at once, or lower timeoutSeconds of slow servers",
            ) from None
        try:
            response = await self._guarded.handle_async_request(request)
        except BaseException:
            self._places.release()
            raise
        assert isinstance(response.stream, httpx2.AsyncByteStream)  # noqa: S101 - it is async
        response.stream = _Placed(response.stream, self._places)
        return response


class Pool:
    """The connections of all namespaces."""

    def __init__(self, policy: EgressPolicy) -> None:
        self._guarded = GuardedTransport(policy, event_max_bytes=MESSAGE_MAX_BYTES)
        self._namespaces: WeakValueDictionary[str, Connections] = WeakValueDictionary()

    def of(self, namespace: str) -> Connections:
        """Return the connections of a namespace, which all its runs share."""
        connections = self._namespaces.get(namespace)
        if connections is None:
            connections = self._namespaces[namespace] = Connections(self._guarded)
        return connections

    async def aclose(self) -> None:
        """Close all connections."""
        await self._guarded.aclose()


class _Placed(httpx2.AsyncByteStream):
    """The body of an answer, whose place is free again when it is closed."""

    def __init__(self, stream: httpx2.AsyncByteStream, places: asyncio.Semaphore) -> None:
        self._stream = stream
        self._places: asyncio.Semaphore | None = places

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for chunk in self._stream:
            yield chunk

    async def aclose(self) -> None:
        places, self._places = self._places, None
        if places is not None:
            places.release()
        await self._stream.aclose()
