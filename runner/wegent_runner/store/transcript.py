"""The stored run of a Task, and the conversation that it continues."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from wegent_crds.phases import Phase
from wegent_runner.runs.items import Item, Message, as_shown, rejected_before


@dataclass(frozen=True, slots=True)
class Transcript:
    """The stored run of a Task."""

    uid: str
    namespace: str
    name: str
    attempt: int
    previous: str | None
    prompt: str
    items: tuple[Item, ...]
    outcome: Mapping[str, Any] | None
    history: tuple[Mapping[str, str], ...] = ()
    """Turns before the prompt, each with ``role`` and ``content``."""

    @property
    def answered(self) -> bool:
        """True if the run has ended with an answer, and not by a failure or a stop."""
        return self.outcome is not None and self.outcome.get("phase") == Phase.COMPLETED

    @property
    def answer(self) -> str:
        """The answer to the prompt; empty if there is none.

        Texts that an LLM wrote before it called tools, or for other Bots, are no part of it, nor
        are those that a person has rejected.
        """
        rejected = rejected_before(self.items)
        shown = (as_shown(item, rejected) for item in reversed(self.items))
        return next((item.text for item in shown if is_answer(item)), "")

    @property
    def size(self) -> int:
        """Number of bytes of its texts in UTF-8."""
        said = [self.prompt, *(turn["content"] for turn in self.history)]
        return sum(len(text.encode()) for text in (*said, *(item.text for item in self.items)))


@dataclass(frozen=True, slots=True)
class Conversation:
    """The stored turns of a Task and of those before it.

    Attributes:
        transcripts: The transcripts, the oldest first.
        whole: False if older ones were left out, because there are too many or too long ones.
        broken: True if an older one is missing, because its Task was deleted for good.
    """

    transcripts: Sequence[Transcript]
    whole: bool = True
    broken: bool = False


def is_answer(item: Item) -> bool:
    """Return True if an item is a text for the user."""
    return isinstance(item, Message) and item.final and bool(item.text)
