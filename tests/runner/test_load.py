"""Many Tasks, two runners, viewers that don't read: each Task is done once in bounded memory."""

import asyncio
import re
from collections import Counter
from collections.abc import AsyncIterator, Callable, Coroutine
from pathlib import Path
from typing import Any, TypeVar

import aiohttp
import pytest

from devcluster.controlplane import ControlPlane
from tests.runner.conftest import MakeTask
from tests.support.api import Api
from tests.support.etcd import Etcd
from tests.support.provider import Provider, Script
from tests.support.proxy import Client
from tests.support.runner import RunnerProcess
from tests.support.waiting import eventually
from wegent_kube.content_types import METADATA_LIST
from wegent_runner.claims.requests import TASKS

pytestmark = pytest.mark.usefixtures("operator")

T = TypeVar("T")
MANY = 5000
DONE = 1000
SLOTS = 50
PROMPT_BYTES = 10_000
GROWTH_MIB = 30
"""Bound on the memory that five thousand Tasks may add. Their prompts alone are 50 MB."""
VIEWERS_MIB = 60
"""Bound on the memory that viewers who don't read may add."""
WARM_UP = 2 * SLOTS
"""Tasks before the first measure, so that all slots and connections have been in use."""


@pytest.fixture
async def runners(
    request: pytest.FixtureRequest,
    runner_kubeconfig: Path,
    tmp_path: Path,
    postgres: Any,
    postgres_database: str,
) -> AsyncIterator[list[RunnerProcess]]:
    """Runners that share one PostgreSQL."""
    processes = [
        RunnerProcess(
            runner_kubeconfig,
            tmp_path / f"runner-{number}.log",
            store_url=postgres.url(postgres_database),
            slots=str(SLOTS),
            lease_s="30",
            drain_s="0",
        )
        for number in range(request.param)
    ]
    await asyncio.gather(*(asyncio.to_thread(process.start) for process in processes))
    yield processes
    for process in processes:
        if process.running():
            assert await asyncio.to_thread(process.stop) == 0, process.tail()


@pytest.fixture
async def forgotten(control_plane: ControlPlane, namespace: str) -> AsyncIterator[None]:
    """Takes Tasks and Events out of etcd. Later tests' programs would list them at each start."""
    yield
    for resource in ("agent.wecode.io/tasks", "events"):
        await Etcd(control_plane).delete(f"/registry/{resource}/{namespace}/")


async def completed(api: Api, namespace: str, count: int, within_s: float) -> list[dict[str, Any]]:
    async def probe() -> list[dict[str, Any]]:
        tasks = await api.list("tasks", namespace)
        phases = Counter(task["status"].get("phase") for task in tasks)
        assert phases == {"Completed": count}, phases
        await asyncio.sleep(0.5)
        return tasks

    return await eventually(probe, within_s=within_s, what=f"{count} Tasks to be completed")


@pytest.mark.usefixtures("no_other_tasks")
@pytest.mark.parametrize("runners", [2], indirect=True)
async def test_two_runners_share_a_hundred_tasks_and_each_is_done_once(
    api: Api,
    namespace: str,
    provider: Provider,
    make_task: MakeTask,
    runners: list[RunnerProcess],
) -> None:
    provider.script = lambda call: Script(
        pieces=[call.body["messages"][-1]["content"]] * 3, pause_s=0.1
    )
    await asyncio.gather(*(make_task(f"t{n}", prompt=f"p{n} ") for n in range(100)))
    tasks = await completed(api, namespace, 100, within_s=90)
    for task in tasks:
        number = task["metadata"]["name"][1:]
        assert task["status"]["result"] == f"p{number} " * 3
        assert task["status"]["attempts"] == 1
    prompts = Counter(call.body["messages"][-1]["content"] for call in provider.calls)
    assert set(prompts.values()) == {1}
    assert len(prompts) == 100
    shares = [metric(process, 'claims_total{result="claimed"}') for process in runners]
    # A runner gives a Task back if the provider can't be reached: a claim more, without a call.
    assert sum(shares) == 100 + sum(task["status"]["releases"] for task in tasks)
    assert min(shares) > 0, "both work"


