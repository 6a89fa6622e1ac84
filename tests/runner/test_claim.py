"""Claims whose requests have no answer: no work beyond the lease, no Task that waits for one."""

import asyncio
from typing import Any, cast

import pytest

from tests.runner.conftest import MakeTask
from tests.runner.one_task import OneTask, pending
from tests.support.api import Api
from tests.support.tasks import RAN
from tests.support.virtual_time import in_virtual_time
from tests.support.waiting import eventually
from wegent_crds.phases import Phase
from wegent_kube import KubeClient, KubeError, Unreachable
from wegent_runner.claims.claim import STOP_S, Claim, ClaimLost
from wegent_runner.claims.outcome import Outcome

LEASE_S = 30


def now_s() -> float:
    """Return the time of the running loop, which is virtual in most of these tests."""
    return asyncio.get_running_loop().time()


async def taken(api: OneTask, **options: Any) -> Claim:
    claim = await Claim.take(
        api.client, api.task, "wegent-runner-a", LEASE_S, clock=now_s, **options
    )
    assert claim is not None
    return claim


async def work(seconds: float) -> Outcome:
    await asyncio.sleep(seconds)
    return Outcome(Phase.COMPLETED, result="x")


@in_virtual_time
async def test_a_claim_whose_answer_is_lost_is_kept() -> None:
    api = OneTask(pending())
    api.faults["PATCH"] = ["lost"]
    api.faults["GET"] = ["refused"]
    claim = await taken(api)
    assert claim.attempt == 1
    assert (await claim.run(work(0))).phase is Phase.COMPLETED
    assert api.status["phase"] == "Completed"


@in_virtual_time
async def test_a_claim_that_was_not_written_is_an_error() -> None:
    api = OneTask(pending())
    api.faults["PATCH"] = ["refused"]
    with pytest.raises(KubeError, match="refused"):
        await taken(api)
    assert api.status["phase"] == "Pending"


@in_virtual_time
async def test_a_claim_of_another_runner_is_not_taken_for_ones_own() -> None:
    api = OneTask(pending())
    old = api.task | {"metadata": {**api.task["metadata"]}, "status": {**api.status}}
    api.change(phase="Running", attempts=1, claim={"holder": "wegent-runner-b"})
    api.faults["PATCH"] = ["refused"]
    with pytest.raises(KubeError):
        await Claim.take(api.client, old, "wegent-runner-a", LEASE_S, clock=now_s)


@in_virtual_time
async def test_one_hanging_renewal_doesnt_use_up_the_lease() -> None:
    api = OneTask(pending())
    claim = await taken(api)
    api.faults["PATCH"] = ["hangs"]
    assert (await claim.run(work(1.5 * LEASE_S))).phase is Phase.COMPLETED


@pytest.mark.parametrize("stirred", [False, True])
@in_virtual_time
async def test_work_ends_with_the_lease_though_the_server_hangs(stirred: bool) -> None:  # noqa: FBT001
    api = OneTask(pending())
    began = now_s()
    claim = await taken(api)
    api.always = "hangs"
    if stirred:
        claim.stir()
    with pytest.raises(ClaimLost, match="lease has expired"):
        await claim.run(work(60))
    assert now_s() - began == pytest.approx(LEASE_S)


@in_virtual_time
async def test_an_end_whose_answer_is_lost_is_known_and_written_once() -> None:
    api = OneTask(pending())
    claim = await taken(api)
    api.faults["PATCH"] = ["lost"]
    assert (await claim.run(work(0))).phase is Phase.COMPLETED
    assert [it["phase"] for it in api.writes] == ["Running", "Completed"]


@in_virtual_time
async def test_an_end_without_an_answer_is_written_again() -> None:
    api = OneTask(pending())
    claim = await taken(api)
    api.faults["PATCH"] = ["hangs"]
    api.faults["GET"] = ["refused"]
    assert (await claim.run(work(0))).phase is Phase.COMPLETED
    assert api.status["result"] == "x"


@pytest.mark.parametrize(
    ("fault", "reason"), [("invalid", "Task is invalid"), ("too large", "limit is 3 MiB")]
)
async def test_an_end_that_is_never_taken_fails_the_task(fault: Any, reason: str) -> None:
    api = OneTask(pending())
    claim = await taken(api)
    claim.usage = {"modelRequests": 1}
    api.faults["PATCH"] = [fault]
    outcome = await claim.run(work(0))
    assert (outcome.phase, outcome.reason) == (Phase.FAILED, "EndRefused")
    assert [it["phase"] for it in api.writes] == ["Running", "Failed"]
    assert reason in api.status["message"]
    assert "result" not in api.status
    assert "claim" not in api.status


async def test_a_refusal_of_each_end_leaves_the_claim_to_expire() -> None:
    api = OneTask(pending())
    claim = await taken(api)
    api.faults["PATCH"] = ["invalid", "invalid"]
    with pytest.raises(KubeError, match="Task is invalid"):
        await claim.run(work(0))
    assert api.status["phase"] == "Running"


@pytest.mark.parametrize("fault", ["lost", "refused", "hangs", "hangs after it"])
@in_virtual_time
async def test_a_task_is_given_back_once_although_an_answer_is_lost(fault: Any) -> None:
    api = OneTask(pending())
    claim = await taken(api)
    api.faults["PATCH"] = [fault]
    await claim.give_back("draining")
    assert api.status["phase"] == "Pending"
    assert (api.status["releases"], api.status["attempts"]) == (1, 1)


