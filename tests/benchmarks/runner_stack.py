"""All of Wegent on a throwaway control plane, with a provider for load, to measure the runner."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import aiohttp

from devcluster.binaries import find_binaries
from tests.benchmarks.token_provider import Course, TokenProvider
from tests.support.api import Api
from tests.support.audit import AuditLog
from tests.support.cluster import installed_plane
from tests.support.identity import kubectl_as, token_for
from tests.support.kubectl import Kubectl
from tests.support.operator import OperatorProcess
from tests.support.proxy import Client, ProxyProcess
from tests.support.runner import RunnerProcess
from wegent_crds.phases import Phase
from wegent_kube import KubeClient, load_connection
from wegent_runner.claims.requests import TASKS

T = TypeVar("T")

CREATED_AT_ONCE = 20
"""Creations of Tasks at once."""
POLL_S = 0.5


@dataclass
class RunnerStack:
    """The running programs. Each measurement has a namespace, and a runner, of its own."""

    directory: Path
    admin: Kubectl
    api: Api
    provider: TokenProvider
    operator: OperatorProcess
    proxy: ProxyProcess
    session: aiohttp.ClientSession
    audit_log: Path
    runner_kubeconfig: Path

    def audit(self) -> AuditLog:
        """Return the requests that the API server receives from now on."""
        return AuditLog(self.audit_log)

    @asynccontextmanager
    async def runner(self, name: str, **settings: str) -> AsyncIterator[RunnerProcess]:
        """Run a runner; with SQLite unless the settings say otherwise."""
        store = {"store_url": f"sqlite:///{self.directory}/{name}.db"}
        process = RunnerProcess(
            self.runner_kubeconfig, self.directory / f"{name}.log", **{**store, **settings}
        )
        await asyncio.to_thread(process.start)
        try:
            yield process
        finally:
            if process.running():
                await asyncio.to_thread(process.stop)

    async def place(self, name: str) -> "Place":
        """Create a namespace with a Bot on the provider, and a user who may edit it."""
        await self.api.create_namespace(name)
        await self.api.create("ghosts", name, "g", {"systemPrompt": "You help."})
        model = {
            "provider": "openai",
            "model": "gpt-4",
            "baseUrl": self.provider.url,
            "allowInsecureBaseUrl": True,
        }
        await self.api.create("models", name, "m", model)
        await self.api.create("shells", name, "s", {"type": "Chat"})
        refs = {"ghostRef": {"name": "g"}, "modelRef": {"name": "m"}, "shellRef": {"name": "s"}}
        await self.api.create("bots", name, "b", refs)
        await self.api.settled("bots", name, "b")
        self.admin.run("create", "serviceaccount", "editor", "-n", name).ok()
        binding = ("create", "rolebinding", "editor", "-n", name, "--clusterrole=wegent-editor")
        self.admin.run(*binding, f"--serviceaccount={name}:editor").ok()
        token = token_for(self.admin, name, "editor", duration="2h")
        return Place(name, self.api, Client(self.session, self.proxy.url, token))


@dataclass(frozen=True)
class Place:
    """A namespace with a Bot, and its user's client of the proxy."""

    namespace: str
    api: Api
    client: Client

    async def create(self, courses: Sequence[Course]) -> None:
        """Create a Task for each course; the course's key is its name."""
        gate = asyncio.Semaphore(CREATED_AT_ONCE)

        async def create(course: Course) -> None:
            async with gate:
                spec = {"botRef": {"name": "b"}, "prompt": course.prompt}
                await self.api.create("tasks", self.namespace, course.key, spec)

        await asyncio.gather(*map(create, courses))

    async def tasks(self) -> dict[str, dict[str, Any]]:
        """Return all Tasks by name."""
        return {
            item["metadata"]["name"]: item
            async for page in self.api.client.pages(TASKS.path(self.namespace))
            for item in page["items"]
        }

    async def until(
        self, phases: Collection[Phase], names: Sequence[str], within_s: float
    ) -> dict[str, dict[str, Any]]:
        """Wait until each of the Tasks is in one of the phases, and return these Tasks."""

        async def probe() -> dict[str, dict[str, Any]]:
            tasks = await self.tasks()
            found = {name: tasks[name] for name in names}
            there = all((it.get("status") or {}).get("phase") in phases for it in found.values())
            return found if there else {}

        return await until(probe, within_s, f"{len(names)} Tasks to be {', '.join(phases)}")


async def until(probe: Callable[[], Awaitable[T]], within_s: float, what: str) -> T:
    """Wait until ``probe`` returns something true, and return that."""
    deadline = time.monotonic() + within_s
    while not (found := await probe()):
        assert time.monotonic() < deadline, f"waited {within_s:.0f} s for {what}"
        await asyncio.sleep(POLL_S)
    return found


@asynccontextmanager
async def runner_stack(directory: Path) -> AsyncIterator[RunnerStack]:
    """Start everything but runners."""
    async with AsyncExitStack() as stack:
        plane = stack.enter_context(
            installed_plane(find_binaries(), directory / "plane", audit=True)
        )
        admin = Kubectl(plane.binaries.kubectl, plane.kubeconfig)
        identities = {
            name: kubectl_as(plane, admin, "wegent-system", f"wegent-{name}", directory).kubeconfig
            for name in ("operator", "api", "runner")
        }
        operator = OperatorProcess(identities["operator"], directory / "operator.log")
        stack.enter_context(operator)
        proxy = ProxyProcess(
            identities["api"], directory / "proxy.log", streams_per_user="10000", streams="10000"
        )
        stack.enter_context(proxy)
        client = await stack.enter_async_context(
            KubeClient(load_connection(plane.kubeconfig), user_agent="benchmark")
        )
        session = await stack.enter_async_context(
            aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=0),
                timeout=aiohttp.ClientTimeout(total=None),
            )
        )
        provider = stack.enter_context(TokenProvider())
        yield RunnerStack(
            directory,
            admin,
            Api(client),
            provider,
            operator,
            proxy,
            session,
            plane.audit_log,
            identities["runner"],
        )


def percentile(values: Sequence[float], share: float) -> float:
    """Return the value below which ``share`` of the values lie."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]
