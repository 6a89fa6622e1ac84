"""A Bot with its parts."""

from typing import Any

from tests.support.api import Api


async def create_bot(api: Api, namespace: str, *, shell: str = "Chat", **model: Any) -> str:
    """Create a Bot, and return its name once the operator has judged it.

    Args:
        api: the API server.
        namespace: namespace of the Bot and its parts.
        shell: type of its Shell.
        **model: fields of the spec of its Model.
    """
    await api.create("ghosts", namespace, "g", {"systemPrompt": "You help."})
    await api.create("models", namespace, "m", {"provider": "openai", "model": "gpt-4", **model})
    await api.create("shells", namespace, "s", {"type": shell})
    refs = {"ghostRef": {"name": "g"}, "modelRef": {"name": "m"}, "shellRef": {"name": "s"}}
    await api.create("bots", namespace, "b", refs)
    await api.settled("bots", namespace, "b")
    return "b"
