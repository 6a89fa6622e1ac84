"""Of two runners one gets a Task, and another runner takes over the Task of a dead runner."""

import asyncio
from collections import Counter

import pytest

from tests.operator_.tasks.conftest import MakeTask
from tests.operator_.tasks.watching import Writes, in_phase
from tests.support.api import Api, condition
from tests.support.claimant import Claimant, ClaimLost
from tests.support.kubectl import Kubectl
from tests.support.operator import OperatorProcess
from tests.support.tasks import claim as a_claim
from tests.support.tasks import running
from wegent_kube import ApiError, KubeClient

pytestmark = pytest.mark.usefixtures("operator")

ROUNDS = 25
SHORTEST_LEASE_S = 5


async def test_of_two_claimants_one_wins_every_time(
    api: Api, namespace: str, make_task: MakeTask, runner: KubeClient
) -> None:
    winners = set()
    for number in range(ROUNDS):
        task = await make_task(f"t{number}")
        claimants = [Claimant(runner, f"runner-{which}") for which in "ab"]
        won = await asyncio.gather(*(claimant.claim(task) for claimant in claimants))
        assert sorted(won) == [False, True]
        winner, loser = claimants if won[0] else reversed(claimants)
        stored = await api.get("tasks", namespace, f"t{number}")
        assert stored is not None
        assert stored["status"]["claim"]["holder"] == winner.holder
        assert stored["status"]["attempts"] == 1
        with pytest.raises(ClaimLost):
            await loser.finish(result="Mine.")
        await winner.finish(result=winner.holder)
        winners.add(winner.holder)
    assert winners, "somebody won each round"


async def test_many_claimants_share_the_work_and_do_nothing_twice(
    api: Api, namespace: str, make_task: MakeTask, runner: KubeClient
) -> None:
    await asyncio.gather(*(make_task(f"t{number}") for number in range(20)))
    done: list[str] = []

    async def work(claimant: Claimant) -> None:
        for task in await api.list("tasks", namespace):
            if await claimant.claim(task):
                await claimant.renew()
                done.append(task["metadata"]["name"])
                await claimant.finish(result=claimant.holder)

    await asyncio.gather(*(work(Claimant(runner, f"runner-{number}")) for number in range(4)))
    assert sorted(done) == sorted(f"t{number}" for number in range(20))
    for task in await api.list("tasks", namespace):
        assert task["status"]["phase"] == "Completed"
        assert task["status"]["attempts"] == 1


async def test_a_dead_claimants_task_is_taken_up_by_another(
    api: Api, namespace: str, make_task: MakeTask, runner: KubeClient, writes: Writes
) -> None:
    dead, other = Claimant(runner, "dead", SHORTEST_LEASE_S), Claimant(runner, "other")
    assert await dead.claim(await make_task())
    free = await in_phase(api, namespace, "Pending")
    assert "after attempt 1: the lease of dead expired" in free["status"]["message"]
    assert "claim" not in free["status"]
    assert "startTime" not in free["status"]
    assert condition(free, "Ready")["status"] == "True"
    assert await other.claim(free)
    with pytest.raises(ClaimLost):
        await dead.renew()
    with pytest.raises(ClaimLost):
        await dead.look_again()
    with pytest.raises(ClaimLost):
        await dead.finish(result="Late.")
    await other.finish(result="Done.")
    ended = await in_phase(api, namespace, "Completed")
    assert (ended["status"]["result"], ended["status"]["attempts"]) == ("Done.", 2)
    assert writes.of() == {"patch status": 3}, "it was made Ready, set free, and ended"


async def test_even_an_unguarded_late_write_does_not_take_a_task_away(
    api: Api, namespace: str, make_task: MakeTask, runner: KubeClient
) -> None:
    await make_task()
    other = Claimant(runner, "other")
    task = await api.get("tasks", namespace, "t")
    assert task is not None
    assert await other.claim(task)
    late = {"status": {"claim": a_claim("dead")}}
    with pytest.raises(ApiError, match="a Running Task keeps its holder"):
        await api.merge("tasks", namespace, "t", late, "status")


async def test_a_renewed_claim_holds_however_long_the_work_takes(
    api: Api, namespace: str, make_task: MakeTask, runner: KubeClient, writes: Writes
) -> None:
    steady = Claimant(runner, "steady", SHORTEST_LEASE_S)
    assert await steady.claim(await make_task())
    for _ in range(6):
        await asyncio.sleep(SHORTEST_LEASE_S / 3)
        await steady.renew()
    await steady.finish()
    await in_phase(api, namespace, "Completed")
    assert writes.of() == {"patch status": 2}, "one made it Ready, one told its end"


