"""Requests with credentials, repeated where that is harmless, and their JSON.

A request is repeated after a lost connection and after 429 and 503, if a second execution changes
nothing more. A ``POST`` that creates an object isn't.
"""

import random
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, Final

from wegent_sdk.credentials import Credentials, Login, Token, TokenFunction, checked_token
from wegent_sdk.errors import (
    ConnectionFailed,
    LoginExpired,
    NotWegent,
    Refused,
    TooManyRequests,
    Unavailable,
    WegentError,
    decoded,
    is_status,
    refusal,
)
from wegent_sdk.wire import Answer, Request, Stream, Wire

ATTEMPTS: Final = 4
FIRST_PAUSE_S: Final = 0.25
"""The mean of the first pause; each further one is twice as long."""
LONGEST_PAUSE_S: Final = 10.0
"""A server that asks for a longer pause gets no other attempt."""
RETRY_WITHIN_S: Final = 10.0
"""Seconds since the first attempt after which no other one begins."""
FIRST_RENEWAL_PAUSE_S: Final = 1.0
"""Seconds after a failed renewal of a login; twice as long after each further one."""
LONGEST_RENEWAL_PAUSE_S: Final = 60.0
REFRESH: Final = Request("POST", "/api/v1/auth/refresh")


def pause_before(attempt: int, *, longest_s: float = LONGEST_PAUSE_S) -> float:
    """Return the seconds to wait before an attempt, of which the second has the number 1."""
    mean = min(FIRST_PAUSE_S * 2.0 ** (attempt - 1), longest_s / 1.5)
    return mean * random.uniform(0.5, 1.5)  # noqa: S311 - spreads attempts, and guards nothing


def retry_after(error: WegentError, attempt: int) -> float | None:
    """Return the seconds to wait before the next attempt; None if it makes no sense."""
    if isinstance(error, ConnectionFailed):
        return pause_before(attempt) if error.may_pass else None
    if isinstance(error, TooManyRequests) or (
        isinstance(error, Unavailable) and error.status in {502, 503, 504}
    ):
        asked = error.retry_after_s or 0.0
        return None if asked > LONGEST_PAUSE_S else max(asked, pause_before(attempt))
    return None


@dataclass(slots=True)
class Attempts:
    """Counts the attempts at one request.

    Attributes:
        lost: True if one of them had no answer, so that it may have been carried out.
    """

    lost: bool = False
    _count: int = 0
    _began: float = field(default_factory=time.monotonic)

    def wait_after(self, error: WegentError) -> float:
        """Return the seconds to wait before the next attempt.

        Raises:
            WegentError: ``error`` itself, if there is to be none.
        """
        self._count += 1
        self.lost = self.lost or isinstance(error, ConnectionFailed | Unavailable)
        wait = retry_after(error, self._count)
        spent = time.monotonic() - self._began
        if wait is None or self._count == ATTEMPTS or spent + wait > RETRY_WITHIN_S:
            raise error
        return wait


