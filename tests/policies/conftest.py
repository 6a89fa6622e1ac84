"""Policies hold without Wegent's programs: the operator doesn't run in these tests."""

import uuid
from collections.abc import Callable
from typing import Any

import pytest

from devcluster.controlplane import ControlPlane
from tests.support.identity import kubectl_as
from tests.support.kubectl import Kubectl

ACCOUNTS = "wegent-accounts"


@pytest.fixture(scope="package")
def user_with(
    control_plane: ControlPlane, kubectl: Kubectl, tmp_path_factory: pytest.TempPathFactory
) -> Callable[..., Kubectl]:
    """Make a user with a ClusterRole in the namespace default, besides the rights of all Accounts.

    Only a ServiceAccount of the accounts' namespace has the rights of an Account.
    """

    def make(role: str, home: str = ACCOUNTS) -> Kubectl:
        name = f"u{uuid.uuid4().hex[:8]}"
        kubectl.run("create", "serviceaccount", name, f"--namespace={home}").ok()
        binding = (f"--serviceaccount={home}:{name}", f"--clusterrole={role}")
        kubectl.run("create", "rolebinding", name, "--namespace=default", *binding).ok()
        return kubectl_as(control_plane, kubectl, home, name, tmp_path_factory.mktemp(name))

    return make


@pytest.fixture(scope="package")
def alice(user_with: Callable[..., Kubectl]) -> Kubectl:
    """An editor of the namespace default."""
    return user_with("wegent-editor")


@pytest.fixture(scope="package")
def mallory(user_with: Callable[..., Kubectl]) -> Kubectl:
    """Another editor of the namespace default."""
    return user_with("wegent-editor")


@pytest.fixture(scope="package")
def chief(user_with: Callable[..., Kubectl]) -> Kubectl:
    """A Wegent admin of the namespace default."""
    return user_with("wegent-admin")


@pytest.fixture(scope="package")
def as_operator(
    control_plane: ControlPlane, kubectl: Kubectl, tmp_path_factory: pytest.TempPathFactory
) -> Kubectl:
    """kubectl with the operator's own rights."""
    directory = tmp_path_factory.mktemp("as-operator")
    return kubectl_as(control_plane, kubectl, "wegent-system", "wegent-operator", directory)


@pytest.fixture
def name() -> str:
    """A name of the test's own."""
    return f"g{uuid.uuid4().hex[:8]}"


def username(who: Kubectl) -> str:
    """Return the name by which the API server knows a user."""
    found = who.run("auth", "whoami", "-o", "json").ok().json
    return str(found["status"]["userInfo"]["username"])


def ghost(name: str, prompt: str = "You help.", **metadata: Any) -> dict[str, Any]:
    """Return a Ghost in the namespace default."""
    return {
        "apiVersion": "agent.wecode.io/v1",
        "kind": "Ghost",
        "metadata": {"name": name, "namespace": "default", **metadata},
        "spec": {"systemPrompt": prompt},
    }


def metadata_of(who: Kubectl, name: str, kind: str = "ghost") -> dict[str, Any]:
    """Return an object's metadata."""
    found: dict[str, Any] = who.run("get", kind, name, "-o", "json").ok().json["metadata"]
    return found
