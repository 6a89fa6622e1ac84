"""The requests that the API server received, read from its audit log."""

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tests.support.proxy import Answer

READS = frozenset({"get", "list", "watch"})
LOOK_EVERY_S = 0.05
QUIET_LOOKS = 3
MAX_LOOKS = 20


@dataclass(frozen=True, slots=True)
class Request:
    """One answered request."""

    user: str
    verb: str
    resource: str
    subresource: str
    namespace: str
    name: str
    code: int
    event: dict[str, Any]
    """The whole entry of the log."""


class AuditLog:
    """The part of an audit log that is written from now on."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._offset = path.stat().st_size
        self._since = datetime.now(UTC)

    def from_now(self) -> "AuditLog":
        """Return the part of the log that is written from now on."""
        self._settle()
        return AuditLog(self._path)

    def requests(self, *, user: str | None = None, namespace: str | None = None) -> list[Request]:
        """Return the answered requests since then, of one user or in one namespace."""
        return [
            request
            for request in self._parse()
            if user in (None, request.user) and namespace in (None, request.namespace)
        ]

    def behind(self, answer: Answer) -> list[Request]:
        """Return the requests that the proxy sent to produce ``answer``, by its request id."""
        return [
            request
            for request in self._parse()
            if request.event["auditID"] == answer.headers["X-Request-Id"]
        ]

    def writes(self, *, user: str | None = None, namespace: str | None = None) -> list[Request]:
        """Return the requests that were writes."""
        found = self.requests(user=user, namespace=namespace)
        return [request for request in found if request.verb not in READS]

    def _settle(self) -> None:
        """Wait until the log stops growing: a request is logged a moment after its answer."""
        sizes: list[int] = []
        while len(sizes) < MAX_LOOKS and (
            len(sizes) < QUIET_LOOKS or len(set(sizes[-QUIET_LOOKS:])) > 1
        ):
            time.sleep(LOOK_EVERY_S)
            sizes.append(self._path.stat().st_size)

    def _parse(self) -> Iterator[Request]:
        self._settle()
        with self._path.open("rb") as log:
            log.seek(self._offset)
            for line in log:
                if not line.endswith(b"\n"):
                    return
                event = json.loads(line)
                received = datetime.fromisoformat(event["requestReceivedTimestamp"])
                # An earlier request may be logged only now.
                if event["stage"] != "ResponseComplete" or received < self._since:
                    continue
                target = event.get("objectRef") or {}
                yield Request(
                    user=event["user"]["username"],
                    verb=event["verb"],
                    resource=target.get("resource", ""),
                    subresource=target.get("subresource", ""),
                    namespace=target.get("namespace", ""),
                    name=target.get("name", ""),
                    code=(event.get("responseStatus") or {}).get("code", 0),
                    event=event,
                )
