"""The items of a run, from its events.

A run may begin again in the midst of an item, after a runner's death or a provider's failure. The
runner then says from which position on its text is void. A client of OpenAI's API has no event for
that. So the opening of an item is held back until its first text, and a restart before that text is
not seen. After it, the stream has to end with an error.

Some messages are commentary: those of members, which other Bots read, answers that are not valid by
the schema, and answers in whose place a person has asked for another one. SDKs would add their text
to the answer, and parse it. Clients get them as reasoning, each as a whole.
"""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from wegent_api.http.sse import Frames
from wegent_api.runs.blocks import RunEvent, events_in

ATTEMPT_BITS: Final = 32
"""Bits of a sequence number for the position. Those above hold the attempt, counted from 0, so that
the number of a first attempt is the position itself. A sum with 20 attempts fits a double."""
POSITION_MASK: Final = (1 << ATTEMPT_BITS) - 1
ADDED: Final = "response.output_item.added"
OPENING: Final = frozenset({ADDED, "response.content_part.added"})
DONE: Final = "response.output_item.done"
DELTA: Final = "response.output_text.delta"
RESTARTED: Final = "run.restarted"
ENDED: Final = "run.ended"
ERROR: Final = "error"


COMMENTARY: Final = "commentary"
"""Phase of a message that isn't part of the answer."""


class TextIsVoid(Exception):  # noqa: N818 - names the event
    """The run has begun again before text that was sent already."""


class TextIsRejected(TextIsVoid):
    """A person has asked for another answer in place of the text that was sent."""


def sequence_number(event: RunEvent) -> int:
    """Return the sequence number of an event of a runner."""
    attempt, _, position = event.id.partition(".")
    return (int(attempt) - 1 << ATTEMPT_BITS) + int(position)


def attempt_of(number: int) -> int:
    """Return the attempt, from 1, of the event with a sequence number."""
    return (number >> ATTEMPT_BITS) + 1


def event_id(number: int) -> str:
    """Return the id of the event with a sequence number; empty for the beginning of a run."""
    position = number & POSITION_MASK
    return f"{attempt_of(number)}.{position}" if position else ""


async def events_of(frames: Frames) -> AsyncIterator[RunEvent]:
    """Yield the events in frames."""
    async for whole in frames:
        for event in events_in(whole):
            yield event


@dataclass(slots=True)
class Lasting:
    """Passes on the events of items whose text no later event makes void.

    ``sent`` is the position of the last event that the client has.
    """

    sent: int = 0
    _held: list[RunEvent] = field(default_factory=list)
    _has_text: bool = False
    """True if text of an answer was passed on."""

    def take(self, event: RunEvent) -> list[RunEvent]:
        """Return the events to pass on after ``event``.

        Raises:
            TextIsVoid: the client has text that is void now.
            TextIsRejected: the client has text that is not the answer.
        """
        if event.type == DONE and self._has_text and is_rejection(event.data["item"]):
            raise TextIsRejected
        if event.type == RESTARTED:
            self._held.clear()
            if event.data["valid_until"] < self.sent:
                raise TextIsVoid
            return []
        if not event.type.startswith("response."):
            return []
        if event.type in OPENING:
            self._held.append(event)
            return []
        if event.type == DONE and is_commentary(event.data["item"]):
            return self._reasoning(event)
        if self._held and is_commentary(self._held[0].data.get("item", {})):
            return []
        self._has_text = self._has_text or event.type == DELTA
        ready = [*self._held, event]
        self._held.clear()
        self.sent = sequence_number(event) & POSITION_MASK
        return ready

    def _reasoning(self, done: RunEvent) -> list[RunEvent]:
        """Return the events of commentary in the form for clients.

        The first has the number before the last one's, so that none is within the text.
        """
        position = sequence_number(done) & POSITION_MASK
        is_opened = self.sent == position - 1
        self._held.clear()
        self.sent = position
        item = public_item(done.data["item"])
        added = RunEvent(
            ADDED,
            {**done.data, "item": {**item, "summary": []}},
            f"{attempt_of(sequence_number(done))}.{position - 1}",
        )
        last = RunEvent(done.type, {**done.data, "item": item}, done.id)
        return [last] if is_opened else [added, last]


