"""Clients of the SDK for contexts, and logins that are stored when they are renewed."""

import base64
import json
import ssl
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Final

from wegent_cli.config import Config, ConfigFile, Context
from wegent_cli.errors import CliError, ExitCode
from wegent_cli.target import DEFAULT_KUBECONFIG
from wegent_cli.text import moment
from wegent_sdk import Client, Login, WegentError

TIMEOUT_S: Final = 30.0
KEPT: Final = timedelta(minutes=5)
"""Age from which a login is renewed. A login ends with its token, after half an hour by default. If
it is renewed each five minutes of use, a break may last 25 minutes at any time."""


@dataclass(slots=True, eq=False)
class EagerLogin(Login):
    """A login that is renewed while it is used, and not only shortly before its end.

    Attributes:
        stored: returns the token and the end that another process has stored meanwhile; None if
            there is none of this login.
    """

    stored: Callable[[], tuple[str, datetime] | None] | None = field(default=None, repr=False)

    def is_due(self, now: datetime | None = None) -> bool:
        """Return whether it is time to renew the login.

        A token that another process has renewed is taken over first.
        """
        now = now or datetime.now(UTC)
        if not self._is_old(now):
            return False
        found = self.stored() if self.stored else None
        if found is None or self.expires_at is None or found[1] <= self.expires_at:
            return True
        self.token, self.expires_at = found
        return self._is_old(now)

    def _is_old(self, now: datetime) -> bool:
        lifetime = lifetime_of(self.token)
        if lifetime is None or self.expires_at is None or not self.renewable:
            return Login.is_due(self, now)
        # The end is a time of this machine's clock, so that the server's clock doesn't matter.
        got = self.expires_at - lifetime
        return got + min(KEPT, lifetime / 2) <= now < self.expires_at


def lifetime_of(token: str) -> timedelta | None:
    """Return the time between the issue and the end of a JWT; None if the token has none."""
    try:
        payload = token.split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        lifetime = timedelta(seconds=claims["exp"] - claims["iat"])
    except (ValueError, TypeError, KeyError, IndexError, OverflowError, RecursionError):
        return None
    return lifetime if lifetime > timedelta() else None


def client_of(
    context: Context,
    *,
    namespace: str | None = None,
    timeout_s: float = TIMEOUT_S,
    login: Login | None = None,
) -> Client:
    """Return a client for a context. Without ``login``, its token is never renewed.

    Args:
        context: the API and the credentials.
        namespace: namespace of requests that name none.
        timeout_s: seconds for an answer.
        login: the login of the context.

    Raises:
        WegentError: the address, the token or the kubeconfig can't be used.
    """
    if context.kubeconfig:
        path = None if context.kubeconfig == DEFAULT_KUBECONFIG else context.kubeconfig
        return Client.from_kubeconfig(
            path, context.kube_context or None, namespace, timeout_s=timeout_s
        )
    return Client(
        context.url,
        token=login or (context.token or None),
        verify=context.ca_file or True,
        timeout_s=timeout_s,
        namespace=namespace,
    )


@dataclass(frozen=True, slots=True)
class Session:
    """The context of one command, and the file to which its renewed login goes.

    Attributes:
        context: the API and the credentials.
        file: the configuration file.
        current: name of the current context.
        warn: called with a message for the user.
    """

    context: Context
    file: ConfigFile
    current: str
    warn: Callable[[str], None]

    def client(self, namespace: str | None) -> Client:
        """Return the client. ``namespace`` is that of requests that name none.

        Raises:
            CliError: the context has no login, or it has expired.
        """
        login = None if self.context.kubeconfig else self.login()
        return client_of(self.context, namespace=namespace, login=login)

    def login(self) -> EagerLogin | None:
        """Return the login; None for a token that is never renewed.

        Raises:
            CliError: the context has no login, or it has expired.
        """
        context = self.context
        if not context.token:
            raise self._log_in(f"there is no login for {context.url}")
        end = moment(context.expires_at)
        if end is not None and end <= datetime.now(UTC):
            raise self._log_in("the login has expired")
        if context.fixed_token:
            return None
        last = context.token

        def renewed(login: Login) -> None:
            nonlocal last
            self._store(login, last)
            last = login.token

        return EagerLogin(context.token, end, renewed, stored=self._stored)

    def fresh_token(self) -> tuple[str, str]:
        """Return the token and its end (RFC 3339), renewed if it is time.

        Raises:
            CliError: there is no login, or it has expired.
        """
        context = self.context
        if context.kubeconfig:
            remedy = "log in: wegent login URL"
            raise CliError("this context uses a kubeconfig", remedy, ExitCode.LOGIN)
        login = self.login()
        if login is None:
            return context.token, context.expires_at
        if login.is_due():
            # If it can't be renewed, the present token works until its end.
            with suppress(WegentError), client_of(context, login=login) as client:
                client.renew()
        return login.token, login.expires_at.isoformat() if login.expires_at else ""

    def _log_in(self, message: str) -> CliError:
        named = "" if self.context.name == self.current else f" --context {self.context.name}"
        return CliError(message, f"log in with `wegent login{named}`", ExitCode.LOGIN)

    def _stored(self) -> tuple[str, datetime] | None:
        """Return the token of this login in the file, and its end; None if there is none."""
        with suppress(CliError):
            for it in self.file.load().contexts:
                if it.name == self.context.name and self._is_this_login(it):
                    end = moment(it.expires_at)
                    return (it.token, end) if end else None
        return None

    def _is_this_login(self, stored: Context) -> bool:
        """Return whether a stored context has this login, perhaps renewed by another process."""
        mine = self.context
        return bool(
            stored.token
            and mine.login_id
            and (stored.login_id, stored.url) == (mine.login_id, mine.url)
        )

    def _store(self, login: Login, before: str) -> None:
        """Store a renewed login in place of its former token, unless the stored one ends later.

        If there is another login, the user has logged in or out meanwhile, and it stays.
        """
        name, end = self.context.name, login.expires_at

        def change(config: Config) -> Config:
            stored = next((it for it in config.contexts if it.name == name), None)
            if stored is None or not (stored.token == before or self._is_this_login(stored)):
                return config
            its_end = moment(stored.expires_at)
            if stored.token != before and its_end and end and its_end >= end:
                return config
            renewed = replace(stored, token=login.token, expires_at=end.isoformat() if end else "")
            return config.with_context(renewed)

        try:
            self.file.change(change)
        except CliError as error:  # this command still works, with the renewed login
            self.warn(f"warning: the renewed login is not stored: {error.message}")


def clock_skew_s(context: Context) -> float | None:
    """Return the seconds by which this clock is ahead of the server's; None if it tells no time."""
    import httpx  # noqa: PLC0415 - only for `doctor`

    try:
        answer = httpx.head(
            f"{context.url}/healthz", verify=_trust(context.ca_file), timeout=TIMEOUT_S
        )
        theirs = parsedate_to_datetime(answer.headers["date"])
    except (httpx.HTTPError, KeyError, ValueError, OSError):
        return None
    return (datetime.now(UTC) - theirs).total_seconds()


def _trust(ca_file: str) -> ssl.SSLContext | bool:
    return ssl.create_default_context(cafile=ca_file) if ca_file else True
