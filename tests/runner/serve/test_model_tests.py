"""The runner's page for tests of Models: who may ask, how many at once, and its errors."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from typing import Any, cast

import aiohttp
import pytest

from tests.support.waiting import eventually
from wegent_kube import Unreachable
from wegent_runner.runs.hub import Hub
from wegent_runner.serve import model_tests
from wegent_runner.serve.callers import Callers
from wegent_runner.serve.server import Server
from wegent_runner.store.transcripts import TranscriptStore
from wegent_runner.telemetry.metrics import Metrics

PATH = "/v1/models/ns/m/test"


class OneToken:
    """Permits the token ``good``."""

    async def permits(self, authorization: str) -> bool:
        return authorization == "Bearer good"


class Scripted:
    def __init__(self) -> None:
        self.asked: list[tuple[str, str, str]] = []
        self.go = asyncio.Event()
        self.result: Mapping[str, Any] | Exception | None = {"succeeded": True}

    async def test(self, namespace: str, name: str, request_id: str) -> Mapping[str, Any] | None:
        self.asked.append((namespace, name, request_id))
        await self.go.wait()
        if isinstance(self.result, Exception):
            raise self.result
        return self.result


@pytest.fixture
def tester() -> Scripted:
    return Scripted()


@pytest.fixture
async def session(tester: Scripted) -> AsyncIterator[aiohttp.ClientSession]:
    server = Server(
        Hub(),
        cast("TranscriptStore", None),
        cast("Callers", OneToken()),
        metrics=Metrics(),
        problems=list,
        dead=list,
        test_model=tester.test,
    )
    await server.start("127.0.0.1", 0)
    base, headers = f"http://127.0.0.1:{server.port}", {"Authorization": "Bearer good"}
    async with aiohttp.ClientSession(base, headers=headers) as session:
        yield session
    await server.stop()


async def test_the_result_is_passed_on_with_the_id_of_the_request(
    session: aiohttp.ClientSession, tester: Scripted
) -> None:
    tester.go.set()
    async with session.post(PATH, headers={"X-Request-Id": "one"}) as answer:
        assert (answer.status, await answer.json()) == (200, {"succeeded": True})
    async with session.post(PATH, headers={"X-Request-Id": "no good id"}) as answer:
        assert answer.status == 200
    (*place, first), (*_, second) = tester.asked
    assert (place, first) == (["ns", "m"], "one")
    assert second.isalnum()


async def test_other_tokens_are_refused(session: aiohttp.ClientSession, tester: Scripted) -> None:
    for token in ("", "Bearer bad"):
        async with session.post(PATH, headers={"Authorization": token}) as answer:
            assert answer.status == 401
    assert not tester.asked


@pytest.mark.parametrize(("result", "status"), [(None, 404), (Unreachable("down"), 503)])
async def test_a_model_that_cannot_be_read(
    session: aiohttp.ClientSession, tester: Scripted, result: Exception | None, status: int
) -> None:
    tester.result = result
    tester.go.set()
    async with session.post(PATH) as answer:
        assert answer.status == status


async def test_so_many_at_once_and_a_client_that_leaves_ends_its_own(
    session: aiohttp.ClientSession, tester: Scripted
) -> None:
    async def ask() -> int:
        async with session.post(PATH) as answer:
            return answer.status

    running = [asyncio.create_task(ask()) for _ in range(model_tests.MAX_AT_ONCE)]
    async with asyncio.timeout(30):
        await eventually(
            lambda: len(tester.asked) == len(running), within_s=30, what="the tests that run"
        )
        async with session.post(PATH) as answer:
            assert (answer.status, answer.headers["Retry-After"]) == (503, "5")
        running.pop().cancel()
        tester.go.set()
        assert set(await asyncio.gather(*running)) == {200}
        assert await ask() == 200
