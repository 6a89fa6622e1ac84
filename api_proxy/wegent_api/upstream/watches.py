"""Watches of the API server, with a caller's token, on connections of their own.

Watches are long-lived, so they must not take the connections of short requests. The number of
connections is bounded, and so is the memory for each: one line, and the socket's buffers. While
nobody takes the next line, nothing more is read.
"""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Final, Self

import aiohttp

from wegent_api.http.bearer import Caller
from wegent_api.http.errors import BadGateway, Unavailable
from wegent_api.server.metrics import Metrics
from wegent_api.upstream.client import UserApi
from wegent_kube import Connection
from wegent_kube.lines import LineTooLong, lines_of

QUIET_S: Final = 90.0
"""Seconds without a byte after which the API server counts as gone.

A watch that works is never silent for so long. The API server sends a bookmark once a minute, and
ends each watch earlier because it is asked to.
"""
MAX_FRAME_BYTES: Final = 8 << 20
"""Limit for one event. etcd stores objects of up to 1.5 MiB, and JSON escapes enlarge them."""


class Watches:
    """Opens watches. An async context manager.

    Args:
        connection: to the API server. Its credentials are not used.
        metrics: of requests to the API server.
        at_once: limit of open watches. Above it, a new watch waits briefly for a connection.
    """

    def __init__(self, connection: Connection, metrics: Metrics, *, at_once: int) -> None:
        self._user_api = UserApi(connection, metrics, connections=at_once, timeout_s=QUIET_S)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._user_api.__aexit__()

    @asynccontextmanager
    async def open(
        self, caller: Caller, path: str, params: Mapping[str, str], *, lasts_s: int, accept: str
    ) -> AsyncIterator[AsyncIterator[bytes]]:
        """Open a watch of ``lasts_s`` seconds and yield its lines, each one event.

        Raises:
            UpstreamStatus: the API server refused the watch.
            Unavailable: there are too many watches, or the API server went away, also later on.
            BadGateway: a line is longer than any event.
        """
        query = {**params, "watch": "true", "timeoutSeconds": str(lasts_s)}
        async with self._user_api.open(
            caller, "GET", path, params=query, accept=accept
        ) as response:
            yield _lines(response.content)


async def _lines(content: aiohttp.StreamReader) -> AsyncIterator[bytes]:
    try:
        async for line in lines_of(content, MAX_FRAME_BYTES):
            yield line
    except LineTooLong as error:
        raise BadGateway(
            "invalid upstream response: not a watch, and not from the API server"
        ) from error
    except (aiohttp.ClientError, TimeoutError) as error:
        raise Unavailable("the API server closed the connection") from error
