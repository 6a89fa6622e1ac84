"""Tasks whose deadline passes, also while the operator is down."""

import json
from datetime import datetime

import pytest

from tests.operator_.tasks.conftest import MakeTask
from tests.operator_.tasks.watching import Writes, in_phase
from tests.support.api import Api
from tests.support.claimant import Claimant, ClaimLost
from tests.support.kubectl import Kubectl
from tests.support.operator import OperatorProcess
from tests.support.tasks import claim as a_claim
from tests.support.tasks import ended, running
from wegent_kube import ApiError, KubeClient

pytestmark = pytest.mark.usefixtures("operator")


async def test_what_takes_too_long_fails(
    api: Api, namespace: str, make_task: MakeTask, runner: KubeClient, writes: Writes
) -> None:
    slow = Claimant(runner, "slow")
    assert await slow.claim(await make_task(timeoutSeconds=2))
    task = await in_phase(api, namespace, "Failed")
    status = task["status"]
    assert status["message"] == "Not completed within spec.timeoutSeconds: 2 s"
    start, end = (datetime.fromisoformat(status[it]) for it in ("startTime", "completionTime"))
    assert 1 <= (end - start).total_seconds() < 10
    with pytest.raises(ClaimLost):
        await slow.finish(result="Done.")
    assert writes.of() == {"patch status": 2}


async def test_a_timeout_can_be_changed_while_it_runs(
    api: Api, namespace: str, make_task: MakeTask, runner: KubeClient
) -> None:
    assert await Claimant(runner, "slow").claim(await make_task(timeoutSeconds=3600))
    await api.merge("tasks", namespace, "t", {"spec": {"timeoutSeconds": 1}})
    await in_phase(api, namespace, "Failed")


async def test_what_is_done_for_long_enough_goes_past_the_trash(
    api: Api, namespace: str, make_task: MakeTask, runner: KubeClient, writes: Writes
) -> None:
    claimant = Claimant(runner, "quick")
    assert await claimant.claim(await make_task(ttlSecondsAfterFinished=3))
    await claimant.finish(result="Done.")
    await in_phase(api, namespace, "Completed")
    await api.gone("tasks", namespace, "t")
    assert await api.list("tombstones", namespace) == []
    assert writes.of() == {"patch status": 2, "patch": 1, "delete": 1}


async def test_a_ttl_of_nothing_and_a_ttl_that_comes_later(
    api: Api, namespace: str, make_task: MakeTask, writes: Writes
) -> None:
    await make_task("at-once", ttlSecondsAfterFinished=0)
    await make_task("later")
    await make_task("never")
    for name in ("at-once", "later", "never"):
        await api.merge("tasks", namespace, name, {"spec": {"cancel": True}})
    await in_phase(api, namespace, "Cancelled", "later")
    await api.gone("tasks", namespace, "at-once")
    await api.merge("tasks", namespace, "later", {"spec": {"ttlSecondsAfterFinished": 1}})
    await api.gone("tasks", namespace, "later")
    await in_phase(api, namespace, "Cancelled", "never")
    assert writes.of("never") == {"patch status": 2}
    assert await api.list("tombstones", namespace) == []


async def test_one_that_is_deleted_before_its_time_is_kept(
    api: Api, namespace: str, make_task: MakeTask, runner: KubeClient
) -> None:
    claimant = Claimant(runner, "quick")
    assert await claimant.claim(await make_task(ttlSecondsAfterFinished=3600))
    await claimant.finish()
    await api.delete("tasks", namespace, "t")
    (tombstone,) = await api.list("tombstones", namespace)
    assert tombstone["spec"]["name"] == "t"


