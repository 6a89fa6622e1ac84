"""Names of Bots as LLMs are told them."""

from collections.abc import Sequence
from typing import Final

from wegent_runner.agents.mcp.names import names_of

RESERVED: Final = ("load_skill", "read_skill_file")
"""Names of the tools for Skills."""


def tool_names(names: Sequence[str]) -> list[str]:
    """Return a valid and unique name of a tool for each ``namespace/name`` of a Bot.

    The names of Bots are those that people know, so they come first. A Bot with a dot in its name,
    or with the name of a Bot of another namespace, gets a longer one.
    """
    pairs = [name.partition("/") for name in names]
    return names_of([(namespace, name) for namespace, _, name in pairs], RESERVED)
