"""A client of Server-Sent Events that keeps all that it receives, comments too."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import aiohttp
from yarl import URL

from tests.support.proxy import Client

WITHIN_S = 60.0


@dataclass(frozen=True, slots=True)
class Event:
    """One event; ``id`` is None where it has none."""

    event: str
    data: Any
    id: str | None

    @property
    def name(self) -> str:
        """Name of the object."""
        found: str = self.data["metadata"]["name"]
        return found

    @property
    def version(self) -> str:
        """The object's resourceVersion."""
        found: str = self.data["metadata"]["resourceVersion"]
        return found


@dataclass(slots=True)
class Stream:
    """An answer under way."""

    response: aiohttp.ClientResponse
    comments: list[str] = field(default_factory=list)

    async def next(self, within_s: float = WITHIN_S) -> Event | None:
        """Return the next event, None at the stream's end."""
        fields: dict[str, str] = {}
        async with asyncio.timeout(within_s):
            while line := (await self.response.content.readline()).decode():
                text = line.removesuffix("\n")
                if text.startswith(":"):
                    self.comments.append(text[1:].strip())
                elif text:
                    name, _, value = text.partition(":")
                    assert name not in fields, f"{name} twice in one event"
                    fields[name] = value.removeprefix(" ")
                elif fields:
                    return Event(fields["event"], json.loads(fields["data"]), fields.get("id"))
        return None

    async def beginning(self) -> list[Event]:
        """Return the initial events, up to the bookmark that ends them."""
        events: list[Event] = []
        while (event := await self.next()) is not None:
            events.append(event)
            if event.event == "BOOKMARK":
                return events
        raise AssertionError(f"ended before all was there: {events}")

    async def until(self, kind: str, name: str) -> Event:
        """Return the next event of a type about an object; skip others."""
        while (event := await self.next()) is not None:
            if (event.event, event.data["metadata"].get("name")) == (kind, name):
                return event
        raise AssertionError(f"ended before {kind} {name}")

    async def rest(self, within_s: float = 60) -> list[Event]:
        """Return all events until the stream ends."""
        events = []
        while (event := await self.next(within_s)) is not None:
            events.append(event)
        return events


@asynccontextmanager
async def following(client: Client, path: str, **headers: str) -> AsyncIterator[Stream]:
    """Open a stream; fail if the answer is none."""
    sent = {"Authorization": f"Bearer {client.token}"}
    sent |= {name.replace("_", "-"): value for name, value in headers.items()}
    async with client.session.get(
        URL(client.base + path, encoded=True),
        headers=sent,
        timeout=aiohttp.ClientTimeout(total=None),
        read_bufsize=1 << 22,
    ) as response:
        assert response.status == 200, await response.text()
        assert response.headers["Content-Type"].startswith("text/event-stream")
        yield Stream(response)
