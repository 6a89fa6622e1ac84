"""Only live runners are dialled, with a token that they accept."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from aiohttp import web

from tests.support.stub_api import StubApi, connection_to, stub_api
from tests.support.waiting import eventually
from wegent_api.http.errors import NotFound, Unavailable
from wegent_api.upstream.runners import TOKEN_LIFETIME_S, TOKEN_MIN_AGE_S, Runners
from wegent_kube import KubeClient
from wegent_kube.resources import LEASES, SERVICE_ACCOUNTS

LEASE_S = 30
TASK = {"metadata": {"namespace": "blue", "name": "t", "uid": "u"}}


class Clock:
    """A clock that stands still."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def lease(name: str, age_s: float = 0.0, address: str = "") -> dict[str, Any]:
    renewed = datetime.now(UTC) - timedelta(seconds=age_s)
    return {
        "metadata": {
            "name": f"wegent-runner-{name}",
            "annotations": {"agent.wecode.io/address": address or f"http://{name}"},
        },
        "spec": {"renewTime": renewed.isoformat(), "leaseDurationSeconds": LEASE_S},
    }


class Tokens:
    """The API server's answers to requests for tokens."""

    def __init__(self) -> None:
        self.count = 0
        self.lifetime_s = TOKEN_LIFETIME_S
        self.answers = asyncio.Event()
        self.answers.set()

    async def answer(self, _: web.Request) -> web.StreamResponse:
        self.count += 1
        await self.answers.wait()
        expires = datetime.now(UTC) + timedelta(seconds=self.lifetime_s)
        status = {
            "token": f"token-{self.count}",
            "expirationTimestamp": expires.isoformat(timespec="seconds").replace("+00:00", "Z"),
        }
        return web.json_response({"status": status})


class Runner:
    """A runner that accepts some tokens."""

    def __init__(self) -> None:
        self.accepted = {f"Bearer token-{number}" for number in range(10)}
        self.status = 200
        self.seen: list[str] = []
        self.url = ""

    async def answer(self, request: web.Request) -> web.StreamResponse:
        token = request.headers["Authorization"]
        self.seen.append(token)
        status = self.status if token in self.accepted else 401
        return web.json_response({"attempt": 1}, status=status)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def tokens() -> Tokens:
    return Tokens()


@pytest.fixture
async def runner() -> AsyncIterator[Runner]:
    served = Runner()
    app = web.Application()
    app.router.add_get("/{path:.*}", served.answer)
    site = web.AppRunner(app, shutdown_timeout=0.1)
    await site.setup()
    await web.TCPSite(site, "127.0.0.1", 0).start()
    served.url = f"http://127.0.0.1:{site.addresses[0][1]}"
    yield served
    await site.cleanup()


@pytest.fixture
async def stub() -> AsyncIterator[StubApi]:
    async with stub_api() as served:
        yield served


@pytest.fixture
async def runners(stub: StubApi, tokens: Tokens, clock: Clock) -> AsyncIterator[Runners]:
    path = SERVICE_ACCOUNTS.path("wegent-system", "wegent-api", "token")
    stub.faults[path, "list"] = tokens.answer
    async with (
        KubeClient(connection_to(stub)) as own_api,
        Runners(own_api, "wegent-system", "wegent-api", clock) as runners,
    ):
        # The list has no Lease, and would end those of a test.
        watched = (LEASES.path("wegent-system"), "watch")
        await eventually(lambda: stub.asked[watched], within_s=30, what="the watch of Leases")
        yield runners


async def test_a_lease_counts_until_it_has_expired(runners: Runners, clock: Clock) -> None:
    runners.changed(lease("one"))
    assert runners.addresses() == runners.addresses("wegent-runner-one") == ["http://one"]
    clock.now += LEASE_S + 1
    assert runners.addresses() == []


async def test_a_lease_of_a_dead_runner_counts_once_it_is_renewed(runners: Runners) -> None:
    runners.changed(lease("dead", age_s=600))
    runners.changed(lease("ahead", age_s=-600))
    assert runners.addresses() == []
    runners.changed(lease("ahead", age_s=-610))
    assert runners.addresses() == ["http://ahead"]


