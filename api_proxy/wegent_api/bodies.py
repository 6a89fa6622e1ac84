"""Read a request's body: bounded in size and time, and JSON that means one thing only.

Not FastAPI's own reading: that takes any length into memory first, keeps the last
of two equal keys, and echoes what it could not understand.
"""

import asyncio
import json
import re
from collections import Counter
from collections.abc import Callable, Sequence
from email.message import Message
from typing import Any, Final, NoReturn, TypeVar

from fastapi import Request
from pydantic import BaseModel, ValidationError

from wegent_api.callers import CallerDep
from wegent_api.errors import BadRequest, BodyTooLarge, RequestTimeout, UnsupportedMediaType
from wegent_api.services import services_of
from wegent_api.statuses import JSON, invalid

READ_TIMEOUT_S: Final = 30.0
"""For the whole body: who sends a byte a second holds a connection, not a request for ever."""

_SURROGATE_ESCAPE: Final = re.compile(r"\\u[dD][89a-fA-F]")

Model = TypeVar("Model", bound=BaseModel)


async def read_bytes(request: Request, limit: int) -> bytes:
    """Return the body, having read at most ``limit`` bytes of it.

    Raises:
        BodyTooLarge: it is longer, or says so.
        RequestTimeout: it did not come to its end in time.
    """
    too_large = BodyTooLarge(f"the body is longer than the {limit} bytes that are taken")
    declared = request.headers.get("content-length", "")
    if declared.isdecimal() and int(declared) > limit:
        raise too_large
    body = bytearray()
    try:
        async with asyncio.timeout(READ_TIMEOUT_S):
            async for chunk in request.stream():
                body += chunk
                if len(body) > limit:
                    raise too_large
    except TimeoutError:
        raise RequestTimeout("the body did not arrive in time") from None
    return bytes(body)


async def json_object(request: Request) -> dict[str, Any]:
    """Return the body of ``request``, a JSON object; FastAPI dependency.

    Raises:
        UnsupportedMediaType: it isn't said to be plain JSON.
        BadRequest: it isn't JSON, or JSON that readers may take differently.
    """
    return await read_object(request, (JSON,))


async def read_object(request: Request, types: Sequence[str]) -> dict[str, Any]:
    """Return the body of ``request``, a JSON object of one of the media ``types``.

    It raises what `json_object` does.
    """
    media_type_of(request, types)
    raw = await read_bytes(request, services_of(request).settings.max_body_bytes)
    value = parse(raw)
    if not isinstance(value, dict):
        raise BadRequest("the body must be a JSON object")
    return value


def body_of(model: type[Model]) -> Callable[[Request], Any]:
    """Return the FastAPI dependency that reads a ``model`` from the body.

    It raises what `json_object` does, and ``Invalid`` with a cause for each field.
    """

    async def read(request: Request) -> Model:
        value = await json_object(request)
        try:
            return model.model_validate(value)
        except ValidationError as error:
            raise invalid(model.__name__, error) from None

    return read


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
    declared = Message()
    declared["content-type"] = request.headers.get("content-type", "")
    charset = declared.get_content_charset("utf-8")
    content_type = declared.get_content_type()
    if content_type not in types or charset not in {"utf-8", "us-ascii"}:
        raise UnsupportedMediaType(f"the Content-Type must be {' or '.join(types)}")
    if request.headers.get("content-encoding", "identity").lower() != "identity":
        raise UnsupportedMediaType("the body must not be compressed")
    return content_type


def parse(raw: bytes) -> Any:
    """Return the value of ``raw``, I-JSON (RFC 7493): no NaN, no key twice, only characters.

    Raises:
        BadRequest: it isn't; the message says where.
    """
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
