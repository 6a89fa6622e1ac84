"""A Task waits for people: nothing is held meanwhile, and it goes on once all is answered."""

from typing import Any

import pytest

from tests.operator_.tasks.conftest import MakeTask
from tests.operator_.tasks.test_restore import deleted_and_restored
from tests.operator_.tasks.watching import Writes, in_phase, observed
from tests.support.api import Api, condition
from tests.support.claimant import Claimant, ClaimLost
from tests.support.operator import OperatorProcess
from tests.support.tasks import question
from tests.support.waiting import eventually
from wegent_kube import KubeClient
from wegent_kube.resources import EVENTS
from wegent_operator.tasks.deadlines import MAX_ATTEMPTS

pytestmark = pytest.mark.usefixtures("operator")


async def answer(api: Api, namespace: str, *ids: str, decision: str = "approve") -> None:
    """Answer as the cluster's administrator. The API server keeps former answers."""
    answers = [{"id": id_, "decision": decision} for id_ in ids]
    await api.merge("tasks", namespace, "t", {"spec": {"answers": answers}})


async def asked(
    api: Api, namespace: str, runner: KubeClient, task: dict[str, Any], *ids: str
) -> Claimant:
    """Claim a Task and let go of it with questions; return its claimant."""
    claimant = Claimant(runner, "asking")
    assert await claimant.claim(task)
    await claimant.ask(*map(question, ids or ("call_1",)))
    await in_phase(api, namespace, "Waiting")
    return claimant


async def test_an_answer_lets_a_task_go_on_in_one_write(
    api: Api, namespace: str, make_task: MakeTask, runner: KubeClient, writes: Writes
) -> None:
    claimant = await asked(api, namespace, runner, await make_task(timeoutSeconds=3600))
    with pytest.raises(ClaimLost):
        await claimant.look_again()
    await answer(api, namespace, "call_1")
    task = await in_phase(api, namespace, "Pending")
    status = task["status"]
    assert status["message"] == "Answered; waiting for a claim"
    assert {"waitingFor", "waitingSince", "claim", "startTime"}.isdisjoint(status)
    assert (status["attempts"], status["releases"]) == (1, 1)
    assert condition(task, "Ready")["status"] == "True"
    assert status["observedGeneration"] == task["metadata"]["generation"]
    assert writes.of() == {"patch status": 2}, "one made it Ready, one let it go on"
    assert task["spec"]["answers"][0]["by"], "the API server knows who answered"
    second = Claimant(runner, "second")
    assert await second.claim(task)
    await second.finish(result="Done.")
    assert (await in_phase(api, namespace, "Completed"))["status"]["attempts"] == 2

    async def told() -> bool:
        listed = await api.client.request("GET", EVENTS.path(namespace))
        assert "Answered" in {it["reason"] for it in listed["items"]}
        return True

    await eventually(told, within_s=30, what="an Event")


async def test_each_question_must_be_answered_and_waiting_costs_no_write(
    api: Api, namespace: str, make_task: MakeTask, runner: KubeClient, writes: Writes
) -> None:
    await asked(api, namespace, runner, await make_task(), "call_1", "call_2")
    assert writes.of() == {"patch status": 1}
    await answer(api, namespace, "call_2", decision="deny")
    task = await observed(api, namespace, 2)
    assert task["status"]["phase"] == "Waiting"
    assert writes.of() == {"patch status": 2}, "the first answer is acknowledged"
    await answer(api, namespace, "call_1")
    task = await in_phase(api, namespace, "Pending")
    assert [it["id"] for it in task["spec"]["answers"]] == ["call_2", "call_1"]


async def test_a_task_that_waits_is_cancelled_at_once(
    api: Api, namespace: str, make_task: MakeTask, runner: KubeClient
) -> None:
    await asked(api, namespace, runner, await make_task())
    await api.merge("tasks", namespace, "t", {"spec": {"cancel": True}})
    status = (await in_phase(api, namespace, "Cancelled"))["status"]
    assert status["message"] == "Cancelled while it waited for an answer"
    assert {"waitingFor", "waitingSince"}.isdisjoint(status)


async def test_a_task_that_was_cancelled_before_it_asked_is_cancelled(
    api: Api, namespace: str, make_task: MakeTask, runner: KubeClient
) -> None:
    claimant = Claimant(runner, "asking")
    assert await claimant.claim(await make_task())
    await api.merge("tasks", namespace, "t", {"spec": {"cancel": True}})
    await claimant.look_again()
    await claimant.ask(question())
    await in_phase(api, namespace, "Cancelled")


async def test_a_task_that_nobody_answers_fails(
    api: Api, namespace: str, make_task: MakeTask, runner: KubeClient
) -> None:
    await asked(api, namespace, runner, await make_task(waitTimeoutSeconds=3600))
    await api.merge("tasks", namespace, "t", {"spec": {"waitTimeoutSeconds": 2}})
    task = await in_phase(api, namespace, "Failed")
    told = "Not answered within spec.waitTimeoutSeconds: 2 s; 1 question is open"
    assert task["status"]["message"] == told
    assert condition(task, "Failed")["message"] == told
    assert "waitingFor" not in task["status"]


async def test_an_answer_is_found_by_an_operator_that_was_away(
    api: Api, namespace: str, make_task: MakeTask, runner: KubeClient, operator: OperatorProcess
) -> None:
    """Also one that is later than the wait may last: it is there."""
    await asked(api, namespace, runner, await make_task(waitTimeoutSeconds=3600))
    operator.kill()
    await answer(api, namespace, "call_1")
    await api.merge("tasks", namespace, "t", {"spec": {"waitTimeoutSeconds": 1}})
    operator.start()
    task = await in_phase(api, namespace, "Pending", within_s=60)
    assert task["status"]["message"] == "Answered; waiting for a claim"


async def test_waits_do_not_use_up_the_attempts(
    api: Api, namespace: str, make_task: MakeTask, runner: KubeClient
) -> None:
    task = await make_task()
    for number in range(MAX_ATTEMPTS + 1):
        await asked(api, namespace, runner, task, f"call_{number}")
        await answer(api, namespace, f"call_{number}")
        task = await in_phase(api, namespace, "Pending")
    assert (task["status"]["attempts"], task["status"]["releases"]) == (7, 7)
    last = Claimant(runner, "last", lease_s=5)
    assert await last.claim(task)
    again = await in_phase(api, namespace, "Pending", within_s=30)
    assert "Waiting for another claim after attempt 8" in again["status"]["message"]


async def test_a_task_that_comes_back_from_the_trash_waits_for_the_same_answers(
    api: Api, namespace: str, make_task: MakeTask, runner: KubeClient
) -> None:
    await asked(api, namespace, runner, await make_task(), "call_1", "call_2")
    await answer(api, namespace, "call_2")
    await observed(api, namespace, 2)
    before, after = await deleted_and_restored(api, namespace)
    own = ("phase", "attempts", "releases", "waitingFor", "waitingSince", "message")
    assert {it: after["status"].get(it) for it in own} == {
        it: before["status"].get(it) for it in own
    }
    assert after["spec"]["answers"] == before["spec"]["answers"]
    assert after["status"]["phase"] == "Waiting"
    await answer(api, namespace, "call_1")
    task = await in_phase(api, namespace, "Pending")
    assert await Claimant(runner, "second").claim(task)