async def test_a_lease_without_a_time_counts_for_nothing(runners: Runners) -> None:
    body = lease("one")
    del body["spec"]["renewTime"]
    runners.changed(body)
    assert runners.addresses() == []


async def test_a_refused_token_is_replaced_at_once(
    runners: Runners, runner: Runner, tokens: Tokens, clock: Clock
) -> None:
    runners.changed(lease("one", address=runner.url))
    await runners.read(TASK)
    runner.accepted = {"Bearer token-2"}
    clock.now += TOKEN_MIN_AGE_S
    runners.changed(lease("one", address=runner.url))
    assert await runners.read(TASK) == {"attempt": 1}
    assert runner.seen == ["Bearer token-1", "Bearer token-1", "Bearer token-2"]
    assert tokens.count == 2


async def test_a_runner_that_refuses_every_token_costs_no_token_each_time(
    runners: Runners, runner: Runner, tokens: Tokens
) -> None:
    runners.changed(lease("one", address=runner.url))
    runner.accepted = set()
    for _ in range(5):
        with pytest.raises(Unavailable):
            await runners.read(TASK)
    assert tokens.count == 1


async def test_a_token_that_lives_shorter_is_replaced_in_time(
    runners: Runners, runner: Runner, tokens: Tokens, clock: Clock
) -> None:
    tokens.lifetime_s = 600
    runners.changed(lease("one", address=runner.url))
    await runners.read(TASK)
    clock.now += 500
    runners.changed(lease("one", address=runner.url))
    await runners.read(TASK)
    await eventually(lambda: tokens.count == 2, within_s=30, what="a request for a token")
    clock.now += 100
    runners.changed(lease("one", address=runner.url))
    await runners.read(TASK)
    assert runner.seen == ["Bearer token-1", "Bearer token-1", "Bearer token-2"]


async def test_a_silent_api_server_holds_up_nobody_while_the_token_lasts(
    runners: Runners, runner: Runner, tokens: Tokens, clock: Clock
) -> None:
    runners.changed(lease("one", address=runner.url))
    await runners.read(TASK)
    tokens.answers.clear()
    clock.now += TOKEN_LIFETIME_S - 60
    runners.changed(lease("one", address=runner.url))
    async with asyncio.timeout(10):
        for _ in range(3):
            assert await runners.read(TASK) == {"attempt": 1}
    assert runner.seen == ["Bearer token-1"] * 4
    clock.now += 60
    runners.changed(lease("one", address=runner.url))
    waiting = [asyncio.create_task(runners.read(TASK)) for _ in range(5)]
    tokens.answers.set()
    assert await asyncio.gather(*waiting) == [{"attempt": 1}] * 5
    assert tokens.count == 2
    assert set(runner.seen[4:]) == {"Bearer token-2"}


@pytest.mark.parametrize("turn", range(4))
async def test_the_first_runner_that_has_the_transcript_answers(
    runners: Runners, runner: Runner, turn: int
) -> None:
    """The order is random."""
    del turn
    empty = Runner()
    empty.status = 404
    app = web.Application()
    app.router.add_get("/{path:.*}", empty.answer)
    site = web.AppRunner(app, shutdown_timeout=0.1)
    await site.setup()
    await web.TCPSite(site, "127.0.0.1", 0).start()
    url = f"http://127.0.0.1:{site.addresses[0][1]}"
    runners.changed(lease("empty", address=url))
    try:
        with pytest.raises(NotFound):
            await runners.read(TASK)
        runners.changed(lease("gone", address="http://127.0.0.1:1"))
        with pytest.raises(NotFound):
            await runners.read(TASK)
        for name in ("one", "two", "three"):
            runners.changed(lease(name, address=runner.url))
        assert await runners.read(TASK) == {"attempt": 1}
    finally:
        await site.cleanup()
