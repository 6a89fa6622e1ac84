"""Tools: what an LLM is told of them, and how they are called."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol

RESULT_MAX_CHARACTERS: Final = 65536
"""Length at which a result is cut. It is sent with each further call of the LLM."""


@dataclass(frozen=True, slots=True)
class ToolSpec:
    """A tool as the LLM is told of it.

    Attributes:
        name: 1 to 64 letters, digits, dashes and underscores; unique among the tools of a Bot.
        parameters: JSON Schema of the arguments, which is an object.
        server: Name of the MCP server; see ``OWN_SERVERS`` for the runner's own.
        repeatable: True if a second call does no harm.
        needs_approval: True if a person must approve each call.
        approver: Namespace whose editors alone can approve; empty for that of the Task.
    """

    name: str
    description: str
    parameters: Mapping[str, Any]
    server: str
    repeatable: bool = False
    needs_approval: bool = False
    approver: str = ""


@dataclass(frozen=True, slots=True)
class ToolOutput:
    """The result of a call. A failed one has the reason as its text."""

    text: str
    failed: bool = False


class Tool(Protocol):
    """A tool that a Bot may call."""

    @property
    def spec(self) -> ToolSpec:
        """The tool as the LLM is told of it."""

    async def call(self, arguments: Mapping[str, Any]) -> ToolOutput:
        """Call the tool. A failure is a result too, and no exception."""


def shortened(text: str, limit: int = RESULT_MAX_CHARACTERS) -> str:
    """Return a result of at most ``limit`` characters, which says how much was cut."""
    if len(text) <= limit:
        return text
    mark = f"\n[cut: {len(text):,} characters, of which these are the first]"
    return text[: limit - len(mark)] + mark
