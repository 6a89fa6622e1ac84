"""Turns of calls in one runner: as many at once as allowed, and namespaces one after the other."""

import asyncio

import pytest

from tests.support.virtual_time import in_virtual_time
from wegent_runner.limits.turns import Turns


class Callers:
    """Calls that take a turn and keep it until they are told to end."""

    def __init__(self, limit: int) -> None:
        self.turns = Turns()
        self.limit = limit
        self.began: list[str] = []
        self._tasks: dict[str, asyncio.Task[None]] = {}

    async def start(self, *names: str) -> None:
        """Start calls; the first letter of a name is its namespace."""
        for name in names:
            self._tasks[name] = asyncio.create_task(self._one(name))
            await asyncio.sleep(0.001)

    async def _one(self, name: str) -> None:
        await self.turns.acquire(name[0], self.limit)
        self.began.append(name)

    async def end(self, count: int = 1) -> None:
        for _ in range(count):
            self.turns.release()
            await asyncio.sleep(0.001)

    async def cancel(self, name: str) -> None:
        self._tasks[name].cancel()
        await asyncio.wait([self._tasks[name]])


@in_virtual_time
async def test_namespaces_take_turns() -> None:
    callers = Callers(2)
    await callers.start("a1", "a2", "a3", "a4", "a5", "b1", "c1", "b2")
    assert callers.began == ["a1", "a2"]
    await callers.end(6)
    assert callers.began == ["a1", "a2", "a3", "b1", "c1", "a4", "b2", "a5"]
    await callers.end(2)
    assert callers.turns.is_idle


@in_virtual_time
async def test_a_changed_limit_holds_for_all_who_wait() -> None:
    callers = Callers(1)
    await callers.start("a1", "a2", "a3")
    callers.limit = 3
    await callers.start("b1")
    assert {*callers.began} == {"a1", "a2", "b1"}
    callers.limit = 1
    await callers.start("c1")
    await callers.end(2)
    assert len(callers.began) == 3
    await callers.end()
    assert callers.began[3:] == ["a3"]


@in_virtual_time
async def test_a_caller_that_leaves_takes_no_turn() -> None:
    callers = Callers(1)
    await callers.start("a1", "a2", "b1")
    await callers.cancel("a2")
    await callers.end()
    assert callers.began == ["a1", "b1"]
    await callers.end()
    assert callers.turns.is_idle


@in_virtual_time
async def test_a_turn_that_comes_while_its_caller_leaves_is_passed_on() -> None:
    turns = Turns()
    await turns.acquire("a", 1)
    leaving = asyncio.create_task(turns.acquire("a", 1))
    staying = asyncio.create_task(turns.acquire("b", 1))
    await asyncio.sleep(0.001)
    turns.release()  # the first one has the turn now, but hasn't run yet
    leaving.cancel()
    with pytest.raises(asyncio.CancelledError):
        await leaving
    await staying
    turns.release()
    assert turns.is_idle