@in_virtual_time
async def test_a_task_is_given_back_after_a_renewal_that_was_cut_off() -> None:
    """The runner stops in the middle of a renewal, which the API server has written."""
    api = OneTask(pending())
    claim = await taken(api)
    api.faults["PATCH"] = ["hangs after it"]
    running = asyncio.create_task(claim.run(work(60)))
    asked = api.asked
    await eventually(lambda: api.asked > asked, within_s=30, what="a renewal")
    running.cancel()
    await asyncio.wait([running])
    await claim.give_back("draining")
    assert api.status["phase"] == "Pending"


@in_virtual_time
async def test_a_task_of_another_claim_is_not_given_back() -> None:
    api = OneTask(pending())
    claim = await taken(api)
    api.change(attempts=2, claim={"holder": "wegent-runner-b"})
    with pytest.raises(ClaimLost):
        await claim.give_back("draining")
    assert api.status["claim"]["holder"] == "wegent-runner-b"


@in_virtual_time
async def test_a_cancelled_task_ends_though_the_store_hangs() -> None:
    api = OneTask(pending())
    claim = await taken(api)

    async def hanging() -> Outcome:
        try:
            return await work(60)
        finally:
            await asyncio.sleep(60)

    api.cancel()
    claim.stir()
    began = now_s()
    outcome = await claim.run(hanging())
    assert now_s() - began <= 2 * STOP_S
    assert outcome.phase is Phase.CANCELLED
    assert api.status["phase"] == "Cancelled"


@in_virtual_time
async def test_work_ends_shortly_before_the_operator_ends_the_task() -> None:
    api = OneTask(pending(timeoutSeconds=1))
    began = now_s()
    claim = await taken(api)

    async def partial() -> Outcome:
        claim.usage = {"modelRequests": 1}
        try:
            return await work(60)
        except asyncio.CancelledError:
            assert claim.stopped is not None
            return Outcome(claim.stopped.phase, "par", claim.stopped.message)

    await claim.run(partial())
    assert 0 < now_s() - began < 1
    assert api.status["phase"] == "Failed"
    assert api.status["message"] == "Not completed within spec.timeoutSeconds: 1 s"
    assert api.status["result"] == "par"
    assert api.status["usage"] == {"modelRequests": 1}


@in_virtual_time
async def test_each_end_has_the_usage() -> None:
    api = OneTask(pending())
    claim = await taken(api)

    async def broken() -> Outcome:
        claim.usage = {"modelRequests": 3}
        raise RuntimeError

    outcome = await claim.run(broken())
    assert (outcome.phase, outcome.reason) == (Phase.FAILED, "InternalError")
    assert api.status["usage"] == {"modelRequests": 3}


class Lossy:
    """The API server, whose answers to writes are lost on the way."""

    def __init__(self, client: KubeClient) -> None:
        self._client = client

    async def request(self, method: str, path: str, **options: Any) -> Any:
        answer = await self._client.request(method, path, **options)
        if method == "PATCH":
            raise Unreachable("the answer is lost")
        return answer


@pytest.mark.usefixtures("operator")
async def test_writes_without_answers_are_known_as_the_api_server_stores_them(
    api: Api, namespace: str, make_task: MakeTask
) -> None:
    lossy = cast("KubeClient", Lossy(api.client))
    await make_task()
    task = await api.settled("tasks", namespace, "t")
    claim = await Claim.take(lossy, task, "wegent-runner-a", 10, RAN)
    assert claim is not None
    claim.usage = {"modelRequests": 1, "costUSD": "0.100000"}
    await claim.give_back("draining")
    assert claim.task["status"]["phase"] == "Pending"
    again = await Claim.take(lossy, claim.task, "wegent-runner-a", 10)
    assert again is not None
    assert "ran" not in again.task["status"]
    again.ran = RAN
    assert (await again.run(work(0))).phase is Phase.COMPLETED
    status = again.task["status"]
    assert (status["phase"], status["result"]) == ("Completed", "x")
    assert status["ran"] == RAN
    assert (status["attempts"], status["releases"]) == (2, 1)


@in_virtual_time
async def test_an_object_that_is_used_later_is_written_with_the_next_write() -> None:
    api = OneTask(pending())
    claim = await taken(api, ran=RAN)
    more = [*RAN, {**RAN[0], "name": "another"}]

    async def fall_back() -> Outcome:
        await asyncio.sleep(LEASE_S / 6)
        claim.ran = more
        return await work(LEASE_S)

    await claim.run(fall_back())
    assert [write.get("ran") for write in api.writes[:3]] == [RAN, more, None]
    assert api.status["ran"] == more


@in_virtual_time
async def test_a_task_that_is_given_back_names_the_objects_of_its_last_attempt() -> None:
    api = OneTask(pending())
    claim = await taken(api, ran=RAN)
    claim.ran = [*RAN, {**RAN[0], "name": "another"}]
    await claim.give_back("draining")
    assert api.status["ran"] == claim.ran
    await taken(api, ran=RAN)
    assert api.status["ran"] == RAN