async def test_deadlines_outlive_the_operator(
    api: Api, namespace: str, make_task: MakeTask, runner: KubeClient, operator: OperatorProcess
) -> None:
    await make_task("timed", timeoutSeconds=1)
    await make_task("leased")
    await make_task("collected", ttlSecondsAfterFinished=1)
    await make_task("cancelled")
    operator.kill()
    for name in ("timed", "leased"):
        task = await api.get("tasks", namespace, name)
        assert task is not None
        assert await Claimant(runner, "dead", 5).claim(task)
    await api.merge("tasks", namespace, "collected", {"status": running()}, "status")
    end = ended("Completed") | {"claim": None}
    await api.merge("tasks", namespace, "collected", {"status": end}, "status")
    await api.merge("tasks", namespace, "cancelled", {"spec": {"cancel": True}})
    operator.start()
    operator.kill()
    operator.start()
    await in_phase(api, namespace, "Cancelled", "cancelled")
    await in_phase(api, namespace, "Failed", "timed")
    await in_phase(api, namespace, "Pending", "leased")
    await api.gone("tasks", namespace, "collected")
    assert await api.list("tombstones", namespace) == []


async def test_killed_between_release_and_deletion_the_task_still_goes(
    api: Api,
    kubectl: Kubectl,
    namespace: str,
    make_task: MakeTask,
    operator: OperatorProcess,
    writes: Writes,
) -> None:
    await make_task(ttlSecondsAfterFinished=0)
    assert operator.stop() == 0
    await api.merge("tasks", namespace, "t", {"status": running()}, "status")
    end = ended("Completed") | {"claim": None}
    await api.merge("tasks", namespace, "t", {"status": end}, "status")
    released = json.dumps([{"op": "remove", "path": "/metadata/finalizers"}])
    patch = ("patch", "task", "t", f"--namespace={namespace}", "--type=json", "-p", released)
    (await kubectl.call(*patch)).ok()
    operator.start()
    await api.gone("tasks", namespace, "t")
    assert writes.of() == {"patch status": 1, "delete": 1}, "the finalizer is not put back"
    assert await api.list("tombstones", namespace) == []


async def test_a_restart_over_settled_tasks_writes_nothing(
    api: Api, namespace: str, make_task: MakeTask, operator: OperatorProcess, writes: Writes
) -> None:
    await make_task("waiting")
    await make_task("running", timeoutSeconds=604_800)
    status = running(claim=a_claim("steady", 3600))
    status["startTime"] = datetime.now().astimezone().isoformat(timespec="seconds")
    await api.merge("tasks", namespace, "running", {"status": status}, "status")
    await make_task("done", ttlSecondsAfterFinished=31_536_000)
    await api.merge("tasks", namespace, "done", {"status": running()}, "status")
    end = ended("Completed") | {"claim": None}
    await api.merge("tasks", namespace, "done", {"status": end}, "status")
    await in_phase(api, namespace, "Completed", "done")
    assert operator.stop() == 0
    operator.start()
    await make_task("later")  # reconciled after all that the restart brought
    for name, count in (("waiting", 1), ("running", 1), ("done", 2)):
        assert writes.of(name) == {"patch status": count}


async def test_times_that_do_not_exist_are_refused_and_the_last_one_does_no_harm(
    api: Api, namespace: str, make_task: MakeTask
) -> None:
    await make_task("t", timeoutSeconds=60, ttlSecondsAfterFinished=0)
    began = running(claim=a_claim("odd", 5))
    for odd in ("2026-02-30T00:00:00Z", "9999-12-31T23:59:59-23:59"):
        for status in (
            began | {"startTime": odd},
            began | {"claim": a_claim("odd", 5) | {"renewedAt": odd}},
        ):
            with pytest.raises(ApiError, match="must be a valid time") as refused:
                await api.merge("tasks", namespace, "t", {"status": status}, "status")
            assert refused.value.is_invalid
    last = began | {"startTime": "9999-12-31T23:59:59Z"}
    await api.merge("tasks", namespace, "t", {"status": last}, "status")
    await in_phase(api, namespace, "Pending")  # its lease ran out as any other
    last |= {"attempts": 2}
    await api.merge("tasks", namespace, "t", {"status": last}, "status")
    end = ended("Failed", 2, startTime=last["startTime"], completionTime=last["startTime"])
    await api.merge("tasks", namespace, "t", {"status": end | {"claim": None}}, "status")
    await make_task("later")
    await in_phase(api, namespace, "Failed")
