"""The body of a login: JSON, or the form of OAuth2's password grant (RFC 6749, section 4.3).

The form is for OAuth2 tools, such as the Authorize button of Swagger UI. Its client id, client
secret and scope are ignored, and so are unknown fields, as the RFC requires.
"""

from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import parse_qsl

from fastapi import Request, Response

from wegent_api.accounts.models import Credentials, Token
from wegent_api.http import examples
from wegent_api.http.bodies import (
    FORM_BYTES,
    RefusalsDep,
    counted,
    media_type_of,
    read_bytes,
    read_form,
    validated,
)
from wegent_api.http.errors import BadRequest, Cause
from wegent_api.http.openapi import request_body
from wegent_kube.content_types import JSON
from wegent_kube.encoding import encode_json

FORM: Final = "application/x-www-form-urlencoded"
PASSWORD: Final = "password"  # noqa: S105 - names a grant
FIELDS: Final = ("username", PASSWORD, "grant_type")
MAX_FIELDS: Final = 32
NO_STORE: Final = {"Cache-Control": "no-store", "Pragma": "no-cache"}
"""Headers of an answer with a token (RFC 6749, section 5.1)."""


def _request_body() -> dict[str, Any]:
    body = request_body(Credentials, examples.CREDENTIALS)
    # The form has no schema. For two of them, openapi-python-client makes a module that can't be
    # imported.
    example = {"grant_type": PASSWORD, **examples.CREDENTIALS}
    body["requestBody"]["content"][FORM] = {"example": example}
    return body


REQUEST_BODY: Final = _request_body()
"""The body in the OpenAPI document."""


@dataclass(frozen=True, slots=True)
class PasswordGrant:
    """A login attempt."""

    credentials: Credentials
    oauth: bool
    """True if the credentials came as a form."""

    def answer(self, token: Token) -> Response:
        """Return ``token``, with OAuth2's field names for a form."""
        value = token.model_dump(by_alias=True)
        if self.oauth:
            value |= token.model_dump(by_alias=False)
        return Response(encode_json(value), 200, NO_STORE, media_type=JSON)


async def read(request: Request, refusals: RefusalsDep) -> PasswordGrant:
    """Return the body of a login. FastAPI dependency.

    A refused body counts against the client's address.

    Raises:
        UnsupportedMediaType: the body is neither JSON nor a form.
        BadRequest: the body is malformed.
        Invalid: the values can't be a name and a password.
        TooManyRequests: the address has too many refusals already.
    """
    with counted(request, refusals):
        oauth = media_type_of(request, (JSON, FORM)) == FORM
        value = await (_form_of(request) if oauth else read_form(request))
        return PasswordGrant(validated(Credentials, value), oauth)


async def _form_of(request: Request) -> dict[str, Any]:
    raw = await read_bytes(request, FORM_BYTES)
    try:
        pairs = parse_qsl(
            raw.decode("utf-8"),  # some clients leave characters as they are
            keep_blank_values=True,
            errors="strict",
            max_num_fields=MAX_FIELDS,
        )
    except ValueError:  # UnicodeDecodeError is one
        raise BadRequest("the body must be a form in UTF-8") from None
    known = [(name, value) for name, value in pairs if name in FIELDS]
    fields = dict(known)
    if len(fields) != len(known):
        raise BadRequest("the form has a duplicate field")
    if fields.pop("grant_type", PASSWORD) != PASSWORD:
        message = "must be password, the only supported grant type"
        raise BadRequest.of([Cause("FieldValueNotSupported", "grant_type", message)])
    return fields
