"""A Task at its end, as ``kubectl wait`` and kstatus read it."""

from typing import Any

import pytest

from tests.operator_.tasks.conftest import MakeTask
from tests.operator_.tasks.watching import Writes, in_phase, observed
from tests.support.api import VERDICT_WITHIN_S, Api, condition
from tests.support.claimant import Claimant
from tests.support.kubectl import Kubectl
from tests.support.operator import OperatorProcess
from tests.support.waiting import eventually
from wegent_kube import KubeClient

pytestmark = pytest.mark.usefixtures("operator")

ACCOUNTS = "wegent-accounts"
ENDS = {
    "Completed": ("Current", "Complete", "Completed"),
    "Failed": ("Failed", "Failed", "TaskFailed"),
    "Cancelled": ("Current", "Failed", "Cancelled"),
}
"""By phase: the status by kstatus, a condition that is True, and its reason."""


def kstatus(body: dict[str, Any]) -> str:
    """The rules of sigs.k8s.io/cli-utils for custom resources, in their order."""
    status = body.get("status") or {}
    if "deletionTimestamp" in body["metadata"]:
        return "Terminating"
    if (
        status.get("observedGeneration", body["metadata"]["generation"])
        != (body["metadata"]["generation"])
    ):
        return "InProgress"
    said = {it["type"]: it["status"] for it in status.get("conditions", ())}
    if said.get("Reconciling") == "True":
        return "InProgress"
    if said.get("Stalled") == "True":
        return "Failed"
    return "Current" if said.get("Ready", "True") == "True" else "InProgress"


async def settles(api: Api, namespace: str, name: str, wanted: str) -> dict[str, Any]:
    async def probe() -> dict[str, Any]:
        task = await api.get("tasks", namespace, name)
        assert task is not None, "it is gone"
        assert kstatus(task) == wanted, task["status"]
        return task

    return await eventually(probe, within_s=VERDICT_WITHIN_S, what=f"{name} to be {wanted}")


@pytest.mark.parametrize("phase", ENDS)
async def test_each_end_is_read_as_that_end(
    api: Api,
    runner: KubeClient,
    namespace: str,
    make_task: MakeTask,
    kubectl: Kubectl,
    writes: Writes,
    phase: str,
) -> None:
    wanted, type_, reason = ENDS[phase]
    claimant = Claimant(runner, "quick")
    assert await claimant.claim(await make_task())
    await claimant.finish(phase, message="It is over.")
    wait = (f"--for=condition={type_}", "task/t", f"--namespace={namespace}", "--timeout=20s")
    (await kubectl.call("wait", *wait)).ok()
    either = ("--for=jsonpath={.status.completionTime}", "task/t", f"--namespace={namespace}")
    (await kubectl.call("wait", *either, "--timeout=5s")).ok()
    task = await settles(api, namespace, "t", wanted)
    said = condition(task, type_)
    assert (said["reason"], said["message"]) == (reason, "It is over.")
    assert writes.of() == {"patch status": 2}, "one made it Ready, one told its end"
    # An edit afterwards is acknowledged, and costs one write.
    await api.merge("tasks", namespace, "t", {"spec": {"ttlSecondsAfterFinished": 86400}})
    task = await observed(api, namespace, 2)
    assert kstatus(task) == wanted
    assert writes.of() == {"patch status": 3}


async def test_a_runner_may_tell_the_end_itself(
    api: Api, runner: KubeClient, namespace: str, make_task: MakeTask, writes: Writes
) -> None:
    claimant = Claimant(runner, "thorough")
    task = await make_task()
    assert await claimant.claim(task)
    complete = condition(task, "Ready") | {"type": "Complete", "reason": "Answered"}
    await claimant.finish(conditions=[*task["status"]["conditions"], complete])
    await make_task("later")  # reconciled after all that
    task = await settles(api, namespace, "t", "Current")
    assert condition(task, "Complete")["reason"] == "Answered"
    assert writes.of() == {"patch status": 1}, "the one that made it Ready"


