"""Errors of the HTTP library as errors of the SDK.

Their texts are used only where they can't hold a header, and so no token.
"""

import socket
import ssl

import httpx

from wegent_sdk.errors import ConfigurationError, ConnectionFailed, NotWegent, WegentError


def failure(error: httpx.HTTPError | httpx.InvalidURL, url: str, seconds: float) -> WegentError:
    """Return the SDK's error for a request without a whole answer.

    Args:
        error: the library's error.
        url: address of the server.
        seconds: the limit that a timeout has exceeded.
    """
    if isinstance(error, httpx.TimeoutException):
        return _too_late(error, url, seconds)
    if isinstance(error, httpx.ConnectError):
        return _not_connected(error, url)
    if isinstance(error, httpx.LocalProtocolError | httpx.InvalidURL | httpx.UnsupportedProtocol):
        return ConfigurationError(f"no request can be made for {url}", url=url)
    if isinstance(error, httpx.RemoteProtocolError) and not _is_cut(error):
        return NotWegent(
            f"{url} does not speak HTTP; check the address, its port, and whether it begins with"
            " https://",
            url=url,
        )
    return ConnectionFailed(
        f"the connection to {url} was lost before the answer was complete; try again", url=url
    )


def _is_cut(error: httpx.RemoteProtocolError) -> bool:
    """Return whether the server has closed the connection, in place of sending something else."""
    text = str(error)
    return any(it in text for it in ("disconnected", "without sending complete", "incomplete"))


def _too_late(error: httpx.TimeoutException, url: str, seconds: float) -> ConnectionFailed:
    if isinstance(error, httpx.ConnectTimeout | httpx.PoolTimeout):
        told = "can't be reached in time; check the address and the network"
    else:
        told = (
            f"gave no answer within {seconds:g} seconds; try again, or check that this is the"
            " right server"
        )
    return ConnectionFailed(f"{url} {told}", url=url)


def _not_connected(error: httpx.ConnectError, url: str) -> ConnectionFailed:
    causes = list(_causes_of(error))
    untrusted = next((it for it in causes if isinstance(it, ssl.SSLCertVerificationError)), None)
    if untrusted is not None:
        found = ConnectionFailed(
            f"the certificate of {url} is not trusted: {untrusted.verify_message}; name the file"
            " with the certificate of its authority",
            url=url,
        )
        found.may_pass = False
        return found
    if any(isinstance(it, ssl.SSLEOFError | ssl.SSLZeroReturnError) for it in causes):
        return ConnectionFailed(
            f"{url} closed the connection while TLS began; try again, and check whether it begins"
            " with http://",
            url=url,
        )
    if any(isinstance(it, ssl.SSLError) for it in causes):
        found = ConnectionFailed(
            f"{url} does not speak TLS as expected; check whether it begins with http://", url=url
        )
        found.may_pass = False
        return found
    if any(isinstance(it, socket.gaierror) for it in causes):
        return ConnectionFailed(
            f"the host of {url} is not found; check the address and the network", url=url
        )
    refused = any(isinstance(it, ConnectionRefusedError) for it in causes)
    told = "refuses connections" if refused else "can't be reached"
    return ConnectionFailed(
        f"{url} {told}; check the address and its port, and that Wegent is running", url=url
    )


def _causes_of(error: BaseException) -> list[BaseException]:
    """Return an error and its causes; asyncio's errors for several addresses are groups."""
    found: list[BaseException] = []
    rest: list[BaseException | None] = [error]
    while rest:
        it = rest.pop()
        if it is None or it in found:
            continue
        found.append(it)
        rest += [it.__cause__, it.__context__]
        if isinstance(it, BaseExceptionGroup):
            rest += it.exceptions
    return found
