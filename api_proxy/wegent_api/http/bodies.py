"""Reads request bodies: bounded in size and time, and only JSON with one meaning.

FastAPI's own reader is not used. It reads a body of any length into memory first, keeps the last of
two equal keys, and echoes input that it can't parse.

A sender without a valid token causes little work: at most `FORM_BYTES` are read and parsed. A
longer body is read once the API server has accepted the token, and is parsed in a thread.
"""

import asyncio
import json
import re
from codecs import BOM_UTF16_BE, BOM_UTF16_LE
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Annotated, Any, Final, NoReturn, TypeVar

from fastapi import Depends, Request
from pydantic import BaseModel, ValidationError

from wegent_api.http.bearer import Caller, CallerDep, bearer
from wegent_api.http.error_responses import invalid
from wegent_api.http.errors import (
    BadRequest,
    BodyTooLarge,
    RequestTimeout,
    TooManyRequests,
    UnsupportedMediaType,
)
from wegent_api.http.rate_limiter import RateLimiter, address_key
from wegent_api.http.state import FromState
from wegent_api.http.worker import Worker
from wegent_kube.content_types import JSON, ContentType, parse_content_type

FORM_BYTES: Final = 64 * 1024
"""Limit for bodies of routes that take a small form, and of callers not yet authenticated."""
FORM_VALUES: Final = 2048
"""Limit of values in a form. An Account has some 200. Each unknown key costs an error."""
MAX_VALUES: Final = 100_000
"""Limit of values in any other body. Each one takes time here, and again in later checks."""
READ_TIMEOUT_S: Final = 30.0
"""Seconds for the whole body. A sender of one byte a second can't hold a request for ever."""

BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"
"""Mark with which some editors begin a file. RFC 8259 lets JSON parsers ignore it."""

_SURROGATE_ESCAPE: Final = re.compile(r"\\u[dD][89a-fA-F]")

Model = TypeVar("Model", bound=BaseModel)


Admit = Callable[[Caller, int], Awaitable[None]]
"""Admits a body of that many bytes from a caller, if the API server accepts the token.

It raises ``TooManyRequests`` or ``UpstreamStatus`` otherwise.
"""

RefusalsDep = Annotated[RateLimiter, Depends(FromState("refusals"))]
"""Parameter type of a dependency that counts refused bodies by client address."""


async def read_bytes(request: Request, limit: int, admit: Admit | None = None) -> bytes:
    """Return the body without a byte order mark. At most ``limit`` bytes are read.

    A body with the byte order mark of UTF-16 is returned in UTF-8, as kubectl reads such files.
    Windows PowerShell writes them.

    ``admit`` must accept the caller before more than `FORM_BYTES` are read.

    Raises:
        BodyTooLarge: the body is longer, or its Content-Length is.
        RequestTimeout: the body did not arrive in time.
        UpstreamStatus: the API server does not accept the token.
        TooManyRequests: the caller has too many bytes in other bodies.
        BadRequest: the body begins with UTF-16's mark and is not UTF-16.
    """
    too_large = BodyTooLarge(f"the body is too large: the limit is {limit} bytes")
    declared = request.headers.get("content-length", "")
    length = int(declared) if declared.isdecimal() and len(declared) < 20 else None
    if declared and (length is None or length > limit):
        raise too_large
    body = bytearray()
    try:
        async with asyncio.timeout(READ_TIMEOUT_S):
            if admit is not None and length is not None and length > FORM_BYTES:
                await admit(await bearer(request), length)
                admit = None
            async for chunk in request.stream():
                body += chunk
                if len(body) > limit:
                    raise too_large
                if admit is not None and len(body) > FORM_BYTES:
                    await admit(await bearer(request), limit)
                    admit = None
    except TimeoutError:
        raise RequestTimeout("the body did not arrive in time") from None
    if body.startswith((BOM_UTF16_LE, BOM_UTF16_BE)):
        try:
            return body.decode("utf-16").encode()
        except UnicodeDecodeError as error:
            raise BadRequest(f"the body is not valid UTF-16: byte {error.start}") from None
    return bytes(body).removeprefix(BYTE_ORDER_MARK)


class BodyReader:
    """Reads bodies of routes that take whole objects.

    Args:
        worker: parses long bodies.
        max_bytes: limit for one body.
        admit: accepts or refuses the callers of long bodies.
    """

    def __init__(self, worker: Worker, *, max_bytes: int, admit: Admit) -> None:
        self._worker = worker
        self._max_bytes = max_bytes
        self._admit = admit

    async def read(self, request: Request) -> bytes:
        """Return the body of ``request``. Raises the same errors as `read_bytes`."""
        return await read_bytes(request, self._max_bytes, self._admit)

    async def admit(self, caller: Caller, size: int) -> None:
        """Count a body of ``size`` bytes for its caller, if it is long.

        Raises:
            TooManyRequests: the caller has too many bytes in other bodies.
            UpstreamStatus: the API server does not accept the token.
        """
        if size > FORM_BYTES:
            await self._admit(caller, size)

    async def parse(self, raw: bytes, parser: Callable[[bytes], Any]) -> Any:
        """Return the value that ``parser`` reads from ``raw``. Raises the parser's errors."""
        return await self._worker.run(parser, raw)


BodyReaderDep = Annotated[BodyReader, Depends(FromState("body_reader"))]
"""Parameter type of a dependency that reads a body."""


async def json_object(request: Request, reader: BodyReaderDep) -> dict[str, Any]:
    """Return the body of ``request``, a JSON object. FastAPI dependency.

    Raises:
        UnsupportedMediaType: the Content-Type is not plain JSON.
        BadRequest: the body is not JSON, or is ambiguous JSON.
    """
    media_type_of(request, (JSON,))
    return _object(await reader.parse(await reader.read(request), parse))


