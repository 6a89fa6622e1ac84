"""Login tokens: TokenRequest for the user's ServiceAccount, bound to the password Secret.

The API server signs, checks and revokes them. A token is bound to the Secret, so it ends with the
password. It belongs to the ServiceAccount, so it ends with the Account as well.
"""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Final

from fastapi import Depends

from wegent_api.accounts.password_secrets import SecretRef
from wegent_api.http.errors import Unavailable
from wegent_api.http.state import FromState
from wegent_kube import ApiError, KubeClient
from wegent_kube.resources import SERVICE_ACCOUNTS

MIN_LIFETIME_S: Final = 600
"""The API server's own minimum, in seconds."""
FIRST_WAIT_S: Final = 0.05
LONGEST_WAIT_S: Final = 0.5
RETRY_AFTER_S: Final = 5


class PasswordChanged(Exception):  # noqa: N818 - names an event
    """The Secret with the checked password is gone."""


class NotSetUp(Unavailable):
    """The user's ServiceAccount doesn't exist yet."""


@dataclass(frozen=True, slots=True)
class IssuedToken:
    """A token and its lifetime in seconds."""

    token: str
    lifetime_s: int


class TokenIssuer:
    """Requests tokens with the proxy's own rights.

    Args:
        own_api: the proxy's client.
        namespace: namespace of the ServiceAccounts.
        lifetime_s: lifetime of a token, in seconds.
        wait_s: seconds to wait for a ServiceAccount. The operator creates it after the Account, as
            the last of the objects that the Account needs.
    """

    def __init__(
        self, own_api: KubeClient, namespace: str, *, lifetime_s: int, wait_s: float
    ) -> None:
        self._own_api = own_api
        self._namespace = namespace
        self._lifetime_s = lifetime_s
        self._wait_s = wait_s

    async def issue(
        self,
        username: str,
        secret: SecretRef,
        *,
        lifetime_s: int | None = None,
        audiences: Sequence[str] = (),
    ) -> IssuedToken:
        """Return a token for ``username`` that lives no longer than ``secret``.

        The lifetime defaults to that of a login, and the audiences to the API server's own.

        The request is repeated until the ServiceAccount exists. A watch would need further rights,
        and a login before the operator has handled the new Account happens at most once for each
        user.

        Raises:
            NotSetUp: the ServiceAccount was not created in time.
            PasswordChanged: the Secret is gone.
        """
        deadline = time.monotonic() + self._wait_s
        pause = FIRST_WAIT_S
        while True:
            try:
                return _issued(await self._request(username, secret, lifetime_s, audiences))
            except ApiError as error:
                absent = error.is_not_found and error.details.get("kind") == "secrets"
                if absent or error.is_conflict:  # a conflict: the Secret has another uid
                    raise PasswordChanged from error
                if not error.is_not_found:
                    raise
            if time.monotonic() + pause > deadline:
                raise NotSetUp(
                    f"the account {username} is not set up yet; try again. If this persists,"
                    " check that Wegent's operator is running",
                    retry_after_s=RETRY_AFTER_S,
                )
            await asyncio.sleep(pause)
            pause = min(pause * 2, LONGEST_WAIT_S)

    async def _request(
        self, username: str, secret: SecretRef, lifetime_s: int | None, audiences: Sequence[str]
    ) -> Any:
        return await self._own_api.request(
            "POST",
            SERVICE_ACCOUNTS.path(self._namespace, username, "token"),
            body={
                "apiVersion": "authentication.k8s.io/v1",
                "kind": "TokenRequest",
                "spec": {
                    # Without audiences the token gets the API server's own, which it accepts.
                    "audiences": list(audiences),
                    "expirationSeconds": lifetime_s or self._lifetime_s,
                    "boundObjectRef": {
                        "apiVersion": "v1",
                        "kind": "Secret",
                        "name": secret.name,
                        "uid": secret.uid,
                    },
                },
            },
        )


def _issued(answer: Any) -> IssuedToken:
    return IssuedToken(answer["status"]["token"], answer["spec"]["expirationSeconds"])


TokenIssuerDep = Annotated[TokenIssuer, Depends(FromState("tokens"))]
"""Parameter type of a route that requests a token."""
