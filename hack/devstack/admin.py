"""The first admin: created once, with a login kept in a file that only its owner may read."""

import secrets
from pathlib import Path
from typing import Final, NamedTuple

import httpx

from devcluster.errors import ClusterError
from devcluster.files import write_private
from devstack.settings import ACCOUNTS_NAMESPACE, ADMIN
from wegent_api.accounts import first_admin
from wegent_api.accounts.store import Accounts, NewAccount
from wegent_kube import KubeClient, load_connection

EMAIL: Final = "admin@example.com"
PASSWORD_BYTES: Final = 18
"""Bytes of randomness; they give 24 characters."""


LOGIN_WITHIN_S: Final = 30


class Login(NamedTuple):
    """A name and its password."""

    name: str
    password: str


async def ensure_admin(kubeconfig: Path, file: Path) -> Login | None:
    """Create the first admin unless there is one.

    Args:
        kubeconfig: with the rights of a cluster administrator.
        file: the file that keeps the login.

    Returns:
        The login; None if the admin was created elsewhere and its password isn't known here.
    """
    known = read_login(file) if file.exists() else None  # noqa: ASYNC240 - a file of one line
    async with KubeClient(load_connection(kubeconfig)) as kube:
        if await Accounts(kube, ACCOUNTS_NAMESPACE).get(ADMIN) is not None:
            return known
        login = known or Login(ADMIN, secrets.token_urlsafe(PASSWORD_BYTES))
        # The password is kept before it is used, so that an interrupted run finds it again.
        write_private(file, f"{login.name} {login.password}\n".encode())
        new = NewAccount(login.name, EMAIL, role="admin")
        await first_admin.ensure_admin(kube, ACCOUNTS_NAMESPACE, new, lambda: login.password)
        return login


def read_login(file: Path) -> Login:
    """Return the kept login.

    Raises:
        ClusterError: there is none.
    """
    try:
        return Login(*file.read_text(encoding="utf-8").split())
    except (OSError, TypeError) as error:
        raise ClusterError("no login of the admin is stored here: run `make up` first") from error


def log_in(api: str, login: Login) -> str:
    """Return a token from the API proxy at the base URL ``api``.

    Raises:
        ClusterError: the proxy refused the login.
    """
    body = {"username": login.name, "password": login.password}
    try:
        answer = httpx.post(
            f"{api}/api/v1/auth/login", json=body, timeout=LOGIN_WITHIN_S, trust_env=False
        )
        return str(answer.raise_for_status().json()["accessToken"])
    except (httpx.HTTPError, ValueError, KeyError) as error:
        raise ClusterError(f"no login at {api}: {error}; is it up? `make status`") from error
