"""A user's kubeconfig gives the real kubectl exactly the user's rights."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
import yaml

from devcluster.controlplane import ControlPlane
from tests.api.accounts.conftest import AUTH, SignUp
from tests.api.conftest import ProxyFactory
from tests.api.users import User
from tests.support.identity import token_for
from tests.support.kubectl import Kubectl
from tests.support.proxy import Client

KUBECONFIG = f"{AUTH}/kubeconfig"


@pytest.fixture(scope="module")
async def user(sign_up: SignUp) -> User:
    return await sign_up("kubectl")


@pytest.fixture
def kubectl_of(
    control_plane: ControlPlane, tmp_path: Path
) -> Callable[[Client], Awaitable[Kubectl]]:
    """kubectl with the file that a client receives, byte for byte."""

    async def make(client: Client) -> Kubectl:
        content = (await client.get(KUBECONFIG)).content
        kubeconfig = tmp_path / "kubeconfig"
        await asyncio.to_thread(kubeconfig.write_bytes, content)
        return Kubectl(control_plane.binaries.kubectl, kubeconfig)

    return make


async def test_it_is_a_file_that_holds_the_callers_token_and_is_not_kept(user: User) -> None:
    answer = await user.client.get(KUBECONFIG)
    assert answer.status == 200
    assert answer.headers["Content-Type"] == "application/yaml"
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["Content-Disposition"] == 'attachment; filename="wegent.kubeconfig"'
    document = yaml.safe_load(answer.content)
    assert document["users"] == [{"name": user.name, "user": {"token": user.client.token}}]
    [context] = document["contexts"]
    assert context["context"]["namespace"] == "default"


async def test_kubectl_does_with_it_what_the_user_may(
    user: User, kubectl_of: Callable[[Client], Awaitable[Kubectl]]
) -> None:
    theirs = await kubectl_of(user.client)
    whoami = (await theirs.call("auth", "whoami", "-ojson")).ok().json
    assert whoami["status"]["userInfo"]["username"].endswith(f":wegent-accounts:{user.name}")
    ghost = {
        "apiVersion": "agent.wecode.io/v1",
        "kind": "Ghost",
        "metadata": {"name": "mine", "namespace": user.home},
        "spec": {"systemPrompt": "You help."},
    }
    (await theirs.call("create", "-f", "-", stdin=ghost)).ok()
    listed = (await theirs.call("get", "ghosts", f"-n{user.home}", "-ojson")).ok().json
    assert [item["metadata"]["namespace"] for item in listed["items"]] == [user.home]
    for command in (
        ("get", "ghosts", "-nkube-system"),
        ("get", "ghosts", "-A"),
        ("get", "secrets"),
        ("get", "accounts", "-nwegent-accounts"),
        ("create", "namespace", "more"),
    ):
        assert "is forbidden: User" in (await theirs.call(*command)).stderr


async def test_who_has_no_account_gets_what_they_came_with(
    anonymous: Client, kubectl: Kubectl, kubectl_of: Callable[[Client], Awaitable[Kubectl]]
) -> None:
    stranger = anonymous.as_(token_for(kubectl, "kube-public", "default"))
    theirs = await kubectl_of(stranger)
    assert "system:serviceaccount:kube-public:default" in (
        (await theirs.call("auth", "whoami")).ok().stdout
    )


async def test_the_address_can_be_another_one(user: User, start_proxy: ProxyFactory) -> None:
    """Within a cluster, the proxy's own address of the API server is of no use to users."""
    url = "https://kubernetes.example.com:6443"
    proxy = Client(
        user.client.session, start_proxy(kubernetes_url=f"{url}/").url, user.client.token
    )
    document = yaml.safe_load((await proxy.get(KUBECONFIG)).content)
    [cluster] = document["clusters"]
    assert cluster["cluster"]["server"] == url
    assert cluster["cluster"]["certificate-authority-data"]


@pytest.mark.parametrize("token", [None, "not-a-token", "a.b.c"])
async def test_without_a_good_token_there_is_none(anonymous: Client, token: str | None) -> None:
    (await anonymous.as_(token).get(KUBECONFIG)).refused(401, "Unauthorized")
