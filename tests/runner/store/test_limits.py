"""Counts in the database: they hold for all runners, by the database's clock."""

import asyncio
import uuid
from collections.abc import AsyncIterator

import pytest
from sqlalchemy import func, select, update
from sqlalchemy.ext.asyncio import AsyncEngine

from tests.support.waiting import eventually
from wegent_runner.store.engine import connect
from wegent_runner.store.failures import StoreError
from wegent_runner.store.limit_tables import ModelCall, NamespaceUsage
from wegent_runner.store.limits import DAY_US, MINUTE_US, LimitStore


@pytest.fixture
async def limits(database: AsyncEngine) -> AsyncIterator[LimitStore]:
    store = LimitStore(database)
    yield store
    await store.finished()


def new() -> str:
    return str(uuid.uuid4())


async def test_calls_of_one_model_are_counted(limits: LimitStore) -> None:
    calls = [new() for _ in range(3)]
    assert [await limits.begin_call(it, "m", 2, 30) for it in calls] == [True, True, False]
    assert await limits.begin_call(new(), "other", 1, 30)
    await limits.end_call(calls[0])
    assert await limits.begin_call(calls[2], "m", 2, 30)
    assert await limits.begin_call(new(), "m", 4, 30), "the limit may change"


async def test_calls_that_begin_together_don_t_exceed_the_limit(
    database: AsyncEngine, database_url: str
) -> None:
    other = connect(database_url)
    stores = [LimitStore(database), LimitStore(other)]
    try:
        began = await asyncio.gather(
            *(stores[number % 2].begin_call(new(), "m", 7, 30) for number in range(60))
        )
    finally:
        await other.dispose()
    assert sum(began) == 7


async def test_a_call_that_is_not_renewed_expires(limits: LimitStore) -> None:
    kept, dead = new(), new()
    assert await limits.begin_call(kept, "m", 2, 1.5)
    assert await limits.begin_call(dead, "m", 2, 1.5)
    await limits.renew_calls([kept], 30)
    assert not await limits.begin_call(new(), "m", 2, 30)

    async def free() -> bool:
        return await limits.begin_call(new(), "m", 2, 30)

    await eventually(free, within_s=30, what="the place of the call that expired")
    assert not await limits.begin_call(new(), "m", 2, 30), "one was renewed"


async def test_requests_are_spread_over_the_minute(limits: LimitStore) -> None:
    waits = [await limits.reserve_request("n", 4, 60) for _ in range(10)]
    assert waits[:4] == [0, 0, 0, 0]
    assert waits[4:8] == [pytest.approx(15 * n, abs=5) for n in (1, 2, 3, 4)]
    assert waits[8] == pytest.approx(75, abs=5)
    assert waits[9] == pytest.approx(75, abs=5), "what is too late is not reserved"
    assert await limits.reserve_request("other", 4, 60) == 0


async def test_a_higher_rate_holds_at_once(limits: LimitStore) -> None:
    for _ in range(3):
        await limits.reserve_request("n", 1, 600)
    assert await limits.reserve_request("n", 1000, 600) == pytest.approx(120, abs=5)


async def test_requests_that_are_asked_for_together_are_all_counted(limits: LimitStore) -> None:
    waits = await asyncio.gather(*(limits.reserve_request("n", 10, 600) for _ in range(30)))
    assert sorted(waits)[9] == 0
    assert max(waits) == pytest.approx(120, abs=10)


async def test_tokens_are_counted_for_a_day(limits: LimitStore, database: AsyncEngine) -> None:
    await asyncio.gather(*(limits.add_tokens("n", 10) for _ in range(20)))
    usage = await limits.usage_of("n")
    assert usage.tokens == 200
    assert usage.ends_at % 86400 == 0
    assert (await limits.usage_of("other")).tokens == 0
    async with database.begin() as connection:
        await connection.execute(update(NamespaceUsage).values(day=NamespaceUsage.day - 1))
    assert (await limits.usage_of("n")).tokens == 0
    await limits.add_tokens("n", 5)
    assert (await limits.usage_of("n")).tokens == 5


async def test_old_counts_are_deleted(limits: LimitStore, database: AsyncEngine) -> None:
    await limits.begin_call(new(), "m", 9, 0)
    await limits.begin_call(new(), "m", 9, 30)
    for namespace in ("old", "busy", "new"):
        await limits.add_tokens(namespace, 1)
    async with database.begin() as connection:
        past = {"day": NamespaceUsage.day - 3, "next_request_at": 0}
        old = NamespaceUsage.namespace != "new"
        await connection.execute(update(NamespaceUsage).where(old).values(past))
        later = NamespaceUsage.day * DAY_US + 10 * DAY_US + MINUTE_US
        busy = NamespaceUsage.namespace == "busy"
        await connection.execute(update(NamespaceUsage).where(busy).values(next_request_at=later))
    await limits.prune()
    async with database.connect() as connection:
        assert await connection.scalar(select(func.count()).select_from(ModelCall)) == 1
        left = await connection.scalars(select(NamespaceUsage.namespace))
        assert {*left} == {"busy", "new"}


async def test_a_database_that_fails(database: AsyncEngine) -> None:
    failures: list[StoreError] = []
    limits = LimitStore(database, failed=failures.append)
    async with database.begin() as connection:
        await connection.run_sync(ModelCall.metadata.tables["model_calls"].drop)
    with pytest.raises(StoreError, match="the store failed"):
        await limits.begin_call(new(), "m", 1, 30)
    assert len(failures) == 1


async def test_a_write_goes_on_without_its_caller(limits: LimitStore) -> None:
    adding = asyncio.create_task(limits.add_tokens("n", 3))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    adding.cancel()
    with pytest.raises(asyncio.CancelledError):
        await adding
    await limits.finished()
    assert (await limits.usage_of("n")).tokens == 3
