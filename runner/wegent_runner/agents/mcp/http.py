"""The HTTP side of MCP: Streamable HTTP, and the older SSE.

The SDK speaks the protocol. Between it and the guarded transport stand the limits that it doesn't
have: the time and the size of each answer, the secrets' hosts, and faults that are told in words.
"""

import asyncio
import json
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Final

import httpx2
from mcp.client.sse import sse_client
from mcp.client.streamable_http import streamable_http_client

from wegent_runner.agents.mcp.answers import (
    MAX_LARGE,
    Room,
    TimedEvents,
    WatchedEvents,
    whole_body,
)
from wegent_runner.agents.mcp.connections import Connections, Pool
from wegent_runner.agents.mcp.headers import HeaderFault, Headers
from wegent_runner.agents.mcp.wire import (
    END_S,
    MESSAGE_MAX_BYTES,
    Code,
    Ended,
    Fault,
    TransportStreams,
    words_of,
)
from wegent_runner.engine.egress import EgressPolicy

USER_AGENT: Final = "wegent-runner"
SESSION_ID: Final = "mcp-session-id"
MAX_RESUMPTIONS: Final = 8
"""Cut answers that are resumed in one session. A server could otherwise have one resumed for ever,
without a pause."""
SILENCE_S: Final = 24 * 3600.0
"""Silence of an event stream after which it counts as cut. Servers needn't send heartbeats."""
EVENTS: Final = "text/event-stream"


@dataclass(frozen=True, slots=True)
class RunHttp:
    """The state that the sessions of one Bot's run share.

    Attributes:
        connections: The connections of the namespace.
        room: The room for large answers.
    """

    connections: Connections
    room: Room


class Http:
    """The connections of all sessions over HTTP. They share one pool, and the room for answers."""

    def __init__(self, policy: EgressPolicy) -> None:
        self._pool = Pool(policy)
        self._slots = asyncio.Semaphore(MAX_LARGE)

    def of_run(self, namespace: str) -> RunHttp:
        """Return the part of one Bot's run."""
        return RunHttp(self._pool.of(namespace), Room(self._slots))

    async def aclose(self) -> None:
        """Close all connections."""
        await self._pool.aclose()


def open_streamable_http(
    url: str, headers: Headers, http: RunHttp, timeout_s: float
) -> AbstractAsyncContextManager[TransportStreams]:
    """Return the streams of a session over Streamable HTTP.

    Args:
        url: The server's address.
        headers: Headers of each request.
        http: The connections.
        timeout_s: Seconds for each answer.
    """
    client = httpx2.AsyncClient(
        transport=_Streamable(http, headers, timeout_s),
        timeout=None,
        follow_redirects=False,
        trust_env=False,
    )
    return streamable_http_client(url, http_client=client, max_sse_event_size=MESSAGE_MAX_BYTES)


def open_sse(
    url: str, headers: Headers, http: RunHttp, timeout_s: float, ended: Ended
) -> AbstractAsyncContextManager[TransportStreams]:
    """Return the streams of a session over SSE, as servers of 2024 speak it.

    Args:
        url: The server's address.
        headers: Headers of each request.
        http: The connections.
        timeout_s: Seconds for each answer, and for the head of the stream.
        ended: Is told when the stream has ended, or a message could not be sent.
    """
    transport = _Sse(http, headers, timeout_s, ended)

    def client(
        headers: dict[str, str] | None = None,
        timeout: httpx2.Timeout | None = None,
        auth: httpx2.Auth | None = None,
    ) -> httpx2.AsyncClient:
        return httpx2.AsyncClient(
            transport=transport,
            headers=headers,
            timeout=timeout,
            auth=auth,
            follow_redirects=False,
            trust_env=False,
        )

    return sse_client(
        url, timeout=timeout_s, sse_read_timeout=SILENCE_S, httpx_client_factory=client
    )


