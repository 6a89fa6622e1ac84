"""Disconnects a client that doesn't take its answer."""

import asyncio
from collections.abc import Callable
from typing import Final

MIN_PROGRESS_BYTES: Final = 32 * 1024
"""Bytes of an answer that a client must take within the stall limit."""


class StallTimer:
    """Watches the unsent data of one connection, from `start` to `stop`.

    Args:
        transport: the connection's transport.
        stall_s: seconds within which the client must take ``MIN_PROGRESS_BYTES``.
        cut: closes the connection, and discards unsent data.
    """

    def __init__(
        self, transport: asyncio.WriteTransport, stall_s: float, cut: Callable[[], None]
    ) -> None:
        self._transport = transport
        self._stall_s = stall_s
        self._cut = cut
        self._unsent = 0
        self._timer: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Start, unless the timer runs already."""
        if self._timer is None:
            self._unsent = self._transport.get_write_buffer_size()
            self._timer = asyncio.get_running_loop().call_later(self._stall_s, self._check)

    def stop(self) -> None:
        """Stop. The client takes its answer, or is gone."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _check(self) -> None:
        self._timer = None
        if self._unsent - self._transport.get_write_buffer_size() < MIN_PROGRESS_BYTES:
            self._cut()
        else:
            self.start()