class Api:
    """One server, as one user.

    Args:
        wire: sends the requests.
        credentials: of the user.
        renews: True if the server renews logins, as the REST API does.
    """

    def __init__(self, wire: Wire, credentials: Credentials, *, renews: bool) -> None:
        self.wire = wire
        self.credentials = credentials
        self._renews = renews
        self._renew_from = 0.0
        """Monotonic time before which no other attempt to renew the login begins."""
        self._failed_renewals = 0

    @property
    def url(self) -> str:
        """Address of the server."""
        return self.wire.server.url

    async def request(self, request: Request) -> Any:
        """Return the JSON of an answer; None for an empty one.

        Raises:
            WegentError: the request failed, or the answer is not JSON.
        """
        return self.json(await self.send(request))

    def json(self, answer: Answer) -> Any:
        """Return the JSON of an answer; None for an empty one.

        Raises:
            NotWegent: it is not JSON.
        """
        if not answer.content:
            return None
        try:
            return decoded(answer.content)
        except ValueError as error:
            raise self._not_wegent(answer) from error

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Take an answer of another form than expected for none of Wegent's.

        Raises:
            NotWegent: the code in the context has not found what it expects.
        """
        try:
            yield
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise NotWegent(
                f"{self.url} answers in another form than expected; check the address, and whether"
                " the server is much newer or older than this SDK",
                url=self.url,
            ) from error

    async def object(self, request: Request) -> dict[str, Any]:
        """Return the JSON object of an answer.

        Raises:
            WegentError: the request failed, or the answer is no JSON object.
        """
        answer = await self.send(request)
        body = self.json(answer)
        if not isinstance(body, dict):
            raise self._not_wegent(answer)
        return body

    async def send(self, request: Request) -> Answer:
        """Return an answer with a status below 300.

        Raises:
            WegentError: there was none.
        """
        attempts = Attempts()
        while True:
            try:
                return self._accepted(await self._once(request))
            except WegentError as error:
                if not request.repeatable:
                    raise
                wait = attempts.wait_after(error)
            await self.wire.http.sleep(wait)

    async def send_anonymously(self, request: Request) -> Answer:
        """Return an answer with a status below 300 to a request without credentials; one attempt.

        Raises:
            WegentError: there was none.
        """
        return self._accepted(await self.wire.send(request))

    async def delete(self, request: Request) -> Answer | None:
        """Delete; None if an earlier attempt without an answer did it.

        Raises:
            WegentError: it failed.
        """
        attempts = Attempts()
        while True:
            try:
                return self._accepted(await self._once(request))
            except WegentError as error:
                if attempts.lost and isinstance(error, Refused) and error.status == 404:
                    return None
                wait = attempts.wait_after(error)
            await self.wire.http.sleep(wait)

    @asynccontextmanager
    async def open(self, request: Request, *, silence_s: float) -> AsyncIterator[Stream]:
        """Open a stream; one attempt.

        Raises:
            WegentError: it could not be opened.
        """
        signed = await self._signed(request)
        used = self._token()
        async with self.wire.open(signed, silence_s) as stream:
            self._accepted(stream.answer)
            sent = stream.answer.headers.get("content-type", "").partition(";")[0].strip()
            if sent != ("text/event-stream" if self._renews else "application/json"):
                raise self._not_wegent(stream.answer)
            try:
                yield stream
            except LoginExpired as error:
                if self._token() == used:
                    raise
                raise ConnectionFailed("the login has been renewed", url=self.url) from error

    async def read(self, stream: Stream) -> bytes:
        """Return the next piece of a stream, b"" at the end. A login is renewed meanwhile.

        Raises:
            ConnectionFailed: the connection was lost.
        """
        piece = await stream.read()
        if isinstance(self.credentials, Login):
            await self._try_to_renew(self.credentials)
        return piece

    async def renew(self) -> Login:
        """Renew the login now, and return it.

        Raises:
            WegentError: the server refuses, or can't be reached.
        """
        login = self.credentials
        if not isinstance(login, Login):
            raise LoginExpired("there is no login that could be renewed; log in", status=401)
        answer = await self.wire.send(self._with(login.token, REFRESH))
        token, seconds = self.token_of(self._accepted(answer))
        login.replace(token, seconds)
        return login

    def token_of(self, answer: Answer) -> tuple[str, float]:
        """Return the token of a login's answer, and its lifetime in seconds.

        Raises:
            NotWegent: the answer has none.
        """
        body = self.json(answer)
        token = body.get("accessToken") if isinstance(body, dict) else None
        seconds = body.get("expiresIn") if isinstance(body, dict) else None
        if not isinstance(token, str) or not isinstance(seconds, int):
            raise self._not_wegent(answer)
        return token, float(seconds)

    def _token(self) -> str | None:
        return self.credentials.token if isinstance(self.credentials, Login) else None

    async def _once(self, request: Request) -> Answer:
        return await self.wire.send(await self._signed(request))

    async def _signed(self, request: Request) -> Request:
        credentials = self.credentials
        match credentials:
            case None:
                return request
            case Token():
                return self._with(credentials.value, request)
            case TokenFunction():
                token = await self.wire.http.call(credentials.read)
                return self._with(checked_token(token), request) if token else request
            case Login():
                await self._try_to_renew(credentials)
                return self._with(credentials.token, request)

    def _with(self, token: str, request: Request) -> Request:
        headers = {**request.headers, "Authorization": f"Bearer {token}"}
        return replace(request, headers=headers)

    async def _try_to_renew(self, login: Login) -> None:
        """Renew a login that is due; if that fails, the old token is used until its end.

        After a failure, the next attempt is made after a pause: that which the server asks for, or
        one that grows with each failure in a row.
        """
        if not self._renews or time.monotonic() < self._renew_from or not login.is_due():
            return
        pause_s = min(FIRST_RENEWAL_PAUSE_S * 2.0**self._failed_renewals, LONGEST_RENEWAL_PAUSE_S)
        self._renew_from = time.monotonic() + pause_s  # also for requests at the same time
        try:
            await self.renew()
        except WegentError as error:
            if isinstance(error, Refused) and error.status in {401, 403, 404}:
                login.renewable = False
            asked = getattr(error, "retry_after_s", None) or 0.0
            self._failed_renewals += 1
            self._renew_from = time.monotonic() + max(asked, pause_s)
        else:
            self._failed_renewals, self._renew_from = 0, 0.0

    def _accepted(self, answer: Answer) -> Answer:
        """Return an answer with a status below 300.

        Raises:
            WegentError: the status is another one.
        """
        if answer.status < 300:
            return answer
        if answer.status < 400:
            place = answer.headers.get("location", "")[:1024]
            raise NotWegent(
                f"{self.url} redirects to {place!r}; use the address of the API itself",
                status=answer.status,
                url=answer.url,
            )
        try:
            body = decoded(answer.content)
        except ValueError:
            body = None
        if is_status(body):
            raise refusal(answer.status, body, answer.headers, answer.url)
        if answer.status in {429, 502, 503, 504}:  # a load balancer before it
            told: Mapping[str, Any] = {"message": f"{self.url} is not available now"}
            raise refusal(answer.status, told, answer.headers, answer.url)
        raise self._not_wegent(answer)

    def _not_wegent(self, answer: Answer) -> NotWegent:
        check = "/openapi.json" if self._renews else "/version"
        return NotWegent(
            f"{self.url} answers, but not as {'Wegent' if self._renews else 'Kubernetes'} does"
            f" ({answer.status} for {answer.url}); check the address: {self.url}{check} must answer"
            " with JSON",
            status=answer.status,
            url=answer.url,
        )
