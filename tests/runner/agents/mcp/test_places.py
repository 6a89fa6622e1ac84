"""The places in the pool of connections to MCP servers."""

import asyncio
from collections import Counter

import pytest

from wegent_runner.agents.mcp.connections import MAX_CONNECTIONS, POOL, Places


async def greedy(places: Places, namespaces: int) -> Counter[str]:
    """Let namespaces take as much as they can get; return the number of places of each."""
    got: Counter[str] = Counter()

    async def take(namespace: str) -> None:
        await places.take(namespace)
        got[namespace] += 1

    names = [f"n{it}" for it in range(namespaces)]
    tasks = [asyncio.create_task(take(it)) for it in names for _ in range(MAX_CONNECTIONS * 2)]
    for _ in range(5):
        await asyncio.sleep(0)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    return got


async def test_a_namespace_alone_has_its_whole_part() -> None:
    assert await greedy(Places(), 1) == {"n0": MAX_CONNECTIONS}


@pytest.mark.parametrize("namespaces", [16, 50])
async def test_greedy_namespaces_leave_places_for_others(namespaces: int) -> None:
    places = Places()
    got = await greedy(places, namespaces)
    assert len(got) == namespaces
    assert got.total() <= POOL * 0.96
    await asyncio.wait_for(places.take("newcomer"), 30)


async def test_a_place_is_given_in_turn_and_its_release_wakes_the_next() -> None:
    places = Places()
    await greedy(places, 1)
    order: list[int] = []

    async def take(number: int) -> None:
        await places.take("n0")
        order.append(number)

    waiting = [asyncio.create_task(take(number)) for number in range(3)]
    await asyncio.sleep(0)
    waiting[0].cancel()
    for _ in range(2):
        places.release("n0")
        await asyncio.sleep(0)
        await asyncio.sleep(0)
    assert order == [1, 2]


async def test_a_place_that_was_given_to_a_cancelled_request_is_given_on() -> None:
    places = Places()
    await greedy(places, 1)
    first, second = (asyncio.create_task(places.take("n0")) for _ in range(2))
    await asyncio.sleep(0)
    places.release("n0")
    assert not first.done()
    assert not second.done()
    first.cancel()
    await asyncio.wait_for(second, 30)
    with pytest.raises(asyncio.CancelledError):
        await first
    assert places._used["n0"] == MAX_CONNECTIONS


async def test_all_places_are_free_again() -> None:
    places = Places()
    got = await greedy(places, 40)
    for namespace, count in got.items():
        for _ in range(count):
            places.release(namespace)
    assert not places._used
    assert not places._waiting
