"""A Task is restored with its former status, and nobody can claim a finished Task."""

import asyncio
from typing import Any

import pytest

from tests.operator_.tasks.conftest import MakeTask
from tests.operator_.tasks.watching import Writes, in_phase
from tests.support.api import Api, condition
from tests.support.claimant import Claimant
from tests.support.operator import OperatorProcess
from tests.support.tasks import ENDED, RAN, ended, running
from tests.support.waiting import eventually
from wegent_crds.registry import TASK
from wegent_kube import KubeClient
from wegent_kube.content_types import MERGE_PATCH
from wegent_kube.resources import resource_of

pytestmark = pytest.mark.usefixtures("operator")

RESTORE = {"spec": {"restore": True}}
TIMES = ("startTime", "completionTime")
OWN = ("phase", "attempts", "releases", *TIMES, "result", "message", "usage", "ran")


async def brought_back(api: Api, namespace: str) -> None:
    """Restore all that is in the trash and wait until it is out of it."""
    for tombstone in await api.list("tombstones", namespace):
        await api.merge("tombstones", namespace, tombstone["metadata"]["name"], RESTORE)

    async def trash_is_empty() -> bool:
        left = await api.list("tombstones", namespace)
        assert not left, [item["status"] for item in left]
        return True

    await eventually(trash_is_empty, within_s=30, what="everything to be restored")