@dataclass(slots=True)
class Output:
    """The finished items of a run, and calls of tools that have not ended."""

    _items: list[tuple[int, int, dict[str, Any]]] = field(default_factory=list)
    """Position of the event, index in the output, and the item."""

    def take(self, event: RunEvent) -> None:
        """Note an event."""
        if event.type == DONE:
            position = sequence_number(event) & POSITION_MASK
            self._items.append((position, event.data["output_index"], event.data["item"]))
        elif event.type == RESTARTED:
            valid = event.data["valid_until"]
            self._items = [it for it in self._items if it[0] <= valid]

    @property
    def items(self) -> list[dict[str, Any]]:
        """The items, in the order in which they began."""
        return [item for *_, item in sorted(self._items, key=lambda it: it[1])]


@dataclass(frozen=True, slots=True)
class Ending:
    """The end of a run.

    Attributes:
        phase: Final phase of the Task, or ``Deleted``.
        items: The output.
        message: Reason of a failure.
        usage: ``status.usage``.
    """

    phase: str
    items: list[dict[str, Any]]
    message: str = ""
    usage: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, told: Mapping[str, Any], items: list[dict[str, Any]]) -> "Ending":
        """Return the end that ``run.ended`` or a Task's status tells.

        Without items there is no transcript any more, and the result is the output.
        """
        result = told.get("result")
        items = _without_rejected(items)
        return cls(
            phase=told.get("phase") or "Failed",
            items=[*map(public_item, items)] or ([_message(result)] if result else []),
            message=told.get("message") or "",
            usage=told.get("usage") or {},
        )

    @property
    def text(self) -> str:
        """All text for the user. Commentary is reasoning by now, which has none."""
        return "\n\n".join(text for item in self.items if (text := text_of(item)))

    @property
    def truncated(self) -> bool:
        """True if the last text ends before its end."""
        texts = [item for item in self.items if item.get("type") == "message"]
        return bool(texts) and texts[-1].get("status") == "incomplete"


def is_commentary(item: Mapping[str, Any]) -> bool:
    """Return whether an item is a message that isn't part of the answer."""
    return item.get("phase") == COMMENTARY


def is_rejection(item: Mapping[str, Any]) -> bool:
    """Return whether an item is a person's reply to a stage, which asks for another answer."""
    return item.get("kind") == "confirmation" and item.get("decision") == "reply"


def _without_rejected(items: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the items of a run, with the messages before the last rejection as commentary."""
    last = max((at for at, item in enumerate(items) if is_rejection(item)), default=0)
    return [
        {**item, "phase": COMMENTARY} if at < last and item.get("type") == "message" else item
        for at, item in enumerate(items)
    ]


def public_item(item: dict[str, Any]) -> dict[str, Any]:
    """Return an item of a run in the form for clients, without the attempt of a transcript."""
    if not is_commentary(item):
        return {name: value for name, value in item.items() if name != "attempt"}
    author = {"bot": item["bot"]} if "bot" in item else {}
    summary = [{"type": "summary_text", "text": text_of(item)}]
    return {"id": item["id"], "type": "reasoning", "summary": summary, **author}


def text_of(item: Mapping[str, Any]) -> str:
    """Return the text of an item; empty if it is no message."""
    return "".join(part.get("text", "") for part in item.get("content") or ())


def _message(text: str) -> dict[str, Any]:
    return {
        "id": "msg_0",
        "type": "message",
        "status": "completed",
        "role": "assistant",
        "content": [{"type": "output_text", "text": text, "annotations": []}],
    }
