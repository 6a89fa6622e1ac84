"""A thin client of the API server over one pooled aiohttp session.

Requests and answers are JSON values, errors are those of ``wegent_kube.errors``. aiohttp is the
fastest of the maintained HTTP clients here, and Kopf depends on it already. The official
client's generated models are not used: objects stay the mappings that the API server sent.
"""

import io
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any, Final, Self, Unpack

import aiohttp
from aiohttp import ClientHandlerType, ClientRequest, ClientResponse

from wegent_kube.connection import Connection, TokenSource
from wegent_kube.content_types import APPLY_PATCH, JSON, METADATA_LIST
from wegent_kube.encoding import decode_json, encode_json, encode_yaml
from wegent_kube.errors import ApiError, Unreachable
from wegent_kube.lines import LineTooLong, lines_of
from wegent_kube.options import RequestOptions
from wegent_kube.paging import METADATA_PAGE_SIZE, OBJECTS_PAGE_SIZE, PageLimit

UNAUTHORIZED: Final = 401
REQUEST_TIMEOUT_S: Final = 30.0
WATCH_S: Final = 300
"""Seconds that one watch lasts before the next one; etcd keeps old versions for as long."""
MAX_RETRY_AFTER_S: Final = 60.0
"""Maximum in seconds of the wait that a server requests with Retry-After."""
MAX_EVENT_BYTES: Final = 32 << 20
"""Maximum size of one event of a watch in bytes: etcd's limit of an object, with room for
escapes."""


def audited_as(audit_id: str | None) -> dict[str, str]:
    """Return the header that sets the id of a request in the API server's audit log."""
    return {} if audit_id is None else {"Audit-ID": audit_id}


class _OwnHeaders:
    """An aiohttp middleware that adds the program's own current token to every request."""

    def __init__(self, token: TokenSource, audit_id: Callable[[], str | None]) -> None:
        self._token = token
        self._audit_id = audit_id

    async def __call__(self, request: ClientRequest, handler: ClientHandlerType) -> ClientResponse:
        token = await self._token.current()
        if token:
            request.headers["Authorization"] = f"Bearer {token}"
        request.headers.update(audited_as(self._audit_id()))
        response = await handler(request)
        if response.status == UNAUTHORIZED:
            self._token.refused()  # the file may have a newer token
        return response


