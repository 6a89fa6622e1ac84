"""Reads messages of OpenAI's APIs as the conversation of a Task."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from wegent_api.openai_api.errors import Refusal, invalid, unsupported
from wegent_crds.kinds.task import (
    HISTORY_MAX_TURNS,
    TEXT_MAX_CHARACTERS,
    TURN_MAX_CHARACTERS,
)

INSTRUCTING: Final = frozenset({"system", "developer"})
TURNS: Final = frozenset({"user", "assistant"})
TEXT_PARTS: Final = frozenset({"text", "input_text", "output_text"})
CALLS: Final = ("tool_calls", "function_call", "audio")
"""Members of an assistant's message that are more than its text."""


@dataclass(slots=True)
class Conversation:
    """The texts of a Task."""

    prompt: str = ""
    instructions: list[str] = field(default_factory=list)
    history: list[dict[str, str]] = field(default_factory=list)

    def spec(self) -> dict[str, Any]:
        """Return the fields of the Task's spec."""
        spec: dict[str, Any] = {"prompt": self.prompt}
        if self.instructions:
            spec["instructions"] = "\n\n".join(self.instructions)
        if self.history:
            spec["history"] = self.history
        return spec


def conversation_of(
    value: str | Sequence[Any], param: str, instructions: str = "", *, shorten: bool = False
) -> Conversation:
    """Return the conversation in a prompt or a list of messages.

    The last message is the prompt. Those of ``system`` and ``developer`` are instructions, wherever
    they are in the list. With ``shorten``, the oldest messages of a long conversation are dropped.

    Raises:
        Refusal: a message is not text, or the last one is not the user's.
    """
    told = [instructions] if instructions else []
    if isinstance(value, str):
        return _bounded(Conversation(value, told), param)
    turns: list[dict[str, str]] = []
    for index, message in enumerate(value):
        place = f"{param}[{index}]"
        if not isinstance(message, Mapping):
            raise invalid(place, "must be an object")
        role, text = _role(message, place), _text(message, place)
        if not text:
            continue
        if role in INSTRUCTING:
            told.append(text)
        else:
            turns.append({"role": role, "content": text})
    if not turns or turns[-1]["role"] != "user":
        raise invalid(param, "the last message must be the user's, with some text")
    conversation = Conversation(turns[-1]["content"], told, turns[:-1])
    return _bounded(_shortened(conversation) if shorten else conversation, param)


def _role(message: Mapping[str, Any], place: str) -> str:
    if message.get("type", "message") != "message":
        raise unsupported(f"{place}.type", "only messages are supported")
    role = message.get("role")
    if role in ("tool", "function"):
        raise unsupported(f"{place}.role", "results of tools are not supported")
    if not isinstance(role, str) or role not in INSTRUCTING | TURNS:
        raise invalid(f"{place}.role", "must be user, assistant, system or developer")
    for name in CALLS:
        if message.get(name):
            raise unsupported(f"{place}.{name}", "only text is supported")
    return role


def _text(message: Mapping[str, Any], place: str) -> str:
    content = message.get("content")
    if content is None and message.get("role") == "assistant":
        return ""
    if isinstance(content, str):
        return content
    if not isinstance(content, list):
        raise invalid(f"{place}.content", "must be a string or a list of parts")
    return "".join(_part(part, f"{place}.content[{index}]") for index, part in enumerate(content))


def _part(part: Any, place: str) -> str:
    kind = part.get("type") if isinstance(part, Mapping) else None
    if not isinstance(kind, str):
        raise invalid(place, "must be an object with a type")
    if kind not in TEXT_PARTS | {"refusal"}:
        raise unsupported(f"{place}.type", "only parts of text are supported")
    text = part.get("refusal" if kind == "refusal" else "text")
    if not isinstance(text, str):
        raise invalid(f"{place}.text", "must be a string")
    return text


def _shortened(conversation: Conversation) -> Conversation:
    """Return the conversation with as many of its newest turns as a Task takes."""
    room = TEXT_MAX_CHARACTERS - len(conversation.prompt)
    room -= len("\n\n".join(conversation.instructions))
    kept: list[dict[str, str]] = []
    for turn in reversed(conversation.history[-HISTORY_MAX_TURNS:]):
        size = len(turn["content"])
        room -= size
        if room < 0 or size > TURN_MAX_CHARACTERS:
            break
        kept.append(turn)
    return replace(conversation, history=kept[::-1])


def _bounded(conversation: Conversation, param: str) -> Conversation:
    if not conversation.prompt:
        raise invalid(param, "must not be empty")
    turns = [turn["content"] for turn in conversation.history]
    instructions = "\n\n".join(conversation.instructions)
    texts = [instructions, *turns]
    if len(turns) > HISTORY_MAX_TURNS:
        raise _too_long(param, f"at most {HISTORY_MAX_TURNS} earlier messages")
    if max(map(len, texts)) > TURN_MAX_CHARACTERS:
        raise _too_long(param, f"at most {TURN_MAX_CHARACTERS} characters in one earlier message")
    if len(conversation.prompt) + sum(map(len, texts)) > TEXT_MAX_CHARACTERS:
        raise _too_long(param, f"at most {TEXT_MAX_CHARACTERS} characters in all messages")
    return conversation


def _too_long(param: str, bound: str) -> Refusal:
    # LangChain finds the code in the message alone.
    code = "context_length_exceeded"
    message = f"{param}: {code}: must have {bound}; continue a response by previous_response_id"
    return Refusal(400, message, param=param, code=code)
