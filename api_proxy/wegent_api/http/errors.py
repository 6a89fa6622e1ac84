"""Answers that refuse a request; ``error_responses`` alone renders them.

::

    Problem
    ├── BadRequest             400  what was sent can't be understood
    ├── Unauthorized           401  no usable token, or a wrong password
    ├── Forbidden              403  registration is closed, or the caller is no user of Wegent's
    ├── NotFound               404  nothing of that name, as far as the caller may know
    ├── RequestTimeout         408  the body did not arrive in time
    ├── Conflict               409  somebody else was faster, or decides on it elsewhere
    ├── PreconditionFailed     412  the object is another than If-Match or If-None-Match wants
    ├── BodyTooLarge           413  the body is longer than configured
    ├── UnsupportedMediaType   415  the body is not said to be JSON
    ├── Invalid                422  understood, but wrong, with a cause for each field
    ├── TooManyRequests        429  with Retry-After
    ├── BadGateway             502  an answer that is not the API server's
    ├── Unavailable            503  the API server can't be reached, or something isn't there yet
    └── UpstreamStatus       any 4xx, 5xx: the Status of the API server, passed on as it is
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Self


@dataclass(frozen=True, slots=True)
class Cause:
    """One thing that is wrong with one field, as in a ``Status``'s ``details.causes``."""

    reason: str
    """Of the API conventions: ``FieldValueInvalid``, ``FieldValueRequired`` and so on."""
    field: str
    message: str


MAX_CAUSES: Final = 32
"""Spelled out in one answer. A short body can be wrong in a hundred thousand places."""


class Problem(Exception):  # noqa: N818 - the answer to a request, not a fault of the program
    """Base of every refusal; ``message`` is for people, ``reason`` for programs."""

    code: int
    reason: str

    def __init__(
        self,
        message: str,
        *,
        causes: Sequence[Cause] = (),
        headers: Mapping[str, str] | None = None,
        retry_after_s: int | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.causes = tuple(causes)
        self.headers = dict(headers or {})
        self.retry_after_s = retry_after_s

    @classmethod
    def of(cls, causes: Sequence[Cause], *, what: str = "") -> Self:
        """Return the problem whose message is its causes; ``what`` has them, if it has a name."""
        shown = causes[:MAX_CAUSES]
        fields = ", ".join(f"{cause.field}: {cause.message}" for cause in shown)
        if len(causes) > MAX_CAUSES:
            fields += ", and more"
        return cls(f"{what} is invalid: {fields}" if what else fields, causes=shown)

    @property
    def status(self) -> Mapping[str, Any]:
        """The Kubernetes ``Status`` object that says so."""
        details: dict[str, Any] = {}
        if self.causes:
            details["causes"] = [
                {"reason": cause.reason, "message": cause.message, "field": cause.field}
                for cause in self.causes
            ]
        if self.retry_after_s is not None:
            details["retryAfterSeconds"] = self.retry_after_s
        return status_object(self.code, self.reason, self.message, details)


class BadRequest(Problem):
    """The request can't be understood."""

    code, reason = 400, "BadRequest"


class Unauthorized(Problem):
    """Nobody, or nobody that we know; ``error`` is RFC 6750's, for a token that was sent."""

    code, reason = 401, "Unauthorized"

    def __init__(self, message: str, *, error: str | None = None) -> None:
        super().__init__(message, headers={"WWW-Authenticate": challenge(error)})


class Forbidden(Problem):
    """Understood, and not allowed by configuration; RBAC's refusals come as ``UpstreamStatus``."""

    code, reason = 403, "Forbidden"


class NotFound(Problem):
    """There is nothing of that name; the API server's own answer comes as ``UpstreamStatus``."""

    code, reason = 404, "NotFound"


class RequestTimeout(Problem):
    """The body did not arrive in time."""

    code, reason = 408, "Timeout"


class Conflict(Problem):
    """What was asked for doesn't fit what is there now."""

    code, reason = 409, "Conflict"


class PreconditionFailed(Problem):
    """The object isn't, or is, the one that a conditional request names (RFC 9110, section 13)."""

    code, reason = 412, "PreconditionFailed"


class BodyTooLarge(Problem):
    """The body is longer than the proxy takes."""

    code, reason = 413, "RequestEntityTooLarge"


class UnsupportedMediaType(Problem):
    """The body is not said to be JSON."""

    code, reason = 415, "UnsupportedMediaType"


class Invalid(Problem):
    """Well-formed, with values that can't be."""

    code, reason = 422, "Invalid"


class TooManyRequests(Problem):
    """More attempts than are allowed."""

    code, reason = 429, "TooManyRequests"


class BadGateway(Problem):
    """Something between us and the API server answered in its place."""

    code, reason = 502, "BadGateway"


class Unavailable(Problem):
    """Not now; worth another try."""

    code, reason = 503, "ServiceUnavailable"

    def __init__(self, message: str, *, retry_after_s: int = 1) -> None:
        super().__init__(message, retry_after_s=retry_after_s)


class UpstreamStatus(Problem):
    """The API server's own ``Status``, with those of its headers that are passed on."""

    def __init__(self, status: Mapping[str, Any], code: int, headers: Mapping[str, str]) -> None:
        super().__init__(str(status.get("message") or ""), headers=headers)
        self.code = code
        self._status = status

    @property
    def status(self) -> Mapping[str, Any]:
        """What the API server said."""
        return self._status


def challenge(error: str | None = None) -> str:
    """Return the ``WWW-Authenticate`` value that goes with a 401 (RFC 6750, section 3)."""
    return 'Bearer realm="wegent"' + (f', error="{error}"' if error else "")


def status_object(
    code: int, reason: str, message: str, details: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """Return a failed ``Status``, in the shape of ``metav1.Status``."""
    status: dict[str, Any] = {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Failure",
        "message": message,
        "reason": reason,
        "code": code,
    }
    if details:
        status["details"] = dict(details)
    return status
