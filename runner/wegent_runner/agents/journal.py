"""The course of a run so far, as its items have it.

A run may go on in another runner, after a kill or an answer of a person. So all that the loop of a
Bot knows is read from the items that are stored.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from wegent_runner.engine.model_stream import Called, CallRequest
from wegent_runner.runs.items import Answer, Item, Message, Question, ToolCall, ToolResult

NAME_MAX_CHARACTERS: Final = 64
NOT_CALLED: Final = "not called: "
"""Beginning of the results of calls that were not made."""
_NOT_IN_NAMES: Final = re.compile(r"[^A-Za-z0-9_-]")
Next = Literal["run", "ask approval", "ask repeat", "deny", "wait"]


@dataclass(frozen=True, slots=True)
class Step:
    """One answer of an LLM: a text, or calls of tools with their results, or both.

    ``results`` has None for each call without a result.
    """

    message: Message | None
    calls: tuple[ToolCall, ...]
    results: tuple[ToolResult | None, ...]

    @property
    def open_calls(self) -> list[ToolCall]:
        """The calls without a result."""
        pairs = zip(self.calls, self.results, strict=True)
        return [call for call, result in pairs if result is None]

    def told(self) -> Called:
        """Return the step as the LLM is told it. All calls have results.

        Providers differ in the ids and names that they take, and a fallback may have another
        provider. So the ids are the runner's own.
        """
        text = self.message.text if self.message else ""
        return Called(
            text=text if text.strip() else "",
            calls=tuple(
                CallRequest(f"call_{call.index}", told_name(call.name), call.text)
                for call in self.calls
            ),
            results=tuple(result.text for result in self.results if result is not None),
        )


def told_name(name: str) -> str:
    """Return the name of a tool, which an LLM may have made up, as all providers take it."""
    return _NOT_IN_NAMES.sub("_", name)[:NAME_MAX_CHARACTERS] or "_"


def steps_of(items: Iterable[Item], thread: str) -> list[Step]:
    """Return the steps of a thread, in order. Texts that were cut off are left out."""
    texts: dict[int, Message] = {}
    calls: dict[int, list[ToolCall]] = {}
    results: dict[int, ToolResult] = {}
    for item in items:
        match item:
            case Message() if item.thread == thread and not item.stopped:
                texts[item.step] = item
            case ToolCall() if item.thread == thread:
                calls.setdefault(item.step, []).append(item)
            case ToolResult() if item.call.thread == thread:
                results[item.call.index] = item
            case _:
                pass
    return [
        Step(
            texts.get(step),
            tuple(calls.get(step, ())),
            tuple(results.get(call.index) for call in calls.get(step, ())),
        )
        for step in sorted(texts.keys() | calls.keys())
    ]


def questions_of(
    items: Iterable[Item], call: ToolCall | None, thread: str
) -> list[tuple[Question, Answer | None]]:
    """Return the questions about a call, or without one about a thread, with their answers."""
    answers: dict[int, Answer] = {}
    questions: list[Question] = []
    for item in items:
        if isinstance(item, Answer):
            answers[item.question.index] = item
        elif isinstance(item, Question) and item.thread == thread and _same(item.call, call):
            questions.append(item)
    return [(question, answers.get(question.index)) for question in questions]


def next_of(
    call: ToolCall,
    asked: Sequence[tuple[Question, Answer | None]],
    attempt: int,
    *,
    needs_approval: bool,
    approver: str = "",
) -> Next:
    """Return what is to be done about a call without a result.

    A call that an earlier attempt may have made is not made again, unless that does no harm. An
    approval counts only if its question went to those who approve now; a denial always counts.

    Args:
        call: The call.
        asked: The questions about it, in order.
        attempt: The attempt that goes on.
        needs_approval: True if a person must approve the call.
        approver: Namespace whose editors alone can approve now; empty for that of the Task.
    """
    question, answer = asked[-1] if asked else (None, None)
    if answer is not None and answer.decision != "approve":
        return "deny"
    if question is not None and question.approver == approver:
        if answer is None:
            return "wait"
        if answer.attempt == attempt:
            return "run"
        return "run" if call.repeatable else "ask repeat"
    if not call.repeatable and may_be_made(call, asked, attempt):
        return "ask repeat"
    return "ask approval" if needs_approval else "run"


def may_be_made(
    call: ToolCall, asked: Iterable[tuple[Question, Answer | None]], attempt: int
) -> bool:
    """Return True if an earlier attempt may have made a call: it needed no approval, or had one.

    Args:
        call: The call.
        asked: The questions about it, with their answers.
        attempt: The attempt that goes on.
    """
    return (call.attempt != attempt and not call.held) or any(
        answer is not None and answer.decision == "approve" and answer.attempt != attempt
        for _, answer in asked
    )


def unanswered_calls(items: Iterable[Item]) -> list[ToolCall]:
    """Return the calls of all threads without a result."""
    calls = {item.index: item for item in items if isinstance(item, ToolCall)}
    for item in items:
        if isinstance(item, ToolResult):
            calls.pop(item.call.index, None)
    return list(calls.values())


def was_made(result: ToolResult) -> bool:
    """Return True if the call of a result was made, or may have been."""
    failed = result.status == "failed" and result.text.startswith(NOT_CALLED)
    return bool(result.call.server) and result.status != "denied" and not failed


def _same(one: ToolCall | None, other: ToolCall | None) -> bool:
    return (one and one.index) == (other and other.index)
