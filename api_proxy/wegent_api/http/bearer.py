"""The caller of a request: the user who holds its bearer token.

The proxy never reads the token. The API server issued it and knows whether it is revoked. It
refuses tokens that are expired, forged, unsigned or meant for another audience.
"""

import re
from dataclasses import dataclass, field
from typing import Annotated, Final

from fastapi import Depends, Request
from fastapi.openapi.models import HTTPBearer
from fastapi.security.base import SecurityBase

from wegent_api.http.errors import Unauthorized

MAX_TOKEN_CHARS: Final = 8192
"""A ServiceAccount's token has about 1,200. Tokens of OIDC providers grow with their groups."""

_B64TOKEN: Final = re.compile(r"[A-Za-z0-9\-._~+/]+=*")
"""``b64token`` of RFC 6750, section 2.1. It has no character that could end a header line."""


@dataclass(frozen=True, slots=True)
class Caller:
    """The user for whom, and with whose rights, a request is made."""

    token: str = field(repr=False)


class RequireBearer(SecurityBase):
    """FastAPI dependency that returns the `Caller`, and the Authorize button of OpenAPI.

    A request must have exactly one ``Authorization: Bearer`` header. With two of them the request
    is refused, because another hop might use the other one.

    Raises:
        Unauthorized: there is no token, or it is malformed.
    """

    def __init__(self, *, max_token_chars: int = MAX_TOKEN_CHARS) -> None:
        self.scheme_name = "bearer"
        self.model = HTTPBearer(
            bearerFormat="JWT", description="The `accessToken` of `POST /api/v1/auth/login`."
        )
        self._max_token_chars = max_token_chars

    async def __call__(self, request: Request) -> Caller:
        """Return the caller of ``request``."""
        values = request.headers.getlist("authorization")
        if not values:
            raise Unauthorized("a Bearer token is required in the Authorization header")
        if len(values) > 1:
            raise Unauthorized("more than one Authorization header", error="invalid_request")
        scheme, _, token = values[0].partition(" ")
        token = token.strip(" ")
        if scheme.lower() != "bearer":
            raise Unauthorized(
                "the Authorization header must have a Bearer token", error="invalid_request"
            )
        return caller_of(token, self._max_token_chars)


def caller_of(token: str, max_chars: int = MAX_TOKEN_CHARS) -> Caller:
    """Return the caller who holds ``token``.

    Raises:
        Unauthorized: the token is malformed.
    """
    if len(token) > max_chars or not _B64TOKEN.fullmatch(token):
        raise Unauthorized("the token is malformed", error="invalid_token")
    return Caller(token)


bearer: Final = RequireBearer()
CallerDep = Annotated[Caller, Depends(bearer)]
"""Parameter type of a route that acts as its caller."""
