"""Read a request's body: bounded in size and time, and JSON that means one thing only.

Not FastAPI's own reading: that takes any length into memory first, keeps the last
of two equal keys, and echoes what it could not understand.

A sender without a valid token costs little: at most `FORM_BYTES` are read and parsed for it.
A longer body is read once the API server has taken the token, and parsed in a thread.
"""

import asyncio
import json
import re
from codecs import BOM_UTF16_BE, BOM_UTF16_LE
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from email.message import Message
from typing import Annotated, Any, Final, NoReturn, TypeVar

from fastapi import Depends, Request
from pydantic import BaseModel, ValidationError

from wegent_api.http.bearer import Caller, CallerDep, bearer
from wegent_api.http.error_responses import JSON, invalid
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

FORM_BYTES: Final = 64 * 1024
"""Longest body of routes that take a small form, and of callers who are not known yet."""
FORM_VALUES: Final = 2048
"""Values in a form: an Account's has some 200. Each unknown key costs an error."""
MAX_VALUES: Final = 100_000
"""Values in any other body. Each one costs time here and again in what looks at the body."""
READ_TIMEOUT_S: Final = 30.0
"""For the whole body: who sends a byte a second holds a connection, not a request for ever."""

MAX_CONTENT_TYPE_CHARS: Final = 256
"""Of a media type with its parameters. Python's parser takes quadratic time over them."""

BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"
"""That some editors begin a file with. RFC 8259 lets readers of JSON ignore it."""

_SURROGATE_ESCAPE: Final = re.compile(r"\\u[dD][89a-fA-F]")

Model = TypeVar("Model", bound=BaseModel)


Admit = Callable[[Caller, int], Awaitable[None]]
"""Lets a caller send that many bytes, if the API server takes the token; it raises
``TooManyRequests`` or ``UpstreamStatus`` else."""

RefusalsDep = Annotated[RateLimiter, Depends(FromState("refusals"))]
"""Parameter type of a dependency that counts, by client address, refused bodies."""


async def read_bytes(request: Request, limit: int, admit: Admit | None = None) -> bytes:
    """Return the body without a byte order mark, having read at most ``limit`` bytes of it.

    A body in UTF-16 that says so by its mark is returned in UTF-8, as kubectl reads such files.
    Windows' PowerShell writes them.

    Before more than `FORM_BYTES` are read, ``admit`` decides about the caller.

    Raises:
        BodyTooLarge: it is longer, or says so.
        RequestTimeout: it did not come to its end in time.
        UpstreamStatus: the API server does not take the token.
        TooManyRequests: the caller has too many bytes in other bodies.
        BadRequest: it begins like UTF-16 and isn't.
    """
    too_large = BodyTooLarge(f"the body is longer than the {limit} bytes that are taken")
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
            raise BadRequest(f"the body is not UTF-16: byte {error.start}") from None
    return bytes(body).removeprefix(BYTE_ORDER_MARK)


class BodyReader:
    """Reads bodies of routes that take whole objects.

    Args:
        worker: parses long bodies.
        max_bytes: of one body.
        admit: decides about the callers of long bodies.
    """

    def __init__(self, worker: Worker, *, max_bytes: int, admit: Admit) -> None:
        self._worker = worker
        self._max_bytes = max_bytes
        self._admit = admit

    async def read(self, request: Request) -> bytes:
        """Return the body of ``request``; raise what `read_bytes` does."""
        return await read_bytes(request, self._max_bytes, self._admit)

    async def parse(self, raw: bytes, parser: Callable[[bytes], Any]) -> Any:
        """Return the value that ``parser`` reads from ``raw``; raise what it does."""
        return await self._worker.run(parser, raw)


BodyReaderDep = Annotated[BodyReader, Depends(FromState("body_reader"))]
"""Parameter type of a dependency that reads a body."""


async def json_object(request: Request, reader: BodyReaderDep) -> dict[str, Any]:
    """Return the body of ``request``, a JSON object; FastAPI dependency.

    Raises:
        UnsupportedMediaType: it isn't said to be plain JSON.
        BadRequest: it isn't JSON, or JSON that readers may take differently.
    """
    media_type_of(request, (JSON,))
    return _object(await reader.parse(await reader.read(request), parse))


async def read_form(request: Request, types: Sequence[str] = (JSON,)) -> dict[str, Any]:
    """Return the body of ``request``, a short JSON object of one of the media ``types``.

    It raises what `json_object` does.
    """
    media_type_of(request, types)
    return _object(parse(await read_bytes(request, FORM_BYTES), FORM_VALUES))


def body_of(model: type[Model]) -> Callable[[Request], Any]:
    """Return the FastAPI dependency that reads a ``model`` from a short body.

    It raises what `json_object` does, and ``Invalid`` with a cause for each field.
    """

    async def read(request: Request) -> Model:
        return validated(model, await read_form(request))

    return read


