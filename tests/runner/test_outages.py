"""The API server or the store is gone: running Tasks go on or are given back, and none is lost."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from devcluster.controlplane import ControlPlane
from tests.runner.conftest import MakeTask
from tests.runner.viewer import Viewer
from tests.support.api import Api
from tests.support.identity import token_for
from tests.support.kubectl import Kubectl
from tests.support.provider import Provider, Script
from tests.support.proxy import Client
from tests.support.relay import Link, kubeconfig_over
from tests.support.runner import RunnerProcess
from tests.support.waiting import eventually

pytestmark = pytest.mark.usefixtures("operator")

OUTAGE_S = 30
LEASE_S = 10


@pytest.fixture
def linked_kubeconfig(
    control_plane: ControlPlane,
    kubectl: Kubectl,
    link: Link,
    tmp_path: Path,
    runner_kubeconfig: Path,
) -> Path:
    """A kubeconfig with the runner's rights, over a connection that can be cut."""
    assert runner_kubeconfig.exists()
    return kubeconfig_over(
        link,
        control_plane,
        tmp_path / "linked",
        token_for(kubectl, "wegent-system", "wegent-runner"),
    )


async def started(process: RunnerProcess) -> None:
    """Start it while this loop passes on its bytes."""
    await asyncio.to_thread(process.start)


@pytest.fixture
async def linked_runner(linked_kubeconfig: Path, tmp_path: Path) -> AsyncIterator[RunnerProcess]:
    process = RunnerProcess(
        linked_kubeconfig,
        tmp_path / "runner.log",
        lease_s=str(60),
        store_url=f"sqlite:///{tmp_path}/store.db",
        drain_s="0",
    )
    await started(process)
    yield process
    if process.running():
        assert await asyncio.to_thread(process.stop) == 0, process.tail()


@pytest.mark.parametrize("how", ["cut", "stalled"])
@pytest.mark.usefixtures("linked_runner")
async def test_runs_go_on_while_the_api_server_is_gone_and_the_lease_holds(
    link: Link, provider: Provider, make_task: MakeTask, ended: MakeTask, how: str
) -> None:
    pieces = [f"{number} " for number in range(100)]
    provider.script = lambda _: Script(pieces=pieces, pause_s=0.1)
    await make_task()
    await make_task("later")
    await eventually(lambda: len(provider.calls) == 2, within_s=20, what="the calls")
    await (link.close() if how == "cut" else stall(link))
    await asyncio.sleep(OUTAGE_S)
    await (link.open() if how == "cut" else flow(link))
    for name in ("t", "later"):
        task = await ended(name, within_s=60)
        assert task["status"]["phase"] == "Completed", task["status"]
        assert task["status"]["attempts"] == 1
        assert task["status"]["result"] == "".join(pieces)
    assert len(provider.calls) == 2
    await make_task("after")
    assert (await ended("after", within_s=60))["status"]["phase"] == "Completed"


async def stall(link: Link) -> None:
    link.stall()


async def flow(link: Link) -> None:
    link.flow()
    link.cut()


async def test_a_run_stops_when_its_lease_has_expired_and_another_runner_does_it(
    link: Link,
    linked_kubeconfig: Path,
    runner_kubeconfig: Path,
    tmp_path: Path,
    provider: Provider,
    make_task: MakeTask,
    ended: MakeTask,
) -> None:
    settings = {"lease_s": str(LEASE_S), "store_url": f"sqlite:///{tmp_path}/store.db"}
    cut_off = RunnerProcess(linked_kubeconfig, tmp_path / "one.log", **settings, drain_s="0")
    other = RunnerProcess(runner_kubeconfig, tmp_path / "two.log", **settings, drain_s="0")
    await started(cut_off)
    try:
        provider.script = lambda _: Script(
            pieces=["word "] * 600 if len(provider.calls) == 1 else ["done"], pause_s=0.1
        )
        await make_task()
        await eventually(lambda: provider.calls, within_s=20, what="a call")
        await link.close()
        await started(other)
        task = await ended(within_s=60)
        assert task["status"]["attempts"] == 2
        assert task["status"]["result"] == "done"
        first = provider.calls[0]
        await eventually(lambda: first.ended_at, within_s=5, what="the end of the first call")
        assert first.ended_at is not None
        assert not first.whole
        assert len(provider.calls) == 2
        assert first.ended_at <= provider.calls[1].began_at, "both worked on it"
    finally:
        await link.open()
        for process in (cut_off, other):
            if process.running():
                assert await asyncio.to_thread(process.stop) == 0, process.tail()


async def test_a_store_that_is_lost_gives_tasks_back_and_holds_claims_until_it_is_there(
    api: Api,
    namespace: str,
    client: Client,
    postgres_process: RunnerProcess,
    postgres: Any,
    provider: Provider,
    make_task: MakeTask,
    ended: MakeTask,
) -> None:
    pieces = [f"{number} " for number in range(10)]
    provider.script = lambda _: Script(pieces=pieces, pause_s=0.1)
    await make_task()
    viewer = Viewer(client, namespace)
    reading = asyncio.create_task(viewer.read())
    await eventually(lambda: provider.calls, within_s=20, what="a call")
    postgres.stop()
    try:

        async def given_back() -> bool:
            task = await api.get("tasks", namespace, "t")
            assert task is not None
            assert task["status"]["phase"] == "Pending", task["status"]
            assert "the store failed" in task["status"]["message"]
            return True

        await eventually(given_back, within_s=30, what="the Task to be given back")
        code, page = await asyncio.to_thread(postgres_process.get, "/readyz")
        assert code == 503
        assert "the store failed" in page
        await make_task("second")
        await asyncio.sleep(3)
        assert len(provider.calls) == 1, "nothing is claimed"
        _, page = await asyncio.to_thread(postgres_process.get, "/metrics")
        assert 'wegent_runner_given_back_total{reason="StoreUnavailable"} 1.0' in page
        assert "wegent_runner_store_ready 0.0" in page
    finally:
        postgres.start()
    for name in ("t", "second"):
        task = await ended(name, within_s=40)
        assert task["status"]["phase"] == "Completed", task["status"]
        assert task["status"]["result"] == "".join(pieces)
    await reading
    assert viewer.text == "".join(pieces)
    assert len(provider.calls) == 3
    assert (await asyncio.to_thread(postgres_process.get, "/readyz"))[0] == 200


@pytest.fixture
async def postgres_process(
    runner_kubeconfig: Path, tmp_path: Path, postgres: Any, postgres_database: str
) -> AsyncIterator[RunnerProcess]:
    """A runner with its transcripts in PostgreSQL."""
    process = RunnerProcess(
        runner_kubeconfig,
        tmp_path / "runner.log",
        store_url=postgres.url(postgres_database),
        drain_s="0",
    )
    await started(process)
    yield process
    assert await asyncio.to_thread(process.stop) == 0, process.tail()
