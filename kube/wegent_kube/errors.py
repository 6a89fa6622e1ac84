"""The errors of requests to the API server.

::

    KubeError
    ├── Unreachable          no answer: connection refused, lost or timed out
    └── ApiError             an answer with a status of 400 or above, as a Kubernetes ``Status``
"""

from collections.abc import Mapping
from typing import Any


class KubeError(Exception):
    """Base of all errors of requests to the API server."""


class Unreachable(KubeError):  # noqa: N818 - names the event in one word
    """The API server gave no answer. The message names no credential and no body."""


class ApiError(KubeError):
    """The API server answered with a status of 400 or above.

    ``status`` is the ``Status`` object of the answer. Of any other answer, such as a load
    balancer's page, only the code is kept, so that it is never echoed.
    """

    def __init__(
        self, code: int, status: Mapping[str, Any] | None, retry_after: float | None = None
    ) -> None:
        self.code = code
        self.status: Mapping[str, Any] = status or {}
        self.retry_after = retry_after
        """Seconds to wait before the next attempt, if the server requested a wait."""
        super().__init__(f"{code} {self.reason}: {self.message}")

    @property
    def reason(self) -> str:
        """The machine-readable reason, such as ``AlreadyExists``; empty if there is none."""
        return str(self.status.get("reason") or "")

    @property
    def message(self) -> str:
        """The server's human-readable message."""
        return str(self.status.get("message") or "the API server did not give a reason")
