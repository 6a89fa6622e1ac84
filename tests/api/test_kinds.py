"""From nothing to a Task and back, over REST, on a real API server."""

import asyncio

import pytest

from tests.api.users import User, unique
from tests.support.proxy import Client
from wegent_api.examples import KINDS

BASE = "/api/v1/kinds"


async def test_every_kind_is_created_read_listed_and_deleted(client: Client) -> None:
    tag = unique("e")
    label = {"labels": {"test": tag}}
    for plural, example in KINDS.items():
        made = (await client.post(f"{BASE}/{plural}", renamed(example, tag, **label))).expect(201)
        name = made["metadata"]["name"]
        assert made["kind"].lower() == plural.removesuffix("s")
        assert made["spec"].items() >= {}.items()
        assert made["metadata"]["namespace"] == "default"
        got = (await client.get(f"{BASE}/{plural}/{name}")).expect(200)
        assert got["metadata"]["uid"] == made["metadata"]["uid"]
        listed = (await client.get(f"{BASE}/{plural}?labelSelector=test={tag}")).expect(200)
        assert [item["metadata"]["name"] for item in listed["items"]] == [name]
    for plural, example in reversed(KINDS.items()):
        path = f"{BASE}/{plural}/{example['metadata']['name']}-{tag}"
        answer = await client.delete(path)
        assert (answer.status, answer.content) == (204, b"")
        (await client.get(path)).refused(404, "NotFound")
        (await client.delete(path)).refused(404, "NotFound")


def renamed(example, tag, **metadata):  # type: ignore
    import json
    text = json.dumps(example)
    for other in KINDS.values():
        name = other["metadata"]["name"]
        text = text.replace(f'"name": "{name}"', f'"name": "{name}-{tag}"')
    body = json.loads(text)
    body["metadata"].update(metadata)
    return body
