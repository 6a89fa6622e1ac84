"""The course of a run so far, as its items have it.

A run may go on in another runner, after a kill or an answer of a person. So all that the loop of a
Bot knows is read from the items that are stored.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from wegent_runner.engine.model_stream import Called, CallRequest
from wegent_runner.runs.items import Answer, Item, Message, Question, ToolCall, ToolResult

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
        """Return the step as the LLM is told it. All calls have results."""
        return Called(
            text=self.message.text if self.message else "",
            calls=tuple(CallRequest(call.call_id, call.name, call.text) for call in self.calls),
            results=tuple(result.text for result in self.results if result is not None),
        )


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
) -> Next:
    """Return what is to be done about a call without a result.

    A call that an earlier attempt may have made is not made again, unless that does no harm.

    Args:
        call: The call.
        asked: The questions about it, in order.
        attempt: The attempt that goes on.
        needs_approval: True if a person must approve the call.
    """
    if not asked:
        if needs_approval:
            return "ask approval"
        return "run" if call.repeatable or call.attempt == attempt else "ask repeat"
    _, answer = asked[-1]
    if answer is None:
        return "wait"
    if answer.decision != "approve":
        return "deny"
    return "run" if call.repeatable or answer.attempt == attempt else "ask repeat"


def open_questions(items: Iterable[Item]) -> Iterator[Question]:
    """Yield the questions without an answer."""
    items = list(items)
    answered = {item.question.index for item in items if isinstance(item, Answer)}
    for item in items:
        if isinstance(item, Question) and item.index not in answered:
            yield item


def _same(one: ToolCall | None, other: ToolCall | None) -> bool:
    return (one and one.index) == (other and other.index)
