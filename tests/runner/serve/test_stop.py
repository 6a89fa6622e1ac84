"""A reader that is slow doesn't hold up the end of the program."""

import asyncio
import time
from typing import Any, cast

from tests.runner.no_model import no_model
from tests.support.waiting import eventually
from wegent_runner.runs.hub import Hub
from wegent_runner.runs.items import FIRST_POSITION, Message
from wegent_runner.serve.callers import Callers
from wegent_runner.serve.server import SHUTDOWN_S, Server
from wegent_runner.store.transcript import Transcript
from wegent_runner.store.transcripts import TranscriptStore
from wegent_runner.telemetry.metrics import Metrics


class Permissive:
    """Permits every caller."""

    async def permits(self, _: str) -> bool:
        return True


class Store:
    """Has one long transcript."""

    def __init__(self, transcript: Any) -> None:
        self.transcript = transcript

    async def get(self, _: str) -> Any:
        return self.transcript


def transcript_of(text: str) -> Transcript:
    """Return the transcript of a completed run with one message."""
    message = Message(index=0, attempt=1, start=FIRST_POSITION, text=text)
    return Transcript(
        uid="u",
        namespace="blue",
        name="t",
        attempt=1,
        previous=None,
        prompt="Go on.",
        items=(message,),
        outcome={"phase": "Completed"},
    )


def streams(metrics: Metrics) -> float:
    return metrics.registry.get_sample_value("wegent_runner_streams") or 0.0


async def test_a_reader_that_stalls_is_cut_off() -> None:
    metrics = Metrics()
    server = Server(
        Hub(),
        cast("TranscriptStore", Store(transcript_of("a" * (8 << 20)))),
        cast("Callers", Permissive()),
        metrics=metrics,
        problems=list,
        dead=list,
        test_model=no_model,
    )
    await server.start("127.0.0.1", 0)
    _, writer = await asyncio.open_connection("127.0.0.1", server.port, limit=1024)
    writer.write(b"GET /v1/runs/u/events HTTP/1.1\r\nHost: x\r\n\r\n")
    await writer.drain()
    await eventually(lambda: streams(metrics) == 1, within_s=30, what="the stream")
    await asyncio.sleep(0.5)  # until its buffers are full
    began = time.monotonic()
    await server.stop()
    assert time.monotonic() - began < SHUTDOWN_S + 3
    writer.close()
