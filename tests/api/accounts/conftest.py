"""The proxy and the operator together, with users who sign up as in a real cluster."""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from devcluster.controlplane import ControlPlane
from devcluster.kubeconfig import write_kubeconfig
from tests.api.users import ACCOUNTS, PASSWORD, User, answered, unique
from tests.support.api import VERDICT_WITHIN_S, Api
from tests.support.kubectl import Kubectl
from tests.support.operator import OperatorProcess
from tests.support.proxy import Answer, Client
from tests.support.waiting import eventually
from wegent_api.accounts.password_secrets import USER_LABEL

AUTH = "/api/v1/auth"
ENDS_WITHIN_S = 20.0
"""The time in which access ends: the API server caches accepted tokens for ten seconds."""


SignUp = Callable[..., Awaitable[User]]
LogIn = Callable[..., Awaitable[Answer]]


@pytest.fixture(scope="session")
def log_in(anonymous: Client) -> LogIn:
    """Try to log in."""

    async def attempt(name: str, password: str = PASSWORD) -> Answer:
        return await anonymous.post(f"{AUTH}/login", {"username": name, "password": password})

    return attempt


@pytest.fixture(scope="module")
def sign_up(
    anonymous: Client,
    operator: OperatorProcess,
    log_in: LogIn,
) -> SignUp:
    """Register and log in as any user does; the operator provisions the Account."""
    del operator

    async def make(prefix: str = "user") -> User:
        name = unique(prefix)
        body = {"username": name, "email": f"{name}@example.com", "password": PASSWORD}
        (await anonymous.post(f"{AUTH}/register", body)).expect(201)
        user = User(name, anonymous.as_(await token_of(log_in, name)))
        await answered(user, f"/api/v1/namespaces/{user.home}/members", 200)
        return user

    return make


@pytest.fixture(scope="module")
async def admin(sign_up: SignUp, api: Api) -> User:
    """An admin with an Account, whom the cluster's administrator made one."""
    user = await sign_up("admin")
    await api.merge("accounts", ACCOUNTS, user.name, {"spec": {"role": "admin"}})
    await answered(user, f"{AUTH}/admin/accounts", 200)
    return user


@pytest.fixture
def kubectl_with(control_plane: ControlPlane, tmp_path: Path) -> Callable[[str], Kubectl]:
    """kubectl with a token alone."""

    def make(token: str) -> Kubectl:
        kubeconfig = write_kubeconfig(
            tmp_path / unique("kubeconfig"),
            name="user",
            server=control_plane.server,
            ca_file=control_plane.ca_file,
            credentials=token,
        )
        return Kubectl(control_plane.binaries.kubectl, kubeconfig)

    return make


async def token_of(log_in: LogIn, name: str, password: str = PASSWORD) -> str:
    """Log in a user who may have just registered, and return the token."""

    async def probe() -> str:
        token: str = (await log_in(name, password)).expect(200)["accessToken"]
        return token

    return await eventually(probe, within_s=VERDICT_WITHIN_S, what=f"{name} is logged in")


async def secrets_of(api: Api, username: str) -> list[dict[str, Any]]:
    """Return the password Secrets of a user."""
    path = f"/api/v1/namespaces/{ACCOUNTS}/secrets"
    selector = {"labelSelector": f"{USER_LABEL}={username}"}
    found: list[dict[str, Any]] = (await api.client.request("GET", path, params=selector))["items"]
    return found
