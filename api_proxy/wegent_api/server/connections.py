"""Limits the number of open client connections in total.

A connection costs a client only a socket, and needs no token. At the limit, the connection that has
waited longest for a request makes room for the new one. So idle connections can't shut out active
clients. There is no limit per address, because clients behind a load balancer share one.
"""

import asyncio
from typing import Protocol


class Connection(Protocol):
    """A connection that can be cut."""

    def cut(self) -> None:
        """Close the connection at once."""


class Connections:
    """Counts connections, and knows which of them wait for a request.

    Args:
        limit: limit of open connections.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._open: set[Connection] = set()
        self._waiting: dict[Connection, None] = {}  # in the order in which they began to wait

    def add(self, connection: Connection) -> None:
        """Count a new connection. Above the limit, cut the one that has waited longest."""
        self._open.add(connection)
        self._waiting[connection] = None
        if len(self._open) > self._limit:
            idlest = next(iter(self._waiting))  # the new one, if no other waits
            self.remove(idlest)
            # Cut it after the callback that opened it, because its transport is not set up yet.
            asyncio.get_running_loop().call_soon(idlest.cut)

    def remove(self, connection: Connection) -> None:
        """Remove a closed connection."""
        self._open.discard(connection)
        self._waiting.pop(connection, None)

    def waits(self, connection: Connection) -> None:
        """Record that a connection waits for its next request."""
        if connection in self._open:
            self._waiting[connection] = None

    def serves(self, connection: Connection) -> None:
        """Record that a connection has a request."""
        self._waiting.pop(connection, None)

    def __len__(self) -> int:
        """Return the number of open connections."""
        return len(self._open)
