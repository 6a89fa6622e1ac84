"""Writes a run's events as server-sent events."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator
from typing import Any, Final

from wegent_kube.encoding import encode_json
from wegent_runner.runs.items import Event
from wegent_runner.runs.log import RunLog

COALESCE_S: Final = 0.04
"""Minimum seconds between two writes. A person sees no difference, and at 50 tokens a second it
saves half of the writes, here and at each hop to the reader. A write after a longer silence, such
as that of the first delta, is not delayed."""
PIECE_BYTES: Final = 256 << 10
"""Maximum size of one write. The last events of a message have all its text."""
SLICE_CHARACTERS: Final = 16384
"""Length of the slices in which a longer text is encoded. A viewer that stalls in the midst of it
costs the memory of one slice and one write."""
HEARTBEAT_S: Final = 15.0
HEARTBEAT: Final = b": \n\n"


class EventIdError(ValueError):
    """The id of an event isn't ``<attempt>.<position>``."""


def parse_id(value: str) -> tuple[int, int]:
    """Return the attempt and the position of an event's id; both 0 for an empty one.

    Raises:
        EventIdError: the id has another form.
    """
    if not value:
        return 0, 0
    attempt, dot, position = value.partition(".")
    if not (dot and _is_number(attempt) and _is_number(position)):
        raise EventIdError("must be <attempt>.<position>, the id of an event")
    return int(attempt), int(position)


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) < 19


def encode(attempt: int, events: Iterable[Event]) -> Iterator[bytes]:
    """Yield events in the format of server-sent events, in pieces of a bounded size."""
    ready = bytearray()
    for event in events:
        for part in _encoded(attempt, event):
            ready += part
            while len(ready) >= PIECE_BYTES:
                yield bytes(ready[:PIECE_BYTES])
                del ready[:PIECE_BYTES]
    if ready:
        yield bytes(ready)


def _encoded(attempt: int, event: Event) -> Iterator[bytes]:
    yield b"id: %d.%d\nevent: %s\ndata: " % (attempt, event.position, event.type.encode())
    yield from _json({"type": event.type, "sequence_number": event.position, **event.data})
    yield b"\n\n"


def _json(value: Any) -> Iterator[bytes]:
    """Yield a value as JSON, the long texts in it by slices."""
    if not _is_long(value):
        yield encode_json(value)
    elif isinstance(value, str):
        yield b'"'
        for begin in range(0, len(value), SLICE_CHARACTERS):
            yield encode_json(value[begin : begin + SLICE_CHARACTERS])[1:-1]
        yield b'"'
    elif isinstance(value, dict):
        before = b"{"
        for key, it in value.items():
            yield before + encode_json(key) + b":"
            yield from _json(it)
            before = b","
        yield b"}"
    else:
        before = b"["
        for it in value:
            yield before
            yield from _json(it)
            before = b","
        yield b"]"


def _is_long(value: Any) -> bool:
    """Return True if there is a text in a value that is encoded by slices."""
    if isinstance(value, str):
        return len(value) > SLICE_CHARACTERS
    if isinstance(value, dict):
        return any(map(_is_long, value.values()))
    return isinstance(value, list | tuple) and any(map(_is_long, value))


async def stream(
    log: RunLog,
    attempt: int,
    position: int,
    pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> AsyncIterator[bytes]:
    """Yield a run's events after a position of an attempt, until the run has ended.

    A quiet run yields a heartbeat, so that no hop takes the connection for dead. ``pause`` waits
    some seconds between two writes.
    """
    clock = asyncio.get_running_loop().time
    position, first = log.resume(attempt, position)
    for piece in encode(log.attempt, first):
        yield piece
    not_before = clock()
    while True:
        if events := log.read(position):
            position = events[-1].position
            for piece in encode(log.attempt, events):
                yield piece
            not_before = clock() + COALESCE_S
            continue
        if log.ended:
            return
        try:
            async with asyncio.timeout(HEARTBEAT_S):
                await log.wait(position)
        except TimeoutError:
            yield HEARTBEAT
        else:
            await pause(max(0.0, not_before - clock()))
