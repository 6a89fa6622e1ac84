"""The keyed queue: merging, one worker a key, growing delays."""

import asyncio

import pytest

from wegent_operator.runtime import queue as queue_module
from wegent_operator.runtime.queue import KeyedQueue


async def test_repeats_merge_and_order_is_kept() -> None:
    queue: KeyedQueue[str] = KeyedQueue()
    for key in "abab":
        queue.add(key)
    assert len(queue) == 2
    assert [await queue.get(), await queue.get()] == ["a", "b"]
    assert len(queue) == 0


async def test_a_key_being_worked_on_waits_and_comes_back_once() -> None:
    queue: KeyedQueue[str] = KeyedQueue()
    queue.add("a")
    await queue.get()
    queue.add("a")
    queue.add("a")
    assert len(queue) == 0
    queue.done("a")
    assert len(queue) == 1


async def test_a_failed_key_comes_back_later_and_later(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queue_module, "FIRST_DELAY_S", 0.001)
    queue: KeyedQueue[str] = KeyedQueue()
    assert [queue.retry("a") for _ in range(3)] == [0.001, 0.002, 0.004]
    assert await asyncio.wait_for(queue.get(), 30) == "a"
    queue.done("a")
    queue.forget("a")
    assert queue.retry("a") == 0.001


async def test_the_servers_wish_is_heeded_and_the_delay_bounded() -> None:
    queue: KeyedQueue[str] = KeyedQueue()
    assert queue.retry("a", after_s=7) == 7
    assert [queue.retry("b") for _ in range(20)][-1] == queue_module.MAX_DELAY_S
    queue.forget("a")
    queue.forget("b")


async def test_the_age_is_that_of_the_longest_waiting_key() -> None:
    queue: KeyedQueue[str] = KeyedQueue()
    assert queue.oldest_age_s == 0
    queue.add("a")
    await asyncio.sleep(0.002)
    age = queue.oldest_age_s
    queue.add("b")
    assert queue.oldest_age_s >= age > 0
