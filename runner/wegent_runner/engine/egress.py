"""The guard of all requests to addresses that a user's object names.

A user may write any URL into a Model. The runner stands inside the cluster, and would fetch what
the user can't reach: metadata services, the API server, other users' services. So each host is
resolved here, its addresses are checked, and the connection goes to an address that was checked.
A name that resolves to something else a moment later changes nothing.
"""

import asyncio
import ipaddress
import socket
from collections.abc import AsyncIterator, Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import Final

import aiohttp
import httpx2
from aiohttp.abc import AbstractResolver, ResolveResult

from wegent_runner.engine.gather import gathered

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

CONNECT_TIMEOUT_S: Final = 10.0
RESOLVE_TIMEOUT_S: Final = 10.0
RESOLVING_THREADS: Final = 32
"""Names that are resolved at once. A name server may hold up each of them for long."""
ERROR_MAX_BYTES: Final = 256 << 10
"""Size at which the body of an error is cut off. SDKs read it whole."""
EVENT_MAX_BYTES: Final = 8 << 20
"""Maximum size of one event of a stream. SDKs read each event whole."""
ANSWER_MAX_BYTES: Final = 64 << 20
"""Maximum size of a whole answer: 128 Ki tokens in events of 512 bytes."""
BLANK_LINES: Final = (b"\n\n", b"\n\r", b"\r\r")
"""Ends of an event: the end of a line, and the first byte of the end of an empty one."""
NAT64: Final = IPv6Network("64:ff9b::/96")
GLOBAL_UNICAST: Final = IPv6Network("2000::/3")
"""The addresses of the public internet. Python calls others global too, such as fec0::/10."""
IPV4_COMPATIBLE: Final = IPv6Network("::/96")
CARRIER_GRADE_NAT: Final = IPv4Network("100.64.0.0/10")


class EgressRefused(OSError):  # noqa: N818 - names the verdict
    """The address of a host is not allowed. The message names the host and the setting."""


class AnswerRefused(Exception):  # noqa: N818 - names the verdict
    """An answer has a form or a size that the runner doesn't take. The message names the host."""


class EgressPolicy:
    """Decides which addresses may be called.

    Only addresses of the public internet may, and those in ``allowed``.
    """

    def __init__(self, allowed: Iterable[Network] = ()) -> None:
        self._allowed = tuple(allowed)

    def permits(self, address: Address) -> bool:
        """Return True if the address may be called."""
        if any(address in network for network in self._allowed):
            return True
        inner = _embedded(address)
        if inner is not None:
            return self.permits(inner)
        if isinstance(address, IPv6Address):
            return address.is_global and address in GLOBAL_UNICAST
        return address.is_global and not address.is_multicast and address not in CARRIER_GRADE_NAT

    def check(self, host: str, address: str) -> None:
        """Raise an error if the address of a host may not be called.

        Raises:
            EgressRefused: the address is not public, and no setting allows it.
        """
        # A scope, as in fe80::1%eth0, is no part of the address.
        if not self.permits(ipaddress.ip_address(address.partition("%")[0])):
            raise EgressRefused(
                f"{host} is not a public address; the runner's setting egressAllow can allow it"
            )


def _embedded(address: Address) -> IPv4Address | None:
    """Return the IPv4 address that an IPv6 address stands for, or None."""
    if isinstance(address, IPv4Address):
        return None
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    if address.sixtofour is not None:
        return address.sixtofour
    if address.teredo is not None:
        return address.teredo[1]
    if address in NAT64 or address in IPV4_COMPATIBLE:
        return IPv4Address(int(address) & 0xFFFFFFFF)
    return None


class GuardedResolver(AbstractResolver):
    """Resolves hosts for aiohttp, which connects to the returned addresses and to no others.

    Its threads are its own. In asyncio's, names that resolve slowly would hold up all other work.
    """

    def __init__(self, policy: EgressPolicy, *, timeout_s: float = RESOLVE_TIMEOUT_S) -> None:
        self._policy = policy
        self._timeout_s = timeout_s
        self._threads = ThreadPoolExecutor(RESOLVING_THREADS, thread_name_prefix="resolver")

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """Return the addresses of a host.

        Raises:
            EgressRefused: one of them may not be called.
            OSError: the host doesn't exist, or the name server doesn't answer in time.
        """
        look_up = partial(
            socket.getaddrinfo,
            host,
            port,
            family=family,
            type=socket.SOCK_STREAM,
            flags=socket.AI_ADDRCONFIG,
        )
        async with asyncio.timeout(self._timeout_s):
            found = await asyncio.get_running_loop().run_in_executor(self._threads, look_up)
        results = []
        for its_family, _, protocol, _, sockaddr in found:
            address = str(sockaddr[0])
            self._policy.check(host, address)
            results.append(
                ResolveResult(
                    hostname=host,
                    host=address,
                    port=port,
                    family=its_family,
                    proto=protocol,
                    flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV,
                )
            )
        return results

    async def close(self) -> None:
        """Let go of the threads. One that still resolves ends when its name server has answered."""
        self._threads.shutdown(wait=False, cancel_futures=True)


