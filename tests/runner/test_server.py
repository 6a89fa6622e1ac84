"""The runner's HTTP server at its start and its stop."""

import asyncio
from typing import Any

import aiohttp

from wegent_runner.runs.hub import Hub
from wegent_runner.runs.log import RunLog
from wegent_runner.serve.server import Server
from wegent_runner.telemetry.metrics import Metrics


class Anyone:
    async def permits(self, _: str) -> bool:
        return True


async def test_an_open_stream_doesnt_hold_up_the_stop() -> None:
    hub, callers, no_store = Hub(), Anyone(), None
    parts: tuple[Any, Any] = no_store, callers
    server = Server(hub, *parts, metrics=Metrics(), problems=list, dead=list)
    hub.add("u", RunLog(1))
    await server.start("127.0.0.1", 0)
    async with aiohttp.ClientSession() as session:
        response = await session.get(f"http://127.0.0.1:{server.port}/v1/runs/u/events")
        assert b"run.started" in await response.content.readuntil(b"\n\n")
        await asyncio.wait_for(server.stop(), 10)
