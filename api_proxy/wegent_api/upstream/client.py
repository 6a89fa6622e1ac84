"""The client for the API server: each request carries the caller's own token.

The proxy's own credentials are never used. The session has no fallback: no client certificate, no
middleware that adds a token, no cookies, no netrc, and it follows no redirects. Request headers are
built here from scratch and none is copied from the caller's request. So ``Impersonate-*``,
``X-Remote-*`` and headers that ``Connection`` names can't pass. With tracing on, the client adds
``traceparent`` and ``tracestate``. It parses and writes them itself, and the caller's trace
continues in the API server.
"""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from http import HTTPStatus
from io import BytesIO
from typing import Annotated, Any, Final, Self, Unpack

import aiohttp
from fastapi import Depends, Response
from fastapi.responses import StreamingResponse
from starlette.types import Receive, Scope, Send
from yarl import URL

from wegent_api.http.bearer import Caller
from wegent_api.http.errors import (
    BadGateway,
    Problem,
    Unauthorized,
    Unavailable,
    UpstreamStatus,
    challenge,
)
from wegent_api.http.state import FromState
from wegent_api.http.wording import reworded
from wegent_api.server.logs import request_id
from wegent_api.server.metrics import Metrics
from wegent_api.upstream.misreported import request_fault
from wegent_api.version import USER_AGENT
from wegent_kube import Connection, audited_as
from wegent_kube.content_types import JSON
from wegent_kube.encoding import encode_json
from wegent_kube.options import RequestOptions

HELD_BYTES: Final = 1 << 20
"""Bytes of a body that are held before the status is sent on: until then, an error is a 503."""
PASSED_ON: Final = ("Audit-Id", "Retry-After", "Warning")
"""Headers of the API server that are passed on. The proxy checks and sets Content-Type itself."""
PIECE_BYTES: Final = 64 * 1024
"""Length of a body that is written at once."""
CONNECT_TIMEOUT_S: Final = 5.0
"""Seconds to open a connection, and to wait for a free one in the pool."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A complete answer (200 to 299) of the API server: an object or a deletion's ``Status``."""

    status: int
    headers: Mapping[str, str]
    """The headers that are passed on to the caller."""
    body: bytes

    def response(self, more: Mapping[str, str] | None = None) -> Response:
        """Return a response with the same status, headers and body, and ``more`` headers."""
        return Response(self.body, self.status, {**self.headers, **(more or {})}, media_type=JSON)