async def read_form(request: Request, types: Sequence[str] = (JSON,)) -> dict[str, Any]:
    """Return the body of ``request``, a short JSON object of one of the media ``types``.

    Raises the same errors as `json_object`.
    """
    media_type_of(request, types)
    return _object(parse(await read_bytes(request, FORM_BYTES), FORM_VALUES))


def body_of(model: type[Model]) -> Callable[[Request], Any]:
    """Return the FastAPI dependency that reads a ``model`` from a short body.

    It raises the same errors as `json_object`, and ``Invalid`` with a cause for each field.
    """

    async def read(request: Request) -> Model:
        return validated(model, await read_form(request))

    return read


def anonymous_body_of(model: type[Model]) -> Callable[[Request, RateLimiter], Any]:
    """Return the dependency of `body_of` for a route without a token.

    A refused body counts against the client's address.

    The dependency also raises ``TooManyRequests``.
    """

    async def read(request: Request, refusals: RefusalsDep) -> Model:
        with counted(request, refusals):
            return validated(model, await read_form(request))

    return read


@contextmanager
def counted(request: Request, refusals: RateLimiter) -> Iterator[None]:
    """Count refusals in the context against the client's address, in ``refusals``.

    Raises:
        TooManyRequests: the address has too many refusals already.
    """
    address = address_key(client_address(request))
    if wait := refusals.take(address):
        message = f"too many invalid requests; try again in {wait} s"
        raise TooManyRequests(message, retry_after_s=wait)
    yield
    refusals.refund(address)


def validated(model: type[Model], value: Any) -> Model:
    """Return ``value`` as a ``model``.

    Raises:
        Invalid: the value doesn't fit the model. There is a cause for each field.
    """
    try:
        return model.model_validate(value)
    except ValidationError as error:
        raise invalid(model.__name__, error) from None


def client_address(request: Request) -> str:
    """Return the client's address. A configured trusted proxy states it for its clients."""
    return request.client.host if request.client else "unknown"


async def no_body(request: Request, _: CallerDep) -> None:
    """Refuse a body on a route that would ignore it. FastAPI dependency.

    It runs after the check for a token, so that a client without one learns only that.

    Raises:
        BadRequest: there is a body.
    """
    if request.headers.get("content-length", "0") != "0" or "transfer-encoding" in request.headers:
        raise BadRequest(f"a {request.method} request must not have a body")


def media_type_of(request: Request, types: Sequence[str] = (JSON,)) -> str:
    """Return the one of ``types`` that the body is declared as, in UTF-8 and uncompressed.

    Raises:
        UnsupportedMediaType: the body is declared as something else.
    """
    declared = declared_type(request)
    if declared.media_type not in types or declared.charset not in {"utf-8", "us-ascii"}:
        raise UnsupportedMediaType(f"the Content-Type must be {' or '.join(types)}")
    if request.headers.get("content-encoding", "identity").lower() != "identity":
        raise UnsupportedMediaType("the body must not be compressed")
    return declared.media_type


def declared_type(request: Request) -> ContentType:
    """Return the request's Content-Type."""
    return parse_content_type(request.headers.get("content-type", ""))


def parse(raw: bytes, most: int = MAX_VALUES) -> Any:
    """Return the value of ``raw``, I-JSON (RFC 7493): no NaN, no duplicate key, valid characters.

    The value holds at most ``most`` values.

    Raises:
        BadRequest: the text is not such JSON. The message names the position.
    """
    if _has_more_than(most, raw):
        raise BadRequest(f"the body has too many values: the limit is {most}")
    try:
        text = raw.decode("utf-8")
        value = json.loads(
            text,
            object_pairs_hook=_unique,
            parse_constant=_no_constant,
            parse_float=_finite,
        )
        if _SURROGATE_ESCAPE.search(text):
            json.dumps(value, ensure_ascii=False).encode("utf-8")
    except UnicodeEncodeError:
        message = "the body has an unpaired surrogate, which is not a character"
    except UnicodeDecodeError as error:
        message = f"the body is not valid UTF-8: byte {error.start}"
    except json.JSONDecodeError as error:
        message = (
            f"the body is not valid JSON: {error.msg}: line {error.lineno} column {error.colno}"
        )
    except RecursionError:
        message = "the body is nested too deeply"
    except ValueError:  # Python's own limit of digits, against quadratic time
        message = "the body has a number with too many digits"
    else:
        return value
    raise BadRequest(message) from None


def _object(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise BadRequest("the body must be a JSON object")
    return value


def _has_more_than(most: int, raw: bytes) -> bool:
    """Return whether JSON has more than ``most`` values, without parsing it.

    An empty list counts as two. Half a million empty lists would be parsed without a pause for
    other threads, and then scanned by the garbage collector several times.
    """
    if _separators(raw) < most:
        return False
    # Without escapes, every second part between quotes is outside of a string.
    parts = raw.replace(b"\\\\", b"").replace(b'\\"', b"").split(b'"')
    return sum(map(_separators, parts[::2])) >= most


def _separators(raw: bytes) -> int:
    return raw.count(b",") + raw.count(b"[") + raw.count(b"{")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        counts = Counter(key for key, _ in pairs)
        twice = counts.most_common(1)[0][0]
        raise BadRequest(f"the body has the duplicate key {json.dumps(twice[:100])} in an object")
    return members


def _no_constant(name: str) -> NoReturn:
    raise BadRequest(f"the body is not valid JSON: {name} is not a JSON value")


def _finite(digits: str) -> float:
    value = float(digits)
    if value in {float("inf"), float("-inf")}:
        raise BadRequest("the body has a number out of range")
    return value
