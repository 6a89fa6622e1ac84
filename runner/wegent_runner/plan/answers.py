"""The answers of people to the questions of a Task, as plain values."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

Decision = Literal["approve", "deny", "reply"]


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer of one person.

    Attributes:
        decision: ``reply`` has a text.
        text: A text for the Bot: the reason of a denial, or the reply. Empty without one.
        by: Name of the user who answered, as the API server knows it. Empty in a cluster without
            Wegent's admission policies.
    """

    decision: Decision
    text: str = ""
    by: str = ""


def answers_of(task: Mapping[str, Any]) -> dict[str, Answer]:
    """Return all answers in a Task's spec by the ids of their questions, the first one first.

    Answers to earlier questions of the Task stay there.
    """
    return {
        answer["id"]: Answer(answer["decision"], answer.get("text", ""), answer.get("by", ""))
        for answer in task["spec"].get("answers") or ()
    }