class UserApi:
    """Requests to the API server, each with a caller's token. An async context manager."""

    def __init__(
        self,
        connection: Connection,
        metrics: Metrics,
        *,
        connections: int,
        timeout_s: float,
        trace_configs: list[aiohttp.TraceConfig] | None = None,
    ) -> None:
        self._server = connection.server
        self._metrics = metrics
        self._turns = asyncio.Semaphore(max(1, connections // 2))
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                limit=connections, ssl=connection.ssl_context(client_certificate=False)
            ),
            cookie_jar=aiohttp.DummyCookieJar(),
            trace_configs=trace_configs,
            timeout=aiohttp.ClientTimeout(
                total=None,
                connect=CONNECT_TIMEOUT_S,
                sock_connect=CONNECT_TIMEOUT_S,
                sock_read=timeout_s,
            ),
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._session.close()

    @asynccontextmanager
    async def open(
        self,
        caller: Caller,
        method: str,
        path: str,
        *,
        params: Mapping[str, str] | None = None,
        body: bytes | None = None,
        content_type: str = JSON,
        accept: str = JSON,
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """Send one request and yield its answer (200 to 299) before the body is read.

        ``path`` must consist of checked names only.

        Raises:
            UpstreamStatus: the API server answered with another status.
            Unavailable: the API server gave no answer, or broke off while the body was read.
        """
        headers = {
            "Authorization": f"Bearer {caller.token}",
            "Accept": accept,
            "Accept-Encoding": "identity",  # the body is passed on unchanged
            "User-Agent": USER_AGENT,
            **audited_as(request_id.get()),
        }
        if body is not None:
            headers["Content-Type"] = content_type
        url = URL(self._server + path, encoded=True)
        started = time.perf_counter()
        try:
            async with self._session.request(
                method,
                url if params is None else url.with_query(params),
                # aiohttp writes a long body from a file in pieces, so that other requests get their
                # turn. A file is read in a thread, which would take a short body long.
                data=body if body is None or len(body) <= PIECE_BYTES else BytesIO(body),
                headers=headers,
                allow_redirects=False,
            ) as response:
                self._metrics.answered_upstream(
                    method, _resource(path), response.status, time.perf_counter() - started
                )
                if not HTTPStatus(200) <= response.status < HTTPStatus(300):
                    raise refusal(response, await response.read())
                # The header is compared first, because aiohttp parses it each time.
                if response.headers.get("Content-Type") != JSON and response.content_type != JSON:
                    raise BadGateway(
                        "invalid upstream response: not JSON, and not from the API server"
                    )
                yield response
        except (aiohttp.ClientError, TimeoutError) as error:
            raise Unavailable(_gone(method)) from error

    async def request_json(
        self,
        caller: Caller,
        method: str,
        path: str,
        *,
        body: Any = None,
        **options: Unpack[RequestOptions],
    ) -> Any:
        """Send one request with ``body`` as JSON and return the decoded answer. See `open`."""
        encoded = None if body is None else encode_json(body)
        answer = await self.request(caller, method, path, body=encoded, **options)
        return json.loads(answer.body)

    async def request(
        self,
        caller: Caller,
        method: str,
        path: str,
        *,
        body: bytes | None = None,
        **options: Unpack[RequestOptions],
    ) -> Answer:
        """Send one request and return its complete answer, a few MiB at most (etcd). See `open`."""
        async with self.open(caller, method, path, body=body, **options) as response:
            return Answer(response.status, passed_on(response), await response.read())

    @asynccontextmanager
    async def _turn(self) -> AsyncIterator[None]:
        """Hold one of the connections for lists, which may take half of all connections.

        Raises:
            Unavailable: no connection becomes free in time.
        """
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT_S):
                await self._turns.acquire()
        except TimeoutError:
            raise Unavailable("too many concurrent lists; try again") from None
        try:
            yield
        finally:
            self._turns.release()

    async def stream(
        self,
        caller: Caller,
        method: str,
        path: str,
        *,
        params: Mapping[str, str] | None = None,
        body: bytes | None = None,
        admit: Callable[[], Awaitable[None]] | None = None,
    ) -> Response:
        """Send one request and return its answer unchanged, byte for byte. See `open`.

        A long body is passed on while it arrives, once ``admit`` has returned. If the API server
        breaks off in the middle of the body, the connection to the caller is cut.
        """
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(self._turn())
            response = await stack.enter_async_context(
                self.open(caller, method, path, params=params, body=body)
            )
            head = bytearray()
            async for chunk in response.content.iter_any():
                head += chunk
                if len(head) > HELD_BYTES:
                    break
            headers = passed_on(response)
            if response.content.at_eof():
                return Response(bytes(head), response.status, headers, media_type=JSON)
            if admit is not None:
                await admit()
            return _Stream(bytes(head), response, headers, stack.pop_all())
        raise AssertionError("no context manager in here swallows exceptions")


UserApiDep = Annotated[UserApi, Depends(FromState("user_api"))]
"""Parameter type of a route that calls the API server as its caller."""


class _Stream(StreamingResponse):
    """The rest of an answer, with the upstream request that sends it."""

    def __init__(
        self,
        head: bytes,
        upstream: aiohttp.ClientResponse,
        headers: Mapping[str, str],
        stack: AsyncExitStack,
    ) -> None:
        async def chunks() -> AsyncIterator[bytes]:
            yield head
            async for chunk in upstream.content.iter_any():
                yield chunk

        super().__init__(chunks(), upstream.status, headers, media_type=JSON)
        self._stack = stack

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async with self._stack:
            await super().__call__(scope, receive, send)


def refusal(response: aiohttp.ClientResponse, raw: bytes) -> Problem:
    """Return the answer for a refusal: the API server's ``Status``, and never another body."""
    headers, code = passed_on(response), response.status
    if code == HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = challenge("invalid_token")
    try:
        status = json.loads(raw)
    except ValueError:
        status = None
    if code >= 400 and isinstance(status, dict) and status.get("kind") == "Status":
        fault = request_fault(status) if code == HTTPStatus.INTERNAL_SERVER_ERROR else None
        return fault or UpstreamStatus(reworded(status), code, headers)
    if code == HTTPStatus.UNAUTHORIZED:
        return Unauthorized("the token is not accepted", error="invalid_token")
    if code == HTTPStatus.NOT_FOUND:
        # The API server answers with the plain text "404 page not found" for an unknown path.
        return Unavailable("the API server does not serve this kind; are the CRDs installed?")
    if code >= 500 or code == HTTPStatus.TOO_MANY_REQUESTS:
        return Unavailable("the API server is not available")
    return BadGateway(f"invalid upstream response: status {code} without a Kubernetes Status")


def passed_on(response: aiohttp.ClientResponse) -> dict[str, str]:
    """Return the API server's headers that are passed on to the caller, byte for byte.

    Warnings are text in UTF-8, which aiohttp decodes. In ASGI and Starlette, each character of a
    header stands for one byte.
    """
    return {
        name: ", ".join(response.headers.getall(name))
        .encode("utf-8", "surrogateescape")
        .decode("latin-1")
        for name in PASSED_ON
        if name in response.headers
    }


def _gone(method: str) -> str:
    message = "the API server is not reachable, or closed the connection before it answered"
    return message if method == "GET" else message + "; the request may have taken effect"


def _resource(path: str) -> str:
    """Return the plural in ``path``: the segment after the namespace, or the last one."""
    steps = path.split("/")
    return steps[6] if len(steps) > 6 and steps[4] == "namespaces" else steps[-1]
