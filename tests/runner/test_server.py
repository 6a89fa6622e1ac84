"""The runner's HTTP server at its start and its stop."""

import asyncio
from typing import Any

import aiohttp
import pytest

from tests.runner.no_model import no_model
from wegent_runner.runs.hub import Hub
from wegent_runner.runs.log import RunLog
from wegent_runner.serve import server as servers
from wegent_runner.serve.server import Server
from wegent_runner.telemetry.metrics import Metrics


class Anyone:
    async def permits(self, _: str) -> bool:
        return True


async def test_an_open_stream_doesnt_hold_up_the_stop() -> None:
    hub, callers, no_store = Hub(), Anyone(), None
    parts: tuple[Any, Any] = no_store, callers
    server = Server(hub, *parts, metrics=Metrics(), problems=list, dead=list, test_model=no_model)
    hub.add("u", RunLog(1))
    await server.start("127.0.0.1", 0)
    async with aiohttp.ClientSession() as session:
        response = await session.get(f"http://127.0.0.1:{server.port}/v1/runs/u/events")
        assert b"run.started" in await response.content.readuntil(b"\n\n")
        await asyncio.wait_for(server.stop(), 30)


@pytest.mark.parametrize(
    "sent",
    [b"", b"GET /healthz HTTP/1.1\r\nHost: x\r\n", b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"],
    ids=["nothing", "half a head", "one request"],
)
async def test_a_connection_without_a_request_is_closed_and_a_stream_is_not(
    monkeypatch: pytest.MonkeyPatch, sent: bytes
) -> None:
    monkeypatch.setattr(servers, "IDLE_S", 0.2)
    hub, callers, no_store = Hub(), Anyone(), None
    parts: tuple[Any, Any] = no_store, callers
    server = Server(hub, *parts, metrics=Metrics(), problems=list, dead=list, test_model=no_model)
    log = RunLog(1)
    hub.add("u", log)
    await server.start("127.0.0.1", 0)
    try:
        async with aiohttp.ClientSession() as session:
            response = await session.get(f"http://127.0.0.1:{server.port}/v1/runs/u/events")
            reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
            writer.write(sent)
            async with asyncio.timeout(30):
                while await reader.read(1000):
                    pass
            writer.close()
            await writer.wait_closed()
            log.close({"phase": "Completed"})
            assert b"run.ended" in await response.content.read()
    finally:
        await server.stop()
