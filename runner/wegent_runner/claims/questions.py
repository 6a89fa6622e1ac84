"""The questions for whose answers a run waits, as they are written into the Task's status."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from wegent_crds.kinds.task import TEXT_MAX_CHARACTERS
from wegent_crds.kinds.task_questions import (
    ANSWER_FRAME_CHARACTERS,
    ANSWERS_MAX,
    ARGUMENTS_MAX_CHARACTERS,
    QUESTION_MAX_CHARACTERS,
    QUESTION_TEXTS_MAX_CHARACTERS,
    QUESTIONS_MAX,
    USER_MAX_CHARACTERS,
)
from wegent_runner.claims.text import cut

QuestionKind = Literal["approval", "confirmation", "repeat"]


@dataclass(frozen=True, slots=True)
class Question:
    """A question to people.

    Attributes:
        id: Unique among all questions of the Task: 1 to 128 characters of ``A-Za-z0-9_-.:/``,
            with a letter, digit or ``_`` first.
        kind: ``approval`` before a tool is called, ``confirmation`` before the next stage of a
            pipeline, ``repeat`` before a tool is called again whose first call was cut off.
        bot: ``namespace/name`` of the Bot that waits.
        message: The question, for people. A long one is cut.
        tool: Name of the tool that is to be called.
        arguments: Arguments of the call as JSON. Long ones are cut.
        approver: Namespace whose editors alone can approve; empty for that of the Task.
    """

    id: str
    kind: QuestionKind
    bot: str
    message: str
    tool: str | None = None
    arguments: str | None = None
    approver: str = ""


def questions_status(questions: Sequence[Question]) -> list[dict[str, Any]]:
    """Return ``status.waitingFor``, whose texts together keep the schema's bound."""
    share = QUESTION_TEXTS_MAX_CHARACTERS // max(1, len(questions))
    return [_body(question, share) for question in questions]


def _body(question: Question, share: int) -> dict[str, Any]:
    message = cut(question.message, min(QUESTION_MAX_CHARACTERS, share // 2))
    body = {
        "id": question.id,
        "kind": question.kind,
        "bot": question.bot,
        "message": message,
    }
    if question.tool is not None:
        body["tool"] = question.tool
    if question.approver:
        body["approverNamespace"] = question.approver
    if question.arguments is not None:
        room = min(ARGUMENTS_MAX_CHARACTERS, share - len(message))
        body["arguments"] = cut(question.arguments, room)
    return body


def summary(questions: Sequence[Question]) -> str:
    """Return one line on the questions, for ``status.message``."""
    first, *more = questions
    others = f" (and {len(more)} more)" if more else ""
    return f"Waiting for an answer: {first.message}{others}"


def too_many(task: Mapping[str, Any], questions: Sequence[Question]) -> str | None:
    """Return why a Task can't ask these questions: it could not hold the answers. None if it can.

    Answers share the room of the prompt. A user's name and an answer without a text must fit.

    Args:
        task: The Task, with the answers to its earlier questions.
        questions: The questions for whose answers it is to wait.
    """
    if not questions:
        return None
    spec = task["spec"]
    answered = len(spec.get("answers") or ())
    if room_of(spec) < len(questions) * (USER_MAX_CHARACTERS + ANSWER_FRAME_CHARACTERS):
        return (
            f"the Task has {len(questions)} questions and no room for the answers. Create another"
            " Task with a shorter prompt"
        )
    if len(questions) <= min(QUESTIONS_MAX, ANSWERS_MAX - answered):
        return None
    return (
        f"the Task has {answered} answers and {len(questions)} more questions; at most"
        f" {ANSWERS_MAX} are possible. Give the work to several Tasks, or let fewer tools require"
        " approval"
    )


def room_of(spec: Mapping[str, Any]) -> int:
    """Return the number of characters that further answers may have, as the schema counts them."""
    turns = sum(len(turn["content"]) for turn in spec.get("history") or ())
    answers = sum(
        len(answer.get("text", "")) + len(answer.get("by", "")) + ANSWER_FRAME_CHARACTERS
        for answer in spec.get("answers") or ()
    )
    texts = len(spec["prompt"]) + len(spec.get("instructions") or "") + turns
    schema = len(json.dumps(spec["outputSchema"])) if spec.get("outputSchema") else 0
    return TEXT_MAX_CHARACTERS - texts - answers - schema
