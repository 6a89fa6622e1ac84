"""Helpers of the tests that watch Ghosts."""

import re
from typing import Any

from tests.api.events import Stream
from tests.api.objects import BASE, ghost
from tests.api.users import User
from tests.support.proxy import Client
from wegent_kube.content_types import MERGE_PATCH

GHOSTS = f"{BASE}/ghosts"


def url(place: str, query: str = "", name: str = "") -> str:
    return f"{GHOSTS}{f'/{name}' if name else ''}?namespace={place}{query}"


def watching(place: str, query: str = "") -> str:
    return url(place, f"&watch=true{query}")


def through(proxy_url: str, user: User) -> Client:
    return Client(user.client.session, proxy_url, user.client.token)


async def make(client: Client, place: str, name: str, **metadata: Any) -> str:
    made = (await client.post(url(place), ghost(name, **metadata))).expect(201)
    version: str = made["metadata"]["resourceVersion"]
    return version


async def change(client: Client, place: str, name: str, text: str) -> str:
    patch = {"spec": {"description": text}}
    done = (await client.patch(url(place, name=name), patch, type_=MERGE_PATCH)).expect(200)
    version: str = done["metadata"]["resourceVersion"]
    return version


async def open_watches(client: Client) -> int:
    text = (await client.get("/metrics")).content.decode()
    found = re.search(r"^wegent_api_watches (\d+)", text, re.MULTILINE)
    assert found
    return int(found[1])


async def ended_with(stream: Stream, code: int) -> None:
    *_, last = await stream.rest()
    assert (last.event, last.data["code"], last.id) == ("ERROR", code, None)
