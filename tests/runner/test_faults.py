"""Runners are killed, Tasks are cancelled, deleted and timed out: nothing is lost or done twice."""

import asyncio
import random
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from openai import APIError, AsyncOpenAI

from tests.runner.conftest import MakeTask
from tests.runner.test_provider_faults import events_of
from tests.runner.viewer import Viewer
from tests.support.api import Api
from tests.support.provider import Call, Provider, Script
from tests.support.proxy import Client
from tests.support.runner import RunnerProcess
from tests.support.waiting import eventually
from tests.support.websocket import connected

pytestmark = pytest.mark.usefixtures("operator", "process")

LEASE_S = 5
PATIENT_LEASE_S = 10
"""For fifty Tasks at once: on a busy machine, runners renew leases of five seconds too late."""
KILLS = 20
KILLS_OF_ONE = 2


@pytest.fixture
def lease_s() -> int:
    """Seconds of the runner's leases."""
    return LEASE_S


@pytest.fixture
def process(runner_kubeconfig: Path, tmp_path: Path, lease_s: int) -> Iterator[RunnerProcess]:
    process = RunnerProcess(
        runner_kubeconfig,
        tmp_path / "runner.log",
        lease_s=str(lease_s),
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
    await eventually(lambda: len(viewer.text) > 20, within_s=30, what="some text")
    process.kill()
    await asyncio.to_thread(process.start)
    await reading
    assert viewer.text == "".join(pieces)
    assert "run.restarted" in [type_ for type_, _ in viewer.events]
    task = await ended()
    assert task["status"]["attempts"] == 2
    assert task["status"]["result"] == "".join(pieces)
    assert len(provider.calls) == 2, "one model call is repeated"


async def test_a_websocket_goes_on_after_its_runner_was_killed(
    client: Client,
    namespace: str,
    provider: Provider,
    make_task: MakeTask,
    process: RunnerProcess,
) -> None:
    def script(call: Call) -> Script:
        prompt = call.messages[-1][1]
        return Script(pieces=[f"{prompt} {number} " for number in range(40)], pause_s=0.05)

    provider.script = script
    names = ["a", "b", "c"]
    await asyncio.gather(*(make_task(name, prompt=name) for name in names))
    async with connected(client) as socket:
        for name in names:
            await socket.say("subscribe", id=name, namespace=namespace, task=name)
        while any(len(socket.run(name).text) < 20 for name in names):
            await socket.hear()
        process.kill()
        await asyncio.to_thread(process.start)
        for name in names:
            run = await socket.ended(name)
            assert run.text == "".join(f"{name} {number} " for number in range(40))
            assert "run.restarted" in run.types


async def test_openais_clients_after_a_runner_was_killed(
    sdk: AsyncOpenAI, model: str, provider: Provider, process: RunnerProcess
) -> None:
    """A client that waits gets the whole answer. One that has void text is told, and reads anew."""
    pieces = [f"{number} " for number in range(40)]
    provider.script = lambda _: Script(pieces=pieces, pause_s=0.05)
    waiting = asyncio.create_task(sdk.responses.create(model=model, input="Hi"))
    events: list[Any] = []

    async def read() -> None:
        stream = await sdk.responses.create(model=model, input="Hi", stream=True)
        async for event in stream:
            events.append(event)  # noqa: PERF401 - the test reads the list meanwhile

    reading = asyncio.create_task(read())
    await eventually(lambda: len(events) > 8, within_s=30, what="some text")
    await eventually(lambda: len(provider.calls) == 2, within_s=30, what="both calls")
    process.kill()
    await asyncio.to_thread(process.start)
    response = await waiting
    assert response.status == "completed"
    assert response.output_text == "".join(pieces)
    with pytest.raises(APIError, match="the text that was sent is void") as void:
        await reading
    assert void.value.code == "run_restarted"
    id_ = events[0].response.id
    again: list[Any] = [event async for event in await sdk.responses.retrieve(id_, stream=True)]
    assert "".join(it.delta for it in again if it.type.endswith("text.delta")) == "".join(pieces)
    # The numbers say that the events are of the second attempt, so this client misses nothing.
    middle = again[len(again) // 2]
    assert middle.sequence_number > 1 << 32
    rest = await sdk.responses.retrieve(id_, stream=True, starting_after=middle.sequence_number)
    assert [it async for it in rest][-1].type == "response.completed"
    # A client that has text of the first attempt is told.
    stale = await sdk.responses.retrieve(
        id_, stream=True, starting_after=events[-1].sequence_number
    )
    with pytest.raises(APIError, match="the text that was sent is void"):
        await anext(aiter(stale))


async def test_a_stopped_runner_gives_its_tasks_back_and_says_so(
    api: Api,
    namespace: str,
    provider: Provider,
    make_task: MakeTask,
    process: RunnerProcess,
) -> None:
    provider.script = lambda _: Script(pieces=["word "] * 600, pause_s=0.05)
    process.stop()
    process.env["WEGENT_RUNNER_DRAIN_S"] = "0"
    process.start()
    await make_task()
    await eventually(lambda: provider.calls, within_s=30, what="a call")
    assert await asyncio.to_thread(process.stop) == 0, process.tail()
    task = await api.get("tasks", namespace, "t")
    assert task is not None
    assert task["status"]["phase"] == "Pending", task["status"]
    assert "stops; another runner takes the Task" in task["status"]["message"]
    assert "GivenBack" in [reason for reason, _ in await events_of(api, namespace)]


async def test_a_cancelled_task_lets_go_of_its_provider_at_once(
    api: Api,
    namespace: str,
    provider: Provider,
    make_task: MakeTask,
    ended: MakeTask,
) -> None:
    pieces = ["word "] * 1200
    provider.script = lambda _: Script(pieces=pieces, pause_s=0.05)
    await make_task()
    await eventually(lambda: provider.calls, within_s=30, what="a call")
    await asyncio.sleep(0.5)
    cancelled_at = time.monotonic()
    await api.merge("tasks", namespace, "t", {"spec": {"cancel": True}})
    task = await ended()
    assert task["status"]["phase"] == "Cancelled"
    call = provider.calls[0]
    await eventually(lambda: call.ended_at, within_s=30, what="the connection to be closed")
    assert call.ended_at is not None
    assert not call.whole
    assert call.ended_at - cancelled_at < 0.05 * len(pieces) / 4, "long before its answer ends"


@pytest.mark.parametrize("lease_s", [PATIENT_LEASE_S])
@pytest.mark.timeout(1500)
async def test_fifty_running_tasks_survive_twenty_kills(
    provider: Provider,
    make_task: MakeTask,
    ended: MakeTask,
    process: RunnerProcess,
) -> None:
    """None is lost, none is done twice, and only a killed attempt's call is made again.

    The operator fails a Task after six attempts, by design. So each fifty Tasks are killed twice,
    which leaves room for leases that a busy machine lets expire, and ten times fifty run.
    """
    chance = random.Random(3)

    def script(call: Call) -> Script:
        prompt = call.body["messages"][-1]["content"]
        return Script(pieces=[f"{prompt} {number} " for number in range(20)], pause_s=0.2)

    provider.script = script
    repeated = 0
    for batch in range(KILLS // KILLS_OF_ONE):
        names = [f"t{batch}-{number}" for number in range(50)]
        before = len(provider.calls)
        await asyncio.gather(*(make_task(name, prompt=name) for name in names))
        for kill in range(KILLS_OF_ONE):
            since = len(provider.calls) if kill else before
            await eventually(
                lambda since=since: len(provider.calls) > since,  # type: ignore[misc]
                within_s=90,
                what="a call after a start",
            )
            await asyncio.sleep(chance.uniform(0, 4))
            process.kill()
            await asyncio.to_thread(process.start)
        tasks = await asyncio.gather(*(ended(name, within_s=300) for name in names))
        calls = Counter(call.body["messages"][-1]["content"] for call in provider.calls[before:])
        for name, task in zip(names, tasks, strict=True):
            assert task["status"]["phase"] == "Completed", task["status"]
            assert task["status"]["result"] == "".join(f"{name} {n} " for n in range(20))
            assert 1 <= calls[name] <= task["status"]["attempts"]
        repeated += sum(calls.values()) - len(names)
    print(f"{KILLS} kills, {KILLS // KILLS_OF_ONE * 50} Tasks, {repeated} calls repeated")  # noqa: T201
    assert repeated >= KILLS, "the kills hit running Tasks"
