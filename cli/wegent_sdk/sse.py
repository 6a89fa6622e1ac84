"""Decoders of streams: Server-Sent Events, and lines.

They take pieces of any size, and hold at most one event. A piece may end anywhere, also within a
character.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

EVENT_MAX_BYTES: Final = 40 << 20
"""Limit of one event. The longest holds the whole text of a run, whose escapes enlarge it."""
BOM: Final = b"\xef\xbb\xbf"


class StreamTooLong(ValueError):  # noqa: N818 - names the event
    """An event or a line is longer than allowed."""


@dataclass(frozen=True, slots=True)
class SseEvent:
    """One event.

    Attributes:
        type: its type, ``message`` if it has none.
        data: its data; the lines are joined.
        id: its id; None if it has none, which is not the same as an empty one.
    """

    type: str
    data: str
    id: str | None


class Lines:
    """Cuts a stream into lines, which end with LF or CR LF."""

    def __init__(self, *, longest: int = EVENT_MAX_BYTES) -> None:
        self._rest = bytearray()
        self._longest = longest

    def feed(self, piece: bytes) -> Iterator[bytes]:
        """Yield the lines that are complete with ``piece``, without their ends.

        Raises:
            StreamTooLong: a line is longer than allowed.
        """
        searched = len(self._rest)
        self._rest += piece
        begin = 0
        while (end := self._rest.find(b"\n", searched)) >= 0:
            yield bytes(self._rest[begin:end]).removesuffix(b"\r")
            begin = searched = end + 1
        del self._rest[:begin]
        if len(self._rest) > self._longest:
            raise StreamTooLong(f"longer than {self._longest} bytes")


class SseDecoder:
    """Decodes Server-Sent Events (https://html.spec.whatwg.org/multipage/server-sent-events.html).

    An event without its final empty line is not complete, and is never returned. Lines that end
    with CR alone are not supported: no server writes them.
    """

    def __init__(self, *, longest: int = EVENT_MAX_BYTES) -> None:
        self._lines = Lines(longest=longest)
        self._longest = longest
        self._first = True
        self._type = ""
        self._data: list[str] = []
        self._id: str | None = None
        self._size = 0

    def feed(self, piece: bytes) -> Iterator[SseEvent]:
        """Yield the events that are complete with ``piece``.

        Raises:
            StreamTooLong: an event is longer than allowed.
        """
        for line in self._lines.feed(piece):
            text = (line.removeprefix(BOM) if self._first else line).decode("utf-8", "replace")
            self._first = False
            if not text:
                if self._data:
                    yield SseEvent(self._type or "message", "\n".join(self._data), self._id)
                self._type, self._data, self._id, self._size = "", [], None, 0
                continue
            self._size += len(line)
            if self._size > self._longest:
                raise StreamTooLong(f"longer than {self._longest} bytes")
            self._take(text)

    def _take(self, text: str) -> None:
        name, _, value = text.partition(":")
        value = value.removeprefix(" ")
        if name == "event":
            self._type = value
        elif name == "data":
            self._data.append(value)
        elif name == "id" and "\0" not in value:
            self._id = value
