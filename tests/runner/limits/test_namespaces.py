"""Requests a minute wait, and tokens a day end, for all Tasks of a namespace together."""

import asyncio
import time

import pytest
from sqlalchemy import text

from tests.runner.limits.conftest import Calls, Runner, model, started
from wegent_runner.claims.outcome import GiveBack
from wegent_runner.engine.model_stream import Usage
from wegent_runner.limits.limits import Caller
from wegent_runner.limits.namespace_limits import LimitReached, NamespaceLimits
from wegent_runner.store.engine import connect
from wegent_runner.store.failures import StoreError

PLAIN = model(None)


async def test_requests_over_the_rate_wait(database_url: str) -> None:
    calls, began = Calls(), time.monotonic()
    async with started(database_url, requests_per_minute="60") as one:
        await asyncio.gather(*(calls.make(one, PLAIN, 0) for _ in range(62)))
        assert time.monotonic() - began >= 1.5, "two of them came a second each later"
        await asyncio.wait_for(calls.make(one, PLAIN, 0, "other"), 1)
    assert all("may make 60 a minute" in told for told in calls.waits)


async def test_a_task_that_would_wait_too_long_is_given_back(database_url: str) -> None:
    calls = Calls()
    async with started(database_url, max_wait_s=0.5, requests_per_minute="1") as one:
        await calls.make(one, PLAIN, 0)
        with pytest.raises(GiveBack, match="namespace n may make 1 a minute") as given:
            await calls.make(one, PLAIN, 0)
        assert given.value.reason == "NamespaceBusy"
    assert len(calls.waits) == 1


async def test_rates_hold_for_all_runners(shared_url: str) -> None:
    calls = Calls()
    async with (
        started(shared_url, max_wait_s=0.5, requests_per_minute="3") as one,
        started(shared_url, max_wait_s=0.5, requests_per_minute="3") as two,
    ):
        made = await asyncio.gather(
            *(calls.make((one, two)[n % 2], PLAIN, 0) for n in range(8)), return_exceptions=True
        )
    assert sum(isinstance(it, GiveBack) for it in made) == 5


async def test_tokens_of_a_day_are_used_up_over_restarts(database_url: str) -> None:
    calls = Calls()
    async with started(database_url, tokens_per_day="100") as one:
        await calls.make(one, PLAIN, 0, tokens=60)
        await calls.make(one, PLAIN, 0, tokens=60)
    async with started(database_url, tokens_per_day="100") as two:
        with pytest.raises(LimitReached) as reached:
            await calls.make(two, PLAIN, 0)
        await calls.make(two, PLAIN, 0, "other", tokens=1)
    assert reached.value.reason == "NamespaceQuotaExceeded"
    told = str(reached.value)
    assert told.startswith("NamespaceQuotaExceeded: namespace n has used 120 of 100 tokens today")
    assert "the next day begins at 20" in told
    assert "T00:00:00Z" in told


async def test_tokens_of_a_call_that_fails_count(database_url: str) -> None:
    calls = Calls()

    async def fails(one: Runner) -> None:
        async with one.limits.call(Caller("n", "n", calls.waits.append), PLAIN) as call:
            call.used(Usage(input_tokens=90, output_tokens=10))
            raise OSError("cut")

    async with started(database_url, tokens_per_day="100") as one:
        with pytest.raises(OSError, match="cut"):
            await fails(one)
        with pytest.raises(LimitReached):
            await calls.make(one, PLAIN, 0)


async def test_settings_hold_where_no_annotation_is(database_url: str) -> None:
    calls, defaults = Calls(), NamespaceLimits(tokens_per_day=10)
    async with started(database_url, defaults=defaults) as one:
        await calls.make(one, PLAIN, 0, tokens=10)
        with pytest.raises(LimitReached, match="10 of 10 tokens"):
            await calls.make(one, PLAIN, 0)
    async with started(database_url, defaults=defaults, tokens_per_day="none") as free:
        await calls.make(free, PLAIN, 0)


async def test_a_namespace_without_limits_leaves_no_row(database_url: str) -> None:
    calls = Calls()
    async with started(database_url) as one:
        await calls.make(one, PLAIN, 0, tokens=5)
    engine = connect(database_url)
    async with engine.connect() as connection:
        assert await connection.scalar(text("SELECT count(*) FROM namespace_usage")) == 0
    await engine.dispose()


async def test_an_answer_is_kept_whose_tokens_can_not_be_counted(database_url: str) -> None:
    calls = Calls()
    async with started(database_url, tokens_per_day="100") as one:
        async with one.limits.call(Caller("n", "n", calls.waits.append), PLAIN) as call:
            call.used(Usage(input_tokens=1))
            engine = connect(database_url)
            async with engine.begin() as connection:
                await connection.execute(text("DROP TABLE namespace_usage"))
            await engine.dispose()
        with pytest.raises(StoreError):
            await calls.make(one, PLAIN, 0)