class GuardedTransport(httpx2.AsyncBaseTransport):
    """An httpx transport over aiohttp that follows no redirect and calls only checked addresses.

    httpx is what the providers' SDKs call. aiohttp's resolver is the public place for the check.
    """

    def __init__(
        self,
        policy: EgressPolicy,
        *,
        max_connections: int = 1000,
        event_max_bytes: int = EVENT_MAX_BYTES,
    ) -> None:
        self._policy = policy
        self._event_max_bytes = event_max_bytes
        self._resolver = GuardedResolver(policy)
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                resolver=self._resolver, limit=max_connections, ttl_dns_cache=10
            ),
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            trust_env=False,
        )

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Send one request.

        Raises:
            httpx2.ConnectError: the host refused, doesn't exist, or isn't allowed.
            httpx2.ReadError: the connection was lost.
            httpx2.TimeoutException: the host was silent for too long.
        """
        host = request.url.host
        if _is_address(host):  # aiohttp asks no resolver then
            try:
                self._policy.check(host, host)
            except EgressRefused as error:
                raise httpx2.ConnectError(str(error), request=request) from error
        limits = request.extensions.get("timeout", {})
        try:
            response = await self._session.request(
                request.method,
                str(request.url),
                headers=_headers(request),
                data=await request.aread(),
                allow_redirects=False,
                skip_auto_headers=("User-Agent", "Accept", "Accept-Encoding"),
                timeout=aiohttp.ClientTimeout(
                    total=None,
                    sock_connect=limits.get("connect") or CONNECT_TIMEOUT_S,
                    sock_read=limits.get("read"),
                ),
            )
        except aiohttp.ClientConnectorError as error:
            if isinstance(refused := error.os_error, EgressRefused):
                raise httpx2.ConnectError(str(refused), request=request) from refused
            raise httpx2.ConnectError(f"can't connect to {host}", request=request) from error
        except aiohttp.InvalidURL as error:
            raise httpx2.ConnectError(f"{host} is not a valid host", request=request) from error
        except TimeoutError as error:
            raise httpx2.ConnectTimeout(f"{host} doesn't answer", request=request) from error
        except aiohttp.ClientError as error:
            raise httpx2.ReadError(f"{host}: {type(error).__name__}", request=request) from error
        if 300 <= response.status < 400:
            response.close()
            raise _refused(f"{host} redirects, which is not followed; set the new address", request)
        if response.headers.get("Content-Encoding", "identity").lower() != "identity":
            # httpx would decompress it behind the bounds of its size: 1 MB may become 1 GB.
            response.close()
            raise _refused(f"{host} sent a compressed answer, and was asked not to", request)
        return httpx2.Response(
            response.status,
            headers=list(response.raw_headers),
            stream=_Body(response, host, self._event_max_bytes),
            request=request,
        )

    async def aclose(self) -> None:
        """Close all connections."""
        await self._session.close()
        await self._resolver.close()


class _Body(httpx2.AsyncByteStream):
    """The body of an answer, as it arrives."""

    def __init__(self, response: aiohttp.ClientResponse, host: str, event_max_bytes: int) -> None:
        self._response = response
        self._host = host
        self._event_max_bytes = event_max_bytes

    async def __aiter__(self) -> AsyncIterator[bytes]:
        chunks = gathered(self._response.content.iter_any())
        bounded = (
            _cut_off(chunks)
            if self._response.status >= 400
            else _bounded(chunks, self._host, self._event_max_bytes)
        )
        try:
            async for chunk in bounded:
                yield chunk
        except AnswerRefused as refused:
            raise httpx2.ReadError(str(refused)) from refused
        except TimeoutError as error:
            raise httpx2.ReadTimeout(f"{self._host} is silent") from error
        except aiohttp.ClientError as error:
            raise httpx2.ReadError(f"{self._host}: {type(error).__name__}") from error

    async def aclose(self) -> None:
        # Not release(): a provider must notice at once that nobody reads on.
        if self._response.content.at_eof():
            self._response.release()
        else:
            self._response.close()


async def _cut_off(chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Yield the beginning of the body of an error."""
    room = ERROR_MAX_BYTES
    async for chunk in chunks:
        yield chunk[:room]
        room -= len(chunk)
        if room <= 0:
            return


async def _bounded(
    chunks: AsyncIterator[bytes], host: str, event_max_bytes: int
) -> AsyncIterator[bytes]:
    """Yield the body of an answer.

    Raises:
        AnswerRefused: one event, or the whole answer, is too large.
    """
    whole = event = 0
    last = b""
    async for chunk in chunks:
        whole += len(chunk)
        seen = last + chunk
        end = max(map(seen.rfind, BLANK_LINES))
        event = event + len(chunk) if end < 0 else len(seen) - end
        if event > event_max_bytes or whole > ANSWER_MAX_BYTES:
            raise AnswerRefused(f"{host} sent more than fits into one answer")
        last = chunk[-1:]
        yield chunk


def _refused(why: str, request: httpx2.Request) -> httpx2.ReadError:
    """Return the error of an answer that is not taken, as httpx raises it."""
    error = httpx2.ReadError(why, request=request)
    error.__cause__ = AnswerRefused(why)
    return error


def _headers(request: httpx2.Request) -> list[tuple[str, str]]:
    """Return the headers of a request, which asks for an answer that isn't compressed."""
    given = [
        (name.decode("latin-1"), value.decode("latin-1")) for name, value in request.headers.raw
    ]
    kept = [(name, value) for name, value in given if name.lower() != "accept-encoding"]
    return [*kept, ("Accept-Encoding", "identity")]


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host.strip("[]").partition("%")[0])
    except ValueError:
        return False
    return True