@pytest.mark.usefixtures("forgotten")
@pytest.mark.parametrize("runners", [1], indirect=True)
@pytest.mark.timeout(1800)
async def test_five_thousand_tasks_at_once_wait_in_the_api_server(
    api: Api,
    namespace: str,
    provider: Provider,
    make_task: MakeTask,
    runners: list[RunnerProcess],
) -> None:
    """A runner that starts with all of them waiting does a thousand, and gives the last ones back.

    ``make bench`` lets a runner do all of its waiting Tasks.
    """
    [process] = runners
    most = peak = 0.0
    provider.script = lambda _: Script(pieces=["word "] * 10, pause_s=0.02)
    limit = asyncio.Semaphore(20)

    async def make(number: int) -> None:
        async with limit:
            await make_task(f"t{number}", prompt=f"{number} ".ljust(PROMPT_BYTES, "x"))

    async def done(count: int) -> bool:
        nonlocal most, peak
        peak = max(peak, rss_mib(process))
        most = max(most, metric(process, "slots_busy"))
        ended = metric(process, 'runs_total{phase="Completed",reason=""}')
        assert ended >= count, f"{ended} ended, {peak:.0f} MiB"
        return True

    async def all_judged() -> bool:
        waiting = {"fieldSelector": "status.ready!=True"}
        path = TASKS.path(namespace)
        async for page in api.client.pages(path, params=waiting, accept=METADATA_LIST):
            assert not page["items"]
        return True

    await asyncio.gather(*(make(number) for number in range(WARM_UP)))
    await eventually(slowly(lambda: done(WARM_UP)), within_s=120, what="the first Tasks' end")
    before, peak = rss_mib(process), 0.0
    assert await asyncio.to_thread(process.stop) == 0, process.tail()
    await asyncio.gather(*(make(number) for number in range(WARM_UP, WARM_UP + MANY)))
    await eventually(slowly(all_judged), within_s=600, what="the operator's verdicts")
    assert len(provider.calls) == WARM_UP
    await asyncio.to_thread(process.start)
    await eventually(slowly(lambda: done(DONE)), within_s=900, what=f"{DONE} Tasks' end")
    assert await asyncio.to_thread(process.stop) == 0, process.tail()

    tasks = await api.list("tasks", namespace)
    calls = Counter(int(call.messages[-1][1].split(" ")[0]) for call in provider.calls)
    ended = 0
    for task in tasks:
        status, called = task["status"], calls[int(task["metadata"]["name"][1:])]
        if status["phase"] == "Completed":
            ended += 1
            assert (status["attempts"], called) == (1, 1), status
        else:  # it waits, or was given back
            assert status["phase"] == "Pending", status
            assert called <= status["attempts"] == status["releases"] <= 1, status
    assert len(tasks) == WARM_UP + MANY
    assert ended >= WARM_UP + DONE
    assert most <= SLOTS
    print(f"memory: {before:.0f} MiB before, {peak:.0f} MiB at most; {most:.0f} at once")  # noqa: T201
    assert peak - before < GROWTH_MIB


@pytest.mark.parametrize("runners", [1], indirect=True)
async def test_viewers_that_dont_read_hold_up_nothing(
    client: Client,
    namespace: str,
    provider: Provider,
    make_task: MakeTask,
    ended: MakeTask,
    runners: list[RunnerProcess],
) -> None:
    [process] = runners
    pieces = ["y" * 1000] * 1000
    provider.script = lambda _: Script(pieces=pieces, pause_s=0.002)
    await make_task()
    url = f"{client.base}/api/v1/kinds/tasks/t/events"
    headers = {"Authorization": f"Bearer {client.token}"}
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector, read_bufsize=1024) as session:
        idle = [
            await session.get(url, params={"namespace": namespace}, headers=headers)
            for _ in range(20)
        ]
        await eventually(lambda: provider.calls, within_s=30, what="a call")
        before = rss_mib(process)
        status = (await ended())["status"]
        assert status["phase"] == "Completed"
        grown = rss_mib(process) - before
        assert provider.calls[0].whole
        assert grown < VIEWERS_MIB
        for answer in idle:
            answer.close()
    await eventually(
        lambda: metric(process, "streams") == 0, within_s=30, what="the streams to be closed"
    )


def slowly(probe: Callable[[], Coroutine[Any, Any, T]]) -> Callable[[], Coroutine[Any, Any, T]]:
    """Return a probe with a pause: each page of metrics costs the runner some time."""

    async def paused() -> T:
        await asyncio.sleep(1)
        return await probe()

    return paused


def metric(process: RunnerProcess, name: str) -> float:
    """Return a metric's value, 0 if it is not there."""
    _, page = process.get("/metrics")
    found = re.search(rf"^wegent_runner_{re.escape(name)} (\S+)$", page, re.MULTILINE)
    return float(found[1]) if found else 0.0


def rss_mib(process: RunnerProcess) -> float:
    """Return the resident memory of a runner in MiB."""
    status = Path(f"/proc/{process.pid}/status").read_text()
    found = re.search(r"^VmRSS:\s+(\d+) kB", status, re.MULTILINE)
    assert found
    return int(found[1]) / 1024
