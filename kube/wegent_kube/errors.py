"""The errors of requests to the API server, and their predicates.

::

    KubeError
    ├── Unreachable          no answer: connection refused, lost or timed out
    └── ApiError             an answer with a status of 400 or above, as a Kubernetes ``Status``

``StatusError`` has the predicates. They are those of client-go's ``apierrors``: the reason in the
``Status`` decides. The code decides only for a reason that Kubernetes doesn't define, because a
webhook or a gateway may answer with any reason. So 409 is either `is_already_exists` or
`is_conflict`, never both.
"""

from collections.abc import Awaitable, Mapping
from typing import Any, Final, TypeVar

_T = TypeVar("_T")

KNOWN_REASONS: Final = frozenset(
    {
        "AlreadyExists",
        "BadRequest",
        "Conflict",
        "Expired",
        "Forbidden",
        "Gone",
        "InternalError",
        "Invalid",
        "MethodNotAllowed",
        "NotAcceptable",
        "NotFound",
        "RequestEntityTooLarge",
        "ServerTimeout",
        "ServiceUnavailable",
        "StoreReadError",
        "Timeout",
        "TooManyRequests",
        "Unauthorized",
        "UnsupportedMediaType",
    }
)
"""The reasons of ``metav1.StatusReason``, each of which implies its code."""


class StatusError(Exception):
    """A failure with a code and a reason, as a ``Status`` has them."""

    code: int
    """The HTTP status code."""
    reason: str
    """The machine-readable reason, such as ``AlreadyExists``; empty if there is none."""

    @property
    def status(self) -> Mapping[str, Any]:
        """The ``Status`` object; empty if there is none."""
        return {}

    @property
    def details(self) -> Mapping[str, Any]:
        """The ``details`` of the ``Status``; empty if there are none."""
        details = self.status.get("details")
        return details if isinstance(details, Mapping) else {}

    @property
    def status_causes(self) -> list[Mapping[str, Any]]:
        """The ``causes`` in the details; empty if there are none."""
        causes = self.details.get("causes")
        return [it for it in causes if isinstance(it, Mapping)] if isinstance(causes, list) else []

    def has_cause(self, reason: str) -> bool:
        """Return whether one of the causes has this reason."""
        return any(cause.get("reason") == reason for cause in self.status_causes)

    @property
    def is_bad_request(self) -> bool:
        """True if the request is malformed."""
        return self._is("BadRequest", 400)

    @property
    def is_unauthorized(self) -> bool:
        """True if the token is not accepted."""
        return self._is("Unauthorized", 401)

    @property
    def is_forbidden(self) -> bool:
        """True if the user may not do this, or a quota or a policy forbids it."""
        return self._is("Forbidden", 403)

    @property
    def is_not_found(self) -> bool:
        """True if the object, its namespace or its kind doesn't exist."""
        return self._is("NotFound", 404)

    @property
    def is_method_not_supported(self) -> bool:
        """True if the resource doesn't support the method, as while its CRD is being deleted."""
        return self._is("MethodNotAllowed", 405)

    @property
    def is_already_exists(self) -> bool:
        """True if the object to create exists already."""
        return self.reason == "AlreadyExists"

    @property
    def is_conflict(self) -> bool:
        """True if the object has changed since it was read, or its state forbids the write."""
        return self._is("Conflict", 409)

    @property
    def is_resource_expired(self) -> bool:
        """True if a list or watch must start again, because its version is too old.

        As in client-go's reflector, both reasons of a 410 count.
        """
        return self.reason == "Expired" or self._is("Gone", 410)

    @property
    def is_request_entity_too_large(self) -> bool:
        """True if the request is larger than the API server's limit."""
        return self._is("RequestEntityTooLarge", 413)

    @property
    def is_invalid(self) -> bool:
        """True if the object is invalid, or a test of a JSON patch failed."""
        return self._is("Invalid", 422)

    @property
    def is_too_many_requests(self) -> bool:
        """True if the client must wait before the next attempt."""
        return self.reason == "TooManyRequests" or self.code == 429

    @property
    def is_internal_error(self) -> bool:
        """True if the server failed for a reason of its own; errors of etcd have no reason."""
        return self._is("InternalError", 500)

    @property
    def is_service_unavailable(self) -> bool:
        """True if the server can't serve the request now."""
        return self._is("ServiceUnavailable", 503)

    @property
    def is_timeout(self) -> bool:
        """True if the server did not finish in time."""
        return self._is("Timeout", 504)

    @property
    def is_server_error(self) -> bool:
        """True for a code of 500 or above: a write may have been carried out nevertheless."""
        return self.code >= 500

    def _is(self, reason: str, code: int) -> bool:
        return self.reason == reason or (self.reason not in KNOWN_REASONS and self.code == code)


class KubeError(Exception):
    """Base of all errors of requests to the API server."""


class Unreachable(KubeError):  # noqa: N818 - names the event in one word
    """The API server gave no answer. The message names no credential and no body."""


class ApiError(KubeError, StatusError):
    """The API server answered with a status of 400 or above.

    ``status`` is the ``Status`` object of the answer. Of any other answer, such as a load
    balancer's page, only the code is kept, so that it is never echoed.
    """

    def __init__(
        self, code: int, status: Mapping[str, Any] | None, retry_after: float | None = None
    ) -> None:
        self.code = code
        self._status: Mapping[str, Any] = status or {}
        self.reason = str(self._status.get("reason") or "")
        self.retry_after = retry_after
        """Seconds to wait before the next attempt, if the server requested a wait."""
        super().__init__(f"{code} {self.reason}: {self.message}")

    @property
    def status(self) -> Mapping[str, Any]:
        """The ``Status`` object of the answer; empty if the answer was none."""
        return self._status

    @property
    def message(self) -> str:
        """The server's human-readable message."""
        return str(self._status.get("message") or "the API server did not give a reason")


async def get_or_none(get: Awaitable[_T]) -> _T | None:
    """Return the result of ``get``, a request for one object, or None if it doesn't exist.

    Raises:
        StatusError: the request was refused for another reason.
        KubeError: the API server gave no answer.
    """
    try:
        return await get
    except StatusError as error:
        if error.is_not_found:
            return None
        raise


async def delete_or_none(delete: Awaitable[_T]) -> _T | None:
    """Return the result of ``delete``, or None if the object is gone or is not the one meant.

    ``delete`` is a deletion with preconditions, for which the API server answers a conflict.

    Raises:
        StatusError: the request was refused for another reason.
        KubeError: the API server gave no answer.
    """
    try:
        return await delete
    except StatusError as error:
        if error.is_not_found or error.is_conflict:
            return None
        raise
