"""A client of the proxy's WebSocket."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import aiohttp

from tests.support.proxy import Client

PATH = "/api/v1/ws"
WITHIN_S = 30.0


@dataclass
class Socket:
    """One connection. It keeps all messages of the proxy."""

    ws: aiohttp.ClientWebSocketResponse
    received: list[dict[str, Any]] = field(default_factory=list)

    async def say(self, type_: str, **more: Any) -> None:
        """Send a message."""
        await self.ws.send_json({"type": type_, **more})

    async def hear(self, type_: str | None = None, within_s: float = WITHIN_S) -> dict[str, Any]:
        """Return the next message, or the next one of that type."""
        async with asyncio.timeout(within_s):
            while True:
                message = await self.ws.receive()
                assert message.type is aiohttp.WSMsgType.TEXT, (message, self.ws.close_code)
                body: dict[str, Any] = message.json()
                self.received.append(body)
                if type_ in (None, body["type"]):
                    return body

    async def refusal(self, within_s: float = WITHIN_S) -> tuple[int, str, str | None]:
        """Return code, message and id of the next error."""
        body = await self.hear("error", within_s)
        status = body["status"]
        assert (status["kind"], status["status"]) == ("Status", "Failure")
        return status["code"], status["message"], body.get("id")

    async def closed(self, within_s: float = WITHIN_S) -> int | None:
        """Read until the proxy closes the connection, and return its code."""
        async with asyncio.timeout(within_s):
            while True:
                message = await self.ws.receive()
                if message.type is not aiohttp.WSMsgType.TEXT:
                    return self.ws.close_code
                self.received.append(message.json())

    def run(self, id_: str) -> "Run":
        """Return the run of a subscription as far as it is known."""
        run = Run()
        for body in self.received:
            run.take(body, id_)
        return run

    async def ended(self, id_: str, within_s: float = 60) -> "Run":
        """Read until the run of a subscription has ended, and return it."""
        async with asyncio.timeout(within_s):
            while not (run := self.run(id_)).over():
                await self.hear()
        return run


@dataclass
class Run:
    """A run as a subscription shows it. ``text`` is the text that a user would see."""

    types: list[str] = field(default_factory=list)
    pieces: list[tuple[int, str]] = field(default_factory=list)
    outcome: dict[str, Any] | None = None
    last_id: str = ""

    @property
    def text(self) -> str:
        return "".join(piece for _, piece in self.pieces)

    def over(self) -> bool:
        return self.outcome is not None

    def take(self, body: Mapping[str, Any], id_: str) -> None:
        """Take one message of the proxy, if it is an event of the subscription."""
        if body["type"] != "event" or body["id"] != id_:
            return
        event = body["event"]
        self.types.append(event["type"])
        self.last_id = body.get("eventId", self.last_id)
        if event["type"] == "run.restarted":
            self.pieces = [it for it in self.pieces if it[0] <= event["valid_until"]]
        elif event["type"] == "response.output_text.delta":
            self.pieces.append((event["sequence_number"], event["delta"]))
        elif event["type"] == "run.ended":
            self.outcome = event


@asynccontextmanager
async def opened(client: Client, **options: Any) -> AsyncIterator[Socket]:
    """Yield a connection without a token."""
    async with client.session.ws_connect(client.base + PATH, max_msg_size=0, **options) as ws:
        yield Socket(ws)


@asynccontextmanager
async def connected(client: Client, **options: Any) -> AsyncIterator[Socket]:
    """Yield a connection with the client's token."""
    async with opened(client, **options) as socket:
        await socket.say("auth", token=client.token)
        assert (await socket.hear())["type"] == "ready"
        yield socket
