"""The log of one run: one writer, any number of readers, no queue for a reader.

A reader has a position and nothing else. It reads what is there after its position, in deltas as
long as it likes, and waits for more. So a slow reader costs no memory, a fast one gets each
character as it comes, and none of them can hold up the run.
"""

import asyncio
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Any, Final

from wegent_runner.runs.items import (
    BEFORE_TEXT,
    FIRST_POSITION,
    MAIN,
    UNPLACED,
    AnyItem,
    Event,
    Item,
    Message,
    Status,
    ToolResult,
    as_shown,
    closing,
    delta,
    events_of,
    opening,
    rejected_before,
    restarted,
)

DELTA_MAX_CHARACTERS: Final = 16384
"""Maximum length of one delta. A reader of a long stored text gets it in pieces of this size."""
READ_POSITIONS: Final = 65536
"""Positions after which a reader is given what there is. It has no more than that in memory."""
BLOCK_CHARACTERS: Final = 4096
"""Length up to which pieces are joined. A piece of one character alone takes over 100 bytes."""


class LogFull(Exception):  # noqa: N818 - names the event
    """The run has produced more text than one run may hold."""


@dataclass(slots=True)
class _Open:
    """The message that is being written."""

    head: Message
    """The message without its text."""
    blocks: list[str] = field(default_factory=list)
    ends: list[int] = field(default_factory=list)
    """Position at the end of each block."""

    @property
    def end(self) -> int:
        return self.ends[-1] if self.ends else self.head.start + BEFORE_TEXT

    def append(self, text: str) -> None:
        """Append text."""
        if self.blocks and len(self.blocks[-1]) + len(text) <= BLOCK_CHARACTERS:
            self.blocks[-1] += text
            self.ends[-1] += len(text)
        else:
            self.ends.append(self.end + len(text))
            self.blocks.append(text)

    def text_after(self, position: int) -> str:
        """Return some text after a position at or behind the beginning of the text."""
        first = bisect_right(self.ends, position)
        if first == len(self.ends):
            return ""
        last = bisect_left(self.ends, position + READ_POSITIONS)
        before = self.ends[first - 1] if first else self.head.start + BEFORE_TEXT
        return "".join(self.blocks[first : last + 1])[position - before :]

    def events_after(self, position: int) -> Iterator[Event]:
        """Yield some events after a position."""
        begins = self.head.start + BEFORE_TEXT
        if position < begins:
            yield from _unread(opening(self.head), position)
        since = max(position, begins)
        yield from _deltas(self.head, since, self.text_after(since))


