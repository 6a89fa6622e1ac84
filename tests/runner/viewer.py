"""A viewer of a run: it reads the stream, may leave at any time, and comes back."""

import asyncio
import json
from dataclasses import dataclass, field
from typing import Any

from tests.support.proxy import Client


@dataclass
class Viewer:
    """One viewer. ``text`` is the text that a user would see."""

    client: Client
    namespace: str
    name: str = "t"
    last_id: str = ""
    events: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    pieces: list[tuple[int, str]] = field(default_factory=list)

    @property
    def text(self) -> str:
        return "".join(piece for _, piece in self.pieces)

    @property
    def outcome(self) -> dict[str, Any] | None:
        return next((data for type_, data in self.events if type_ == "run.ended"), None)

    async def read(self, *, leave_after: int | None = None, within_s: float = 60) -> None:
        """Read until the run has ended, or ``leave_after`` events have come."""
        async with asyncio.timeout(within_s):
            await self._read(leave_after)

    async def _read(self, leave_after: int | None) -> None:
        headers = {"Authorization": f"Bearer {self.client.token}"}
        if self.last_id:
            headers["Last-Event-ID"] = self.last_id
        url = f"{self.client.base}/api/v1/kinds/tasks/{self.name}/events"
        seen = 0
        async with self.client.session.get(
            url, params={"namespace": self.namespace}, headers=headers
        ) as response:
            assert response.status == 200, await response.text()
            block: dict[str, str] = {}
            async for raw in response.content:
                line = raw.decode().rstrip("\n")
                if line:
                    name, _, value = line.partition(": ")
                    block[name] = value
                elif block.get("event"):
                    self._take(block)
                    block, seen = {}, seen + 1
                    if seen == leave_after:
                        return

    def _take(self, block: dict[str, str]) -> None:
        type_, data = block["event"], json.loads(block["data"])
        self.events.append((type_, data))
        self.last_id = block.get("id", self.last_id)
        if type_ == "run.restarted":
            self.pieces = [it for it in self.pieces if it[0] <= data["valid_until"]]
        elif type_ == "response.output_text.delta":
            self.pieces.append((data["sequence_number"], data["delta"]))
