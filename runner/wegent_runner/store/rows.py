"""Items as rows of the table ``items``.

Each kind has the columns of a message. Its other fields are JSON in the column ``data``, and an
item that it belongs to is named by its number.

During a rolling update, runners of two versions read each other's rows. So readers ignore names
that they don't know. A new field is left out while it has its default, and a field of the previous
version is written for one version more.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import fields
from typing import Any, Final

from wegent_runner.runs.items import Answer, Item, Message, Question, ToolCall, ToolResult
from wegent_runner.runs.text import storable

NAMES: Final[Mapping[type[Item], str]] = {
    Message: "message",
    ToolCall: "call",
    ToolResult: "result",
    Question: "question",
    Answer: "answer",
}
NO_STATUS: Final = ""


def row_of(uid: str, item: Item) -> dict[str, Any]:
    """Return the row of an item of the Task ``uid``."""
    data = _data(item)
    return {
        "uid": uid,
        "number": item.index,
        "attempt": item.attempt,
        "start": item.start,
        "status": item.status if isinstance(item, Message | ToolResult) else NO_STATUS,
        "bot": "" if isinstance(item, ToolResult | Answer) else item.bot,
        "text": storable(item.text),
        "kind": NAMES[type(item)],
        "data": storable(json.dumps(data)) if data else None,
    }


def items_of(rows: Iterable[Any]) -> tuple[Item, ...]:
    """Return the items of a Task's rows, which are in order."""
    items: dict[int, Item] = {}
    for row in rows:
        item = _item(row, json.loads(row.data) if row.data else {}, items)
        if item is not None:
            items[row.number] = item
    return tuple(items.values())


def _data(item: Item) -> dict[str, Any]:
    match item:
        case Message():
            more = {
                "thread": item.thread,
                "step": item.step,
                "final": item.final,
                "stopped": item.stopped,
            }
        case ToolCall():
            more = {
                "server": item.server,
                "name": item.name,
                "repeatable": item.repeatable,
                "held": item.held,
                "call_id": "",  # the previous version requires it; it can go after this one
                "thread": item.thread,
                "step": item.step,
            }
        case ToolResult():
            more = {"call": item.call.index}
        case Question():
            call = None if item.call is None else item.call.index
            more = {"kind": item.kind, "call": call, "thread": item.thread}
            if item.approver:
                more["approver"] = item.approver
        case Answer():
            more = {"question": item.question.index, "decision": item.decision, "by": item.by}
    return more if item.place is None else {**more, "place": item.place}


def _item(row: Any, data: dict[str, Any], items: Mapping[int, Item]) -> Item | None:
    """Return the item of a row; None if the item that it belongs to is missing."""
    owner = data.get("question" if row.kind == "answer" else "call")
    if owner is not None and owner not in items:
        return None
    head = (row.number, row.attempt, row.start, row.text)
    match row.kind:
        case "call":
            return ToolCall(*head, **_known(ToolCall, data), bot=row.bot)
        case "result":
            joined = _joined(_known(ToolResult, data), "call", items)
            return ToolResult(*head, **joined, status=row.status)
        case "question":
            return Question(*head, **_joined(_known(Question, data), "call", items), bot=row.bot)
        case "answer":
            return Answer(*head, **_joined(_known(Answer, data), "question", items))
        case _:
            return Message(*head, row.status, row.bot, **_known(Message, data))


def _known(kind: type[Item], data: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields that an item of a kind has. A row of another version may have more."""
    names = {field.name for field in fields(kind)}
    return {name: value for name, value in data.items() if name in names}


def _joined(data: dict[str, Any], name: str, items: Mapping[int, Item]) -> dict[str, Any]:
    """Return fields with the item that the field ``name`` numbers."""
    number = data[name]
    return data if number is None else {**data, name: items[number]}
