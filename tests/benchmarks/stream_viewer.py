"""A viewer of a run that may leave within any byte of the stream, and comes back."""

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from tests.support.proxy import Client

BLANK = b"\n\n"


@dataclass
class StreamViewer:
    """Reads one Task's stream; ``text`` is the text that a user would see.

    Attributes:
        connections: Number of times that the viewer connected.
        first_at: Monotonic time at which the first delta arrived.
        outcome: Data of ``run.ended``, or of ``error``; None before.
        restarts: Number of ``run.restarted``.
        last_id: id of the last event that was read whole.
    """

    client: Client
    namespace: str
    name: str
    connections: int = 0
    first_at: float = 0.0
    outcome: dict[str, Any] | None = None
    restarts: int = 0
    last_id: str = ""
    _pieces: list[tuple[int, str]] = field(default_factory=list)

    @property
    def text(self) -> str:
        return "".join(piece for _, piece in self._pieces)

    async def read(self, leave_after: int | None = None) -> None:
        """Read until the run has ended, or the number of bytes has come."""
        self.connections += 1
        headers = {"Authorization": f"Bearer {self.client.token}"}
        if self.last_id:
            headers["Last-Event-ID"] = self.last_id
        url = f"{self.client.base}/api/v1/kinds/tasks/{self.name}/events"
        seen, rest = 0, b""
        async with self.client.session.get(
            url, params={"namespace": self.namespace}, headers=headers
        ) as response:
            assert response.status == 200, await response.text()
            async for chunk in response.content.iter_any():
                kept = chunk if leave_after is None else chunk[: leave_after - seen]
                whole, end, rest = (rest + kept).rpartition(BLANK)
                for event in _events(whole + end):
                    self._take(*event)
                seen += len(kept)
                if seen == leave_after:
                    return

    def _take(self, type_: str, data: dict[str, Any], id_: str) -> None:
        self.last_id = id_ or self.last_id
        if type_ == "response.output_text.delta":
            self.first_at = self.first_at or time.monotonic()
            self._pieces.append((data["sequence_number"], data["delta"]))
        elif type_ == "run.restarted":
            self.restarts += 1
            self._pieces = [it for it in self._pieces if it[0] <= data["valid_until"]]
        elif type_ in {"run.ended", "error"}:
            self.outcome = data


def _events(whole: bytes) -> Iterator[tuple[str, dict[str, Any], str]]:
    for block in whole.split(BLANK):
        fields = dict(line.split(b": ", 1) for line in block.split(b"\n") if b": " in line[1:])
        if b"event" in fields:
            id_ = fields.get(b"id", b"").decode()
            yield fields[b"event"].decode(), json.loads(fields[b"data"]), id_
