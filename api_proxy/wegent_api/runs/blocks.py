"""Cuts a runner's event stream into whole events, and reads their ids.

A runner writes one line for each field, and JSON has no line breaks of its own. So an event ends
at the first empty line.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from wegent_api.http.errors import BadGateway

END: Final = b"\n\n"
MAX_EVENT_BYTES: Final = 32 << 20
"""Limit for one event. The longest one holds the whole text of a run, whose escapes enlarge it."""
ENDED: Final = b"\nevent: run.ended\n"
ID: Final = b"id: "


@dataclass(slots=True)
class Blocks:
    """The position in a stream of events.

    Attributes:
        last_id: id of the last whole event.
        ended: True once the run has ended.
    """

    last_id: str = ""
    ended: bool = False
    _rest: bytearray = field(default_factory=bytearray)

    def feed(self, chunk: bytes) -> bytes:
        """Add a piece of the stream, and return the whole events that are complete with it.

        Raises:
            BadGateway: an event is longer than any event of a run.
        """
        searched = max(0, len(self._rest) - len(END) + 1)
        self._rest += chunk
        cut = self._rest.rfind(END, searched)
        if len(self._rest) - max(0, cut) > MAX_EVENT_BYTES:
            self._rest.clear()
            raise BadGateway("the runner sent an event that is too long")
        if cut < 0:
            return b""
        whole = bytes(self._rest[: cut + len(END)])
        del self._rest[: cut + len(END)]
        self._note(whole)
        return whole

    def restart(self) -> None:
        """Forget the beginning of an event: its stream was cut."""
        self._rest.clear()

    def _note(self, whole: bytes) -> None:
        start = whole.rfind(b"\n" + ID)
        start = start + 1 if start >= 0 else (0 if whole.startswith(ID) else -1)
        if start >= 0:
            stop = whole.index(b"\n", start)
            self.last_id = whole[start + len(ID) : stop].decode("ascii", "replace")
        self.ended = self.ended or ENDED in b"\n" + whole


@dataclass(frozen=True, slots=True)
class RunEvent:
    """One event of a run.

    Attributes:
        type: Name of the event.
        data: Its JSON.
        id: ``<attempt>.<position>``; empty for an event of the proxy itself.
    """

    type: str
    data: dict[str, Any]
    id: str = ""


@dataclass(frozen=True, slots=True)
class RawEvent:
    """The same with its data as it was sent.

    Attributes:
        type: Name of the event.
        data: JSON, in one line.
        id: ``<attempt>.<position>``; empty for an event of the proxy itself.
    """

    type: str
    data: bytes
    id: str = ""


def raw_events_in(whole: bytes) -> Iterator[RawEvent]:
    """Yield the events in whole blocks. Comments are skipped."""
    for block in whole.split(END):
        fields = dict(line.split(b": ", 1) for line in block.split(b"\n") if b": " in line[1:])
        if b"event" in fields:
            yield RawEvent(
                fields[b"event"].decode(), fields[b"data"], fields.get(b"id", b"").decode("ascii")
            )


def events_in(whole: bytes) -> Iterator[RunEvent]:
    """Yield the events in whole blocks, decoded."""
    for event in raw_events_in(whole):
        yield RunEvent(event.type, json.loads(event.data), event.id)
