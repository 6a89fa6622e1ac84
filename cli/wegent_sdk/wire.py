"""Requests and their answers, within bounds of bytes and of time.

What comes from a server is bounded here: the length of an answer, the time between two pieces of
it, and the time for all of it. Errors of the HTTP library become errors of the SDK here.
"""

import ssl
import time
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final

import httpx

from wegent_sdk.errors import ConnectionFailed, NotWegent
from wegent_sdk.failures import failure
from wegent_sdk.http import Http

ANSWER_MAX_BYTES: Final = 64 << 20
"""Limit of one answer. A page of a list has 100 objects, and most have some kilobytes."""
ERROR_MAX_BYTES: Final = 1 << 20
WHOLE_ANSWER: Final = 4.0
"""The time for a whole answer, in units of the time for one piece of it."""


@dataclass(frozen=True, slots=True)
class Request:
    """One request.

    Attributes:
        method: ``GET`` and so on.
        path: path below the server's address, with its first slash, percent-encoded.
        params: parameters of the query.
        content: the body; None for none.
        content_type: media type of the body.
        headers: further headers.
        repeatable: True if a second execution of the request changes nothing more.
        answer_within_s: seconds between two pieces of the answer; None for the client's own limit.
    """

    method: str
    path: str
    params: Mapping[str, str] = field(default_factory=dict)
    content: bytes | None = None
    content_type: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    repeatable: bool = False
    answer_within_s: float | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer.

    Attributes:
        status: the HTTP status.
        headers: the headers, with names in lower case.
        content: the whole body; empty for a stream.
        url: address of the request, without its query.
    """

    status: int
    headers: Mapping[str, str]
    content: bytes = field(repr=False)
    url: str


@dataclass(frozen=True, slots=True)
class Server:
    """The address of a server, and how it is reached.

    Attributes:
        url: base URL without a final slash.
        tls: the trust in the server, and the client's own certificate.
        timeout_s: seconds for a connection, and between two pieces of an answer.
        user_agent: value of the header.
        server_name: name in the server's certificate, if it isn't that of the URL.
    """

    url: str
    tls: ssl.SSLContext | bool
    timeout_s: float
    user_agent: str
    server_name: str | None = None

    def options(self) -> dict[str, Any]:
        """Return the options of an httpx client."""
        return {
            "verify": self.tls,
            "timeout": self.timeout_s,
            "follow_redirects": False,  # a token must not go elsewhere
            # A compressed body could be much larger than what was read.
            "headers": {"User-Agent": self.user_agent, "Accept-Encoding": "identity"},
        }


class Stream:
    """An answer that is read piece by piece.

    Attributes:
        answer: the answer; its content is whole if the status isn't 200, and empty otherwise.
    """

    def __init__(self, answer: Answer, pieces: AsyncIterator[bytes]) -> None:
        self.answer = answer
        self._pieces = pieces

    async def read(self) -> bytes:
        """Return the next piece, b"" at the end.

        Raises:
            ConnectionFailed: the connection was lost, or has been silent for too long.
        """
        return await anext(self._pieces, b"")


class Wire:
    """Sends requests to one server.

    Args:
        server: the server.
        http: performs the requests.
    """

    def __init__(self, server: Server, http: Http) -> None:
        self.server = server
        self.http = http

    async def send(self, request: Request) -> Answer:
        """Send a request and read its whole answer.

        Raises:
            ConnectionFailed: there was no answer, or no whole one.
            NotWegent: the answer is too long, compressed, or no HTTP.
            ConfigurationError: the request can't be sent.
        """
        async with self._opened(request, self._wait(request)) as response:
            content = await self._whole(request, response, ANSWER_MAX_BYTES)
        return self._answer(request, response, content)

    @asynccontextmanager
    async def open(self, request: Request, silence_s: float) -> AsyncIterator[Stream]:
        """Send a request for a stream.

        Args:
            request: the request.
            silence_s: seconds without a byte after which the connection counts as lost.

        Raises:
            ConnectionFailed, NotWegent, ConfigurationError: as `send`.
        """
        async with self._opened(request, silence_s) as response:
            if response.status_code != 200:
                content = await self._whole(request, response, ERROR_MAX_BYTES)
                yield Stream(self._answer(request, response, content), _nothing())
                return
            answer = self._answer(request, response, b"")
            async with aclosing(self._pieces(response, silence_s)) as pieces:
                yield Stream(answer, pieces)

    async def close(self) -> None:
        """Close the connections."""
        await self.http.close()

    def _wait(self, request: Request) -> float:
        return request.answer_within_s or self.server.timeout_s

    @asynccontextmanager
    async def _opened(self, request: Request, wait_s: float) -> AsyncIterator[httpx.Response]:
        headers = dict(request.headers)
        if request.content is not None:
            headers["Content-Type"] = request.content_type
        name = self.server.server_name
        try:
            built = self.http.build(
                {
                    "method": request.method,
                    "url": f"{self.server.url}{request.path}",
                    "params": dict(request.params) or None,
                    "content": request.content,
                    "headers": headers,
                    "timeout": httpx.Timeout(self.server.timeout_s, read=wait_s),
                    "extensions": {"sni_hostname": name} if name else {},
                }
            )
            response = await self.http.send(built)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise failure(error, self.server.url, wait_s) from error
        try:
            yield response
        finally:
            await self.http.end(response)

    async def _pieces(self, response: httpx.Response, wait_s: float) -> AsyncGenerator[bytes, None]:
        try:
            async with aclosing(self.http.pieces(response)) as pieces:
                async for piece in pieces:
                    yield piece
        except httpx.HTTPError as error:
            raise failure(error, self.server.url, wait_s) from error

    async def _whole(self, request: Request, response: httpx.Response, longest: int) -> bytes:
        url, wait_s = self.server.url, self._wait(request)
        seconds = WHOLE_ANSWER * wait_s
        deadline = time.monotonic() + seconds
        content = bytearray()
        async with aclosing(self._pieces(response, wait_s)) as pieces:
            async for piece in pieces:
                content += piece
                if len(content) > longest:
                    raise NotWegent(
                        f"an answer of {url} has more than {longest >> 20} MiB; check the address,"
                        " or ask for fewer objects at once",
                        url=url,
                    )
                if time.monotonic() > deadline:
                    late = ConnectionFailed(
                        f"an answer of {url} was not complete within {seconds:g} seconds; try"
                        " again, or ask for fewer objects at once",
                        url=url,
                    )
                    late.may_pass = False
                    raise late
        return bytes(content)

    def _answer(self, request: Request, response: httpx.Response, content: bytes) -> Answer:
        headers = {key.lower(): value for key, value in response.headers.items()}
        if headers.get("content-encoding", "identity") != "identity":
            raise NotWegent(
                f"{self.server.url} compresses its answers, although the request forbids it; check"
                " the address",
                url=self.server.url,
            )
        return Answer(response.status_code, headers, content, f"{self.server.url}{request.path}")


async def _nothing() -> AsyncIterator[bytes]:
    nothing: tuple[bytes, ...] = ()
    for piece in nothing:
        yield piece
