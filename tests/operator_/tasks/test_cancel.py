"""Cancelling a Task: before it begins, while it runs, with and without its runner's help."""

import asyncio

import pytest

from tests.operator_.tasks.conftest import MakeTask
from tests.operator_.tasks.watching import Writes, in_phase, observed
from tests.support.api import Api, condition
from tests.support.claimant import Claimant, ClaimLost
from tests.support.waiting import eventually
from wegent_crds.references import ObjectKey
from wegent_kube import ApiError, KubeClient
from wegent_kube.resources import EVENTS
from wegent_operator.tasks.deadlines import CANCEL_GRACE_S

pytestmark = pytest.mark.usefixtures("operator")

ROUNDS = 20
CANCEL = {"spec": {"cancel": True}}


async def test_a_pending_task_is_cancelled_in_one_write(
    api: Api, namespace: str, make_task: MakeTask, writes: Writes
) -> None:
    await make_task()
    await api.merge("tasks", namespace, "t", CANCEL)
    task = await in_phase(api, namespace, "Cancelled")
    status = task["status"]
    assert status["message"] == "Cancelled before it was claimed"
    assert status["completionTime"]
    assert "startTime" not in status
    for type_, value in (("Accepted", "False"), ("Failed", "True")):
        said = condition(task, type_)
        assert (said["status"], said["reason"]) == (value, "Cancelled")
    assert "Ready" not in {it["type"] for it in status["conditions"]}, "nothing is to come"
    assert condition(task, "ResolvedRefs")["status"] == "True"
    assert status["observedGeneration"] == task["metadata"]["generation"]
    assert writes.of() == {"patch status": 2}, "one made it Ready, one cancelled it"


async def test_a_task_that_comes_cancelled_never_begins(
    api: Api, namespace: str, writes: Writes
) -> None:
    spec = {"botRef": {"name": "none"}, "prompt": "Do it.", "cancel": True}
    await api.create("tasks", namespace, "t", spec)
    task = await in_phase(api, namespace, "Cancelled")
    assert condition(task, "ResolvedRefs")["reason"] == "RefNotFound"
    assert writes.of() == {"patch status": 1}

    async def told() -> bool:
        listed = await api.client.request("GET", EVENTS.path(namespace))
        assert len(listed["items"]) == 1
        [event] = listed["items"]
        assert (event["type"], event["reason"]) == ("Normal", "Cancelled")
        return True

    await eventually(told, within_s=30, what="an Event")


async def test_a_runner_learns_of_it_at_its_next_renewal_and_stops(
    api: Api, namespace: str, make_task: MakeTask, runner: KubeClient, writes: Writes
) -> None:
    claimant = Claimant(runner, "obedient")
    assert await claimant.claim(await make_task())
    await api.merge("tasks", namespace, "t", CANCEL)
    with pytest.raises(ClaimLost):
        await claimant.renew()
    assert (await claimant.look_again())["spec"]["cancel"] is True
    await claimant.finish("Cancelled", message="Stopped.")
    task = await in_phase(api, namespace, "Cancelled")
    assert task["status"]["message"] == "Stopped."
    assert task["status"]["observedGeneration"] == 2
    assert writes.of() == {"patch status": 2}, "one made it Ready, one told its end"


async def test_a_dead_runners_task_is_cancelled_when_its_lease_runs_out(
    api: Api, namespace: str, make_task: MakeTask, runner: KubeClient, writes: Writes
) -> None:
    assert await Claimant(runner, "dead", 5).claim(await make_task())
    await api.merge("tasks", namespace, "t", CANCEL)
    task = await in_phase(api, namespace, "Cancelled")
    assert "Cancelled; the lease of dead expired" in task["status"]["message"]
    assert "claim" not in task["status"]
    assert task["status"]["startTime"]
    assert writes.of() == {"patch status": 2}


async def test_a_runner_that_does_not_stop_is_not_waited_for(
    api: Api, namespace: str, make_task: MakeTask, runner: KubeClient, writes: Writes
) -> None:
    deaf = Claimant(runner, "deaf", 3600)
    assert await deaf.claim(await make_task())
    await api.merge("tasks", namespace, "t", CANCEL)
    await deaf.look_again()
    await deaf.renew()
    task = await in_phase(api, namespace, "Cancelled", within_s=CANCEL_GRACE_S + 20)
    said = f"Cancelled; deaf did not stop within {CANCEL_GRACE_S} s"
    assert task["status"]["message"] == said
    with pytest.raises(ClaimLost):
        await deaf.finish(result="Done.")
    assert task["status"]["observedGeneration"] == 2
    assert writes.of() == {"patch status": 2}


async def test_what_is_done_stays_done(
    api: Api, namespace: str, make_task: MakeTask, runner: KubeClient, writes: Writes
) -> None:
    claimant = Claimant(runner, "quick")
    assert await claimant.claim(await make_task())
    await claimant.finish(result="Done.")
    await in_phase(api, namespace, "Completed")
    with pytest.raises(ApiError, match="cancel can't be set after the Task has ended"):
        await api.merge("tasks", namespace, "t", CANCEL)
    await api.merge("tasks", namespace, "t", {"spec": {"title": "Quick"}})
    task = await observed(api, namespace, 2)
    assert (task["status"]["phase"], task["status"]["result"]) == ("Completed", "Done.")
    assert writes.of() == {"patch status": 3}, "it was made Ready, ended, and was edited"


async def test_of_a_claim_and_a_cancellation_one_comes_first(
    api: Api, namespace: str, make_task: MakeTask, runner: KubeClient
) -> None:
    for number in range(ROUNDS):
        key = ObjectKey("tasks", namespace, f"t{number}")
        task = await make_task(key.name)
        claimant = Claimant(runner, "fast")
        claimed, _ = await asyncio.gather(
            claimant.claim(task), api.merge(key.plural, key.namespace, key.name, CANCEL)
        )
        if claimed:
            await claimant.look_again()
            await claimant.finish("Cancelled", message="Stopped.")
        ended = await in_phase(api, namespace, "Cancelled", key.name)
        assert ended["status"]["attempts"] == int(claimed)
