"""A runner, a scripted provider, and Bots on it."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from openai import AsyncOpenAI

from devcluster.controlplane import ControlPlane
from tests.runner.owners_key import store, use
from tests.runner.store.databases import postgres, postgres_database
from tests.support.api import Api
from tests.support.bots import create_bot
from tests.support.identity import kubectl_as
from tests.support.kubectl import Kubectl
from tests.support.provider import Provider
from tests.support.proxy import Client, ProxyProcess
from tests.support.relay import Link, link_to
from tests.support.rights import create_member
from tests.support.waiting import eventually
from wegent_kube import get_or_none
from wegent_kube.resources import LEASES
from wegent_runner.app import run
from wegent_runner.claims.requests import TASKS
from wegent_runner.settings import Settings

__all__ = ["postgres", "postgres_database", "store", "use"]

MakeTask = Callable[..., Awaitable[dict[str, Any]]]


@pytest.fixture(scope="session")
def runner_kubeconfig(
    control_plane: ControlPlane, kubectl: Kubectl, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """A kubeconfig with the rights of the runner, by `config/rbac/runner.yaml`."""
    directory = tmp_path_factory.mktemp("wegent-runner")
    return kubectl_as(
        control_plane, kubectl, "wegent-system", "wegent-runner", directory
    ).kubeconfig


@pytest.fixture
async def provider() -> AsyncIterator[Provider]:
    async with Provider() as provider:
        yield provider


@dataclass
class Running:
    """A runner in this process."""

    settings: Settings
    stop: asyncio.Event
    task: asyncio.Task[None]


@pytest.fixture
def runner_settings() -> dict[str, Any]:
    """Settings of the runner that differ from those of other tests."""
    return {}


@pytest.fixture
async def runner(
    api: Api, runner_kubeconfig: Path, tmp_path: Path, runner_settings: dict[str, Any]
) -> AsyncIterator[Running]:
    """A runner that proxies can find."""
    defaults = {
        "kubeconfig": str(runner_kubeconfig),
        "name": f"wegent-runner-{uuid.uuid4().hex[:8]}",
        "store_url": f"sqlite:///{tmp_path}/store.db",
        "egress_allow": frozenset({"127.0.0.0/8"}),
        "listen_port": 0,
        "drain_s": 0,
    }
    settings = Settings(**{**defaults, **runner_settings})
    stop = asyncio.Event()
    task = asyncio.create_task(run(settings, stop))

    async def is_present() -> bool:
        if task.done():
            task.result()
        return await api.find(LEASES, settings.lease_namespace, settings.name) is not None

    await eventually(is_present, within_s=60, what="the runner's Lease")
    yield Running(settings, stop, task)
    stop.set()
    await asyncio.wait_for(task, 60)


@pytest.fixture
async def bot(api: Api, namespace: str, provider: Provider) -> str:
    """A Bot that the scripted provider answers."""
    return await create_bot(api, namespace, baseUrl=provider.url, allowInsecureBaseUrl=True)


@pytest.fixture
async def model(api: Api, namespace: str, bot: str) -> str:
    """A Team as a model."""
    await api.create("teams", namespace, "helpers", {"bots": [{"name": bot}]})
    await api.settled("teams", namespace, "helpers")
    return f"{namespace}/helpers"


@pytest.fixture
def make_task(api: Api, namespace: str, bot: str) -> MakeTask:
    async def make(name: str = "t", **spec: Any) -> dict[str, Any]:
        body = {"botRef": {"name": bot}, "prompt": "Say hello.", **spec}
        return await api.create("tasks", namespace, name, body)

    return make


@pytest.fixture
def ended(api: Api, namespace: str) -> MakeTask:
    """Waits for the end of a Task, and returns the Task."""

    async def wait(name: str = "t", within_s: float = 30) -> dict[str, Any]:
        async def probe() -> dict[str, Any]:
            body = await api.get("tasks", namespace, name)
            assert body is not None
            assert body["status"]["phase"] in {"Completed", "Failed", "Cancelled"}, body["status"]
            return body

        return await eventually(probe, within_s=within_s, what=f"the end of Task {name}")

    return wait


@pytest.fixture(scope="session")
def proxy(
    control_plane: ControlPlane, kubectl: Kubectl, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ProxyProcess]:
    """The API proxy, under its own ServiceAccount."""
    directory = tmp_path_factory.mktemp("runs-proxy")
    kubeconfig = kubectl_as(
        control_plane, kubectl, "wegent-system", "wegent-api", directory
    ).kubeconfig
    with ProxyProcess(kubeconfig, directory / "log") as proxy:
        yield proxy


@pytest.fixture
def start_proxy(
    control_plane: ControlPlane, kubectl: Kubectl, tmp_path: Path
) -> Iterator[Callable[..., ProxyProcess]]:
    """Starts API proxies with settings of their own."""
    kubeconfig = kubectl_as(
        control_plane, kubectl, "wegent-system", "wegent-api", tmp_path
    ).kubeconfig
    with ExitStack() as stack:

        def start(**settings: str) -> ProxyProcess:
            process = ProxyProcess(kubeconfig, tmp_path / "proxy.log", **settings)
            return stack.enter_context(process)

        yield start


@pytest.fixture
async def client(api: Api, namespace: str, proxy: ProxyProcess) -> AsyncIterator[Client]:
    """An editor of the namespace."""
    token = await create_member(api, namespace, "editor")
    async with aiohttp.ClientSession() as session:
        yield Client(session, proxy.url, token)


@pytest.fixture
async def link(control_plane: ControlPlane) -> AsyncIterator[Link]:
    """A connection to the API server that can be cut."""
    async with link_to(control_plane.server) as link:
        yield link


@pytest.fixture
async def sdk(client: Client) -> AsyncIterator[AsyncOpenAI]:
    async with sdk_of(client) as sdk:
        yield sdk


def sdk_of(client: Client) -> AsyncOpenAI:
    """Return OpenAI's SDK for a client of the proxy."""
    return AsyncOpenAI(
        base_url=f"{client.base}/v1", api_key=client.token, max_retries=0, timeout=60
    )


@pytest.fixture
async def no_other_tasks(api: Api) -> None:
    """Deletes the Tasks that earlier tests have left. A runner would claim them too.

    A Task whose runner was killed is Pending again once its claim has run out. So the Tasks of
    every phase go. A Task may have gone with its namespace.
    """
    async for page in api.client.pages(TASKS.path()):
        for task in page["items"]:
            it = task["metadata"]
            await get_or_none(api.ask_to_delete("tasks", it["namespace"], it["name"]))
