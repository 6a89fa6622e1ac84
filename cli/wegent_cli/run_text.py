"""The text of a run, from its events: a pure part of ``run --follow``, ``logs`` and ``chat``.

On a terminal, each piece of text is shown as it comes. A run that begins again at another runner
may take text back, which a pipe can't: there, the whole text is written at the end.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from wegent_cli.text import clean, one_line

DELTA: Final = "response.output_text.delta"
ARGUMENTS_SHOWN: Final = 120
"""Characters of a tool's arguments in a note."""


@dataclass(frozen=True, slots=True)
class Write:
    """Text to write, free of control characters."""

    text: str
    faint: bool = False
    """True for a message that is not the answer: other Bots read it."""


@dataclass(frozen=True, slots=True)
class Note:
    """A line about the progress."""

    text: str


@dataclass(frozen=True, slots=True)
class Ask:
    """Questions that wait for a person."""

    questions: Sequence[Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class End:
    """The end of a run.

    Attributes:
        phase: the Task's phase.
        message: the reason of a failure; may be empty.
        usage: tokens, cost and calls.
    """

    phase: str
    message: str = ""
    usage: Mapping[str, Any] = field(default_factory=dict)


Action = Write | Note | Ask | End


@dataclass
class RunText:
    """Turns events into actions.

    Attributes:
        live: True to yield text as it comes; False to yield the whole answer before the end.
        pieces: positions and texts of the answer.
    """

    live: bool
    pieces: list[tuple[int, str]] = field(default_factory=list)
    _commentary: set[str] = field(default_factory=set)
    _bot: str = ""
    _told: tuple[str, str] = ("", "")
    _at_line_start: bool = True
    _shown: list[int] = field(default_factory=list)
    """Positions of the texts that were yielded."""

    def take(self, type_: str, data: Mapping[str, Any]) -> Iterator[Action]:
        """Yield the actions for one event."""
        match type_:
            case "response.output_text.delta":
                yield from self._delta(data)
            case "response.output_item.added":
                yield from self._added(data.get("item") or {})
            case "response.output_item.done":
                yield from self._done(data.get("item") or {})
            case "run.started":
                if data.get("attempt", 1) != 1:
                    yield Note(f"attempt {data['attempt']} of the Task")
            case "run.restarted":
                yield from self._restarted(int(data.get("valid_until", 0)))
            case "run.waiting":
                yield from self._waiting(data)
            case "run.ended":
                yield from self._ended(data)

    def _delta(self, data: Mapping[str, Any]) -> Iterator[Action]:
        text = clean(str(data.get("delta", "")))
        faint = str(data.get("item_id")) in self._commentary
        position = int(data.get("sequence_number", 0))
        if not faint:
            self.pieces.append((position, text))
        if self.live and text:
            self._shown.append(position)
            self._at_line_start = text.endswith("\n")
            yield Write(text, faint)

    def _added(self, item: Mapping[str, Any]) -> Iterator[Action]:
        match item.get("type"):
            case "message":
                if item.get("phase") == "commentary":
                    self._commentary.add(str(item.get("id")))
                yield from self.finish_line()
                bot = str(item.get("bot", ""))
                if bot != self._bot and (self._bot or item.get("phase") == "commentary"):
                    yield Note(f"{bot}:")
                self._bot = bot
                if self.pieces and item.get("phase") != "commentary" and self.pieces[-1][1]:
                    self._part_of_answer()
            case "mcp_call":
                yield from self.finish_line()
                arguments = one_line(str(item.get("arguments", "")))
                if len(arguments) > ARGUMENTS_SHOWN:
                    arguments = f"{arguments[:ARGUMENTS_SHOWN]}..."
                yield Note(f"calls {item.get('server_label')}/{item.get('name')} {arguments}")

    def _part_of_answer(self) -> None:
        """Separate two messages of an answer, unless a line has just ended."""
        position, text = self.pieces[-1]
        if not text.endswith("\n"):
            self.pieces[-1] = (position, f"{text}\n")

    def _done(self, item: Mapping[str, Any]) -> Iterator[Action]:
        if item.get("kind") == "confirmation" and item.get("decision") == "reply":
            self.pieces = []  # the person has asked for another answer
        if item.get("type") == "mcp_call" and item.get("error"):
            words = json.dumps(item["error"], ensure_ascii=False)
            content = item["error"].get("content") if isinstance(item["error"], Mapping) else None
            if isinstance(content, list):
                words = " ".join(str(it.get("text", "")) for it in content)
            yield Note(f"{item.get('name')} failed: {one_line(words)[:500]}")

    def _restarted(self, valid_until: int) -> Iterator[Action]:
        self.pieces = [it for it in self.pieces if it[0] <= valid_until]
        dropped = [position for position in self._shown if position > valid_until]
        self._shown = [position for position in self._shown if position <= valid_until]
        if dropped:
            yield from self.finish_line()
            yield Note("another attempt writes the last part of the answer again:")

    def _waiting(self, data: Mapping[str, Any]) -> Iterator[Action]:
        if questions := data.get("waitingFor"):
            yield from self.finish_line()
            yield Ask(questions)
            return
        told = (str(data.get("reason", "")), str(data.get("message", "")))
        if told != self._told and data.get("reason") not in {"", "Pending", "Ready"}:
            yield from self.finish_line()
            yield Note(f"waits: {told[0]}: {told[1]}" if told[1] else f"waits: {told[0]}")
        self._told = told

    def _ended(self, data: Mapping[str, Any]) -> Iterator[Action]:
        result = clean(str(data.get("result") or ""))
        if not self.live:
            result = self.answer or result
        elif self.pieces:
            result = ""
        if result:
            self._at_line_start = result.endswith("\n")
            yield Write(result)
        yield from self.finish_line()
        message = one_line(str(data.get("message") or ""))
        yield End(str(data.get("phase", "")), message, data.get("usage") or {})

    @property
    def answer(self) -> str:
        """The text of the answer so far."""
        return "".join(text for _, text in self.pieces)

    def finish_line(self) -> Iterator[Action]:
        """Yield a line feed if the text so far ends within a line."""
        if not self._at_line_start:
            self._at_line_start = True
            yield Write("\n")
