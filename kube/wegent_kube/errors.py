"""What can go wrong on the way to the API server.

::

    KubeError
    ├── Unreachable          no answer: refused, cut, timed out
    └── ApiError             an answer that says no, as a Kubernetes ``Status``
"""

from collections.abc import Mapping
from typing import Any


class KubeError(Exception):
    """Base of everything that a request to the API server raises."""


class Unreachable(KubeError):  # noqa: N818 - what happened, in one word
    """The API server gave no answer. The message names no credential and no body."""


class ApiError(KubeError):
    """The API server answered with a status of 400 or above.

    ``status`` is the ``Status`` object of the answer; an answer that was not one
    (a load balancer's page) is never echoed, only its code is kept.
    """

    def __init__(
        self, code: int, status: Mapping[str, Any] | None, retry_after: float | None = None
    ) -> None:
        self.code = code
        self.status: Mapping[str, Any] = status or {}
        self.retry_after = retry_after
        """Seconds to wait before another try, where the server said so."""
        super().__init__(f"{code} {self.reason}: {self.message}")

    @property
    def reason(self) -> str:
        """The machine-readable reason, such as ``AlreadyExists``; empty when there was none."""
        return str(self.status.get("reason") or "")

    @property
    def message(self) -> str:
        """What the server said, for people."""
        return str(self.status.get("message") or "the API server gave no reason")
