"""Settings with which Kopf starts and stops the operator, and sends no request.

Kopf runs the handlers of start, login and stop, and ends the operator at a signal. The watches are
the operator's own (``watcher``), and so are its writes.
"""

from typing import Any, Final, Self, cast

import aiohttp
import kopf
import yarl

EXIT_S: Final = 15.0
"""Seconds after which the process is killed when Kopf is stopping, for any cause. This is less
than the 30 s that Kubernetes gives a Pod."""
DISCOVERY: Final[dict[str, dict[str, list[Any]]]] = {
    "/api": {"versions": []},
    "/apis": {"groups": []},
}
"""Answers to Kopf's search for the resources of its handlers, of which there are none."""


def configure(settings: kopf.OperatorSettings) -> None:
    """Apply the settings of docs/adr/0055: no posting and no scanning."""
    settings.posting.enabled = False
    settings.scanning.disabled = True
    settings.process.ultimate_exiting_timeout = EXIT_S


def session(server: str) -> kopf.AiohttpSession:
    """Return the session that Kopf gets at its login."""
    return kopf.AiohttpSession(
        server=server, aiohttp_session=cast("aiohttp.ClientSession", Session())
    )


class Session:
    """The part of ``aiohttp.ClientSession`` that Kopf uses, without an API server."""

    def __init__(self) -> None:
        self.closed = False
        self.headers: dict[str, str] = {}

    async def request(self, *, method: str, url: str, **_: Any) -> "Reply":
        """Return the answer to a request of discovery.

        Raises:
            NotImplementedError: Kopf sent a request that its settings should prevent.
        """
        path = yarl.URL(url).path
        if method.lower() != "get" or path not in DISCOVERY:
            raise NotImplementedError(f"Kopf requests {method} {path}")
        return Reply(DISCOVERY[path])

    async def close(self) -> None:
        """Close the session."""
        self.closed = True


class Reply:
    """The part of ``aiohttp.ClientResponse`` that Kopf uses."""

    status = 200
    closed = False

    def __init__(self, body: dict[str, list[Any]]) -> None:
        self._body = body
        self.headers: dict[str, str] = {}

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        """Do nothing: there is no connection."""

    async def json(self) -> dict[str, list[Any]]:
        """Return the decoded body."""
        return self._body

    def close(self) -> None:
        """Do nothing: there is no connection."""
