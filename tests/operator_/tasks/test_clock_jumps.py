"""Somebody sets the time of a machine while Tasks run: no claim is lost, and no Task ends early."""

import asyncio
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import pytest

from tests.operator_.tasks.conftest import MakeTask
from tests.operator_.tasks.watching import in_phase
from tests.support.api import Api
from tests.support.claimant import Claimant
from tests.support.operator import OperatorProcess, set_clock, with_clock
from wegent_kube import KubeClient

HOUR_S = 3600
LEASE_S = 5


@pytest.fixture
def jump(
    operator_kubeconfig: Path, operator: OperatorProcess, tmp_path: Path
) -> Iterator[Callable[[int], None]]:
    """Sets the operator's clock to so many seconds ahead."""
    file = tmp_path / "ahead"

    set_clock(file, 0)
    assert operator.stop() == 0
    jumping = OperatorProcess(
        operator_kubeconfig,
        tmp_path / "jumping.log",
        command=with_clock(file),
    )
    jumping.start()
    yield partial(set_clock, file)
    assert jumping.stop() == 0
    operator.start()


async def test_the_operators_clock_jumps(
    api: Api,
    namespace: str,
    make_task: MakeTask,
    runner: KubeClient,
    jump: Callable[[int], None],
) -> None:
    steady, quick = Claimant(runner, "steady", 30), Claimant(runner, "quick")
    assert await quick.claim(await make_task("done", ttlSecondsAfterFinished=600))
    await quick.finish(result="Done.")
    assert await steady.claim(await make_task("running", timeoutSeconds=600))
    jump(HOUR_S)
    for _ in range(5):
        await asyncio.sleep(1)
        await steady.renew()  # which reconciles it
    await api.merge("tasks", namespace, "done", {"spec": {"title": "reconcile"}})
    assert await Claimant(runner, "dead", LEASE_S).claim(await make_task("dead"))
    jump(-HOUR_S)
    died_at = time.monotonic()
    await steady.renew()
    await in_phase(api, namespace, "Pending", "dead")
    assert time.monotonic() - died_at < 2 * LEASE_S
    await in_phase(api, namespace, "Running", "running")
    await in_phase(api, namespace, "Completed", "done")
    await steady.finish(result="Done.")
    ended = await in_phase(api, namespace, "Completed", "running")
    assert ended["status"]["attempts"] == 1
    await api.merge("tasks", namespace, "dead", {"spec": {"cancel": True}})  # no runner takes it


@pytest.mark.parametrize("ahead_s", [-HOUR_S, HOUR_S])
@pytest.mark.usefixtures("operator")
async def test_the_runners_clock_is_wrong(
    api: Api, namespace: str, make_task: MakeTask, ahead_s: int
) -> None:
    """The operator has seen the attempt begin, and counts by its own clock."""
    task = await make_task(timeoutSeconds=4)
    now = (datetime.now(UTC) + timedelta(seconds=ahead_s)).isoformat()
    claim = {"holder": "wrong", "leaseSeconds": 60, "renewedAt": now}
    began = {"phase": "Running", "attempts": 1, "startTime": now, "claim": claim}
    version = task["metadata"]["resourceVersion"]
    claimed = {"metadata": {"resourceVersion": version}, "status": began}
    await api.merge("tasks", namespace, "t", claimed, "status")
    began_at = time.monotonic()
    failed = await in_phase(api, namespace, "Failed")
    assert "timeoutSeconds" in failed["status"]["message"]
    assert 3 < time.monotonic() - began_at < 10
