"""Namespaces take turns, the oldest Task comes first, and nothing is offered twice."""

import asyncio
from typing import Any

import pytest

from wegent_runner.claims.pending import PendingTasks, claimable


def task(
    namespace: str, name: str, created: int = 0, version: str = "1", **more: Any
) -> dict[str, Any]:
    return {
        "metadata": {
            "namespace": namespace,
            "name": name,
            "creationTimestamp": f"2026-01-01T00:00:{created:02}Z",
            "resourceVersion": version,
        },
        "spec": {"cancel": False},
        "status": {
            "phase": "Pending",
            "conditions": [{"type": "Ready", "status": "True"}],
        },
        **more,
    }


async def names(tasks: PendingTasks, count: int) -> list[str]:
    return [f"{it.namespace}/{it.name}" for it in [await tasks.get() for _ in range(count)]]


async def test_a_namespace_with_many_tasks_doesnt_hold_up_another() -> None:
    tasks = PendingTasks()
    for number in range(5):
        tasks.changed(task("many", f"t{number}", created=number))
    tasks.changed(task("few", "t", created=30))
    assert await names(tasks, 4) == ["many/t0", "few/t", "many/t1", "many/t2"]


async def test_the_oldest_comes_first() -> None:
    tasks = PendingTasks()
    for created in (5, 3, 4):
        tasks.changed(task("ns", f"t{created}", created=created))
    assert await names(tasks, 3) == ["ns/t3", "ns/t4", "ns/t5"]


async def test_a_change_is_offered_once_with_its_newest_version() -> None:
    tasks = PendingTasks()
    tasks.changed(task("ns", "t", version="1"))
    tasks.changed(task("ns", "t", version="2"))
    found = await tasks.get()
    assert found.version == "2"
    assert len(tasks) == 0
    tasks.changed(task("ns", "t", version="3"))
    assert (await tasks.get()).version == "3"


async def test_what_is_gone_is_not_offered() -> None:
    tasks = PendingTasks()
    for name in ("a", "b", "c"):
        tasks.changed(task("ns", name))
    tasks.deleted(("ns", "a"))
    tasks.listed({("ns", "c")})
    assert await names(tasks, 1) == ["ns/c"]
    assert len(tasks) == 0


def test_only_ready_pending_tasks_may_be_claimed() -> None:
    assert claimable(task("ns", "t"))
    assert not claimable(task("ns", "t", spec={"cancel": True}))
    assert not claimable(task("ns", "t", status={"phase": "Running", "conditions": []}))
    assert not claimable(task("ns", "t", status={"phase": "Pending"}))
    assert not claimable(task("ns", "t", status={}))


async def test_namespaces_with_running_tasks_dont_get_the_last_slots() -> None:
    tasks = PendingTasks(shared_slots=3)
    for number in range(4):
        tasks.changed(task("many", f"t{number}", created=number))
    tasks.changed(task("too", "t"))
    tasks.changed(task("too", "u"))
    assert await names(tasks, 3) == ["many/t0", "too/t", "many/t1"]
    waiting = asyncio.create_task(tasks.get())
    await asyncio.sleep(0)
    tasks.changed(task("few", "t"))
    assert (await waiting).namespace == "few"
    waiting = asyncio.create_task(tasks.get())
    await asyncio.sleep(0)
    assert not waiting.done()
    tasks.release("few")
    await asyncio.sleep(0)
    assert not waiting.done()
    tasks.release("many")
    assert (await waiting).name == "u"


async def test_a_task_is_offered_again_after_growing_pauses(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pauses: list[float] = []
    loop = asyncio.get_running_loop()

    def at_once(pause_s: float, offer: Any, *args: Any) -> asyncio.Handle:
        pauses.append(pause_s)
        return loop.call_soon(offer, *args)

    monkeypatch.setattr(loop, "call_later", at_once)
    tasks = PendingTasks()
    tasks.changed(task("ns", "t"))
    for _ in range(9):
        found = await tasks.get()
        tasks.retry(found)
    for number, pause_s in enumerate(pauses):
        assert min(60, 2**number) / 2 <= pause_s <= min(60, 2**number)


async def test_a_newer_version_doesnt_wait_for_the_pause() -> None:
    tasks = PendingTasks()
    tasks.changed(task("ns", "t", version="1"))
    found = await tasks.get()
    tasks.put_aside(found)
    tasks.changed(task("ns", "t", version="1"))
    assert len(tasks) == 0, "the list tells of the same version"
    tasks.changed(task("ns", "t", version="2"))
    assert (await tasks.get()).version == "2"
    tasks.retry(found)
    tasks.deleted(("ns", "t"))
    tasks.retry(found)
    tasks.listed(set())
    assert tasks._later == {}


async def test_a_task_whose_claim_fails_keeps_its_age() -> None:
    now = 0.0
    tasks = PendingTasks(clock=lambda: now)
    tasks.changed(task("ns", "t", version="1"))
    now = 50.0
    assert tasks.oldest_age_s() == 50.0
    found = await tasks.get()
    assert tasks.oldest_age_s() == 0.0
    tasks.retry(found)
    assert (len(tasks), tasks.oldest_age_s()) == (1, 50.0)
    tasks.changed(task("ns", "t", version="2"))
    found = await tasks.get()
    tasks.put_aside(found)
    assert (len(tasks), tasks.oldest_age_s()) == (0, 0.0), "another runner serves it"
    tasks.deleted(("ns", "t"))


async def test_stale_entries_dont_pile_up() -> None:
    """A Task that changes often, behind one that is older."""
    tasks = PendingTasks()
    tasks.changed(task("ns", "old", created=1))
    for version in range(1000):
        tasks.changed(task("ns", "t", created=2, version=str(version)))
    assert len(tasks) == 2
    assert len(tasks._queues["ns"].heap) < 25
    assert await names(tasks, 2) == ["ns/old", "ns/t"]
    assert not tasks._queues
