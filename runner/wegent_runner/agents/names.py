"""Names of Bots as LLMs are told them."""

from collections.abc import Sequence

from wegent_runner.agents.mcp_names import names_of


def tool_names(names: Sequence[str]) -> list[str]:
    """Return a valid and unique name of a tool for each ``namespace/name`` of a Bot.

    The names of Bots are those that people know, so they come first. A Bot with a dot in its name,
    or with the name of a Bot of another namespace, gets a longer one.
    """
    pairs = [name.partition("/") for name in names]
    return names_of([(namespace, name) for namespace, _, name in pairs], RESERVED)


RESERVED = ("load_skill", "read_skill_file")
