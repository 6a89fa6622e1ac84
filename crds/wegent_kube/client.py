"""A thin client over one pooled aiohttp session: JSON in, JSON out, our own errors.

aiohttp because it is the fastest of the maintained clients here and Kopf already
brings it; nothing of the official client's generated models is wanted, objects
stay the plain mappings that the API server sent.
"""

import io
import json
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any, Final, Self

import aiohttp
from aiohttp import ClientHandlerType, ClientRequest, ClientResponse

from wegent_kube.connection import Connection, TokenSource
from wegent_kube.errors import ApiError, Unreachable
from wegent_kube.lines import lines_of

MERGE_PATCH: Final = "application/merge-patch+json"
JSON_PATCH: Final = "application/json-patch+json"
APPLY_PATCH: Final = "application/apply-patch+yaml"
METADATA_LIST: Final = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
"""Accept header for a list without specs and statuses."""
METADATA_OBJECT: Final = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"
"""Accept header for an object, a patched one's too, without spec and status."""

REQUEST_TIMEOUT_S: Final = 30.0
WATCH_S: Final = 300
"""How long a watch lasts before it is begun anew; as long as etcd keeps versions."""
PAGE_SIZE: Final = 500
"""Objects a page of a list; what client-go's reflector asks for."""


def audited_as(audit_id: str | None) -> dict[str, str]:
    """Return the header under whose value the API server's audit log has a request."""
    return {} if audit_id is None else {"Audit-ID": audit_id}


class _OwnHeaders:
    """aiohttp middleware that adds the program's own token, fresh on every request."""

    def __init__(self, token: TokenSource, audit_id: Callable[[], str | None]) -> None:
        self._token = token
        self._audit_id = audit_id

    async def __call__(self, request: ClientRequest, handler: ClientHandlerType) -> ClientResponse:
        token = await self._token.current()
        if token:
            request.headers["Authorization"] = f"Bearer {token}"
        request.headers.update(audited_as(self._audit_id()))
        return await handler(request)


class KubeClient:
    """Requests to one API server under the program's own identity.

    An async context manager; ``session`` may be shared with Kopf. ``audit_id`` is asked at
    each request for the id that the API server's audit log is to have it under.
    """

    def __init__(
        self,
        connection: Connection,
        *,
        limit: int = 100,
        user_agent: str = "wegent",
        trace_configs: list[aiohttp.TraceConfig] | None = None,
        audit_id: Callable[[], str | None] = lambda: None,
    ) -> None:
        self.server = connection.server
        self.session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                limit=limit, ssl=connection.ssl_context(client_certificate=True)
            ),
            middlewares=(_OwnHeaders(connection.token, audit_id),),
            headers={"User-Agent": user_agent, "Accept": "application/json"},
            trace_configs=trace_configs,
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the pooled connections."""
        await self.session.close()

    async def request(
        self,
        method: str,
        path: str,
        *,
        body: Any = None,
        params: Mapping[str, str] | None = None,
        content_type: str = "application/json",
        accept: str = "application/json",
        timeout_s: float = REQUEST_TIMEOUT_S,
    ) -> Any:
        """Send one request and return the decoded JSON of its answer.

        Raises:
            ApiError: the server answered 400 or above.
            Unreachable: it gave no (whole) answer.
        """
        # From a buffer, aiohttp sends what is large in pieces and lets the loop run between them.
        data = None if body is None else io.BytesIO(json.dumps(body).encode())
        headers = {"Accept": accept} | ({"Content-Type": content_type} if data else {})
        try:
            async with self.session.request(
                method,
                self.server + path,
                data=data,
                params=params,
                headers=headers,
                timeout=aiohttp.ClientTimeout(total=timeout_s),
            ) as response:
                raw = await response.read()
        except (aiohttp.ClientError, TimeoutError) as error:
            raise Unreachable(f"{method} {path}: {type(error).__name__}") from error
        if response.status >= 400:
            raise api_error(response.status, raw, response.headers)
        try:
            return json.loads(raw) if raw else None
        except ValueError as error:
            raise Unreachable(f"{method} {path}: what answered sent no JSON") from error

    async def pages(
        self,
        path: str,
        *,
        params: Mapping[str, str] | None = None,
        accept: str = "application/json",
    ) -> AsyncIterator[Any]:
        """Yield each page of a list, following ``continue``; ``ApiError`` 410 means begin again.

        ``items`` is always a list: an empty list of metadata comes as null.
        """
        query = {"limit": str(PAGE_SIZE), **(params or {})}
        while True:
            page = await self.request("GET", path, params=query, accept=accept)
            page["items"] = page.get("items") or []
            yield page
            token = page["metadata"].get("continue")
            if not token:
                return
            query["continue"] = token

    async def watch(
        self, path: str, *, params: Mapping[str, str] | None = None, lasts_s: int = WATCH_S
    ) -> AsyncIterator[Any]:
        """Yield the events of a watch, until the API server ends it after ``lasts_s`` seconds.

        Raises:
            ApiError: the server answered 400 or above, also in the midst, as an event.
            Unreachable: it went away.
        """
        query = {**(params or {}), "watch": "true", "timeoutSeconds": str(lasts_s)}
        timeout = aiohttp.ClientTimeout(
            total=None, sock_connect=REQUEST_TIMEOUT_S, sock_read=lasts_s + REQUEST_TIMEOUT_S
        )
        try:
            async with self.session.get(
                self.server + path, params=query, timeout=timeout
            ) as response:
                if response.status >= 400:
                    raise api_error(response.status, await response.read(), response.headers)
                async for line in lines_of(response.content):
                    event = json.loads(line)
                    if event["type"] == "ERROR":
                        raise ApiError(event["object"].get("code", 500), event["object"])
                    yield event
        except (aiohttp.ClientError, TimeoutError) as error:
            raise Unreachable(f"watch of {path}: {type(error).__name__}") from error


def api_error(code: int, raw: bytes, headers: Mapping[str, str]) -> ApiError:
    """Return the error for an answer of 400 or above; only a ``Status`` body is kept."""
    try:
        status = json.loads(raw)
    except ValueError:
        status = None
    if not isinstance(status, dict) or status.get("kind") != "Status":
        status = None
    try:
        retry_after = float(headers["Retry-After"])
    except (KeyError, ValueError):
        retry_after = None
    return ApiError(code, status, retry_after)
