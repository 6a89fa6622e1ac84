"""At most so many calls of a Model at once, over all runners, whatever happens to them."""

import asyncio
from contextlib import AsyncExitStack

import pytest
from sqlalchemy import text

from tests.runner.limits.conftest import LEASE_S, Calls, Runner, model, started
from tests.support.waiting import eventually
from wegent_runner.claims.outcome import GiveBack
from wegent_runner.store.engine import connect


async def rows(url: str) -> int:
    engine = connect(url)
    try:
        async with engine.connect() as connection:
            return int(await connection.scalar(text("SELECT count(*) FROM model_calls")) or 0)
    finally:
        await engine.dispose()


async def test_two_runners_share_the_places_of_a_model(shared_url: str) -> None:
    calls = Calls()
    async with started(shared_url) as one, started(shared_url) as two:
        await asyncio.gather(
            *(calls.make((one, two)[n % 2], model(3), 0.05, f"n{n % 5}") for n in range(40))
        )
    assert calls.most == 3
    assert calls.now == 0
    assert await rows(shared_url) == 0


async def test_a_call_may_take_longer_than_the_lease_of_its_place(shared_url: str) -> None:
    calls = Calls()
    async with started(shared_url) as one, started(shared_url) as two:
        await asyncio.gather(
            calls.make(one, model(1), 3 * LEASE_S), calls.make(two, model(1), 3 * LEASE_S)
        )
    assert calls.most == 1


async def test_the_places_of_a_killed_runner_are_free_after_the_lease(shared_url: str) -> None:
    calls = Calls()
    async with started(shared_url) as dead, started(shared_url) as alive:
        stuck = asyncio.create_task(calls.make(dead, model(1), 60))
        await eventually(lambda: calls.now == 1, within_s=30, what="the call of the dead runner")
        dead.kill()
        await asyncio.wait_for(calls.make(alive, model(1), 0), 4 * LEASE_S + 5)
        stuck.cancel()
        await asyncio.wait([stuck])


@pytest.mark.parametrize("where", ["sqlite", "postgresql"])
async def test_cancelled_calls_leave_no_place_taken(
    request: pytest.FixtureRequest, where: str, tmp_path: object
) -> None:
    """Calls are cancelled at every stage: before their turn, while they ask, and in the call."""
    url = (
        f"sqlite:///{tmp_path}/s.db" if where == "sqlite" else request.getfixturevalue("shared_url")
    )
    calls = Calls()
    async with AsyncExitStack() as stack:
        one: Runner = await stack.enter_async_context(started(url))
        for delay_s in (0, 0, 0.001, 0.002, 0.004, 0.008, 0.016, 0.03, 0.06) * 3:
            making = [asyncio.create_task(calls.make(one, model(2), 0.02)) for _ in range(4)]
            await asyncio.sleep(delay_s)
            for task in making:
                task.cancel()
            await asyncio.wait(making)
        await one.places.end()
        assert await rows(url) == 0
        await asyncio.wait_for(calls.make(one, model(1), 0), 10)
    assert calls.now == 0


async def test_a_changed_limit_holds_for_the_next_calls(shared_url: str) -> None:
    calls = Calls()
    async with started(shared_url) as one:
        await asyncio.gather(*(calls.make(one, model(1), 0.01) for _ in range(3)))
        assert calls.most == 1
        await asyncio.gather(*(calls.make(one, model(4), 0.3) for _ in range(8)))
    assert calls.most == 4


async def test_a_model_without_a_limit_writes_nothing(shared_url: str) -> None:
    calls = Calls()
    async with started(shared_url) as one:
        making = [asyncio.create_task(calls.make(one, model(None), 1)) for _ in range(5)]
        await eventually(lambda: calls.now == 5, within_s=30, what="the calls")
        assert await rows(shared_url) == 0
        await asyncio.gather(*making)
    assert not calls.waits


async def test_a_task_that_waits_says_so_once_and_is_given_back(database_url: str) -> None:
    calls = Calls()
    async with started(database_url, max_wait_s=0.5) as one:
        holding = asyncio.create_task(calls.make(one, model(1), 60, "holder"))
        await eventually(lambda: calls.now == 1, within_s=30, what="the first call")
        with pytest.raises(GiveBack, match=r"Model n/m, of which 1 may be made at once") as given:
            await calls.make(one, model(1), 0, "waiter")
        assert given.value.reason == "ModelBusy"
        holding.cancel()
        await asyncio.wait([holding])
        await asyncio.wait_for(calls.make(one, model(1), 0, "next"), 10)
    assert len(calls.waits) == 1


async def test_a_task_with_another_call_is_not_given_back(database_url: str) -> None:
    """Its other call would be lost."""
    calls = Calls()
    async with started(database_url, max_wait_s=1) as one:
        first = asyncio.create_task(calls.make(one, model(1), 3, "task"))
        await eventually(lambda: calls.now == 1, within_s=30, what="the first call")
        await asyncio.wait_for(calls.make(one, model(1), 0, "task"), 20)
        await first
    assert calls.most == 1