async def deleted_and_restored(api: Api, namespace: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Delete the Task and restore it; return the deleted Task and the restored one."""
    before = await api.get("tasks", namespace, "t")
    await api.delete("tasks", namespace, "t")
    await brought_back(api, namespace)
    after = await api.get("tasks", namespace, "t")
    assert before is not None
    assert after is not None
    return before, after


async def finish(api: Api, namespace: str, name: str = "t", **end: Any) -> None:
    """Bring a Task to its end."""
    await api.merge("tasks", namespace, name, {"status": running()}, "status")
    status = ended("Completed", **end) | {"claim": None}
    await api.merge("tasks", namespace, name, {"status": status}, "status")
    await in_phase(api, namespace, "Completed", name)


async def test_what_was_done_is_done_and_nobody_does_it_again(
    api: Api, namespace: str, make_task: MakeTask, runner: KubeClient, writes: Writes
) -> None:
    await make_task()
    await api.merge("tasks", namespace, "t", {"spec": {"title": "Second generation"}})
    await api.settled("tasks", namespace, "t")
    await finish(api, namespace)
    greedy, going_on = Claimant(runner, "greedy"), True

    async def grab() -> int:
        claims = 0
        while going_on:
            task = await api.get("tasks", namespace, "t")
            claims += task is not None and await greedy.claim(task)
        return claims

    grabbing = asyncio.create_task(grab())
    before, after = await deleted_and_restored(api, namespace)
    going_on = False
    assert await grabbing == 0
    assert before["metadata"]["uid"] != after["metadata"]["uid"]
    assert {it: after["status"].get(it) for it in OWN} == {
        it: before["status"].get(it) for it in OWN
    }
    assert "claim" not in after["status"]
    assert condition(after, "Ready")["status"] == "True"
    generation = after["metadata"]["generation"]
    assert after["status"]["observedGeneration"] == generation == 1
    # Evaluated twice while Pending, and its end told; marked as stored and released; then created,
    # begun and ended once more, and its fields given back to those who owned them.
    assert writes.of() == {"patch status": 5, "patch": 3, "create": 1}


async def test_work_that_was_under_way_waits_to_be_claimed_again(
    api: Api, namespace: str, make_task: MakeTask, runner: KubeClient
) -> None:
    assert await Claimant(runner, "first").claim(await make_task())
    await deleted_and_restored(api, namespace)
    task = await api.settled("tasks", namespace, "t")
    status = task["status"]
    assert (status["phase"], status["attempts"]) == ("Pending", 1)
    assert status["message"] == "Restored from the trash; waiting for another claim"
    assert "claim" not in status
    second = Claimant(runner, "second")
    assert await second.claim(task)
    await second.finish()
    assert (await in_phase(api, namespace, "Completed"))["status"]["attempts"] == 2


async def test_releases_usage_and_the_used_objects_come_back(
    api: Api, namespace: str, make_task: MakeTask
) -> None:
    await make_task()
    usage = {"inputTokens": 7, "outputTokens": 4, "cachedInputTokens": 0, "modelRequests": 1}
    await api.merge("tasks", namespace, "t", {"status": running()}, "status")
    given_back = {"phase": "Pending", "claim": None, "startTime": None, "releases": 1}
    await api.merge("tasks", namespace, "t", {"status": given_back}, "status")
    await api.merge("tasks", namespace, "t", {"status": running(attempts=2)}, "status")
    status = ended("Completed", attempts=2, usage=usage, ran=RAN) | {"claim": None}
    await api.merge("tasks", namespace, "t", {"status": status}, "status")
    await in_phase(api, namespace, "Completed")
    before, after = await deleted_and_restored(api, namespace)
    assert after["status"]["releases"] == 1
    assert after["status"]["ran"] == RAN
    assert {it: after["status"].get(it) for it in OWN} == {
        it: before["status"].get(it) for it in OWN
    }


async def test_what_had_not_begun_or_never_will(
    api: Api, namespace: str, make_task: MakeTask
) -> None:
    await make_task()
    await deleted_and_restored(api, namespace)
    await api.settled("tasks", namespace, "t")
    await api.merge("tasks", namespace, "t", {"spec": {"cancel": True}})
    await in_phase(api, namespace, "Cancelled")
    before, after = await deleted_and_restored(api, namespace)
    assert after["status"]["completionTime"] == before["status"]["completionTime"]
    assert condition(after, "Accepted")["reason"] == "Cancelled"


async def test_it_is_not_collected_at_once_for_having_ended_long_ago(
    api: Api, namespace: str, make_task: MakeTask, writes: Writes
) -> None:
    await make_task(ttlSecondsAfterFinished=3600)
    await finish(api, namespace, completionTime=ENDED)
    await deleted_and_restored(api, namespace)
    await make_task("later")  # reconciled after all that
    await in_phase(api, namespace, "Completed")
    assert "delete" not in writes.of()


async def test_with_the_operator_killed_again_and_again_each_comes_back_whole(
    api: Api, namespace: str, make_task: MakeTask, operator: OperatorProcess
) -> None:
    names = [f"t{number}" for number in range(40)]
    for name in names:
        await make_task(name)
    for name in names:
        await finish(api, namespace, name)
        await api.ask_to_delete("tasks", namespace, name)
    for name in names:
        await api.gone("tasks", namespace, name)
    restoring = asyncio.create_task(brought_back(api, namespace))
    for round_ in range(4):
        await asyncio.sleep(0.03 * round_)
        operator.kill()
        await asyncio.to_thread(operator.start)
    await restoring
    tasks = await api.list("tasks", namespace)
    assert {task["metadata"]["name"] for task in tasks} == set(names)
    for task in tasks:
        status = task["status"]
        assert (status["phase"], status["result"]) == ("Completed", "Done."), task
        assert condition(task, "Ready")["status"] == "True"


async def test_the_runner_still_owns_what_it_wrote(
    api: Api, namespace: str, make_task: MakeTask
) -> None:
    await make_task()
    path = resource_of(TASK).path(namespace, "t", "status")
    for status in (running(), ended("Failed") | {"claim": None}):
        await api.client.request(
            "PATCH",
            path,
            body={"status": status},
            params={"fieldManager": "the-runner"},
            content_type=MERGE_PATCH,
        )
    before, after = await deleted_and_restored(api, namespace)
    owned = [
        [
            it["fieldsV1"]
            for it in body["metadata"]["managedFields"]
            if it["manager"] == "the-runner"
        ]
        for body in (before, after)
    ]
    assert owned[0]
    assert owned[0] == owned[1]
