"""Wegent is uninstalled, its kinds with all objects are deleted, and it is installed again."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from devcluster.binaries import Binaries
from devcluster.checkout import CHECKOUT
from devcluster.controlplane import ControlPlane
from devcluster.install import Installer
from tests.support.api import VERDICT_WITHIN_S, Api, condition
from tests.support.cluster import installed_plane
from tests.support.identity import operator_kubeconfig_of
from tests.support.kubectl import Kubectl
from tests.support.operator import OperatorProcess
from tests.support.waiting import eventually
from wegent_kube import KubeClient, load_connection
from wegent_kube.resources import CLUSTER_ROLE_BINDINGS, ROLE_BINDINGS, SERVICE_ACCOUNTS

ACCOUNTS = "wegent-accounts"


@pytest.fixture
async def plane(binaries: Binaries, tmp_path: Path) -> AsyncIterator[ControlPlane]:
    """A cluster of the test's own: without the kinds, others couldn't use it."""
    with installed_plane(binaries, tmp_path / "cluster") as plane:
        yield plane


async def names(api: Api, resource: Any, namespace: str | None = None) -> set[str]:
    path = resource.path(namespace)
    return {it["metadata"]["name"] async for page in api.client.pages(path) for it in page["items"]}


async def test_the_first_admin_is_ready_again_and_nobody_else_inherits(
    plane: ControlPlane, tmp_path: Path
) -> None:
    kubectl = Kubectl(plane.binaries.kubectl, plane.kubeconfig)
    itself = operator_kubeconfig_of(plane, tmp_path)
    operator = OperatorProcess(itself, tmp_path / "operator.log")
    async with KubeClient(load_connection(plane.kubeconfig)) as client:
        api = Api(client)

        async def sign_up(name: str, reason: str, **spec: Any) -> dict[str, Any]:
            await api.create("accounts", ACCOUNTS, name, {"email": "a@example.com", **spec})
            return await api.settled("accounts", ACCOUNTS, name, reason)

        operator.start()
        await sign_up("admin", "Ready", role="admin")
        await sign_up("bob", "Ready", namespaces=[{"name": "default", "role": "admin"}])
        await sign_up("cleo", "Ready", role="admin")
        before = await client.request("GET", SERVICE_ACCOUNTS.path(ACCOUNTS, "admin"))
        assert operator.stop() == 0
        crds = CHECKOUT / "crds"
        (await kubectl.call("delete", "-f", crds, "--timeout=60s")).ok()
        Installer(plane.binaries.kubectl, plane.kubeconfig).install([crds])
        operator.start()
        try:
            admin = await sign_up("admin", "Ready", role="admin")
            assert condition(admin, "LastAdmin")["status"] == "True"
            await sign_up("bob", "NamespaceTaken")
            after = await client.request("GET", SERVICE_ACCOUNTS.path(ACCOUNTS, "admin"))
            assert after["metadata"]["uid"] != before["metadata"]["uid"]

            async def nothing_inherited() -> bool:
                everywhere = await names(api, CLUSTER_ROLE_BINDINGS)
                assert "wegent-account-admin-admin" in everywhere
                assert "wegent-account-cleo-admin" not in everywhere
                assert "wegent-account-bob-admin" not in await names(api, ROLE_BINDINGS, "default")
                assert "wegent-account-bob-admin" not in await names(
                    api, ROLE_BINDINGS, "wegent-bob"
                )
                assert "cleo" not in await names(api, SERVICE_ACCOUNTS, ACCOUNTS)
                return True

            await eventually(nothing_inherited, within_s=VERDICT_WITHIN_S, what="no rights of old")
        finally:
            assert operator.stop() == 0, operator.tail()
