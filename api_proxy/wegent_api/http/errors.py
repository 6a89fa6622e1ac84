"""Refusals of a request. Only ``error_responses`` renders them.

::

    Problem
    ├── BadRequest             400  the request is malformed
    ├── Unauthorized           401  no usable token, or a wrong password
    ├── Forbidden              403  registration is closed, or the caller is not a Wegent user
    ├── NotFound               404  no object of that name, or none that the caller may see
    ├── RequestTimeout         408  the body did not arrive in time
    ├── Conflict               409  the request conflicts with the current state, or another change
    ├── PreconditionFailed     412  If-Match or If-None-Match does not hold
    ├── BodyTooLarge           413  the body is longer than the configured limit
    ├── UnsupportedMediaType   415  the declared media type is not supported
    ├── Invalid                422  well-formed but invalid, with a cause for each field
    ├── UpgradeRequired        426  the path is for WebSockets
    ├── TooManyRequests        429  with Retry-After
    ├── BadGateway             502  the answer did not come from the API server
    ├── Unavailable            503  the API server can't be reached, or something is not ready yet
    └── UpstreamStatus       any 4xx, 5xx: the API server's Status; messages may be reworded
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Self

from wegent_kube.errors import StatusError


@dataclass(frozen=True, slots=True)
class Cause:
    """One error in one field, as in ``details.causes`` of a ``Status``."""

    reason: str
    """A reason of the API conventions, such as ``FieldValueInvalid`` or ``FieldValueRequired``."""
    field: str
    message: str


MAX_CAUSES: Final = 32
"""Limit of causes in one answer. A short body can have errors in a hundred thousand places."""


class Problem(StatusError):  # noqa: N818 - an answer, not an error of the program
    """Base of every refusal. ``message`` is for people, ``reason`` for programs."""

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
        """Return the problem whose message lists its causes, for an invalid ``what``."""
        shown = causes[:MAX_CAUSES]
        fields = ", ".join(f"{cause.field}: {cause.message}" for cause in shown)
        if len(causes) > MAX_CAUSES:
            fields += ", and more"
        return cls(f"{what} is invalid: {fields}" if what else fields, causes=shown)

    @property
    def status(self) -> Mapping[str, Any]:
        """The Kubernetes ``Status`` object for this problem."""
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
    """The request is malformed."""

    code, reason = 400, "BadRequest"


class Unauthorized(Problem):
    """The caller is not authenticated. ``error`` is RFC 6750's code for a token that was sent."""

    code, reason = 401, "Unauthorized"

    def __init__(self, message: str, *, error: str | None = None) -> None:
        super().__init__(message, headers={"WWW-Authenticate": challenge(error)})


class Forbidden(Problem):
    """The configuration forbids the request. RBAC's refusals come as ``UpstreamStatus``."""

    code, reason = 403, "Forbidden"


class NotFound(Problem):
    """There is no object of that name. The API server's own 404 comes as ``UpstreamStatus``."""

    code, reason = 404, "NotFound"


class RequestTimeout(Problem):
    """The body did not arrive in time."""

    code, reason = 408, "Timeout"


class Conflict(Problem):
    """The request conflicts with the current state."""

    code, reason = 409, "Conflict"


class PreconditionFailed(Problem):
    """A conditional request's precondition does not hold (RFC 9110, section 13)."""

    code, reason = 412, "PreconditionFailed"


class BodyTooLarge(Problem):
    """The body is longer than the limit."""

    code, reason = 413, "RequestEntityTooLarge"


class UnsupportedMediaType(Problem):
    """The body's declared media type is not supported."""

    code, reason = 415, "UnsupportedMediaType"


class Invalid(Problem):
    """The body is well-formed and has invalid values."""

    code, reason = 422, "Invalid"


class UpgradeRequired(Problem):
    """The path is for WebSockets, and the request asks for none."""

    code, reason = 426, "UpgradeRequired"

    def __init__(self, message: str) -> None:
        super().__init__(message, headers={"Upgrade": "websocket", "Connection": "Upgrade"})


class TooManyRequests(Problem):
    """There were more attempts than the limit."""

    code, reason = 429, "TooManyRequests"


class BadGateway(Problem):
    """Something between the proxy and the API server answered in its place."""

    code, reason = 502, "BadGateway"


class Unavailable(Problem):
    """The service is temporarily not available. The client may try again."""

    code, reason = 503, "ServiceUnavailable"

    def __init__(self, message: str, *, retry_after_s: int = 1) -> None:
        super().__init__(message, retry_after_s=retry_after_s)


class UpstreamStatus(Problem):
    """The API server's own ``Status``, with the headers that are passed on."""

    def __init__(self, status: Mapping[str, Any], code: int, headers: Mapping[str, str]) -> None:
        super().__init__(str(status.get("message") or ""), headers=headers)
        self.code = code
        self.reason = str(status.get("reason") or "")
        self._status = status

    @property
    def status(self) -> Mapping[str, Any]:
        """The API server's ``Status``."""
        return self._status


def challenge(error: str | None = None) -> str:
    """Return the ``WWW-Authenticate`` value of a 401 (RFC 6750, section 3)."""
    return 'Bearer realm="wegent"' + (f', error="{error}"' if error else "")


def status_object(
    code: int, reason: str, message: str, details: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """Return a ``Status`` of a failure, in the shape of ``metav1.Status``."""
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