class _Bounded(httpx2.AsyncBaseTransport):
    """Sends requests with the headers of one server. Closing it leaves the shared transport."""

    def __init__(self, http: RunHttp, headers: Headers, timeout_s: float) -> None:
        self._connections = http.connections
        self._room = http.room
        self._headers = headers
        self._timeout_s = timeout_s

    async def aclose(self) -> None:
        """Leave the connections, which other sessions use too."""

    async def _send(self, request: httpx2.Request, timeout_s: float) -> httpx2.Response:
        """Return the answer to a request: the beginning of an event stream, or all of it.

        Raises:
            Fault: the request or its answer has failed.
        """
        try:
            async with asyncio.timeout(timeout_s):
                response = await self._begin(request)
                if response.status_code < 400 and _has_events(response):
                    return response
                return await self._whole(response, request)
        except TimeoutError:
            host = request.url.host
            raise Fault(Code.CUT, f"{host} did not answer within {timeout_s:g} s") from None
        except httpx2.TransportError as error:
            raise Fault(Code.CUT, words_of(error)) from error

    async def _begin(self, request: httpx2.Request) -> httpx2.Response:
        request.headers["user-agent"] = USER_AGENT
        try:
            request.headers.update(await self._headers.for_request(str(request.url)))
        except HeaderFault as fault:
            raise Fault(Code.NOT_SENT, str(fault)) from fault
        try:
            response = await self._connections.send(request, self._timeout_s)
        except (httpx2.ConnectError, httpx2.ConnectTimeout) as error:
            raise Fault(Code.NOT_SENT, str(error)) from error
        if response.status_code in {401, 403}:
            self._headers.forget()
        return response

    async def _whole(self, response: httpx2.Response, request: httpx2.Request) -> httpx2.Response:
        """Return an answer with all of its body.

        Raises:
            Fault: the answer is too large, or an error without words of MCP.
        """
        body = await whole_body(response, self._room)
        if SESSION_ID in request.headers and _is_unknown_session(response.status_code, body):
            raise Fault(Code.SESSION_LOST, "the server has ended the session")
        if response.status_code >= 400 and not _is_rpc_error(body):
            raise Fault(Code.REFUSED, _status_of(response))
        return httpx2.Response(
            response.status_code, headers=response.headers, content=body, request=request
        )


class _Streamable(_Bounded):
    """Answers each request, also if it fails: an error here would end all calls of the session."""

    def __init__(self, http: RunHttp, headers: Headers, timeout_s: float) -> None:
        super().__init__(http, headers, timeout_s)
        self._resumptions = 0

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        if request.method == "GET" and not self._may_resume(request):
            # The stream of a server's own requests: none of them is granted.
            return httpx2.Response(405, request=request)
        timeout_s = END_S if request.method == "DELETE" else self._timeout_s
        ends_at = asyncio.get_running_loop().time() + timeout_s
        try:
            response = await self._send(request, timeout_s)
        except Fault as fault:
            return _error_response(request, fault)
        if not _has_events(response):
            return response
        stream = TimedEvents(response, ends_at, self._room)
        return httpx2.Response(
            response.status_code, headers=response.headers, stream=stream, request=request
        )

    def _may_resume(self, request: httpx2.Request) -> bool:
        self._resumptions += "last-event-id" in request.headers
        return "last-event-id" in request.headers and self._resumptions <= MAX_RESUMPTIONS


class _Sse(_Bounded):
    """Says when the session is over: its stream has ended, or a message was not taken."""

    def __init__(self, http: RunHttp, headers: Headers, timeout_s: float, ended: Ended) -> None:
        super().__init__(http, headers, timeout_s)
        self._ended = ended

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        try:
            response = await self._send(request, self._timeout_s)
        except Fault as fault:
            raise self._over(str(fault), request) from fault
        if response.status_code >= 400:
            raise self._over(_status_of(response), request)
        if request.method != "GET":
            return response
        if not _has_events(response):
            told = "the server does not answer with an event stream; does it need type: http?"
            raise self._over(told, request)
        stream = WatchedEvents(response, self._ended)
        return httpx2.Response(
            response.status_code, headers=response.headers, stream=stream, request=request
        )

    def _over(self, why: str, request: httpx2.Request) -> httpx2.ReadError:
        self._ended(why)
        return httpx2.ReadError(why, request=request)


def _is_unknown_session(status: int, body: bytes) -> bool:
    """Return True for the 404 of the specification, and for the 400 of the SDK's examples."""
    return status == 404 or (status == 400 and b"session" in body[:4096].lower())


def _is_rpc_error(body: bytes) -> bool:
    try:
        told = json.loads(body)
    except (ValueError, RecursionError):
        return False
    return isinstance(told, dict) and isinstance(told.get("error"), dict)


def _status_of(response: httpx2.Response) -> str:
    """Return the status in words, with a remedy where there is an obvious one."""
    status = response.status_code
    told = f"the server answered with HTTP {status}"
    if status in {401, 403}:
        return f"{told}; headers and headersFrom must have credentials that it accepts"
    if status in {404, 405}:
        return f"{told}; url must be the address of its MCP endpoint, and type its transport"
    return told


def _error_response(request: httpx2.Request, fault: Fault) -> httpx2.Response:
    """Return a fault as the SDK reads it: a JSON-RPC error, to which it adds the request's id."""
    error = {"code": int(fault.code), "message": str(fault)}
    return httpx2.Response(502, json={"jsonrpc": "2.0", "id": 0, "error": error}, request=request)


def _has_events(response: httpx2.Response) -> bool:
    return str(response.headers.get("content-type", "")).lower().startswith(EVENTS)
