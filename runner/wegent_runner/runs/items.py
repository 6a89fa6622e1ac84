"""The items of a run, and the events that they expand to.

A run produces items: messages, calls of tools and their results, and questions to people with their
answers. An item is stored when it is finished. Its events are those of OpenAI's Responses stream,
and follow from the item alone. To readers, a call and its result are one output item of the type
``mcp_call``: the call opens it, and the result ends it.

Each event has a *position*: the number of events and of streamed characters before its end. An
event counts one. A delta counts its characters. So a stream can be cut and continued at any
character, and deltas can be merged or split, without a table of what was sent. The positions of a
stored item are those that it had while it was streamed.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final, Literal, TypeVar

FIRST_POSITION: Final = 1
"""Position of ``run.started``, the first event of every run."""
BEFORE_TEXT: Final = 2
"""Events of a message before its first delta."""
AFTER_TEXT: Final = 3
"""Events of a message after its last delta."""
ADDED: Final = "response.output_item.added"
DONE: Final = "response.output_item.done"
TEAM_SERVER: Final = "wegent/team"
SKILLS_SERVER: Final = "wegent/skills"
OWN_SERVERS: Final[Mapping[str, str]] = {TEAM_SERVER: "team", SKILLS_SERVER: "skills"}
"""Servers of the runner's own tools, with their short names. No MCP server can have such a name."""
EVENTS: Final = 2
"""Events of each item that is not a message."""
MAIN: Final = "0"
"""Thread of the Bot that leads a run, or does it alone."""

Status = Literal["in_progress", "completed", "incomplete"]
ResultStatus = Literal["completed", "failed", "denied"]
QuestionKind = Literal["approval", "confirmation", "repeat"]
Decision = Literal["approve", "deny", "reply"]


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
        thread: The part of the run that it belongs to, which is one Bot's: ``0`` the leader's.
        step: Number of the model call in its thread, from 0.
        final: True if its thread gives the answer of the run. Others are read by other Bots.
        stopped: True if the run was stopped in the midst of it, so that a later attempt begins it
            again.
        place: Its index in the output of OpenAI's API; None for ``index``.
    """

    index: int
    attempt: int
    start: int
    text: str
    status: Status = "completed"
    bot: str = ""
    thread: str = MAIN
    step: int = 0
    final: bool = True
    stopped: bool = False
    place: int | None = None

    @property
    def id(self) -> str:
        """The item's id, unique in the run."""
        return message_id(self.index)

    @property
    def end(self) -> int:
        """Position after its last event."""
        return self.start + BEFORE_TEXT + len(self.text) + AFTER_TEXT


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A call that an LLM asked for. It is stored before it is made.

    Attributes:
        text: The arguments, as JSON.
        server: Name of the MCP server; see ``OWN_SERVERS`` for the runner's own.
        name: Name of the tool, as the LLM has it.
        repeatable: True if a second call does no harm.
        held: True if a person has to approve the call first.

    The others are those of a message.
    """

    index: int
    attempt: int
    start: int
    text: str
    server: str
    name: str
    repeatable: bool = False
    held: bool = False
    bot: str = ""
    thread: str = MAIN
    step: int = 0
    place: int | None = None

    @property
    def id(self) -> str:
        """The item's id, unique in the run."""
        return f"mcp_{self.index}"

    @property
    def end(self) -> int:
        """Position after its last event."""
        return self.start + EVENTS


@dataclass(frozen=True, slots=True)
class ToolResult:
    """The result of a call, as the LLM is told it."""

    index: int
    attempt: int
    start: int
    text: str
    call: ToolCall
    status: ResultStatus = "completed"
    place: int | None = None

    @property
    def end(self) -> int:
        """Position after its last event."""
        return self.start + EVENTS


