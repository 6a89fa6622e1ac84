"""The errors of the SDK.

::

    WegentError
    ├── Refused                 an answer with a status of 400 or above
    │   ├── LoginExpired        401: the token is missing, expired or withdrawn
    │   ├── Forbidden           403
    │   ├── NotFound            404
    │   ├── AlreadyExists       409 of a name that is taken
    │   ├── Conflict            409 of a change that others made meanwhile, and 412
    │   ├── Expired             410: the list or the watch must begin again
    │   ├── Invalid             400 and 422
    │   ├── TooManyRequests     429
    │   └── Unavailable         500 and above
    ├── ConnectionFailed        no answer: refused, not found, TLS, timed out, cut
    ├── NotWegent               an answer that is none of Wegent's, or of Kubernetes
    ├── Unreadable              an object that the models of this version can't read
    ├── NeedsLogin              a request of the REST API, made with a kubeconfig
    ├── TimedOut                a wait that the caller has limited
    └── ConfigurationError      an address, a token or a kubeconfig that can't be used
        └── Malformed           a manifest that is no object of Wegent's kinds

No message contains a token. Messages of servers are cut at 4,096 characters.
"""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

MESSAGE_MAX_CHARACTERS: Final = 4096
CAUSES_MAX: Final = 64


@dataclass(frozen=True, slots=True)
class Cause:
    """One reason of a refusal."""

    field: str
    """Path of the field, such as ``spec.ghostRef``; empty if it is about the whole request."""
    message: str
    reason: str = ""
    """Kind of the cause, such as ``FieldValueNotFound``."""


class WegentError(Exception):
    """Base of all errors of the SDK.

    Attributes:
        message: the error in one sentence, for people.
        status: HTTP status of the answer; 0 without an answer.
        reason: the reason for programs, such as ``NotFound``; empty if there is none.
        causes: the fields that are wrong.
        request_id: id of the request in the logs of the servers; empty if there is none.
        url: address of the request; empty if there was none.
    """

    def __init__(
        self,
        message: str,
        *,
        status: int = 0,
        reason: str = "",
        causes: tuple[Cause, ...] = (),
        request_id: str = "",
        url: str = "",
    ) -> None:
        super().__init__(message)
        self.message = message
        self.status = status
        self.reason = reason
        self.causes = causes
        self.request_id = request_id
        self.url = url


class Refused(WegentError):  # noqa: N818 - names the event
    """An answer with a status of 400 or above."""


class LoginExpired(Refused):
    """The token is missing, expired or withdrawn, and can't be renewed. Log in again."""


class Forbidden(Refused):
    """The user may not do this, or a policy or a quota forbids it."""


class NotFound(Refused):
    """There is no such object, namespace or path."""


class AlreadyExists(Refused):
    """The name is taken."""


class Conflict(Refused):
    """The object has changed meanwhile, or its state forbids the change."""


class Expired(Refused):
    """The version of a list is too old. Begin the list again."""


class Invalid(Refused):
    """The request is not valid; ``causes`` name the fields."""


class TooManyRequests(Refused):
    """The server asks for a pause.

    Attributes:
        retry_after_s: seconds to wait; None if the server names none.
    """

    retry_after_s: float | None = None


class Unavailable(Refused):
    """The server failed, or can't serve the request now. A write may have been carried out.

    Attributes:
        retry_after_s: seconds to wait; None if the server names none.
    """

    retry_after_s: float | None = None


class ConnectionFailed(WegentError):  # noqa: N818 - names the event
    """There was no answer, or no whole one. A write may have been carried out.

    Attributes:
        may_pass: False if another attempt can't help, as for a certificate that isn't trusted.
    """

    may_pass: bool = True


class NotWegent(WegentError):  # noqa: N818 - names the event
    """The address answers, and the answer is none of Wegent's."""


class Unreadable(WegentError):  # noqa: N818 - names the event
    """The models of this version can't read an object. ``client.raw`` returns it as it is."""


class NeedsLogin(WegentError):  # noqa: N818 - names the event
    """The Kubernetes API doesn't have this request. Use the REST API, with a login."""


class TimedOut(WegentError):  # noqa: N818 - names the event
    """The time that the caller gave to a wait is over."""


class ConfigurationError(WegentError):
    """An address, a token or a kubeconfig can't be used."""


class Malformed(ConfigurationError):  # noqa: N818 - names the fault
    """A manifest that is no object of Wegent's kinds, or has no name."""


_BY_STATUS: Final[Mapping[int, type[Refused]]] = {
    400: Invalid,
    401: LoginExpired,
    403: Forbidden,
    404: NotFound,
    409: Conflict,
    410: Expired,
    412: Conflict,
    413: Invalid,
    422: Invalid,
    429: TooManyRequests,
}
REMEDIES: Final[Mapping[type[WegentError], str]] = {
    LoginExpired: "log in again",
    Forbidden: "ask an admin of the namespace, or of Wegent, for the right",
    TooManyRequests: "try again later",
    Unavailable: "try again; if it goes on, look at the server's logs",
}


def is_status(body: object) -> bool:
    """Return whether a JSON value is a Kubernetes ``Status``."""
    return isinstance(body, dict) and body.get("kind") == "Status"


def refusal(code: int, body: Mapping[str, Any], headers: Mapping[str, str], url: str) -> Refused:
    """Return the error for a ``Status``.

    Args:
        code: the HTTP status.
        body: the ``Status``.
        headers: headers of the answer, with names in lower case.
        url: address of the request.
    """
    reason = body.get("reason")
    reason = reason if isinstance(reason, str) else ""
    kind = _BY_STATUS.get(code, Unavailable if code >= 500 else Refused)
    if reason == "AlreadyExists":
        kind = AlreadyExists
    error = kind(
        shortened(body.get("message")) or f"the server answered {code} without a message",
        status=code,
        reason=reason,
        causes=tuple(_causes(body)),
        request_id=shortened(headers.get("x-request-id") or headers.get("audit-id")),
        url=url,
    )
    if isinstance(error, TooManyRequests | Unavailable):
        error.retry_after_s = _seconds(headers.get("retry-after"))
    return error


def shortened(text: object) -> str:
    """Return a server's text in one piece of bounded length; other values give an empty text."""
    if not isinstance(text, str):
        return ""
    return text if len(text) <= MESSAGE_MAX_CHARACTERS else f"{text[:MESSAGE_MAX_CHARACTERS]}..."


def _causes(body: Mapping[str, Any]) -> list[Cause]:
    details = body.get("details")
    causes = details.get("causes") if isinstance(details, dict) else None
    return [
        Cause(
            shortened(cause.get("field")),
            shortened(cause.get("message")),
            shortened(cause.get("reason")),
        )
        for cause in (causes if isinstance(causes, list) else [])[:CAUSES_MAX]
        if isinstance(cause, dict)
    ]


def _seconds(value: str | None) -> float | None:
    try:
        seconds = float(value) if value is not None else -1.0
    except ValueError:
        return None  # a date, which no server of Kubernetes sends
    return seconds if math.isfinite(seconds) and seconds >= 0 else None


def decoded(content: bytes) -> Any:
    """Return the JSON value of an answer.

    Raises:
        ValueError: it is no JSON, or too deep.
    """
    try:
        return json.loads(content)
    except RecursionError as error:
        raise ValueError("too deep") from error
