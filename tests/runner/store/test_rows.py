"""Rows that runners of two versions write and read during a rolling update."""

import json
from types import SimpleNamespace
from typing import Any

import pytest

from wegent_runner.runs.items import Answer, Item, Message, Question, ToolCall, ToolResult
from wegent_runner.store.rows import items_of, row_of

CALL = ToolCall(1, 1, 10, "{}", "shop", "buy", held=True, bot="ns/b", thread="1", step=2)
ASKED = Question(2, 1, 12, "May I?", "approval", CALL, bot="ns/b", thread="1")
FOREIGN = Question(2, 1, 12, "May I?", "approval", CALL, bot="ns/b", approver="theirs")
ITEMS: tuple[Item, ...] = (
    Message(0, 1, 1, "I buy it.", bot="ns/b", thread="1", step=2, final=False, place=0),
    CALL,
    ASKED,
    Answer(3, 1, 14, "Yes.", ASKED, "approve", by="alice"),
    ToolResult(4, 1, 16, "bought", CALL, place=1),
)
PREVIOUS_VERSION = {
    "message": {"thread", "step", "final", "stopped"},
    "call": {"server", "name", "call_id", "repeatable", "held", "thread", "step"},
    "result": {"call"},
    "question": {"kind", "call", "thread"},
    "answer": {"question", "decision", "by"},
}
"""The names in ``data`` of each kind. It requires them, and allows ``place`` beside them alone."""


def rows(*items: Item, **more: Any) -> list[SimpleNamespace]:
    """Return rows as a database does, with further names in ``data``."""
    found = [SimpleNamespace(**row_of("u", item)) for item in items]
    for row in found:
        row.data = json.dumps({**json.loads(row.data), **more})
    return found


@pytest.mark.parametrize("row", rows(*ITEMS), ids=lambda row: row.kind)
def test_the_previous_version_can_read_each_row(row: SimpleNamespace) -> None:
    assert set(json.loads(row.data)) - {"place"} == PREVIOUS_VERSION[row.kind]


def test_rows_of_the_previous_version_can_be_read() -> None:
    found = rows(*ITEMS)
    for row in found:
        if row.kind == "call":
            row.data = json.dumps({**json.loads(row.data), "call_id": "call_abc"})
    assert items_of(found) == ITEMS


def test_names_of_a_later_version_are_ignored() -> None:
    assert items_of(rows(*ITEMS, later={"a": 1})) == ITEMS


def test_the_approver_of_a_question_is_kept() -> None:
    assert items_of(rows(CALL, FOREIGN)) == (CALL, FOREIGN)
