"""The words of questions about calls, and of denials."""

from typing import Final

from wegent_runner.engine.tools import shortened
from wegent_runner.runs.items import Question, QuestionKind, ToolCall

SHOWN_ARGUMENTS: Final = 1024
"""Characters of a call's arguments in a question. The transcript has them all."""
UNKNOWN: Final = (
    "the runner stopped before the result came, so it is not known whether the call has had an"
    " effect"
)


def denied(question: Question, words: str) -> str:
    """Return what an LLM is told of a call that a person has denied."""
    told = "a person has denied this call"
    if question.kind == "repeat":
        told = f"{UNKNOWN}; a person has denied calling the tool again"
    return told + (f": {words}" if words else "")


def asked_of(call: ToolCall, kind: QuestionKind, approver: str = "") -> str:
    """Return the question about a call, in words. The arguments are last, as they may be cut."""
    server = f" of the MCP server {call.server}" if call.server else ""
    only = f" Only editors of the namespace {approver} can approve." if approver else ""
    arguments = shortened(call.text, SHOWN_ARGUMENTS)
    if kind == "repeat":
        return (
            f"The tool {call.name}{server} was called, and the runner stopped before the result"
            f" came. Approve to call it again.{only} Arguments: {arguments}"
        )
    return f"Bot {call.bot} asks to call the tool {call.name}{server}.{only} Arguments: {arguments}"
