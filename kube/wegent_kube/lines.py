"""Splitting the body of a watch into lines. Each line is one event."""

from collections.abc import AsyncIterator

import aiohttp


class LineTooLong(Exception):  # noqa: N818 - describes the input
    """A line is longer than allowed."""


async def lines_of(
    content: aiohttp.StreamReader, longest: int | None = None
) -> AsyncIterator[bytes]:
    """Yield each complete line; aiohttp's own iterator rejects lines longer than a buffer.

    Args:
        content: The body of the answer.
        longest: Maximum length of a line in bytes; None for no limit.

    Raises:
        LineTooLong: a line is longer than ``longest``.
        aiohttp.ClientError, TimeoutError: the connection was lost before the end of the body.
    """
    rest = bytearray()
    async for chunk in content.iter_any():
        searched = len(rest)
        rest += chunk
        while (end := rest.find(b"\n", searched)) >= 0:
            yield bytes(rest[:end])
            del rest[: end + 1]
            searched = 0
        if longest is not None and len(rest) > longest:
            raise LineTooLong
