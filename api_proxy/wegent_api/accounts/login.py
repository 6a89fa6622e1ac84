"""Exchanges a name and a password for a token without revealing which of the two was wrong.

An unknown user, a user without a password, a suspended user and a wrong password all cause the same
requests and one hash each, and get the same answer.
"""

from dataclasses import dataclass
from typing import Annotated, Final

from fastapi import Depends

from wegent_api.accounts.password_hashing import PasswordHashing
from wegent_api.accounts.password_secrets import PasswordSecrets, SecretRef
from wegent_api.accounts.store import Account, Accounts
from wegent_api.accounts.tokens import (
    RETRY_AFTER_S,
    IssuedToken,
    NotSetUp,
    PasswordChanged,
    TokenIssuer,
)
from wegent_api.http.errors import TooManyRequests, Unauthorized, Unavailable
from wegent_api.http.rate_limiter import RateLimiter, address_key
from wegent_api.http.state import FromState
from wegent_api.server.metrics import Metrics
from wegent_kube import KubeError

WRONG: Final = "wrong user name or password"


@dataclass(frozen=True, slots=True)
class LoginThrottle:
    """Throttles attempts. Each takes a token of the user's bucket and one of the address's."""

    by_user: RateLimiter
    by_address: RateLimiter

    def acquire(self, username: str, address: str) -> None:
        """Take the tokens of an attempt before it is made, so that parallel attempts count too.

        Raises:
            TooManyRequests: a bucket is empty.
        """
        key = address_key(address)
        if wait := self.by_address.take(key):
            raise too_many_attempts(wait)
        if wait := self.by_user.take(username):
            self.by_address.refund(key)
            raise too_many_attempts(wait)

    def refund(self, username: str, address: str) -> None:
        """Return the tokens of an attempt that was not a wrong guess."""
        self.by_user.refund(username)
        self.by_address.refund(address_key(address))


@dataclass(frozen=True, slots=True)
class AuthenticatedUser:
    """A user whose password was correct."""

    account: Account
    secret: SecretRef
    """The Secret that holds the password's hash."""


class Login:
    """Checks passwords and requests tokens."""

    def __init__(
        self,
        accounts: Accounts,
        password_secrets: PasswordSecrets,
        passwords: PasswordHashing,
        tokens: TokenIssuer,
        throttle: LoginThrottle,
        metrics: Metrics,
    ) -> None:
        self._accounts = accounts
        self._secrets = password_secrets
        self._passwords = passwords
        self._tokens = tokens
        self._throttle = throttle
        self._outcomes = metrics.logins

    async def login(self, username: str, password: str, address: str) -> IssuedToken:
        """Return a token for ``username``, a checked name, who calls from ``address``.

        Raises:
            Unauthorized: name and password are not those of a user.
            TooManyRequests: there were too many wrong passwords.
            Unavailable: the account is not set up yet, or the proxy is busy.
        """
        try:
            known = await self.check(username, password, address)
            issued = await self._issue(username, known.secret)
        except TooManyRequests:
            self._outcomes.labels("limited").inc()
            raise
        except (Unauthorized, PasswordChanged):
            self._outcomes.labels("wrong").inc()
            raise Unauthorized(WRONG) from None
        except (Unavailable, KubeError):
            self._outcomes.labels("unavailable").inc()
            raise
        self._outcomes.labels("success").inc()
        return issued

    async def _issue(self, username: str, secret: SecretRef) -> IssuedToken:
        """Request a token. If the account isn't set up, report the operator's reason."""
        try:
            return await self._tokens.issue(username, secret)
        except NotSetUp as error:
            account = await self._accounts.get(username)
            if account is None or not account.unready:
                raise
            message = f"the account {username} is not set up: {account.unready}"
            raise Unavailable(message, retry_after_s=RETRY_AFTER_S) from error

    async def check(self, username: str, password: str, address: str) -> AuthenticatedUser:
        """Check a password. Only a wrong one counts against the limits.

        Raises:
            Unauthorized: name and password are not those of a user.
            TooManyRequests: there were too many wrong passwords.
            Unavailable: the proxy is busy.
        """
        self._throttle.acquire(username, address)
        guessed_wrong = False
        try:
            return await self._checked(username, password)
        except Unauthorized:
            guessed_wrong = True
            raise
        finally:
            if not guessed_wrong:
                self._throttle.refund(username, address)

    async def _checked(self, username: str, password: str) -> AuthenticatedUser:
        """Return the user if the password is correct and the user may log in."""
        account = await self._accounts.get(username)
        stored = await self._secrets.read(account.password_secret if account else None)
        right = await self._passwords.verify(stored.hash if stored else None, password)
        if account is None or stored is None or not right:
            raise Unauthorized(WRONG)
        if account.suspended or account.deleting:
            raise Unauthorized(WRONG)
        return AuthenticatedUser(account, stored.secret)


def too_many_attempts(wait_s: int) -> TooManyRequests:
    """Return the 429 with the time to wait."""
    return TooManyRequests(f"too many attempts; try again in {wait_s} s", retry_after_s=wait_s)


LoginDep = Annotated[Login, Depends(FromState("login"))]
"""Parameter type of a route that checks a password."""
