"""httpx, with or without an event loop, behind one interface of coroutines.

The operations of the SDK are coroutines, and each is written once. `AsyncHttp` awaits. `SyncHttp`
blocks in place of awaiting, so that a coroutine over it never suspends: `finished` runs it to its
end in one step. That is how the sync and the async client have the same code.
"""

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine, Iterator, Mapping
from typing import Any, Protocol, TypeVar

import httpx

T = TypeVar("T")


class Http(Protocol):
    """The requests and waits of coroutines."""

    def build(self, arguments: Mapping[str, Any]) -> httpx.Request:
        """Return a request with the client's own headers."""

    async def send(self, request: httpx.Request) -> httpx.Response:
        """Send a request, and return the answer without its body."""

    def pieces(self, response: httpx.Response) -> AsyncGenerator[bytes, None]:
        """Yield the body of an answer as it comes."""

    async def end(self, response: httpx.Response) -> None:
        """Close an answer, also in the middle of its body."""

    async def sleep(self, seconds: float) -> None:
        """Wait."""

    async def call(self, function: Callable[[], T]) -> T:
        """Call a function that may block."""

    async def close(self) -> None:
        """Close the connections."""


class AsyncHttp:
    """httpx on an event loop."""

    def __init__(self, options: Mapping[str, Any]) -> None:
        self._client = httpx.AsyncClient(**options)

    def build(self, arguments: Mapping[str, Any]) -> httpx.Request:
        """As in `Http`."""
        return self._client.build_request(**arguments)

    async def send(self, request: httpx.Request) -> httpx.Response:
        """As in `Http`."""
        return await self._client.send(request, stream=True)

    async def pieces(self, response: httpx.Response) -> AsyncGenerator[bytes, None]:
        """As in `Http`."""
        async for piece in response.aiter_raw():
            yield piece

    async def end(self, response: httpx.Response) -> None:
        """As in `Http`."""
        await response.aclose()

    async def sleep(self, seconds: float) -> None:
        """As in `Http`."""
        await asyncio.sleep(seconds)

    async def call(self, function: Callable[[], T]) -> T:
        """As in `Http`."""
        return await asyncio.to_thread(function)

    async def close(self) -> None:
        """As in `Http`."""
        await self._client.aclose()


class SyncHttp:
    """httpx without an event loop. Its coroutines block, and never suspend."""

    def __init__(self, options: Mapping[str, Any]) -> None:
        self._client = httpx.Client(**options)

    def build(self, arguments: Mapping[str, Any]) -> httpx.Request:
        """As in `Http`."""
        return self._client.build_request(**arguments)

    async def send(self, request: httpx.Request) -> httpx.Response:
        """As in `Http`."""
        return self._client.send(request, stream=True)

    async def pieces(self, response: httpx.Response) -> AsyncGenerator[bytes, None]:
        """As in `Http`."""
        for piece in response.iter_raw():
            yield piece

    async def end(self, response: httpx.Response) -> None:
        """As in `Http`."""
        response.close()

    async def sleep(self, seconds: float) -> None:
        """As in `Http`."""
        time.sleep(seconds)  # noqa: ASYNC251 - that is the point

    async def call(self, function: Callable[[], T]) -> T:
        """As in `Http`."""
        return function()

    async def close(self) -> None:
        """As in `Http`."""
        self._client.close()


def finished(coroutine: Coroutine[Any, Any, T]) -> T:
    """Return the result of a coroutine over `SyncHttp`."""
    try:
        coroutine.send(None)
    except StopIteration as end:
        result: T = end.value
        return result
    coroutine.close()
    raise AssertionError("a coroutine over SyncHttp has suspended")


def iterated(items: AsyncIterator[T]) -> Iterator[T]:
    """Yield the items of an asynchronous generator over `SyncHttp`."""
    try:
        while True:
            try:
                item = finished(_next(items))
            except StopAsyncIteration:
                return
            yield item
    finally:
        if isinstance(items, AsyncGenerator):
            finished(_closed(items))


async def _next(items: AsyncIterator[T]) -> T:
    return await anext(items)


async def _closed(items: AsyncGenerator[T, Any]) -> None:
    await items.aclose()