async def test_a_task_that_the_operator_ends_says_so_in_the_same_write(
    api: Api, runner: KubeClient, namespace: str, make_task: MakeTask, writes: Writes
) -> None:
    assert await Claimant(runner, "slow").claim(await make_task(timeoutSeconds=1))
    task = await in_phase(api, namespace, "Failed")
    assert kstatus(task) == "Failed"
    for type_ in ("Failed", "Stalled"):
        assert condition(task, type_)["message"] == task["status"]["message"]
    assert writes.of() == {"patch status": 2}


async def test_an_edit_of_a_running_task_is_acknowledged_and_its_claim_stays(
    api: Api, runner: KubeClient, namespace: str, make_task: MakeTask, writes: Writes
) -> None:
    claimant = Claimant(runner, "steady")
    assert await claimant.claim(await make_task())
    edits = {"title": "Another title", "timeoutSeconds": 3600, "ttlSecondsAfterFinished": 86400}
    for generation, (field, value) in enumerate(edits.items(), start=2):
        await api.merge("tasks", namespace, "t", {"spec": {field: value}})
        task = await observed(api, namespace, generation)
        assert kstatus(task) == "Current"
        assert task["status"]["claim"]["holder"] == "steady"
    assert writes.of() == {"patch status": 4}
    await claimant.look_again()
    await claimant.finish(result="Done.")
    await in_phase(api, namespace, "Completed")


async def test_a_cancellation_is_work_in_progress_until_the_end(
    api: Api, runner: KubeClient, namespace: str, make_task: MakeTask, writes: Writes
) -> None:
    claimant = Claimant(runner, "obedient")
    assert await claimant.claim(await make_task())
    await api.merge("tasks", namespace, "t", {"spec": {"cancel": True}})
    assert kstatus(await claimant.look_again()) == "InProgress"
    await make_task("later")  # reconciled after that
    await claimant.renew()  # nobody else wrote
    await claimant.finish("Cancelled", observedGeneration=1)
    assert kstatus(await observed(api, namespace, 2)) == "Current"
    assert writes.of() == {"patch status": 2}


async def test_a_task_that_ended_while_the_operator_was_down(
    api: Api,
    runner: KubeClient,
    namespace: str,
    make_task: MakeTask,
    writes: Writes,
    operator: OperatorProcess,
) -> None:
    claimant = Claimant(runner, "alone")
    assert await claimant.claim(await make_task())
    operator.kill()
    await api.merge("tasks", namespace, "t", {"spec": {"title": "Another title"}})
    await claimant.look_again()
    await claimant.finish("Failed", observedGeneration=1)
    operator.start()
    task = await in_phase(api, namespace, "Failed")
    assert task["status"]["observedGeneration"] == 2
    assert kstatus(task) == "Failed"
    assert writes.of() == {"patch status": 2}


async def test_cancelled_with_a_missing_bot_nothing_waits(api: Api, namespace: str) -> None:
    spec = {"botRef": {"name": "none"}, "prompt": "Do it.", "cancel": True}
    await api.create("tasks", namespace, "t", spec)
    await in_phase(api, namespace, "Cancelled")
    await settles(api, namespace, "t", "Current")


async def test_a_suspended_account_is_as_declared(api: Api, kubectl: Kubectl) -> None:
    name = "kstatus-suspended"
    spec = {"email": f"{name}@example.com", "suspended": True}
    await api.create("accounts", ACCOUNTS, name, spec)
    (await kubectl.call("wait", "--for=condition=Ready", f"account/{name}", f"-n={ACCOUNTS}")).ok()
    account = await api.settled("accounts", ACCOUNTS, name, "Suspended")
    assert kstatus(account) == "Current"
    await api.merge("accounts", ACCOUNTS, name, {"spec": {"suspended": False}})
    account = await api.settled("accounts", ACCOUNTS, name)
    assert kstatus(account) == "Current"


async def test_an_account_in_a_wrong_namespace_waits_in_vain(api: Api, namespace: str) -> None:
    await api.create("accounts", namespace, "astray", {"email": "astray@example.com"})
    account = await api.settled("accounts", namespace, "astray", "WrongNamespace")
    assert kstatus(account) == "Failed"
    assert condition(account, "Stalled")["message"] == condition(account, "Ready")["message"]