async def test_no_clock_but_the_operators_counts(
    api: Api, namespace: str, make_task: MakeTask, writes: Writes
) -> None:
    clocks = {"behind": ("2001-01-01T00:00:00Z", 60), "ahead": ("2999-01-01T00:00:00Z", 5)}
    for name, (now, lease_s) in clocks.items():
        await make_task(name)
        claim = a_claim(name, lease_s, now)
        status = {"phase": "Running", "attempts": 1, "startTime": now, "claim": claim}
        await api.merge("tasks", namespace, name, {"status": status}, "status")
    await in_phase(api, namespace, "Pending", "ahead")  # it died, and its lease ran out
    await in_phase(api, namespace, "Running", "behind")
    assert writes.of("behind") == {"patch status": 1}, "the one that made it Ready"


async def test_what_kills_its_runners_is_given_up(
    api: Api, namespace: str, make_task: MakeTask, writes: Writes
) -> None:
    await make_task()
    claimed = running(attempts=6, claim=a_claim("unlucky", SHORTEST_LEASE_S))
    await api.merge("tasks", namespace, "t", {"status": claimed}, "status")
    failed = await in_phase(api, namespace, "Failed")
    assert "Failed after 6 attempts: the lease of unlucky expired" in failed["status"]["message"]
    assert failed["status"]["completionTime"]
    assert writes.of() == {"patch status": 2}


async def test_claims_that_were_given_back_do_not_count(
    api: Api, namespace: str, make_task: MakeTask
) -> None:
    await make_task()
    claimed = {"status": running(attempts=6, claim=a_claim("drained", 60))}
    await api.merge("tasks", namespace, "t", claimed, "status")
    given_back = {"phase": "Pending", "claim": None, "startTime": None, "releases": 2}
    await api.merge("tasks", namespace, "t", {"status": given_back}, "status")
    unlucky = running(attempts=7, claim=a_claim("unlucky", SHORTEST_LEASE_S))
    await api.merge("tasks", namespace, "t", {"status": unlucky}, "status")
    pending = await in_phase(api, namespace, "Pending")
    assert (pending["status"]["attempts"], pending["status"]["releases"]) == (7, 2)


async def test_each_change_of_phase_is_counted_once_from_any_writer(
    api: Api, namespace: str, make_task: MakeTask, runner: KubeClient, operator: OperatorProcess
) -> None:
    before = task_metrics(operator)
    claimant = Claimant(runner, "quick")
    assert await claimant.claim(await make_task())
    await claimant.renew()
    await claimant.finish()
    await make_task("unwanted")
    await api.merge("tasks", namespace, "unwanted", {"spec": {"cancel": True}})
    await in_phase(api, namespace, "Cancelled", "unwanted")
    await make_task("later")  # reconciled after the others
    assert task_metrics(operator) - before == Counter(
        {
            'phases_total{after="Running",before="Pending"}': 1,
            'phases_total{after="Completed",before="Running"}': 1,
            'phases_total{after="Cancelled",before="Pending"}': 1,
            'steps_total{cause="Cancelled"}': 1,
        }
    )


def task_metrics(operator: OperatorProcess) -> Counter[str]:
    """Return the current values of the operator's counters for Tasks."""
    _, page = operator.get("/metrics")
    prefix = "wegent_operator_task_"
    lines = [line.removeprefix(prefix) for line in page.splitlines() if line.startswith(prefix)]
    counted = (line.rsplit(" ", 1) for line in lines if "_total{" in line)
    return Counter({name: int(float(value)) for name, value in counted})


@pytest.mark.parametrize("role", ["viewer", "editor", "admin"])
def test_users_write_no_status(kubectl: Kubectl, namespace: str, role: str) -> None:
    who = f"system:serviceaccount:{namespace}:{role}"
    here = f"--namespace={namespace}"
    binding = (f"--clusterrole=wegent-{role}", f"--serviceaccount={namespace}:{role}")
    kubectl.run("create", "rolebinding", role, here, *binding).ok()
    ask = ("auth", "can-i", f"--as={who}", here)
    assert kubectl.run(*ask, "get", "tasks").stdout == "yes\n"
    assert kubectl.run(*ask, "patch", "tasks", "--subresource=status").stdout == "no\n"


async def test_a_task_that_is_not_ready_can_not_be_claimed(
    api: Api, namespace: str, runner: KubeClient
) -> None:
    await api.create("tasks", namespace, "t", {"botRef": {"name": "none"}, "prompt": "Do it."})
    task = await api.settled("tasks", namespace, "t", "RefNotFound")
    assert condition(task, "Accepted")["status"] == "True"
    assert not await Claimant(runner, "polite").claim(task)
    for it in task["status"]["conditions"]:
        it["status"] = "True"  # a runner that doesn't look
    rude = Claimant(runner, "rude")
    with pytest.raises(ApiError, match="only while its Ready condition is True"):
        await rude.claim(task)
