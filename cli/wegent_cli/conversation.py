"""The state of a chat, without a terminal or a network.

A turn continues the last Task that was completed: a Task that failed or was cancelled has no
answer, and could not be continued.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import Enum
from typing import Any, Final, Literal, Self

HELP: Final = (
    "Type a message and press Enter. A line that ends with \\ continues in the next one.",
    "/new      begin another conversation",
    "/cancel   stop the answer that is being written, as Ctrl-C does",
    "/quit     leave, as Ctrl-D does",
)


class Command(Enum):
    """Commands at the prompt of a chat."""

    NEW = "/new"
    CANCEL = "/cancel"
    QUIT = "/quit"
    HELP = "/help"


@dataclass(frozen=True, slots=True)
class Unknown:
    """A word that looks like a command, and is none."""

    word: str


def read(line: str) -> Command | Unknown | str | None:
    """Return the command of a line, or the line as a message; None for an empty one.

    A message may begin with a slash if it has a space first.
    """
    if not line.strip():
        return None
    if not line.startswith("/"):
        return line.strip()
    word = line.split(maxsplit=1)[0]
    if word == "/exit":
        return Command.QUIT
    known = {command.value: command for command in Command}
    return known.get(word) or Unknown(word)


@dataclass(frozen=True, slots=True)
class Conversation:
    """One conversation with a Team or a Bot.

    Attributes:
        worker: the reference to the Team or the Bot, as fields of a Task's spec.
        previous: name of the last completed Task; empty at the beginning.
    """

    worker: Mapping[str, Any]
    previous: str = ""

    def turn(self, prompt: str) -> dict[str, Any]:
        """Return the spec of the Task for the next turn, without the worker."""
        spec: dict[str, Any] = {"prompt": prompt}
        return spec | ({"previousTaskRef": {"name": self.previous}} if self.previous else {})

    def after(self, task: str, phase: str) -> Self:
        """Return the conversation after a turn that ended in a phase."""
        return replace(self, previous=task) if phase == "Completed" else self

    def new(self) -> Self:
        """Return another conversation with the same partner."""
        return replace(self, previous="")


class Interrupts:
    """Counts Ctrl-C: the first one cancels the answer, the second one leaves."""

    def __init__(self) -> None:
        self._count = 0

    def pressed(self) -> bool:
        """Count one more; return True if it is time to leave."""
        self._count += 1
        return self._count > 1

    def reset(self) -> None:
        """Forget those so far: the user went on."""
        self._count = 0


DecisionName = Literal["approve", "deny", "reply"]


@dataclass(frozen=True, slots=True)
class Decision:
    """An answer to a question of a Task."""

    decision: DecisionName
    text: str = ""


def decision_of(line: str) -> Decision | None:
    """Return the decision that a typed line means; None for an empty one.

    ``y`` and ``yes`` approve, ``n`` and ``no`` deny, with a reason after a colon; every other text
    is a reply.
    """
    text = line.strip()
    word, _, more = text.partition(":")
    match word.strip().lower():
        case "":
            return None
        case "y" | "yes" if not more:
            return Decision("approve")
        case "n" | "no":
            return Decision("deny", more.strip())
        case _:
            return Decision("reply", text)
