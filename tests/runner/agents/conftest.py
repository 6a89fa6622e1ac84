"""Teams of Bots on the scripted provider."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from tests.support.api import Api
from tests.support.provider import Provider
from tests.support.proxy import Client

MakeBot = Callable[..., Awaitable[str]]
Items = Callable[..., Awaitable[list[dict[str, Any]]]]


@pytest.fixture
def make_bot(api: Api, namespace: str, bot: str) -> MakeBot:  # noqa: ARG001 - its parts are used
    """Makes a Bot with a Ghost of its own, whose prompt begins with its name."""

    async def make(name: str, description: str = "", **ghost: Any) -> str:
        await api.create("ghosts", namespace, name, {"systemPrompt": f"I am {name}.", **ghost})
        spec: dict[str, Any] = {
            "ghostRef": {"name": name},
            "modelRef": {"name": "m"},
            "shellRef": {"name": "s"},
        }
        if description:
            spec["description"] = description
        await api.create("bots", namespace, name, spec)
        await api.settled("bots", namespace, name)
        return name

    return make


@pytest.fixture
def items(client: Client, namespace: str) -> Items:
    """Reads the output items in the transcript of a Task."""

    async def read(name: str = "t") -> list[dict[str, Any]]:
        answer = await client.get(f"/api/v1/kinds/tasks/{name}/transcript?namespace={namespace}")
        body: dict[str, Any] = answer.json
        return [it for it in body["items"] if it.get("role") != "user"]

    return read


def speaker(provider: Provider) -> str:
    """Return the name of the Bot whose call was the last one."""
    return speaker_of(provider.calls[-1].body)


def speaker_of(body: dict[str, Any]) -> str:
    """Return the name of the Bot that a call is for, from its system prompt."""
    system: str = body["messages"][0]["content"]
    return system.split(".", maxsplit=1)[0].removeprefix("I am ")
