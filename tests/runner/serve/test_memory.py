"""Viewers that stall cost little memory, however long the run is that they read."""

import asyncio
import json
import socket
import tracemalloc
from collections.abc import AsyncIterator
from typing import Any, cast

import pytest

from tests.runner.no_model import no_model
from tests.runner.serve.test_stop import Permissive, streams, transcript_of
from tests.support.waiting import eventually
from wegent_runner.runs.hub import Hub
from wegent_runner.runs.items import Event
from wegent_runner.serve.callers import Callers
from wegent_runner.serve.server import Server
from wegent_runner.serve.sse import PIECE_BYTES, SLICE_CHARACTERS, encode
from wegent_runner.store.transcript import Transcript
from wegent_runner.store.transcripts import TranscriptStore
from wegent_runner.telemetry.metrics import Metrics

VIEWERS = 20
CHARACTERS = 1 << 20
TEXT_MIB = 4
"""Size of the text in memory, and in UTF-8."""
PER_VIEWER_MIB = 1.5
"""The events of one read, one write, and what the connection has not sent."""


class Store:
    """Has one run. Each read makes a text of its own, as a database does."""

    async def get(self, _: str) -> Transcript:
        return transcript_of("\N{GRINNING FACE}" * CHARACTERS)


@pytest.fixture
async def served() -> AsyncIterator[tuple[Server, Metrics]]:
    metrics = Metrics()
    store, callers = cast("TranscriptStore", Store()), cast("Callers", Permissive())
    server = Server(
        Hub(), store, callers, metrics=metrics, problems=list, dead=list, test_model=no_model
    )
    await server.start("127.0.0.1", 0)
    yield server, metrics
    await server.stop()


@pytest.mark.parametrize("after", [0, CHARACTERS], ids=["at the beginning", "at the end"])
async def test_stalled_viewers_of_a_long_run_share_its_text(
    served: tuple[Server, Metrics], after: int
) -> None:
    server, metrics = served
    loop, viewers = asyncio.get_running_loop(), list[socket.socket]()
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        for _ in range(VIEWERS):
            viewer = socket.socket()
            viewer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            viewer.settimeout(0)
            viewers.append(viewer)
            await loop.sock_connect(viewer, ("127.0.0.1", server.port))
            head = f"GET /v1/runs/u/events?after=1.{after} HTTP/1.1\r\nHost: x\r\n\r\n"
            await loop.sock_sendall(viewer, head.encode())
        await eventually(lambda: streams(metrics) == VIEWERS, within_s=30, what="the streams")
        await asyncio.sleep(1)  # until their buffers are full
        now, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
        for viewer in viewers:
            viewer.close()
    assert (now - before) / 2**20 < TEXT_MIB + VIEWERS * PER_VIEWER_MIB


@pytest.mark.parametrize("length", [1, SLICE_CHARACTERS, 2 * SLICE_CHARACTERS + 1])
@pytest.mark.parametrize("letter", ["a", '"', "\n", "\\", "\N{GRINNING FACE}", "\ud83d", "\x1f"])
def test_a_long_text_is_encoded_as_a_short_one(length: int, letter: str) -> None:
    text = letter * length
    data: dict[str, Any] = {"index": 0, "item": {"content": [{"text": text}, {}]}, "text": text}
    pieces = list(encode(1, [Event(7, "t", data), Event(8, "u")]))
    assert all(len(piece) <= PIECE_BYTES for piece in pieces)
    first, second, rest = b"".join(pieces).split(b"\n\n")
    assert rest == b""
    head, body = first.split(b"\ndata: ")
    assert head == b"id: 1.7\nevent: t"
    assert json.loads(body) == {"type": "t", "sequence_number": 7, **data}
    assert second.startswith(b"id: 1.8\nevent: u\ndata: {")
