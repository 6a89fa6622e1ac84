"""Runners are killed, Tasks are cancelled, deleted and timed out: nothing is lost or done twice."""

import asyncio
import random
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.runner.conftest import MakeTask
from tests.runner.viewer import Viewer
from tests.support.api import Api
from tests.support.provider import Call, Provider, Script
from tests.support.proxy import Client
from tests.support.runner import RunnerProcess
from tests.support.waiting import eventually

pytestmark = pytest.mark.usefixtures("operator", "process")

LEASE_S = 5
KILLS = 20
RUNNING = 50
MAX_KILLS_OF_ONE = 4
FINAL = {"Completed", "Failed", "Cancelled"}


@pytest.fixture
def process(runner_kubeconfig: Path, tmp_path: Path) -> Iterator[RunnerProcess]:
    process = RunnerProcess(
        runner_kubeconfig,
        tmp_path / "runner.log",
        lease_s=str(LEASE_S),
        store_url=f"sqlite:///{tmp_path}/store.db",
        slots="60",
    )
    process.start()
    yield process
    if process.running():
        assert process.stop() == 0, process.tail()


async def test_a_killed_runners_task_is_taken_up_and_its_stream_goes_on(
    client: Client,
    namespace: str,
    provider: Provider,
    make_task: MakeTask,
    ended: MakeTask,
    process: RunnerProcess,
) -> None:
    pieces = [f"{number} " for number in range(40)]
    provider.script = lambda _: Script(pieces=pieces, pause_s=0.05)
    await make_task()
    viewer = Viewer(client, namespace)
    reading = asyncio.create_task(viewer.read())
    await eventually(lambda: len(viewer.text) > 20, within_s=20, what="some text")
    process.kill()
    process.start()
    await reading
    assert viewer.text == "".join(pieces)
    assert "run.restarted" in [type_ for type_, _ in viewer.events]
    task = await ended()
    assert task["status"]["attempts"] == 2
    assert task["status"]["result"] == "".join(pieces)
    assert len(provider.calls) == 2, "one model call is repeated"


async def test_a_cancelled_task_lets_go_of_its_provider_at_once(
    api: Api,
    namespace: str,
    provider: Provider,
    make_task: MakeTask,
    ended: MakeTask,
) -> None:
    provider.script = lambda _: Script(pieces=["word "] * 600, pause_s=0.05)
    await make_task()
    await eventually(lambda: provider.calls, within_s=20, what="a call")
    await asyncio.sleep(0.5)
    cancelled_at = time.monotonic()
    await api.merge("tasks", namespace, "t", {"spec": {"cancel": True}})
    task = await ended()
    assert task["status"]["phase"] == "Cancelled"
    call = provider.calls[0]
    await eventually(lambda: call.ended_at, within_s=5, what="the connection to be closed")
    assert call.ended_at is not None
    assert not call.whole
    assert call.ended_at - cancelled_at < 2


@pytest.mark.timeout(600)
async def test_fifty_running_tasks_survive_twenty_kills(
    api: Api,
    namespace: str,
    provider: Provider,
    make_task: MakeTask,
    ended: MakeTask,
    process: RunnerProcess,
) -> None:
    """None is lost, none is done twice, and each kill repeats at most one call of each Task.

    The operator fails a Task after six attempts, by design. So a Task that has been claimed four
    times is let end before the next kill.
    """
    chance = random.Random(3)
    names: list[str] = []

    def script(call: Call) -> Script:
        prompt = call.body["messages"][-1]["content"]
        pieces = [f"{prompt} {number} " for number in range(10)]
        return Script(pieces=pieces, pause_s=0.05 + (int(prompt[1:]) % 7) / 25)

    provider.script = script

    async def filled() -> bool:
        tasks = {task["metadata"]["name"]: task["status"] for task in await tasks_of()}
        unfinished = [name for name in names if tasks[name].get("phase") not in FINAL]
        new = [f"t{len(names) + number}" for number in range(RUNNING - len(unfinished))]
        await asyncio.gather(*(make_task(name, prompt=name) for name in new))
        names.extend(new)
        worn = [n for n in unfinished if tasks[n].get("attempts", 0) >= MAX_KILLS_OF_ONE]
        assert not worn, f"claimed often: {worn}"
        active = sum(1 for call in provider.calls if call.ended_at is None)
        assert active >= RUNNING * 0.8, f"{active} calls"
        return True

    async def tasks_of() -> list[dict[str, Any]]:
        return await api.list("tasks", namespace)

    for _ in range(KILLS):
        await eventually(filled, within_s=60, what="fifty Tasks to run")
        await asyncio.sleep(chance.uniform(0, 1.5))
        process.kill()
        await asyncio.to_thread(process.start)
    tasks = await asyncio.gather(*(ended(name, within_s=120) for name in names))
    for name, task in zip(names, tasks, strict=True):
        assert task["status"]["phase"] == "Completed", task["status"]
        assert task["status"]["result"] == "".join(f"{name} {n} " for n in range(10))
    calls = Counter(call.body["messages"][-1]["content"] for call in provider.calls)
    for name, task in zip(names, tasks, strict=True):
        assert calls[name] <= task["status"]["attempts"], "only another attempt repeats a call"
    repeated = sum(calls.values()) - len(names)
    print(f"{len(names)} Tasks, {KILLS} kills, {repeated} calls repeated")  # noqa: T201
