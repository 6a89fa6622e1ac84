"""Credentials: a login that renews itself, a token, or those of a kubeconfig.

Nothing here shows a token: not ``repr``, and no message.
"""

import base64
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from wegent_sdk.errors import ConfigurationError

TOKEN_MAX_CHARACTERS: Final = 65_536
RENEW_BEFORE: Final = timedelta(minutes=5)
"""A login is renewed by the first request in this time before its end. The shortest logins last
ten minutes."""


def checked_token(token: str) -> str:
    """Return a token without the white space around it.

    Raises:
        ConfigurationError: it can't be sent in a header.
    """
    token = token.strip()
    if not token or len(token) > TOKEN_MAX_CHARACTERS:
        raise ConfigurationError("the token is empty, or too long to be one")
    if not token.isascii() or not token.isprintable() or " " in token:
        raise ConfigurationError("the token has characters that no token has; copy it again")
    return token


def expiry_of(token: str) -> datetime | None:
    """Return the time at which a JWT expires; None if the token doesn't say it.

    The signature is not checked: only the server decides whether a token is good.
    """
    parts = token.split(".")
    if len(parts) != 3:
        return None
    try:
        claims: Any = json.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
        return datetime.fromtimestamp(claims["exp"], UTC)
    except (ValueError, TypeError, KeyError, OverflowError, OSError, RecursionError):
        return None


@dataclass(slots=True, eq=False)
class Login:
    """A login of a user, which a client renews before it expires.

    Attributes:
        token: the current token.
        expires_at: time of its end; None if it isn't known, and the login is then not renewed.
        on_renewed: called with the login after each renewal, to store it.
        renewable: False once the server has refused to renew it; it works until it expires.
    """

    token: str = field(repr=False)
    expires_at: datetime | None = None
    on_renewed: Callable[["Login"], None] | None = field(default=None, repr=False)
    renewable: bool = True

    def __post_init__(self) -> None:
        self.token = checked_token(self.token)
        if self.expires_at is None:
            self.expires_at = expiry_of(self.token)

    def is_due(self, now: datetime | None = None) -> bool:
        """Return whether it is time to renew the login."""
        left = self._left(now)
        return self.renewable and left is not None and timedelta() < left <= RENEW_BEFORE

    def has_expired(self, now: datetime | None = None) -> bool:
        """Return whether the login has expired, by this machine's clock."""
        left = self._left(now)
        return left is not None and left <= timedelta()

    def replace(self, token: str, expires_in_s: float) -> None:
        """Take over a renewed token, and hand the login to ``on_renewed``."""
        self.token = checked_token(token)
        self.expires_at = datetime.now(UTC) + timedelta(seconds=expires_in_s)
        if self.on_renewed is not None:
            self.on_renewed(self)

    def _left(self, now: datetime | None) -> timedelta | None:
        if self.expires_at is None:
            return None
        return self.expires_at - (now or datetime.now(UTC))


@dataclass(frozen=True, slots=True)
class Token:
    """A token that is never renewed, such as an API token."""

    value: str = field(repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "value", checked_token(self.value))


@dataclass(frozen=True, slots=True)
class TokenFunction:
    """The token of a kubeconfig, which a plugin may give. None for a client certificate."""

    read: Callable[[], str | None] = field(repr=False)


Credentials = Login | Token | TokenFunction | None
"""None for requests without a user, such as a login."""
