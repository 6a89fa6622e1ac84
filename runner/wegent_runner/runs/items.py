"""The items of a run, and the events that they expand to.

A run produces items: messages now, and later tool calls and their results. An item is stored when
it is finished. Its events are those of OpenAI's Responses stream, and follow from the item alone.

Each event has a *position*: the number of events and of streamed characters before its end. An
event counts one. A delta counts its characters. So a stream can be cut and continued at any
character, and deltas can be merged or split, without a table of what was sent. The positions of a
stored item are those that it had while it was streamed.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final, Literal

FIRST_POSITION: Final = 1
"""Position of ``run.started``, the first event of every run."""
BEFORE_TEXT: Final = 2
"""Events of a message before its first delta."""
AFTER_TEXT: Final = 3
"""Events of a message after its last delta."""

Status = Literal["in_progress", "completed", "incomplete"]


@dataclass(frozen=True, slots=True)
class Event:
    """One event of a run's stream.

    ``position`` is the position at the end of the event.
    """

    position: int
    type: str
    data: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Message:
    """A finished message of the assistant.

    Attributes:
        index: Number of the item in the run, from 0.
        attempt: Attempt that finished it.
        start: Position before its first event.
        text: The text, all deltas in one.
        status: ``incomplete`` if the run was stopped in the midst of it, or if it has reached the
            maximum of tokens.
        bot: ``namespace/name`` of the Bot that wrote it.
    """

    index: int
    attempt: int
    start: int
    text: str
    status: Status = "completed"
    bot: str = ""

    @property
    def id(self) -> str:
        """The item's id, unique in the run."""
        return message_id(self.index)

    @property
    def end(self) -> int:
        """Position after its last event."""
        return self.start + BEFORE_TEXT + len(self.text) + AFTER_TEXT


def message_id(index: int) -> str:
    """Return the id of the message that is item ``index`` of its run."""
    return f"msg_{index}"


def opening(index: int, start: int, bot: str) -> Iterator[Event]:
    """Yield the events before the first delta of the message that begins at ``start``."""
    yield Event(
        start + 1,
        "response.output_item.added",
        {"output_index": index, "item": _item(index, "in_progress", [], bot)},
    )
    yield Event(
        start + 2,
        "response.content_part.added",
        {**_place(index), "part": _part("")},
    )


def delta(index: int, position: int, text: str) -> Event:
    """Return the delta whose last character is at ``position``."""
    data = {**_place(index), "delta": text, "logprobs": []}
    return Event(position, "response.output_text.delta", data)


def closing(message: Message) -> Iterator[Event]:
    """Yield the events after the last delta of a message."""
    place, end = _place(message.index), message.end - AFTER_TEXT
    yield Event(
        end + 1, "response.output_text.done", {**place, "text": message.text, "logprobs": []}
    )
    yield Event(end + 2, "response.content_part.done", {**place, "part": _part(message.text)})
    yield Event(
        end + 3,
        "response.output_item.done",
        {"output_index": message.index, "item": item_of(message)},
    )


def restarted(attempt: int, valid_until: int, position: int) -> Event:
    """Return the event that tells a reader to drop all that came after ``valid_until``."""
    return Event(position, "run.restarted", {"attempt": attempt, "valid_until": valid_until})


def item_of(message: Message) -> dict[str, Any]:
    """Return a message as an output item of OpenAI's Responses API."""
    return _item(message.index, message.status, [_part(message.text)], message.bot)


def _item(index: int, status: Status, content: list[dict[str, Any]], bot: str) -> dict[str, Any]:
    return {
        "id": message_id(index),
        "type": "message",
        "status": status,
        "role": "assistant",
        "content": content,
        **({"bot": bot} if bot else {}),
    }


def _place(index: int) -> dict[str, Any]:
    return {"item_id": message_id(index), "output_index": index, "content_index": 0}


def _part(text: str) -> dict[str, Any]:
    return {"type": "output_text", "text": text, "annotations": []}
