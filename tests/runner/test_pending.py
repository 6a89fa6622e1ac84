"""Namespaces take turns, the oldest Task comes first, and nothing is offered twice."""

from typing import Any

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
    return [f"{it.namespace}/{it.name}" for it, _ in [await tasks.get() for _ in range(count)]]


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
    found, _ = await tasks.get()
    assert found.version == "2"
    assert len(tasks) == 0
    tasks.changed(task("ns", "t", version="3"))
    assert (await tasks.get())[0].version == "3"


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
