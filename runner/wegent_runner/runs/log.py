"""The log of one run: one writer, any number of readers, no queue for a reader.

A reader has a position and nothing else. It reads what is there after its position, in deltas as
long as it likes, and waits for more. So a slow reader costs no memory, a fast one gets each
character as it comes, and none of them can hold up the run.
"""

import asyncio
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, Final

from wegent_runner.runs.items import (
    BEFORE_TEXT,
    FIRST_POSITION,
    Event,
    Message,
    Status,
    closing,
    delta,
    opening,
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

    index: int
    start: int
    bot: str
    blocks: list[str] = field(default_factory=list)
    ends: list[int] = field(default_factory=list)
    """Position at the end of each block."""

    @property
    def end(self) -> int:
        return self.ends[-1] if self.ends else self.start + BEFORE_TEXT

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
        before = self.ends[first - 1] if first else self.start + BEFORE_TEXT
        return "".join(self.blocks[first : last + 1])[position - before :]

    def events_after(self, position: int) -> Iterator[Event]:
        """Yield some events after a position."""
        yield from _unread(opening(self.index, self.start, self.bot), position)
        since = max(position, self.start + BEFORE_TEXT)
        yield from _deltas(self.index, since, self.text_after(since))


class RunLog:
    """The events of one attempt at a Task.

    A message that was begun and dropped leaves a gap: its positions are never used again. A reader
    whose position is inside a gap has a part of the dropped text. Gaps follow from the positions of
    the messages, so a stored log has them too.

    Args:
        attempt: Number of the attempt, from 1.
        carried: Finished items of earlier attempts, in order. The run goes on after them.
        max_characters: Maximum length of all texts together.
    """

    def __init__(
        self, attempt: int, carried: Sequence[Message] = (), *, max_characters: int = 1 << 20
    ) -> None:
        self.attempt = attempt
        self._messages = list(carried)
        self._open: _Open | None = None
        self._tail = carried[-1].end if carried else FIRST_POSITION
        """Position after the last finished or dropped message."""
        self._ended: Event | None = None
        self._abandoned = False
        self._room = max_characters - sum(len(message.text) for message in carried)
        self._more: asyncio.Event = asyncio.Event()

    @property
    def messages(self) -> Sequence[Message]:
        """The finished messages."""
        return self._messages

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
    def end(self) -> int:
        """Position of the newest event or character."""
        if self._ended is not None:
            return self._ended.position
        return self._tail if self._open is None else self._open.end

    @property
    def _ended_at(self) -> int | None:
        return None if self._ended is None else self._ended.position

    def begin(self, bot: str = "") -> None:
        """Begin a message of a Bot."""
        self._open = _Open(len(self._messages), self.end, bot)
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
        if len(text) > self._room:
            raise LogFull
        self._room -= len(text)
        self._open.append(text)
        self._notify()

    def discard(self) -> None:
        """Drop the message that is being written, because its call is made again.

        Readers who have a part of it are told to drop it too, by ``run.restarted``.
        """
        if self._open is not None:
            self._room += self._open.end - self._open.start - BEFORE_TEXT
            self._tail = self._open.end + 1
            self._open = None
            self._notify()

    def finish(self, status: Status = "completed") -> Message:
        """Finish the message that is being written, and return it."""
        if self._open is None:
            raise RuntimeError("no message is being written")
        current = self._open
        text = "".join(current.blocks)
        message = Message(current.index, self.attempt, current.start, text, status, current.bot)
        self._messages.append(message)
        self._tail = message.end
        self._open = None
        self._notify()
        return message

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
            valid = self._end_of(len(self._messages))
        else:
            carried = sum(message.attempt <= attempt for message in self._messages)
            valid = min(position, self._end_of(carried))
            unread = self._first_unread(valid)
            if unread < carried and valid < self._messages[unread].start:
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
            await self._more.wait()

    def _notify(self) -> None:
        self._more.set()
        self._more = asyncio.Event()

    def _after(self, position: int) -> Iterator[Event]:
        if position < FIRST_POSITION:
            yield Event(FIRST_POSITION, "run.started", {"attempt": self.attempt})
        unread = self._first_unread(position)
        valid, goes_on = self._end_of(unread), self._start_of(unread)
        if valid < position < goes_on:
            yield restarted(self.attempt, valid, goes_on)
            position = goes_on
        for message in islice(self._messages, unread, None):
            yield from _events_of(message, position)
        if self._open is not None:
            yield from self._open.events_after(position)
        if self._ended is not None and self._ended.position > position:
            yield self._ended

    def _end_of(self, index: int) -> int:
        """Return the position after the finished messages before a message."""
        return self._messages[index - 1].end if index else FIRST_POSITION

    def _start_of(self, index: int) -> int:
        """Return the position at which a message begins, or will begin."""
        if index < len(self._messages):
            return self._messages[index].start
        return self._tail if self._open is None else self._open.start

    def _first_unread(self, position: int) -> int:
        return bisect_right(self._messages, position, key=lambda message: message.end)


def _events_of(message: Message, position: int) -> Iterator[Event]:
    """Yield the events of a finished message after a position."""
    yield from _unread(opening(message.index, message.start, message.bot), position)
    since = max(position, message.start + BEFORE_TEXT)
    yield from _deltas(message.index, since, message.text, since - message.start - BEFORE_TEXT)
    yield from _unread(closing(message), position)


def _unread(events: Iterator[Event], position: int) -> Iterator[Event]:
    return (event for event in events if event.position > position)


def _deltas(index: int, position: int, text: str, offset: int = 0) -> Iterator[Event]:
    """Yield ``text`` from an offset, which is at a position, as deltas."""
    for begin in range(offset, len(text), DELTA_MAX_CHARACTERS):
        piece = text[begin : begin + DELTA_MAX_CHARACTERS]
        position += len(piece)
        yield delta(index, position, piece)
