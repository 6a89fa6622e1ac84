"""The login from which a token comes, as the token itself states it.

The API server signs tokens and checks them. The proxy reads the claims of a token only after the
API server has accepted it. A login's token is bound to the Secret of the password. A renewed one
has a further audience, with the time at which the password was given: the API server signs
audiences too, so that the time can't be forged, and no login needs a write. docs/adr/0039 has the
alternatives.
"""

import base64
import binascii
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Final

from fastapi import Depends

from wegent_api.accounts.password_secrets import SecretRef
from wegent_api.accounts.store import Account, AccountsDep
from wegent_api.http.bearer import CallerDep
from wegent_api.http.errors import Forbidden
from wegent_api.http.state import SettingsDep
from wegent_api.upstream.client import UserApiDep
from wegent_api.upstream.identity import identity, user_of
from wegent_crds.registry import GROUP

LOGIN_AUDIENCE: Final = f"{GROUP}/login-at/"
"""Prefix of the audience that states when the password was given, in seconds since 1970."""


@dataclass(frozen=True, slots=True)
class User:
    """A caller with an Account.

    Attributes:
        username: Name of the Account.
        uid: UID of the ServiceAccount. All tokens of the user end with it.
    """

    username: str
    uid: str


@dataclass(frozen=True, slots=True)
class Session:
    """A login of a user, by the token of the caller."""

    user: User
    account: Account
    secret: SecretRef
    """The Secret of the password that was given."""
    login_at: int
    """Time at which the password was given, in seconds since 1970."""
    renewed: bool
    """True if the token comes from a renewal, False if it comes from the password itself."""
    audiences: tuple[str, ...]
    """Audiences of the token but for the one that states the time."""

    @property
    def renewed_audiences(self) -> tuple[str, ...]:
        """Audiences of a renewed token."""
        return (*self.audiences, f"{LOGIN_AUDIENCE}{self.login_at}")


async def user(settings: SettingsDep, user_api: UserApiDep, caller: CallerDep) -> User:
    """Return the caller, who must have an Account. FastAPI dependency.

    Raises:
        Forbidden: the caller is not a user of Wegent.
        UpstreamStatus: the API server does not accept the token.
    """
    found = await identity(user_api, caller)
    username = user_of(found.username, settings.accounts_namespace)
    if username is None:
        raise Forbidden(f"{found.username} is not a user of Wegent")
    return User(username, found.uid)


UserDep = Annotated[User, Depends(user)]
"""Parameter type of a route for users with an Account."""


async def session(caller: CallerDep, accounts: AccountsDep, known: UserDep) -> Session:
    """Return the login of the caller. FastAPI dependency.

    Raises:
        Forbidden: the caller's token does not come from a login with the current password.
    """
    account = await accounts.get(known.username)
    found = None if account is None else session_of(claims_of(caller.token), known, account)
    if found is None:
        raise Forbidden("the token does not come from a login; log in with the password")
    return found


SessionDep = Annotated[Session, Depends(session)]
"""Parameter type of a route that needs a login."""


def claims_of(token: str) -> Mapping[str, Any]:
    """Return the claims of a token that the API server has accepted; empty if it is no JWT."""
    payload = token.split(".")[1] if token.count(".") == 2 else ""
    try:
        claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    except (binascii.Error, ValueError):
        return {}
    return claims if isinstance(claims, dict) else {}


def session_of(claims: Mapping[str, Any], known: User, account: Account) -> Session | None:
    """Return the login that the claims of an accepted token state.

    The result is None if the token isn't bound to the Secret of the Account's password, or the
    Account gives no access.
    """
    bound = (claims.get("kubernetes.io") or {}).get("secret") or {}
    if not bound or bound.get("name") != account.password_secret:
        return None
    if account.suspended or account.deleting:
        return None
    stated = [it for it in claims["aud"] if it.startswith(LOGIN_AUDIENCE)]
    times = (int(it.removeprefix(LOGIN_AUDIENCE)) for it in stated)
    return Session(
        user=known,
        account=account,
        secret=SecretRef(bound["name"], bound["uid"]),
        login_at=min(times, default=int(claims["iat"])),
        renewed=bool(stated),
        audiences=tuple(it for it in claims["aud"] if it not in stated),
    )