class KubeClient:
    """A client of one API server with the program's own identity.

    It is an async context manager. ``session`` may be shared with Kopf. ``audit_id`` is called
    for each request and returns the request's id in the API server's audit log.
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
            headers={"User-Agent": user_agent, "Accept": JSON},
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
        timeout_s: float = REQUEST_TIMEOUT_S,
        **options: Unpack[RequestOptions],
    ) -> Any:
        """Send one request and return the decoded JSON of the answer.

        Raises:
            ApiError: the server answered with a status of 400 or above.
            Unreachable: the server gave no complete answer.
        """
        raw = await self._send(method, path, body=body, timeout_s=timeout_s, **options)
        return _decoded(method, path, raw)

    async def pages(
        self,
        path: str,
        *,
        params: Mapping[str, str] | None = None,
        accept: str = JSON,
    ) -> AsyncIterator[Any]:
        """Yield each page of a list.

        ``items`` is always a list, although an empty list of metadata is null in the answer.
        The number of objects in a page follows from the size of the page before.

        Raises:
            ApiError: the server refused the list. `is_resource_expired` means that the list took
                too long and must start again.
            Unreachable: the server gave no complete answer.
        """
        query = dict(params or {})
        limit = PageLimit(METADATA_PAGE_SIZE if accept == METADATA_LIST else OBJECTS_PAGE_SIZE)
        while True:
            query["limit"] = str(limit.objects)
            raw = await self._send("GET", path, params=query, accept=accept)
            page = _decoded("GET", path, raw)
            if not isinstance(page, dict) or not isinstance(page.get("metadata"), dict):
                raise Unreachable(f"GET {path}: the answer is not a list")
            page["items"] = page.get("items") or []
            limit.adapt(len(page["items"]), len(raw))
            del raw
            token = page["metadata"].get("continue")
            yield page
            del page
            if not token:
                return
            query["continue"] = token

    async def watch(
        self,
        path: str,
        *,
        params: Mapping[str, str] | None = None,
        lasts_s: int = WATCH_S,
        quiet_s: float = REQUEST_TIMEOUT_S,
        opened: Callable[[], None] = lambda: None,
    ) -> AsyncIterator[Any]:
        """Yield the events of a watch until the API server ends it after ``lasts_s`` seconds.

        Args:
            path: Path of a collection.
            params: Further parameters of the query.
            lasts_s: Seconds after which the API server ends the watch.
            quiet_s: Further seconds after which a silent connection counts as lost.
            opened: Called when the server has begun to answer.

        Raises:
            ApiError: the server answered with a status of 400 or above, or sent an error event.
            Unreachable: the connection was lost, or a line was not an event.
        """
        query = {**(params or {}), "watch": "true", "timeoutSeconds": str(lasts_s)}
        timeout = aiohttp.ClientTimeout(
            total=None, sock_connect=REQUEST_TIMEOUT_S, sock_read=lasts_s + quiet_s
        )
        try:
            async with self.session.get(
                self.server + path, params=query, timeout=timeout
            ) as response:
                if response.status >= 400:
                    raise api_error(response.status, await response.read(), response.headers)
                opened()
                async for line in lines_of(response.content, MAX_EVENT_BYTES):
                    yield _event(path, line)
        except (aiohttp.ClientError, TimeoutError, LineTooLong) as error:
            raise Unreachable(f"watch of {path}: {type(error).__name__}") from error

    async def _send(
        self,
        method: str,
        path: str,
        *,
        body: Any = None,
        params: Mapping[str, str] | None = None,
        content_type: str = JSON,
        accept: str = JSON,
        timeout_s: float = REQUEST_TIMEOUT_S,
    ) -> bytes:
        # aiohttp sends a large buffer in pieces, and other tasks run between them.
        encode = encode_yaml if content_type == APPLY_PATCH else encode_json
        data = None if body is None else io.BytesIO(encode(body))
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
        return raw


def _decoded(method: str, path: str, raw: bytes) -> Any:
    try:
        return decode_json(raw) if raw else None
    except (ValueError, RecursionError) as error:
        raise Unreachable(f"{method} {path}: the answer is not JSON") from error


def _event(path: str, line: bytes) -> Any:
    try:
        event = decode_json(line)
        type_, object_ = event["type"], event["object"]
        if type_ != "ERROR":
            _check_metadata(type_, object_["metadata"])
            return event
    except (ValueError, LookupError, TypeError, RecursionError) as error:
        raise Unreachable(f"watch of {path}: a line is not an event") from error
    status = object_ if isinstance(object_, dict) else {}
    code = status.get("code")
    raise ApiError(code if isinstance(code, int) else 500, status)


def _check_metadata(type_: Any, metadata: Any) -> None:
    """Raise an error if ``metadata`` is not the metadata of an event's object."""
    needed = ("resourceVersion",) if type_ == "BOOKMARK" else ("resourceVersion", "name")
    for name in needed:
        if not isinstance(metadata[name], str):
            raise TypeError(name)
    for name in ("namespace", "uid"):
        if not isinstance(metadata.get(name, ""), str):
            raise TypeError(name)


def api_error(code: int, raw: bytes, headers: Mapping[str, str]) -> ApiError:
    """Return the error of an answer; a body that is not a ``Status`` is dropped."""
    try:
        status = decode_json(raw)
    except (ValueError, RecursionError):
        status = None
    if not isinstance(status, dict) or status.get("kind") != "Status":
        status = None
    return ApiError(code, status, _retry_after(headers.get("Retry-After", "")))


def _retry_after(value: str) -> float | None:
    """Return the seconds of a Retry-After header, or None if it is a date or invalid.

    The API server also relays headers of webhooks, which can have any value.
    """
    return min(float(value), MAX_RETRY_AFTER_S) if value.isdecimal() else None
