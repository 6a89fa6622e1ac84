"""A watch's body cut into lines, each of which is one event."""

from collections.abc import AsyncIterator

import aiohttp


class LineTooLong(Exception):  # noqa: N818 - what came, not a fault of the program
    """More came without an end of line than a line may have."""


async def lines_of(
    content: aiohttp.StreamReader, longest: int | None = None
) -> AsyncIterator[bytes]:
    """Yield each whole line; aiohttp's own iterator refuses lines that are longer than a buffer.

    Args:
        content: the body, read as it comes.
        longest: bytes that a line may have; without it, any number.

    Raises:
        LineTooLong: a line has more.
        aiohttp.ClientError, TimeoutError: the body did not come to its end.
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
