"""Users of the SDK, on a real proxy, API server and runner."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from devcluster.controlplane import ControlPlane
from tests.api.conftest import (
    anonymous,
    new_user,
    proxy_kubeconfig,
    proxy_url,
    session,
    start_proxy,
    user,
)
from tests.api.users import ACCOUNTS, User
from tests.runner.conftest import (
    bot,
    ended,
    make_task,
    model,
    provider,
    runner,
    runner_kubeconfig,
    runner_settings,
)
from tests.support.identity import kubectl_as
from tests.support.kubectl import Kubectl
from wegent_sdk import AsyncClient, Client

__all__ = [
    "anonymous",
    "bot",
    "ended",
    "make_task",
    "model",
    "new_user",
    "provider",
    "proxy_kubeconfig",
    "proxy_url",
    "runner",
    "runner_kubeconfig",
    "runner_settings",
    "session",
    "start_proxy",
    "user",
]

WITHIN_S = 60


@dataclass(frozen=True, slots=True)
class Person:
    """One of the two clients, used in the same way."""

    client: Any

    async def call(self, use: Callable[[Any], Any]) -> Any:
        """Return the result of a method."""
        async with asyncio.timeout(WITHIN_S):
            if isinstance(self.client, AsyncClient):
                return await use(self.client)
            return await asyncio.to_thread(use, self.client)

    async def take(
        self,
        use: Callable[[Any], Any],
        count: int | None = None,
        items: list[Any] | None = None,
    ) -> list[Any]:
        """Return the first items of an iterator, or all of them; the iterator is then closed.

        They are appended to ``items`` as they come.
        """
        items = [] if items is None else items
        async with asyncio.timeout(WITHIN_S):
            if not isinstance(self.client, AsyncClient):
                await asyncio.to_thread(lambda: items.extend(islice(use(self.client), count)))
                return items
            iterator = use(self.client)
            async for item in iterator:
                items.append(item)
                if len(items) == count:
                    break
            await iterator.aclose()
            return items


@pytest.fixture(params=[Client, AsyncClient], ids=["sync", "async"])
def sort(request: pytest.FixtureRequest) -> Any:
    """One of the two classes of clients."""
    return request.param


@pytest.fixture
async def opened() -> AsyncIterator[Callable[[Any], Person]]:
    """Wraps clients, and closes them."""
    clients: list[Any] = []

    def wrap(client: Any) -> Person:
        clients.append(client)
        return Person(client)

    yield wrap
    for client in clients:
        closing = client.close()
        if closing is not None:
            await closing


@pytest.fixture
def editor(user: User, kubectl: Kubectl, namespace: str) -> User:
    """The user, with the role editor in the test's namespace."""
    kubectl.run(
        "create",
        "rolebinding",
        "editor",
        f"--namespace={namespace}",
        "--clusterrole=wegent-editor",
        f"--serviceaccount={ACCOUNTS}:{user.name}",
    ).ok()
    return user


@pytest.fixture
def me(sort: Any, opened: Callable[[Any], Person], editor: User, proxy_url: str) -> Person:
    """A client of the REST API, as an editor of the test's namespace."""
    return opened(sort(proxy_url, token=editor.client.token))


@pytest.fixture
def kubeconfig(
    control_plane: ControlPlane, kubectl: Kubectl, namespace: str, tmp_path: Path
) -> Path:
    """A kubeconfig of an admin of the test's namespace, without an Account."""
    kubectl.run("create", "serviceaccount", "person", f"--namespace={namespace}").ok()
    kubectl.run(
        "create",
        "rolebinding",
        "person",
        f"--namespace={namespace}",
        "--clusterrole=wegent-admin",
        f"--serviceaccount={namespace}:person",
    ).ok()
    return kubectl_as(control_plane, kubectl, namespace, "person", tmp_path).kubeconfig


@pytest.fixture
def direct(sort: Any, opened: Callable[[Any], Person], kubeconfig: Path, namespace: str) -> Person:
    """A client of the Kubernetes API itself, as an admin of the test's namespace."""
    return opened(sort.from_kubeconfig(kubeconfig, namespace=namespace))
