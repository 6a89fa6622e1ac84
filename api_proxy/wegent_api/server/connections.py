"""The number of client connections that the proxy keeps open, in all.

A connection costs nothing but a socket to open, and needs no token. At the limit, the
connection that has waited longest for a request gives way to the new one, so that idle
connections can't shut out clients that ask for something. There is no limit per address:
behind a load balancer, all clients have the same one.
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
        limit: how many may be open.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._open: set[Connection] = set()
        self._waiting: dict[Connection, None] = {}  # in the order in which they began to wait

    def add(self, connection: Connection) -> None:
        """Count a new connection, and cut one if there are too many."""
        self._open.add(connection)
        self._waiting[connection] = None
        if len(self._open) > self._limit:
            idlest = next(iter(self._waiting))  # the new one, if no other waits
            self.remove(idlest)
            # Not within the callback that opened it: its transport is not set up yet.
            asyncio.get_running_loop().call_soon(idlest.cut)

    def remove(self, connection: Connection) -> None:
        """Forget a connection that is closed."""
        self._open.discard(connection)
        self._waiting.pop(connection, None)

    def waits(self, connection: Connection) -> None:
        """Note that a connection waits for its next request."""
        if connection in self._open:
            self._waiting[connection] = None

    def serves(self, connection: Connection) -> None:
        """Note that a connection has a request."""
        self._waiting.pop(connection, None)

    def __len__(self) -> int:
        """Return how many are open."""
        return len(self._open)