@dataclass(frozen=True, slots=True)
class Question:
    """A question to people, for which the Task waits.

    Attributes:
        text: The question in words.
        call: The call that may not be made without an approval, or not again; None for a stage of
            a pipeline, whose thread is ``thread``.
        approver: Namespace whose editors alone can approve; empty for that of the Task.
    """

    index: int
    attempt: int
    start: int
    text: str
    kind: QuestionKind
    call: ToolCall | None = None
    bot: str = ""
    thread: str = MAIN
    approver: str = ""
    place: int | None = None

    @property
    def id(self) -> str:
        """The item's id, unique in the Task. Answers in the Task's spec name it.

        A run whose transcript is lost begins again, with the same indexes. So the attempt, which
        only grows, is part of the id: an old answer never counts for another question.
        """
        return f"mcpr_{self.attempt}_{self.index}"

    @property
    def end(self) -> int:
        """Position after its last event."""
        return self.start + EVENTS


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer to a question. It is stored before the work goes on.

    Attributes:
        text: Words of the person; may be empty.
        by: User name of the person, as the API server has it.
    """

    index: int
    attempt: int
    start: int
    text: str
    question: Question
    decision: Decision
    by: str = ""
    place: int | None = None

    @property
    def id(self) -> str:
        """The item's id, unique in the run."""
        return f"mcpa_{self.index}"

    @property
    def end(self) -> int:
        """Position after its last event."""
        return self.start + EVENTS


Item = Message | ToolCall | ToolResult | Question | Answer
AnyItem = TypeVar("AnyItem", bound=Item)
UNPLACED: Final = (-1, 0, 0)
"""Index, attempt and start of an item that a log has not taken yet."""


def place_of(item: Item) -> int:
    """Return the index of an item in the output of OpenAI's API. A result has that of its call."""
    return item.index if item.place is None else item.place


def rejected_before(items: Iterable[Item]) -> int:
    """Return the index before which no message is a part of the answer; 0 if all may be.

    A reply to a stage of a pipeline asks for another answer in place of those so far.
    """
    return max((item.index for item in items if _is_rejection(item)), default=0)


def _is_rejection(item: Item) -> bool:
    if not isinstance(item, Answer):
        return False
    return item.decision == "reply" and item.question.kind == "confirmation"


def as_shown(item: AnyItem, rejected: int) -> AnyItem:
    """Return an item as readers have it: with rejected answers as commentary.

    Args:
        item: The item.
        rejected: Index of ``rejected_before``.
    """
    if isinstance(item, Message) and item.final and item.index < rejected:
        return replace(item, final=False)
    return item


def message_id(index: int) -> str:
    """Return the id of the message that is item ``index`` of its run."""
    return f"msg_{index}"


def events_of(item: Item) -> Iterator[Event]:
    """Yield the events of an item that is not a message."""
    match item:
        case ToolCall():
            place = {"output_index": place_of(item)}
            yield Event(item.start + 1, ADDED, {**place, "item": call_item(item)})
            yield Event(
                item.start + 2, "response.mcp_call.in_progress", {**place, "item_id": item.id}
            )
        case ToolResult():
            place = {"output_index": place_of(item)}
            ended = "completed" if item.status == "completed" else "failed"
            yield Event(
                item.start + 1, f"response.mcp_call.{ended}", {**place, "item_id": item.call.id}
            )
            yield Event(item.start + 2, DONE, {**place, "item": call_item(item.call, item)})
        case Question() | Answer():
            whole = {"output_index": place_of(item), "item": output_item(item)}
            yield Event(item.start + 1, ADDED, whole)
            yield Event(item.start + 2, DONE, whole)
        case Message():
            raise TypeError("a message has deltas: see opening, delta and closing")


def opening(message: Message) -> Iterator[Event]:
    """Yield the events before the first delta of a message. Its text doesn't count."""
    yield Event(
        message.start + 1,
        ADDED,
        {"output_index": place_of(message), "item": _item(message, "in_progress", [])},
    )
    yield Event(
        message.start + 2,
        "response.content_part.added",
        {**_place(message), "part": _part("")},
    )


