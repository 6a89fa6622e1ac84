"""The first admin: made once, remembered in a file that only its owner may read."""

import json
import secrets
import urllib.request
from pathlib import Path
from typing import Final, NamedTuple

from devcluster.errors import ClusterError
from devcluster.pki import write_private
from devstack.settings import ACCOUNTS_NAMESPACE, ADMIN
from wegent_api.accounts import first_admin
from wegent_api.accounts.store import Accounts, NewAccount
from wegent_kube import KubeClient, load_connection

EMAIL: Final = "admin@example.com"
PASSWORD_BYTES: Final = 18
"""Of randomness; 24 characters."""


LOGIN_WITHIN_S: Final = 30


class Login(NamedTuple):
    """A name and its password."""

    name: str
    password: str


async def ensure_admin(kubeconfig: Path, file: Path) -> Login | None:
    """Make the first admin unless there is one.

    Args:
        kubeconfig: with the rights of a cluster administrator.
        file: where the login is kept.

    Returns:
        The login; None where the admin was made elsewhere and its password isn't known here.
    """
    known = read_login(file) if file.exists() else None  # noqa: ASYNC240 - a file of one line
    async with KubeClient(load_connection(kubeconfig)) as kube:
        if await Accounts(kube, ACCOUNTS_NAMESPACE).get(ADMIN) is not None:
            return known
        login = known or Login(ADMIN, secrets.token_urlsafe(PASSWORD_BYTES))
        # Kept before it is used: whoever is cut off in between finds the password again.
        write_private(file, f"{login.name} {login.password}\n".encode())
        new = NewAccount(login.name, EMAIL, role="admin")
        await first_admin.ensure_admin(kube, ACCOUNTS_NAMESPACE, new, lambda: login.password)
        return login


def read_login(file: Path) -> Login:
    """Return the login that was kept.

    Raises:
        ClusterError: none was.
    """
    try:
        return Login(*file.read_text(encoding="utf-8").split())
    except (OSError, TypeError) as error:
        raise ClusterError(
            "the admin's login is not known here: run `make up` first, or ask whoever did"
        ) from error


def log_in(api: str, login: Login) -> str:
    """Return a token from the API proxy at the base URL ``api``.

    Raises:
        ClusterError: it gave none.
    """
    request = urllib.request.Request(  # noqa: S310 - an address of our own
        f"{api}/api/v1/auth/login",
        data=json.dumps({"username": login.name, "password": login.password}).encode(),
        headers={"Content-Type": "application/json"},
    )
    try:
        with urllib.request.urlopen(request, timeout=LOGIN_WITHIN_S) as answer:  # noqa: S310
            return str(json.load(answer)["accessToken"])
    except (OSError, ValueError, KeyError) as error:
        raise ClusterError(f"no login at {api}: {error}; is it up? `make status`") from error
