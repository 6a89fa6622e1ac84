"""A viewer doesn't notice that the proxy's API server was gone for a moment."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from devcluster.controlplane import ControlPlane
from tests.runner.conftest import MakeTask
from tests.runner.viewer import Viewer
from tests.support.identity import token_for
from tests.support.kubectl import Kubectl
from tests.support.proxy import Client, ProxyProcess
from tests.support.relay import Link, kubeconfig_over
from tests.support.runner import RunnerProcess
from tests.support.waiting import eventually

pytestmark = pytest.mark.usefixtures("operator")

OUTAGE_S = 5


@pytest.fixture
async def linked_client(
    control_plane: ControlPlane,
    kubectl: Kubectl,
    link: Link,
    tmp_path: Path,
    client: Client,
) -> AsyncIterator[Client]:
    """A client of a proxy whose connection to the API server can be cut."""
    kubeconfig = kubeconfig_over(
        link, control_plane, tmp_path / "linked", token_for(kubectl, "wegent-system", "wegent-api")
    )
    process = ProxyProcess(kubeconfig, tmp_path / "proxy.log")
    await asyncio.to_thread(process.__enter__)
    yield Client(client.session, process.url, client.token)
    await asyncio.to_thread(process.__exit__, None, None, None)


async def test_a_stream_of_a_task_that_waits_goes_on_after_an_outage(
    link: Link,
    linked_client: Client,
    namespace: str,
    make_task: MakeTask,
    runner_kubeconfig: Path,
    tmp_path: Path,
) -> None:
    runner = RunnerProcess(
        runner_kubeconfig, tmp_path / "runner.log", store_url=f"sqlite:///{tmp_path}/store.db"
    )
    await make_task()
    viewer = Viewer(linked_client, namespace)
    reading = asyncio.create_task(viewer.read(within_s=120))
    await eventually(lambda: viewer.events, within_s=30, what="a first event")
    await link.close()
    await asyncio.sleep(OUTAGE_S)
    await link.open()
    await asyncio.to_thread(runner.start)
    try:
        await reading
    finally:
        assert await asyncio.to_thread(runner.stop) == 0, runner.tail()
    assert viewer.text == "Hello, world."
    assert viewer.outcome is not None
    assert viewer.outcome["phase"] == "Completed"