class RunLog:
    """The events of one attempt at a Task.

    One message at a time is streamed. All other items are added whole, between messages.

    A message that was begun and dropped leaves a gap: its positions are never used again. A reader
    whose position is inside a gap has a part of the dropped text. Gaps follow from the positions of
    the items, so a stored log has them too.

    Args:
        attempt: Number of the attempt, from 1.
        carried: Finished items of earlier attempts, in order. The run goes on after them.
        max_characters: Maximum length of all texts together.
    """

    def __init__(
        self, attempt: int, carried: Sequence[Item] = (), *, max_characters: int = 1 << 20
    ) -> None:
        self.attempt = attempt
        self._items = list(carried)
        self._places = sum(not isinstance(item, ToolResult) for item in carried)
        """Number of items in the output of OpenAI's API."""
        self._rejected = rejected_before(carried)
        self._open: _Open | None = None
        self._tail = carried[-1].end if carried else FIRST_POSITION
        """Position after the last finished or dropped item."""
        self._ended: Event | None = None
        self._abandoned = False
        self._room = max_characters - sum(len(item.text) for item in carried)
        self._more: asyncio.Event | None = None
        """Wakes the readers that wait; None without any. Most deltas come while none waits."""

    @property
    def items(self) -> Sequence[Item]:
        """The finished items."""
        return self._items

    @property
    def ended(self) -> bool:
        """True if no more events will come."""
        return self._ended is not None or self._abandoned

    @property
    def abandoned(self) -> bool:
        """True if the run goes on elsewhere, or later: this log will get no more events."""
        return self._abandoned

    @property
    def is_writing(self) -> bool:
        """True if a message has been begun and not finished."""
        return self._open is not None

    @property
    def room(self) -> int:
        """Number of characters that the run may still produce."""
        return self._room

    @property
    def end(self) -> int:
        """Position of the newest event or character."""
        if self._ended is not None:
            return self._ended.position
        return self._tail if self._open is None else self._open.end

    @property
    def _ended_at(self) -> int | None:
        return None if self._ended is None else self._ended.position

    def begin(
        self, bot: str = "", *, thread: str = MAIN, step: int = 0, final: bool = True
    ) -> None:
        """Begin a message. The parameters are those of the message."""
        head = Message(*UNPLACED, "", bot=bot, thread=thread, step=step, final=final)
        self._open = _Open(self._placed(head))
        self._notify()

    def append(self, text: str) -> None:
        """Append text to the message that is being written.

        Raises:
            LogFull: the run would exceed its maximum length.
        """
        if not text:
            return
        if self._open is None:
            raise RuntimeError("no message is being written")
        self._take_room(text)
        self._open.append(text)
        self._notify()

    def discard(self) -> None:
        """Drop the message that is being written, because its call is made again.

        Readers who have a part of it are told to drop it too, by ``run.restarted``.
        """
        if self._open is not None:
            self._room += self._open.end - self._open.head.start - BEFORE_TEXT
            self._tail = self._open.end + 1
            self._open = None
            self._notify()

    def finish(self, status: Status = "completed", *, stopped: bool = False) -> Message:
        """Finish the message that is being written, and return it."""
        if self._open is None:
            raise RuntimeError("no message is being written")
        text = "".join(self._open.blocks)
        message = replace(self._open.head, text=text, status=status, stopped=stopped)
        self._open = None
        self._finished(message)
        return message

    def add(self, item: AnyItem) -> AnyItem:
        """Add an item that is not streamed.

        Args:
            item: the item, ``UNPLACED``.

        Returns:
            The item with its index, attempt, start and place.

        Raises:
            LogFull: the run would exceed its maximum length.
        """
        placed = self._placed(item)
        self._take_room(item.text)
        self._finished(placed)
        return placed

    def _placed(self, item: AnyItem) -> AnyItem:
        """Return an item as the next one of this log."""
        if self._open is not None:
            raise RuntimeError("a message is being written")
        return replace(
            item,
            index=self._items[-1].index + 1 if self._items else 0,
            attempt=self.attempt,
            start=self._tail,
            place=item.call.place if isinstance(item, ToolResult) else self._places,
        )

    def _finished(self, item: Item) -> None:
        self._items.append(item)
        self._rejected = max(self._rejected, rejected_before([item]))
        self._places += not isinstance(item, ToolResult)
        self._tail = item.end
        self._notify()

    def _take_room(self, text: str) -> None:
        if len(text) > self._room:
            raise LogFull
        self._room -= len(text)

    def close(self, outcome: dict[str, Any]) -> None:
        """End the log with ``run.ended`` and the outcome. It is told once."""
        if self._ended is None:
            self._ended = Event(self.end + 1, "run.ended", outcome)
            self._notify()

    def abandon(self) -> None:
        """End the log without ``run.ended``: the run goes on elsewhere, or later.

        Its readers' streams end, and the API proxy looks where the Task runs now. A log that has
        ended stays so.
        """
        if self._ended is None:
            self._abandoned = True
            self._notify()

    def resume(self, attempt: int, position: int) -> tuple[int, list[Event]]:
        """Return where a reader goes on that has read up to a position of some attempt.

        What a former attempt had not finished is written again. Its reader is told to drop it. So
        is a reader behind the end of this log: it has read text that was dropped later. A reader
        that has ``run.ended`` is told it again: a stream without it is taken for a broken one. A
        reader of a later attempt than this one is told to drop all, and reads from the beginning.

        Returns:
            The position in this log, and the events that precede those of :meth:`read`.
        """
        if position < FIRST_POSITION:
            return position, []
        if attempt > self.attempt:
            return FIRST_POSITION, [restarted(self.attempt, FIRST_POSITION, FIRST_POSITION)]
        if attempt == self.attempt:
            if position <= self.end:
                return position - (position == self._ended_at), []
            valid = self._end_of(len(self._items))
        else:
            carried = sum(item.attempt <= attempt for item in self._items)
            valid = min(position, self._end_of(carried))
            unread = self._first_unread(valid)
            if unread < carried and valid < self._items[unread].start:
                valid = self._end_of(unread)
        return valid, [restarted(self.attempt, valid, valid)]

    def read(self, position: int) -> list[Event]:
        """Return events after ``position`` that are there now; empty if there are none.

        A reader who is far behind gets them in several reads.
        """
        events = []
        for event in self._after(position):
            events.append(event)
            if event.position - position >= READ_POSITIONS:
                break
        return events

    async def wait(self, position: int) -> None:
        """Return when there is something after ``position``, or the log has ended."""
        while not self.ended and next(self._after(position), None) is None:
            if self._more is None:
                self._more = asyncio.Event()
            await self._more.wait()

    def _notify(self) -> None:
        if self._more is not None:
            self._more.set()
            self._more = None

    def _after(self, position: int) -> Iterator[Event]:
        if position >= self.end:
            return
        if position < FIRST_POSITION:
            yield Event(FIRST_POSITION, "run.started", {"attempt": self.attempt})
        unread = self._first_unread(position)
        valid, goes_on = self._end_of(unread), self._start_of(unread)
        if valid < position < goes_on:
            yield restarted(self.attempt, valid, goes_on)
            position = goes_on
        for item in islice(self._items, unread, None):
            yield from _events_after(as_shown(item, self._rejected), position)
        if self._open is not None:
            yield from self._open.events_after(position)
        if self._ended is not None and self._ended.position > position:
            yield self._ended

    def _end_of(self, index: int) -> int:
        """Return the position after the finished items before an item."""
        return self._items[index - 1].end if index else FIRST_POSITION

    def _start_of(self, index: int) -> int:
        """Return the position at which an item begins, or will begin."""
        if index < len(self._items):
            return self._items[index].start
        return self._tail if self._open is None else self._open.head.start

    def _first_unread(self, position: int) -> int:
        return bisect_right(self._items, position, key=lambda item: item.end)


def _events_after(item: Item, position: int) -> Iterator[Event]:
    """Yield the events of a finished item after a position."""
    if not isinstance(item, Message):
        yield from _unread(events_of(item), position)
        return
    yield from _unread(opening(item), position)
    since = max(position, item.start + BEFORE_TEXT)
    yield from _deltas(item, since, item.text, since - item.start - BEFORE_TEXT)
    yield from _unread(closing(item), position)


def _unread(events: Iterator[Event], position: int) -> Iterator[Event]:
    return (event for event in events if event.position > position)


def _deltas(message: Message, position: int, text: str, offset: int = 0) -> Iterator[Event]:
    """Yield ``text`` from an offset, which is at a position, as deltas of a message."""
    for begin in range(offset, len(text), DELTA_MAX_CHARACTERS):
        piece = text[begin : begin + DELTA_MAX_CHARACTERS]
        position += len(piece)
        yield delta(message, position, piece)