def delta(message: Message, position: int, text: str) -> Event:
    """Return the delta of a message whose last character is at ``position``."""
    data = {**_place(message), "delta": text, "logprobs": []}
    return Event(position, "response.output_text.delta", data)


def closing(message: Message) -> Iterator[Event]:
    """Yield the events after the last delta of a message."""
    place, end = _place(message), message.end - AFTER_TEXT
    yield Event(
        end + 1, "response.output_text.done", {**place, "text": message.text, "logprobs": []}
    )
    yield Event(end + 2, "response.content_part.done", {**place, "part": _part(message.text)})
    yield Event(end + 3, DONE, {"output_index": place_of(message), "item": output_item(message)})


def restarted(attempt: int, valid_until: int, position: int) -> Event:
    """Return the event that tells a reader to drop all that came after ``valid_until``."""
    return Event(position, "run.restarted", {"attempt": attempt, "valid_until": valid_until})


def output_items(items: Iterable[Item]) -> list[dict[str, Any]]:
    """Return a run's items as the output of OpenAI's Responses API, each with its attempt."""
    output: dict[int, dict[str, Any]] = {}
    items = list(items)
    rejected = rejected_before(items)
    for item in (as_shown(it, rejected) for it in items):
        if isinstance(item, ToolResult):
            shown = call_item(item.call, item)
            output[item.call.index] = {**shown, "attempt": item.call.attempt}
        else:
            output[item.index] = {**output_item(item), "attempt": item.attempt}
    return list(output.values())


def output_item(item: Message | ToolCall | Question | Answer) -> dict[str, Any]:
    """Return an item as an output item of OpenAI's Responses API. A call has no result yet."""
    match item:
        case Message():
            return _item(item, item.status, [_part(item.text)])
        case ToolCall():
            return call_item(item)
        case Question():
            return {
                "id": item.id,
                "type": "mcp_approval_request",
                "server_label": item.call.server if item.call else TEAM_SERVER,
                "name": item.call.name if item.call else "go_on",
                "arguments": item.call.text if item.call else "{}",
                "kind": item.kind,
                "message": item.text,
                **({"approver_namespace": item.approver} if item.approver else {}),
                **_author(item),
            }
        case Answer():
            return {
                "id": item.id,
                "type": "mcp_approval_response",
                "approval_request_id": item.question.id,
                "kind": item.question.kind,
                "approve": item.decision != "deny",
                "reason": item.text or None,
                "decision": item.decision,
                "by": item.by,
            }


def call_item(call: ToolCall, result: ToolResult | None = None) -> dict[str, Any]:
    """Return a call, and its result if there is one, as an output item."""
    failed = result is not None and result.status != "completed"
    return {
        "id": call.id,
        "type": "mcp_call",
        "status": "in_progress" if result is None else "failed" if failed else "completed",
        "server_label": call.server,
        "name": call.name,
        "arguments": call.text,
        "output": None if result is None or failed else result.text,
        "error": _error(result.text) if result is not None and failed else None,
        "approval_request_id": None,
        **_author(call),
    }


def _error(text: str) -> dict[str, Any]:
    content = [{"type": "text", "text": text}]
    return {"type": "mcp_tool_execution_error", "content": content}


def _item(message: Message, status: Status, content: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "id": message.id,
        "type": "message",
        "status": status,
        "role": "assistant",
        "content": content,
        **({} if message.final else {"phase": "commentary"}),
        **_author(message),
    }


def _author(item: Message | ToolCall | Question) -> dict[str, Any]:
    return {"bot": item.bot} if item.bot else {}


def _place(message: Message) -> dict[str, Any]:
    return {"item_id": message.id, "output_index": place_of(message), "content_index": 0}


def _part(text: str) -> dict[str, Any]:
    return {"type": "output_text", "text": text, "annotations": []}