def anonymous_body_of(model: type[Model]) -> Callable[[Request, RateLimiter], Any]:
    """Return the same as `body_of` for a route without a token.

    A body that is refused counts against the client's address.

    The dependency also raises ``TooManyRequests``.
    """

    async def read(request: Request, refusals: RefusalsDep) -> Model:
        with counted(request, refusals):
            return validated(model, await read_form(request))

    return read


@contextmanager
def counted(request: Request, refusals: RateLimiter) -> Iterator[None]:
    """Count in ``refusals`` what is refused within, against the client's address.

    Raises:
        TooManyRequests: too much has been refused already.
    """
    address = address_key(client_address(request))
    if wait := refusals.take(address):
        message = f"too many requests that were refused; try again in {wait} s"
        raise TooManyRequests(message, retry_after_s=wait)
    yield
    refusals.refund(address)


def validated(model: type[Model], value: Any) -> Model:
    """Return ``value`` as a ``model``.

    Raises:
        Invalid: it isn't one; there is a cause for each field.
    """
    try:
        return model.model_validate(value)
    except ValidationError as error:
        raise invalid(model.__name__, error) from None


def client_address(request: Request) -> str:
    """Return the address of the client; of a trusted proxy's client, where one is configured."""
    return request.client.host if request.client else "unknown"


async def no_body(request: Request, _: CallerDep) -> None:
    """FastAPI dependency of requests whose body would be ignored, and says so instead.

    It comes after the caller's token: who has none learns nothing but that.

    Raises:
        BadRequest: there is a body.
    """
    if request.headers.get("content-length", "0") != "0" or "transfer-encoding" in request.headers:
        raise BadRequest(f"{request.method} takes no body")


def media_type_of(request: Request, types: Sequence[str] = (JSON,)) -> str:
    """Return which of ``types`` the body is declared as, in UTF-8 and not compressed.

    Raises:
        UnsupportedMediaType: it isn't.
    """
    declared = declared_type(request)
    charset = declared.get_content_charset("utf-8")
    content_type = declared.get_content_type()
    if content_type not in types or charset not in {"utf-8", "us-ascii"}:
        raise UnsupportedMediaType(f"the Content-Type must be {' or '.join(types)}")
    if request.headers.get("content-encoding", "identity").lower() != "identity":
        raise UnsupportedMediaType("the body must not be compressed")
    return content_type


def declared_type(request: Request) -> Message:
    """Return a message with the request's Content-Type, or none where it is too long to be one."""
    declared, value = Message(), request.headers.get("content-type", "")
    declared["content-type"] = value if len(value) <= MAX_CONTENT_TYPE_CHARS else ""
    return declared


def parse(raw: bytes, most: int = MAX_VALUES) -> Any:
    """Return the value of ``raw``, I-JSON (RFC 7493): no NaN, no key twice, only characters.

    It holds at most ``most`` values.

    Raises:
        BadRequest: it isn't; the message says where.
    """
    if _has_more_than(most, raw):
        raise BadRequest(f"the body holds more than {most} values")
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
        message = "the body holds one half of a surrogate pair, which is no character"
    except UnicodeDecodeError as error:
        message = f"the body is not UTF-8: byte {error.start}"
    except json.JSONDecodeError as error:
        message = f"the body is not JSON: {error.msg}: line {error.lineno} column {error.colno}"
    except RecursionError:
        message = "the body is nested too deeply"
    except ValueError:  # Python's own bound on digits, against quadratic time
        message = "the body holds a number with too many digits"
    else:
        return value
    raise BadRequest(message) from None


def _object(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise BadRequest("the body must be a JSON object")
    return value


def _has_more_than(most: int, raw: bytes) -> bool:
    """Tell, before it is parsed, whether JSON has more values than that; empty lists count two.

    Half a million empty lists are parsed without a pause for other threads, and then looked
    through by the garbage collector several times.
    """
    if _separators(raw) < most:
        return False
    # Without escapes, every other part between quotes is outside of a string.
    parts = raw.replace(b"\\\\", b"").replace(b'\\"', b"").split(b'"')
    return sum(map(_separators, parts[::2])) >= most


def _separators(raw: bytes) -> int:
    return raw.count(b",") + raw.count(b"[") + raw.count(b"{")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        counts = Counter(key for key, _ in pairs)
        twice = counts.most_common(1)[0][0]
        raise BadRequest(f"the body has the key {json.dumps(twice[:100])} twice in one object")
    return members


def _no_constant(name: str) -> NoReturn:
    raise BadRequest(f"the body is not JSON: {name} is no JSON value")


def _finite(digits: str) -> float:
    value = float(digits)
    if value in {float("inf"), float("-inf")}:
        raise BadRequest("the body holds a number that is out of range")
    return value
